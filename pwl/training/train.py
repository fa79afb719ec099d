"""The one loop that drives every algorithm."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pwl import validate
from pwl.algorithms.algorithm import Algorithm, Stop, check_algorithm
from pwl.data.augmentation import Augmentation
from pwl.errors import InputError
from pwl.files.write import check_writable
from pwl.network.network import Network
from pwl.reductions.gradients import error, raw_error
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.runtime.backend import host
from pwl.runtime.bar import progress_bar
from pwl.runtime.given import plain_array
from pwl.runtime.ranks import check_alike, checksum
from pwl.runtime.threads import single_threaded_blas
from pwl.training import checkpoint as checkpoints
from pwl.training.checkpoint import Checkpoint
from pwl.training.limits import CALLBACK, INTERRUPTED, Interrupted, Limits
from pwl.training.record import Record
from pwl.training.run import Job, Run, describe, drawn
from pwl.version import VERSION


def train(
    net: Network,
    data: Any,
    algorithm: Algorithm,
    *,
    iterations: int = 100,
    validation: Any = None,
    test: Any = None,
    parts: Any = None,
    batch_size: int | None = None,
    error_sample: int | None = None,
    augment: Augmentation | None = None,
    max_fail: int = 6,
    min_grad: float = 0.0,
    goal: float = 0.0,
    max_seconds: float | None = None,
    callback: Callable[[Network, Record], Any] | None = None,
    checkpoint: Any = None,
    resume: Any = None,
    progress: bool = False,
    seed: int = 0,
) -> tuple[Network, Record]:
    """Trains a network.

    Parameters
    ----------
    net : Network
        A network that is not initialised is first initialised on the data.
    data, validation, test : (x, t), (x, t, weights) or pwl.Patterns
        The patterns, in raw units if the network carries a preparation. Otherwise they are not scaled here; pwl.Preparation
        does that. Under squared error, targets that are NaN count nothing.
    algorithm : Algorithm
        pwl.AdAct(), pwl.MOLF(), pwl.LM(), ...
    parts : sequence of 2 or 3 int arrays, optional
        Rows of the data for training, validation and test, such as `pwl.data.split` gives, in place of validation= and test=.
        The record keeps them as `record.rows`.
    iterations : int
        The largest number of iterations. An iteration is one step, or with `batch_size` one step per batch until all patterns
        have been used.
    batch_size : int, optional
        Number of patterns per batch. Batches are shuffled anew in each iteration.
    error_sample : int, optional
        With batches, the number of training patterns, drawn once by the seed, whose error is the training error of the record,
        of `goal` and, without validation data, of the choice of the best network. None, or a number above theirs: all. On images,
        a pass over all patterns takes about a fifth of the time of an iteration.
    augment : pwl.Augmentation, optional
        Changes the images of batches, anew in each iteration. Errors are measured on the unchanged images.
    max_fail : int
        Stop after this number of iterations in a row without a new lowest validation error.
    min_grad : float
        Stop when the norm of the gradient is no larger than this. With batches it is the largest norm in an iteration.
    goal : float
        Stop when the training error is no larger than this.
    max_seconds : float, optional
        Stop after this number of seconds.
    callback : function of (net, record), optional
        Called after each iteration. The run stops if it returns True.
    checkpoint : path or pwl.Checkpoint, optional
        File in which the run is saved from time to time, and when it ends.
    resume : path, optional
        A checkpoint. The run goes on from there, to the same bits as a run that was never interrupted.
    progress : bool
        Whether to show a progress bar on the terminal or in the notebook.
    seed : int
        Seed of the shuffling and of all other random numbers in training.

    Returns
    -------
    net : Network
        The best network, with the lowest validation error, or without validation data with the lowest training error.
    record : Record
        The record of the run. Its "error" is the E that is minimised; for a network with a preparation of targets, "raw_error"
        is in their units. If Ctrl-C or a number that is not finite ended the run, the record says so. Ctrl-C gives a warning, too;
        in a loop of runs, `if record.stop_code == "interrupted": break` ends the loop.

    Raises
    ------
    InputError
        If data, network and settings do not fit.
    """
    validate.kind("net", net, Network, "a pwl.Network")
    check_algorithm(algorithm)
    _check_callback(callback)
    validate.seed(seed)
    validate.truth("progress", progress)
    limits = Limits(iterations, max_fail, min_grad, goal, max_seconds)
    given: dict[str, Any] = {"validation": validation, "test": test}
    rows: dict[str, list[int]] = {}
    if parts is not None:
        rows, data, given = divided(data, parts, given)
    patterns, others = _checked(net, data, given)
    # the patterns are in the network's units from here on
    preparation, net = net.preparation, patterns.suited(net).with_preparation(None)
    if batch_size is not None:
        _check_batches(batch_size, algorithm, patterns)
    if error_sample is not None:
        _check_sample(error_sample, batch_size)
    if augment is not None:
        _check_augment(augment, net, batch_size)
        patterns = patterns.augmented(augment)
    comm = patterns.comm
    settings = (limits, batch_size, error_sample, augment, seed, list(others), resume is None)
    check_alike(comm, _facts(net, patterns, algorithm, settings))
    writer = checkpoint if checkpoint is None or isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
    if comm.rank > 0:  # the files are those of rank 0
        writer, progress = None, False
    if writer is not None:
        check_writable(Path(writer.path))
    scale = None if preparation is None or preparation.targets is None else preparation.target_scale
    measured = drawn(patterns, error_sample, seed)
    job = Job(patterns, measured, others, algorithm, batch_size, seed, time.perf_counter(), -patterns.reads.patterns, scale)

    def over(run: Run) -> bool:
        """Whether the callback ends the run."""
        if callback is None or run.stop is not None:
            return False
        net = run.net.remembering(None).with_preparation(preparation)
        return comm.same(_asks_to_stop(callback(net, run.settled().record)))

    # The limit on BLAS is set once, because in every reduction it would take longer than a small reduction.
    import scipy.linalg  # noqa: F401 - so that the limit includes SciPy's own BLAS

    with single_threaded_blas():
        job, run = (job, job.first(net)) if resume is None else checkpoints.resumed(resume, net, job)
        if resume is not None and run.record.rows != rows:
            raise InputError(f"{resume} is of a run on other parts of the data: give the same parts")
        run.record.rows = rows
        _note_ranks(run.record, patterns)
        run = _ended(job, run, limits, writer, over, progress)
    return run.settled().best.remembering(None).with_preparation(preparation), run.record


def _ended(
    job: Job,
    run: Run,
    limits: Limits,
    writer: Checkpoint | None,
    over: Callable[[Run], bool],
    progress: bool,
) -> Run:
    """The run at its end, by a limit, the algorithm, the callback (`over`) or Ctrl-C, and written if that was asked for."""
    try:
        with progress_bar(progress, limits.iterations, "it", run.rows - 1) as done, job.patterns.comm.steady():
            while run.stop is None:
                record = run.settled().record
                job.patterns.comm.meet(run.net.theta, record["error"][-1])
                if (reached := limits.reached(record, "validation" in job.others)) is not None:
                    run = run.ended(reached)
                    break
                run = job.next(run)
                if writer is not None:
                    writer.maybe(run.settled())
                if over(run):
                    run = run.ended(CALLBACK)
                done()
        if writer is not None:
            writer.try_to_write(run.settled())
    except KeyboardInterrupt:
        if run.stop is None:
            run = run.ended(Stop("interrupted", f"{INTERRUPTED} (after iteration {run.rows - 1})"))
        if writer is not None:
            writer.try_to_write(run.settled())
        assert run.stop is not None
        with contextlib.suppress(Interrupted):  # where warnings are errors
            warnings.warn(f"{run.stop.reason}: the best network so far is returned", Interrupted, stacklevel=3)
    return run


class Evaluation(NamedTuple):
    """The result of `evaluate`.

    Attributes
    ----------
    error : float
        E, Eqs. (1), (2), in raw units if the network carries a preparation.
    classification_error : float or None
        Share of patterns whose largest output is wrong; None under squared error.
    """

    error: float
    classification_error: float | None


def evaluate(net: Network, data: Any) -> Evaluation:
    """Computes E of an initialised network, and for classes the share of wrong patterns, Eqs. (1), (2).

    Parameters
    ----------
    net : Network
    data : (x, t), (x, t, weights) or pwl.Patterns

    Returns
    -------
    Evaluation
        With `error` and `classification_error`.

    Raises
    ------
    InputError
        If the network is not initialised, or if data and network do not fit.
    """
    validate.kind("net", net, Network, "a pwl.Network")
    net.check_initialised()
    net, patterns = Patterns.fitting(net, data)
    if net.preparation is not None and not net.loss.classes:
        return Evaluation(float(reduce(raw_error(net.preparation.target_scale), net, patterns)), None)
    scores = reduce(error(), net, patterns)
    return Evaluation(float(scores[0]), float(scores[1]) if scores.shape[0] > 1 else None)


def _checked(net: Network, data: Any, others: dict[str, Any]) -> tuple[Patterns, dict[str, Patterns]]:
    patterns = Patterns.of(data).in_units_of(net)
    patterns.check(net)
    patterns.check_each_output()
    if patterns is not data and net.preparation is not None:
        patterns = patterns.settled()
    rest = {}
    for name, given in others.items():
        if given is not None:
            try:
                rest[name] = Patterns.of(given).in_units_of(net)
                rest[name].check(net)
                if net.preparation is not None:
                    rest[name] = rest[name].settled()
            except InputError as wrong:
                raise InputError(f"{name} data: {wrong}") from None
    return patterns, rest


def divided(data: Any, parts: Any, given: dict[str, Any]) -> tuple[dict[str, list[int]], Patterns, dict[str, Any]]:
    """The rows of the parts by name, the training patterns, and the others. Parts without rows are left out."""
    if any(other is not None for other in given.values()):
        raise InputError("parts= divides the data, so leave out validation= and test=")
    if not isinstance(parts, (tuple, list)) or len(parts) not in (2, 3):
        raise InputError(f"parts must be rows of each part, as pwl.data.split gives, not {validate.shown(parts)}")
    whole = Patterns.given(data)
    found = {}
    for name, part in zip(("training", "validation", "test"), parts, strict=False):
        own = plain_array(part, f"the rows of {name}")
        if own.ndim != 1 or (own.size and (own.dtype.kind not in "iu" or own.min() < 0 or own.max() >= len(whole))):
            raise InputError(f"the rows of {name} must be whole numbers from 0 to {len(whole) - 1}, not {validate.shown(part)}")
        if own.size:
            found[name] = own.astype(np.int64)
    if "training" not in found:
        raise InputError("parts has no rows for training: the first part must have some")
    rows = {name: own.tolist() for name, own in found.items()}
    return rows, whole.take(found["training"]), {name: whole.take(own) for name, own in found.items() if name != "training"}


def _facts(net: Network, patterns: Patterns, algorithm: Algorithm, settings: tuple[Any, ...]) -> dict[str, Any]:
    """What must be alike on all ranks, by name."""
    if patterns.comm.size == 1:
        return {}
    prepared = patterns.preparation and patterns.preparation.to_dict()
    start = [host(a) for a in (net.theta, *net.buffers.values())]
    return {
        "version of pwl": VERSION, "version of NumPy": np.__version__, "algorithm": repr(algorithm), "network": describe(net),
        "starting network (checksum)": checksum(*start), "preparation (checksum)": checksum(prepared), "settings": repr(settings),
    }  # fmt: skip


def _note_ranks(record: Record, patterns: Patterns) -> None:
    """Puts the ranks of this run into its record, and says it if some have no patterns."""
    for name in ("ranks", "rows_a_rank"):  # of a run that is resumed
        record.settings.pop(name, None)
    if patterns.comm.size > 1:
        counts = patterns.standing.counts
        record.settings |= {"ranks": len(counts), "rows_a_rank": list(counts)}
        if patterns.comm.rank == 0 and 0 in counts:
            none = f"{counts.count(0)} of {len(counts)} ranks have no patterns, such as rank {counts.index(0)}"
            warnings.warn(none, stacklevel=3)


def _asks_to_stop(answer: Any) -> bool:
    """Whether a callback returned True or NumPy's True. No other answer stops a run."""
    return isinstance(answer, (bool, np.bool_)) and bool(answer)


def _check_callback(callback: Any) -> None:
    if callback is not None and not callable(callback):
        raise InputError(f"callback must be a function of (net, record), not {validate.shown(callback)}")


def _check_batches(batch_size: Any, algorithm: Algorithm, patterns: Patterns) -> None:
    validate.whole("batch_size", batch_size, unit=" of patterns")
    if batch_size > patterns.count():
        raise InputError(
            f"batch_size {batch_size} is larger than the {patterns.count()} patterns: make it smaller or leave it out"
        )
    if algorithm.full_batch:
        raise InputError(
            f"{type(algorithm).__name__} needs all patterns in every step: leave batch_size out, or use pwl.Adam or pwl.SGD"
        )


def _check_sample(error_sample: Any, batch_size: int | None) -> None:
    validate.whole("error_sample", error_sample, unit=" of patterns")
    if batch_size is None:
        raise InputError("error_sample is for training by batches, because other steps use all patterns: give batch_size, too")


def _check_augment(augment: Any, net: Network, batch_size: int | None) -> None:
    if not isinstance(augment, Augmentation):
        raise InputError(
            f"augment must be an object such as pwl.Augmentation(shift=4, flip=True), not {validate.shown(augment)}"
        )
    augment.check(net.input_shape, batch_size)
