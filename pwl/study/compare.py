"""Comparisons of several algorithms on the same data, folds and starting networks."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pwl.data import Fold
from pwl.data import folds as make_folds
from pwl.data.preparation import Preparation
from pwl.data.rows import Rows
from pwl.data.shares import everywhere, numbered, own_rows
from pwl.data.split import numbered as check_groups
from pwl.data.targets import known
from pwl.data.weights import checked_weights
from pwl.errors import InputError
from pwl.learners.named import LEARNERS, NETWORKS, Learner, Shape, network, rescale
from pwl.learners.outcome import Outcome
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import as_array
from pwl.runtime.ranks import Communicator, Serial, ranks_given
from pwl.runtime.threads import workers
from pwl.study.baselines import BASELINES, COMPARED, Data, chosen
from pwl.study.frames import Frames
from pwl.study.processes import end_with_parent, environment, interrupts_held
from pwl.training.record import Record
from pwl.training.train import train
from pwl.validate import kind, nearest, one_of, shown, whole


@dataclass(frozen=True)
class Settings(Shape):
    """The settings that all learners share: those of `Shape`, and the following.

    Attributes
    ----------
    iterations : int
        Iterations per run.
    k : int
        Number of folds.
    seed : int
        Seed of the folds and of the starting networks.
    max_fail : int or None
        Iterations without a new lowest validation error that end a run. None runs all iterations.
    device : {"cpu", "cuda"}
        Device of the training. Outcomes are on the host.
    """

    iterations: int = 100
    k: int = 5
    seed: int = 0
    max_fail: int | None = None
    device: str = "cpu"


Watch = Callable[[str, int, int], None]


def compare(
    x: Any,
    t: Any,
    names: Sequence[str] = COMPARED,
    settings: Settings = Settings(),
    classes: Sequence[str] | None = None,
    jobs: int | Communicator = 1,
    watch: Watch | None = None,
    done: Mapping[tuple[str, int], Outcome] | None = None,
    weights: Any = None,
    comm: Communicator | None = None,
    groups: Any = None,
    **options: Any,
) -> Iterator[Outcome]:
    """Trains several algorithms on the same data, folds and starting weights.

    Inputs are standardised (images channel by channel), and targets are centred and scaled by one common factor. Both are
    fitted on the fold's training data. KeyboardInterrupt ends the comparison, and the outcomes so far stay valid.

    Parameters
    ----------
    x : array (Nv, N) or (Nv, height, width, channels)
        Inputs.
    t : array (Nv, M) or (Nv,)
        Real targets, or integer class numbers (Nv,).
    names : sequence of str
        Names in pwl.learners.named.LEARNERS, such as "adact", "molf", "lm", or "ridge" for ridge regression and "default" for
        the default learner with one network of each form.
    settings : Settings
        The settings that all learners share.
    classes : sequence of str, optional
        Names of the classes.
    jobs : int or Communicator
        Number of processes that share the runs, or `pwl.ranks()`, whose ranks do. All of them get all outcomes.
    watch : function of (name, fold, steps), optional
        Called with the number of iterations since its last call.
    done : mapping of (name, fold) to Outcome, optional
        Outcomes that are not run again. They are yielded in their turn.
    weights : array (Nv,), optional
        Weights of the patterns. Those of weight 0 are left out.
    comm : Communicator, optional
        `pwl.ranks()`, if its ranks share the patterns of each run: x, t, weights and groups are then those of this rank.
    groups : array (Nv,), optional
        A group per pattern, which stays whole in each fold's parts.
    **options
        Single settings, such as iterations=50, k=3, hidden=(10,).

    Yields
    ------
    Outcome
        One per learner and fold, fold by fold, with errors in raw units.

    Raises
    ------
    InputError
        For an unknown name, or if data and settings do not fit.
    """
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise InputError(f"names must be a list of algorithms, not {shown(names)}: put it into a list")
    chosen(names)
    if comm is not None and comm.size > 1 and any(name in BASELINES for name in names):
        raise InputError(f"{' and '.join(BASELINES)} can't be compared by several processes: leave them out of the algorithms")
    settings = _settings(settings, options)
    if not isinstance(jobs, Communicator):
        whole("jobs", jobs)
    x, t = as_array(x, "inputs x"), as_array(t, "targets t")
    if t.ndim == 1 and t.dtype.kind == "f":
        t = t[:, None]
    if not x.ndim or not t.ndim or x.shape[0] != t.shape[0]:
        raise InputError(f"inputs {tuple(x.shape)} and targets {tuple(t.shape)} came, wanted as many of both: one per pattern")
    if t.ndim == 1 and t.dtype.kind not in "iub":
        raise InputError(
            f"the targets came as labels ({t.dtype}), wanted class numbers: numpy.unique(labels, return_inverse=True) gives "
            "classes= and these numbers"
        )
    comm = ranks_given(comm)
    w = None if weights is None else checked_weights(weights, x.shape[0], least=comm.size == 1)
    if groups is not None:
        check_groups("groups", groups, x.shape[0])
    g = None if groups is None else np.asarray(groups)  # as given: ranks must name a group alike
    if (rows := known(t).rows) is not None:
        x, t, w, g = x[rows], t[rows], None if w is None else w[rows], None if g is None else g[rows]
    if w is not None and not w.all():
        x, t, w, g = x[w > 0], t[w > 0], w[w > 0], None if g is None else g[w > 0]
    done = done or {}
    tasks = [(name, number) for number in range(settings.k) for name in names]
    left = [task for task in tasks if task not in done]
    if t.ndim == 1 and classes is None:
        classes = [str(label) for label in range(int(max(comm.allgather(t.max(initial=0)))) + 1)]
    own = [Fold(*(own_rows(comm, len(t), rows) for rows in fold)) for fold in data_folds(t, settings, comm, g)]
    problem = Problem(x, t, classes, settings, own, w, comm, g)
    return _in_order(problem, tasks, left, jobs, watch, done)


def _settings(settings: Settings, options: Mapping[str, Any]) -> Settings:
    """The settings with single ones replaced, checked."""
    kind("settings", settings, Settings, "a pwl.study.compare.Settings")
    known = [field.name for field in dataclasses.fields(Settings)]
    for name in options:
        if name not in known:
            raise InputError(f"unknown setting {name!r}{nearest(name, known)}: use one of {', '.join(known)}")
    settings = dataclasses.replace(settings, **options)
    whole("iterations", settings.iterations)
    whole("k", settings.k, 3)
    whole("seed", settings.seed, 0)
    one_of("network", settings.network, NETWORKS)
    return settings


def _in_order(
    problem: Problem,
    tasks: list[tuple[str, int]],
    left: list[tuple[str, int]],
    jobs: int | Communicator,
    watch: Watch | None,
    done: Mapping[tuple[str, int], Outcome],
) -> Iterator[Outcome]:
    """The outcomes of all tasks in their order; only those that are left are run."""
    if isinstance(jobs, Communicator):
        started = _by_ranks(problem, left, jobs, watch)
    else:
        started = _side_by_side(problem, left, jobs, watch) if jobs > 1 else _in_turn(problem, left, watch)
    with contextlib.closing(started) as runs:
        for task in tasks:
            if task in done and watch is not None:
                watch(*task, problem.settings.iterations)
            yield done[task] if task in done else next(runs)


def _in_turn(problem: Problem, tasks: list[tuple[str, int]], watch: Watch | None) -> Generator[Outcome, None, None]:
    warm(problem.settings.device)
    for name, number in tasks:
        outcome = run(problem, name, number, watch)
        _finished(outcome.record)
        yield outcome


def _by_ranks(
    problem: Problem, tasks: list[tuple[str, int]], comm: Communicator, watch: Watch | None
) -> Generator[Outcome, None, None]:
    """The runs by several ranks, a round of one for each. Ctrl-C ends the runs of a round together."""
    warm(problem.settings.device)
    with comm.steady():
        for first in range(0, len(tasks), comm.size):
            found = [run(problem, *task, watch, comm) for task in tasks[first + comm.rank : first + comm.rank + 1]]
            for rank, outcomes in enumerate(comm.allgather([] if comm.interrupted else found)):
                for outcome in outcomes:
                    if watch is not None and rank != comm.rank:
                        watch(outcome.name, outcome.fold, problem.settings.iterations)
                    yield outcome
            comm.meet()


class Problem(NamedTuple):
    """The data, settings and folds that all runs of a comparison share. comm: the ranks that share the patterns of each run.

    groups: of the patterns (Nv,), or None.
    """

    x: np.ndarray
    t: np.ndarray
    classes: Sequence[str] | None
    settings: Settings
    folds: list[Fold]
    weights: np.ndarray | None = None
    comm: Communicator = Serial()
    groups: np.ndarray | None = None


def data_folds(
    t: np.ndarray, settings: Settings, comm: Communicator = Serial(), groups: np.ndarray | None = None
) -> list[Fold]:
    """The folds of a comparison, drawn by the seed, by the numbers of the patterns on all ranks.

    They are stratified for classes, or keep groups whole. Raises InputError if one of them trains on fewer than two patterns.
    """
    labels = everywhere(comm, t) if t.ndim == 1 and groups is None else None
    found = make_folds(
        numbered(comm, len(t))[1], settings.k, settings.seed, labels, None if groups is None else everywhere(comm, groups)
    )
    if (fewest := min(len(fold.train) for fold in found)) < 2:
        raise InputError(f"{settings.k} folds leave {fewest} pattern to train on, wanted two: add patterns, or take more folds")
    return found


def run(problem: Problem, name: str, number: int, watch: Watch | None = None, asked: Communicator = Serial()) -> Outcome:
    """The outcome of one learner on one fold. asked: ranks that hold back Ctrl-C, which then ends the run."""
    x, t, classes, settings, folds, w, comm, groups = problem
    fold = folds[number]
    own = None if w is None else w[fold.train]
    preparation = Preparation.fit(
        Rows(x, fold.train), Rows(t, fold.train), targets="common", classes=classes, weights=own, comm=comm
    )
    seed = settings.seed + number
    if name in BASELINES:
        net, record = BASELINES[name](Data(x, t, w, groups), fold, preparation, settings, seed)
    else:
        parts = {part: Patterns.prepared(x, t, preparation, rows, w, comm) for part, rows in fold._asdict().items()}
        start = network(LEARNERS[name], settings, x.shape[1:], preparation, seed).to(settings.device)

        def tick() -> bool:
            if watch is not None:
                watch(name, number, 1)
            return asked.interrupted

        best, record = trained(start, LEARNERS[name], parts, settings, Frames(settings.iterations, number == 0), tick)
        rescale(record, preparation)
        net = best.to("cpu").with_preparation(preparation)
    if watch is not None:
        watch(name, number, settings.iterations - record.iterations)  # a run that stopped early is done
    record.settings |= {
        "fold": number,
        "folds": settings.k,
        "start_seed": seed,
        "device": settings.device,
    }
    return Outcome(name, number, net, record)


def trained(
    start: Network,
    learner: Learner,
    parts: Mapping[str, Patterns],
    settings: Settings,
    frames: Frames,
    tick: Callable[[], bool],
) -> tuple[Network, Record]:
    """The best network of a run and its record, which keeps the frames. tick: called after each iteration, whether to stop."""
    trains = range(parts["train"].count())

    def after(net: Network, record: Record) -> bool:
        frames.see(net, record.iterations)
        return tick()

    net, record = train(
        start,
        parts["train"],
        settings.algorithm(learner, trains, settings.iterations),
        iterations=settings.iterations,
        batch_size=settings.batch(learner, trains),
        augment=settings.augment,
        validation=parts["validation"],
        test=parts["test"],
        max_fail=settings.iterations + 1 if settings.max_fail is None else settings.max_fail,
        seed=settings.seed,
        callback=after,
    )
    frames.keep(record)
    return net, record


def warm(device: str = "cpu") -> None:
    """Trains tiny networks, so that the first algorithm's time does not include the loading of libraries and kernels."""
    x = np.linspace(-1, 1, 16)[:, None]
    preparation = Preparation.fit(x, x, targets="common")
    for learner in LEARNERS.values():
        net = network(learner, Shape(hidden=(2,), hinges=3), (1,), preparation, 0).to(device)
        _finished(train(net, (x, x**2), learner.algorithm, iterations=1, batch_size=learner.batch(x))[1])


def _finished(record: Record) -> None:
    """Raises KeyboardInterrupt if Ctrl-C ended the run, because `train` ends only that run."""
    if record.stop_code == "interrupted":
        raise KeyboardInterrupt


def _side_by_side(
    problem: Problem, tasks: list[tuple[str, int]], jobs: int, watch: Watch | None
) -> Generator[Outcome, None, None]:
    """The runs in several processes, each with its share of the cores."""
    if isinstance(problem.x, np.memmap):
        raise InputError("processes can't share a table that is too large for memory: use one job")
    import multiprocessing  # these two would add a tenth to the time of `import pwl`
    from concurrent.futures import ProcessPoolExecutor

    context = multiprocessing.get_context("spawn")
    others = multiprocessing.active_children()
    with ProcessPoolExecutor(min(jobs, len(tasks)), context, initializer=_share, initargs=(problem,)) as pool:
        try:
            with environment(max(1, workers() // jobs)), interrupts_held():
                futures = [pool.submit(_run_shared, task) for task in tasks]  # starts the processes
            for (name, number), future in zip(tasks, futures, strict=True):
                outcome, notes = _result(future)
                for note in notes:
                    warnings.warn(note)
                if watch is not None:
                    watch(name, number, problem.settings.iterations)
                yield outcome
        except BaseException:
            for process in multiprocessing.active_children():
                if process not in others:
                    process.terminate()
            raise


_shared: list[Problem] = []  # in a worker process, the problem that its runs share, so that it is sent once


def _result(future: Any) -> tuple[Outcome, list[str]]:
    """The result of a run. Raises InputError if its process was ended from outside."""
    from concurrent.futures.process import BrokenProcessPool

    try:
        return future.result()
    except BrokenProcessPool:
        raise InputError(
            "a process of the comparison was ended from outside, perhaps because memory ran out: use fewer jobs"
        ) from None


def _share(problem: Problem) -> None:
    threading.Thread(target=end_with_parent, daemon=True).start()
    _shared[:] = [problem]
    from tqdm import tqdm

    tqdm.set_lock(threading.RLock())  # the usual lock is one of the system's, and would remain after a process is ended
    warm(problem.settings.device)


def _run_shared(task: tuple[str, int]) -> tuple[Outcome, list[str]]:
    """The outcome, and the warnings that the parent is to give."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")  # PYTHONWARNINGS may have made them errors
        outcome = run(_shared[0], *task)
    return outcome, [str(warning.message) for warning in caught]
