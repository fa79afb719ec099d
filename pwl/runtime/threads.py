"""One policy for threads: blocks of patterns run side by side, and each runs its matrix products on one thread.

While blocks run, BLAS is held to one thread, so that its threads and ours never multiply. The number of workers is the
number of cores that this process may use, or OMP_NUM_THREADS if that is smaller (parallel searches set it). Whole trainings
may run side by side as well, and each has its share of the workers then.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import numpy as np
import threadpoolctl

_sharers: contextvars.ContextVar[int] = contextvars.ContextVar("sharers", default=1)  # jobs that share the cores

LARGEST_KEPT = 2**25 - 2**16  # bytes, just below the size from which the GNU allocator keeps nothing


def workers() -> int:
    """Number of threads that share out blocks of patterns, or whole trainings."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()  # "4,2" is for nested teams, and the outer one counts
    own = min(cores, int(limit)) if limit.isdecimal() and int(limit) > 0 else cores
    return max(1, own // _sharers.get()) if own > 1 and can_start() else 1


@functools.cache
def can_start() -> bool:
    """Whether this process can start threads, which a browser's Python can't. It is tried once."""
    try:
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
    except RuntimeError:
        return False
    return True


@functools.cache
def _controller(with_scipy: bool) -> threadpoolctl.ThreadpoolController:
    """The libraries that are loaded. SciPy brings a BLAS of its own, so there is one controller before and one after it."""
    return threadpoolctl.ThreadpoolController()


class _Limit:
    """The process-wide limit and the number of its users. The first user sets it, and the last restores the old limit.

    Without the count, two reductions that overlap in time would restore each other's limit, and BLAS would stay at one thread.
    """

    lock = threading.Lock()
    users: ClassVar[set[object]] = set()
    context: Any = None

    @classmethod
    def enter(cls, user: object) -> None:
        """Adds a user. The first one sets the limit."""
        with cls.lock:
            if not cls.users:
                cls.context = _controller("scipy.linalg" in sys.modules).limit(limits=1, user_api="blas")
            cls.users.add(user)

    @classmethod
    def leave(cls, user: object) -> None:
        """Removes a user, also one that did not come to be added. The last one gives the limit back."""
        with cls.lock:
            cls.users.discard(user)
            if not cls.users and cls.context is not None:
                cls.give_back()
                cls.context = None

    @classmethod
    def give_back(cls) -> None:
        """Restores the limits found at the start, from any thread. Newer threadpoolctl would obey only the first thread."""
        controller = _controller("scipy.linalg" in sys.modules)
        cls._release(controller)
        cls.context.restore_original_limits()
        cls._release(controller)

    @staticmethod
    def _release(controller: threadpoolctl.ThreadpoolController) -> None:
        for library in controller.lib_controllers:
            if hasattr(library, "clear_controlling_thread"):
                library.clear_controlling_thread(force=True)


def single_threaded_blas() -> contextlib.AbstractContextManager[None]:
    """Context in which BLAS uses one thread. Several threads may be in it at a time. Within it, a further one costs nothing."""
    return _NOTHING_MORE if getattr(_thread, "limited", False) else _limited()


_thread, _NOTHING_MORE = threading.local(), contextlib.nullcontext()


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    user = object()
    try:
        try:
            _Limit.enter(user)
            _thread.limited = True
            yield
        finally:
            _thread.limited = False
            _Limit.leave(user)
    finally:
        _thread.limited = False  # once more, because Ctrl-C may have come in the first
        _Limit.leave(user)


@functools.cache
def keep_freed_memory() -> None:
    """Lets the allocator keep the memory that a block frees for the next block.

    Otherwise each block's arrays come from the system and are cleared anew, which costs up to three times the work itself.
    It is enough to free a large array once, because the GNU allocator then raises its own limits to that size. Nothing is
    written to the array.
    """
    np.empty(LARGEST_KEPT, dtype=np.uint8)


def ordered_map(f: Callable[[Any], Any], items: Iterable[Any], count: int) -> Iterator[Any]:
    """f(item) for each item in order, `workers()` at a time and no more than that many waiting."""
    n = min(workers(), count)
    keep_freed_memory()
    with single_threaded_blas():
        if n <= 1:
            yield from map(f, items)
            return
        with ThreadPoolExecutor(n) as pool:
            waiting: deque = deque()
            for item in items:
                # In a copy of the context, so that NumPy's errstate holds there, too.
                waiting.append(pool.submit(contextvars.copy_context().run, f, item))
                if len(waiting) > n:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()


def side_by_side(
    work: Callable[[Any, Callable[[], bool]], Any], items: Iterable[Any], most: int | None = None
) -> Iterator[Any]:
    """work(item, given_up) for each item in order, as many at a time as there are workers, each with a share of the cores.

    An item is taken when one of the last results has been used. If the work on an item fails or Ctrl-C comes, given_up() is
    true from then on, and the work under way is waited for: it should end soon.

    most: items at a time, at most.
    """
    n, stop = min(workers(), most or workers()), threading.Event()
    if n <= 1:
        yield from (work(item, stop.is_set) for item in items)
        return

    def share(item: Any) -> Any:
        _sharers.set(n)
        try:
            return work(item, stop.is_set)
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(n) as pool:
        try:
            waiting: deque = deque()
            for item in items:
                waiting.append(pool.submit(contextvars.copy_context().run, share, item))
                if len(waiting) > n:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
