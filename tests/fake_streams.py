"""As much of CuPy's streams, events and memory pools as kernels/cuda/staging.py uses, on a device that works as late and in as
odd an order as streams and events allow."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any


class Stream:
    def __init__(self, device: FakeDevice, *, non_blocking: bool = False) -> None:
        # jobs still to be done, each with what says whether it can be, and how many are done
        self.device, self.waiting, self.done = device, [], 0
        assert non_blocking or device.streams == []  # another one would wait for the main stream, and it for that one
        device.streams.append(self)

    def __enter__(self) -> None:
        self.kept = self.device.here.stream
        self.device.here.stream = self

    def __exit__(self, *failure: Any) -> None:
        self.device.here.stream = self.kept

    def add(self, job: Callable[[], Any], can: Callable[[], bool] = lambda: True) -> None:
        with self.device.lock:
            self.waiting.append((can, job))

    def wait_event(self, event: Event) -> None:
        self.add(lambda: None, event.at)


class Event:
    """A point of a stream: `at` says whether the stream has come there; one that was never recorded is always passed."""

    def __init__(self, device: FakeDevice, *, disable_timing: bool) -> None:
        assert disable_timing
        self.device, self.at = device, lambda: True

    def record(self, stream: Stream | None = None) -> None:
        stream = stream or self.device.here.stream
        with self.device.lock:
            last = stream.done + len(stream.waiting)
        self.at = lambda: stream.done >= last

    def synchronize(self) -> None:
        self.device.work(until=self.at)


class Memory:
    """Storage of a pool; freed storage is used again at once."""

    def __init__(self) -> None:
        self.free: list[list[Any]] = []
        self.made = 0

    def malloc(self) -> Block:
        if not self.free:
            self.made += 1
            self.free.append([None])
        return Block(self, self.free.pop())


class Block:
    def __init__(self, memory: Memory, storage: list[Any]) -> None:
        self.memory, self.storage = memory, storage

    def __del__(self) -> None:
        self.memory.free.append(self.storage)


class Here(threading.local):
    def __init__(self, device: FakeDevice) -> None:
        self.stream = device.streams[0]
        self.malloc = device.memory.malloc


class FakeDevice:
    """choose(streams that can go on) -> the one that does its next job; nothing is done before something waits for it."""

    def __init__(self, choose: Callable[[list[Stream]], Stream]) -> None:
        self.choose, self.lock = choose, threading.RLock()
        self.streams: list[Stream] = []
        self.memory = Memory()
        self.main = Stream(self)
        self.here = Here(self)

    def work(self, until: Callable[[], bool]) -> None:
        with self.lock:
            while not until():
                self.step()

    def step(self) -> None:
        able = [s for s in self.streams if s.waiting and s.waiting[0][0]()]
        assert able, "streams wait for each other"
        stream = self.choose(able)
        stream.waiting.pop(0)[1]()
        stream.done += 1

    def as_cupy(self) -> ModuleType:
        @contextlib.contextmanager
        def using_allocator(malloc: Any) -> Iterator[None]:
            kept, self.here.malloc = self.here.malloc, malloc
            yield
            self.here.malloc = kept

        cupy = ModuleType("cupy")
        cuda = SimpleNamespace(
            Device=contextlib.nullcontext,
            Stream=lambda **options: Stream(self, **options),
            Event=lambda **options: Event(self, **options),
            MemoryPool=Memory,
            using_allocator=using_allocator,
            get_current_stream=lambda: self.here.stream,
        )
        vars(cupy).update(memoize=lambda for_each_device: functools.cache, cuda=cuda)
        return cupy
