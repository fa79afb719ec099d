"""The one loop that drives every algorithm."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pwl import validate
from pwl.algorithms.algorithm import Algorithm, Stop
from pwl.data.augmentation import Augmentation
from pwl.errors import InputError
from pwl.network.network import Network
from pwl.reductions.gradients import error
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.runtime.threads import single_threaded_blas
from pwl.training import checkpoint as checkpoints
from pwl.training.checkpoint import Checkpoint
from pwl.training.limits import CALLBACK, INTERRUPTED, Limits
from pwl.training.record import Record
from pwl.training.run import Job


def train(
    net: Network,
    data: Any,
    algorithm: Algorithm,
    *,
    iterations: int = 100,
    validation: Any = None,
    test: Any = None,
    batch_size: int | None = None,
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
        It is initialised on the data if it has not been.
    data, validation, test : (x, t), (x, t, weights) or pwl.Patterns
        Used as they are; pwl.Preparation scales.
    algorithm : Algorithm
        pwl.AdAct(), pwl.MOLF(), pwl.LM(), ...
    iterations : int
        At most so many. Each is one pass over the data, in shuffled batches of `batch_size` patterns if that is given.
    augment : pwl.Augmentation, optional
        How the images of batches are changed, anew in each iteration. Errors are those of the images as they are.
    max_fail : int
        Stop after so many iterations in a row without a new lowest validation error.
    min_grad : float
        Stop when the norm of the step's gradient is no larger (of batches, the largest in a pass).
    goal : float
        Stop when the training error is no larger.
    max_seconds : float, optional
        Stop after so many seconds.
    callback : function of (net, record), optional
        Called after each iteration; the run stops if it returns True.
    checkpoint : path or pwl.Checkpoint, optional
        The run is written down there now and then, and when it ends.
    resume : path, optional
        A checkpoint. The run goes on from there to the same bits as one that was never interrupted.
    progress : bool
        Whether a bar is shown on the terminal.
    seed : int
        Of the shuffling.

    Returns
    -------
    net : Network
        The one with the lowest validation error, or without validation data with the lowest training error.
    record : Record
        Ctrl-C and numbers that are no longer finite end the run with the best network so far, and the record says so.

    Raises
    ------
    InputError
        If data, network and settings do not fit.
    """
    _check_algorithm(algorithm, callback)
    validate.seed(seed)
    limits = Limits(iterations, max_fail, min_grad, goal, max_seconds)
    patterns, others = _checked(net, data, {"validation": validation, "test": test})
    if batch_size is not None:
        _check_batches(batch_size, algorithm, patterns)
    if augment is not None:
        _check_augment(augment, net, batch_size)
        patterns = patterns.augmented(augment)
    writer = Checkpoint(checkpoint) if isinstance(checkpoint, (str, os.PathLike)) else checkpoint
    job = Job(patterns, others, algorithm, batch_size, seed, time.perf_counter(), -patterns.passes)
    if resume is None:
        run = job.first(net)
    else:
        job, run = checkpoints.resumed(resume, net, job)
    try:
        # the limit on BLAS is set once for all, and on SciPy's too: setting it in every reduction takes longer than a small one
        import scipy.linalg  # noqa: F401

        with _bar(progress, iterations, run.rows - 1) as bar, single_threaded_blas():
            while run.stop is None:
                if (reached := limits.reached(run.settled().record, validation is not None)) is not None:
                    run = run.ended(reached)
                    break
                run = job.next(run)
                if writer is not None:
                    writer.maybe(run.settled())
                if callback is not None and run.stop is None and _is_true(callback(run.net, run.settled().record)):
                    run = run.ended(CALLBACK)
                bar.update()
        if writer is not None:
            writer.write(run.settled())
    except KeyboardInterrupt:
        if run.stop is None:
            run = run.ended(Stop("interrupted", f"{INTERRUPTED} (after iteration {run.rows - 1})"))
        if writer is not None:
            writer.write(run.settled())
    return run.settled().best, run.record


def _bar(progress: bool, iterations: int, done: int) -> Any:
    """A progress bar if one was asked for and standard error is a terminal."""
    from tqdm import tqdm

    return tqdm(total=iterations, initial=done, unit="it", leave=False, disable=None if progress else True)


class Evaluation(NamedTuple):
    """error: E. classification_error: share of patterns whose largest output is wrong, None under squared error."""

    error: float
    classification_error: float | None


def evaluate(net: Network, data: Any) -> Evaluation:
    """E of an initialised network, Eqs. (1), (2).

    Parameters
    ----------
    net : Network
    data : (x, t), (x, t, weights) or pwl.Patterns

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        For a network that is not initialised, and if data and network do not fit.
    """
    net.check_initialised()
    patterns = Patterns.of(data)
    patterns.check(net)
    scores = reduce(error(), net, patterns)
    return Evaluation(float(scores[0]), float(scores[1]) if scores.shape[0] > 1 else None)


def _checked(net: Network, data: Any, others: dict[str, Any]) -> tuple[Patterns, dict[str, Patterns]]:
    patterns = Patterns.of(data)
    patterns.check(net)
    rest = {}
    for name, given in others.items():
        if given is not None:
            try:
                rest[name] = Patterns.of(given)
                rest[name].check(net)
            except InputError as wrong:
                raise InputError(f"{name} data: {wrong}") from None
    return patterns, rest


def _is_true(answer: Any) -> bool:
    """True or NumPy's True; anything else that a callback returns does not stop the run."""
    return isinstance(answer, (bool, np.bool_)) and bool(answer)


def _check_algorithm(algorithm: Any, callback: Any) -> None:
    if isinstance(algorithm, type) or not isinstance(algorithm, Algorithm):
        raise InputError(
            f"an algorithm is an object such as pwl.AdAct() or pwl.MOLF(), not {algorithm!r}; one of your own derives from "
            "pwl.algorithms.Algorithm"
        )
    if callback is not None and not callable(callback):
        raise InputError(f"callback must be a function of (net, record), not {callback!r}")


def _check_batches(batch_size: Any, algorithm: Algorithm, patterns: Patterns) -> None:
    validate.whole("batch_size", batch_size, unit=" of patterns")
    if batch_size > len(patterns):
        raise InputError(
            f"batch_size {batch_size} is larger than the {len(patterns)} patterns: make it smaller or leave it out"
        )
    if algorithm.full_batch:
        raise InputError(
            f"{type(algorithm).__name__} needs all patterns in every step: leave batch_size out, or use pwl.Adam or pwl.SGD"
        )


def _check_augment(augment: Any, net: Network, batch_size: int | None) -> None:
    if not isinstance(augment, Augmentation):
        raise InputError(f"augment is an object such as pwl.Augmentation(shift=4, flip=True), not {augment!r}")
    augment.check(net.input_shape, batch_size)
