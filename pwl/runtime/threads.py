"""One policy for threads: blocks of patterns run side by side, and each runs its matrix products on one thread.

BLAS's own threads and ours never multiply: while blocks run, BLAS is held to one thread. The number of workers is
the number of cores this process may use, or OMP_NUM_THREADS where that is smaller (parallel searches set it).
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
from typing import Any

import numpy as np
import threadpoolctl

LARGEST_KEPT = 2**25 - 2**16  # bytes: just below the size from which that allocator never keeps


def workers() -> int:
    """Threads that blocks of patterns are spread over."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()  # "4,2": of nested teams the outer counts
    return min(cores, int(limit)) if limit.isdigit() and int(limit) > 0 else cores


@functools.cache
def _controller(with_scipy: bool) -> threadpoolctl.ThreadpoolController:
    return threadpoolctl.ThreadpoolController()


class _Limit:
    """The process-wide limit and who asks for it: the first sets it, the last gives back what was found.

    Without the count, two reductions that overlap in time would give back each other's limit, and BLAS stayed at one.
    """

    lock = threading.Lock()
    users = 0
    context: Any = None

    @classmethod
    def give_back(cls) -> None:
        """Sets the limits found at the start, from any thread: newer threadpoolctl else obeys only who came first."""
        controller = _controller("scipy.linalg" in sys.modules)
        cls._release(controller)
        cls.context.restore_original_limits()
        cls._release(controller)

    @staticmethod
    def _release(controller: threadpoolctl.ThreadpoolController) -> None:
        for library in controller.lib_controllers:
            if hasattr(library, "clear_controlling_thread"):
                library.clear_controlling_thread(force=True)


@contextlib.contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Context in which BLAS uses one thread; several threads may be in it at a time."""
    with _Limit.lock:
        if _Limit.users == 0:
            _Limit.context = _controller("scipy.linalg" in sys.modules).limit(limits=1, user_api="blas")
        _Limit.users += 1
    try:
        yield
    finally:
        with _Limit.lock:
            _Limit.users -= 1
            if _Limit.users == 0:
                _Limit.give_back()


@functools.cache
def keep_freed_memory() -> None:
    """Lets the allocator keep what a block frees for the next one: else each block's arrays are fetched from the system and
    cleared anew, which costs up to three times the work itself.

    Freeing a large array once does it: the GNU allocator then raises its own limits to that size. Nothing is written to it.
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
                waiting.append(
                    pool.submit(contextvars.copy_context().run, f, item)
                )  # NumPy's errstate holds there, too
                if len(waiting) > n:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
