"""The next blocks are copied to a device while it works on one, and never over what is still worked on."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest import mock

import array_api_strict
import numpy as np
import pytest
from fake_device import install
from fake_streams import FakeDevice
from toys import problem, random_network, reduce

import pwl.kernels
from pwl.errors import InputError
from pwl.kernels import reference
from pwl.reductions import prefetch
from pwl.reductions.gradients import error
from pwl.reductions.prefetch import prefetched
from pwl.runtime.backend import host, namespace_named

ORDERS = {
    "copies first": lambda device: lambda able: able[-1],
    "work first": lambda device: lambda able: able[0],
    **{f"random {seed}": lambda device, r=random.Random(seed): r.choice for seed in range(20)},
}
BLOCKS = 13


def staging_alone() -> ModuleType:
    """kernels/cuda/staging.py without the package around it, which needs all of CuPy."""
    path = Path(pwl.kernels.__file__).parent / "cuda" / "staging.py"
    spec = importlib.util.spec_from_file_location("staging", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def on(monkeypatch):
    """A function that puts kernels/cuda/staging.py on a fake device."""

    def made(choose) -> SimpleNamespace:
        device = FakeDevice(choose)
        with mock.patch.dict(sys.modules, {"cupy": device.as_cupy()}):
            engine = staging_alone()
        monkeypatch.setattr(prefetch, "engine", lambda theta: engine)
        return SimpleNamespace(device=device, engine=engine)

    return made


def jobs(device, found: list):
    """read, which asks for a copy of a block's number, and compute, which asks for work that sees what is there then."""

    def read(start):
        block = device.here.malloc()
        storage = block.storage  # what the copy knows; that it is asked for keeps no array alive

        def copy():
            storage[0] = start

        device.here.stream.add(copy)
        return start, block

    def compute(start, block):
        storage = block.storage

        def work():
            found.append((start, storage[0]))

        device.here.stream.add(work)
        return (start,)

    return read, compute


@pytest.mark.parametrize("order", ORDERS)
def test_each_block_is_worked_on_when_it_is_there_and_not_overwritten(on, order, two_cores):
    found: list = []
    there = on(ORDERS[order](None))
    read, compute = jobs(there.device, found)
    for run in (1, 2):  # the second in the slots of the first
        assert list(prefetched(read, compute, range(BLOCKS), None)) == [(i,) for i in range(BLOCKS)]
        there.device.work(until=lambda: not any(s.waiting for s in there.device.streams))
        assert found == [(i, i) for i in range(BLOCKS)] * run
    assert len(there.device.streams) == 1 + prefetch.READERS + 1


def test_memory_is_that_of_three_blocks(on, monkeypatch, two_cores):
    made = []
    for _ in range(4):  # a reader that the system stops at the wrong moment holds a block for longer
        pools: list = []
        there = on(ORDERS["copies first"](None))
        pool = type(there.device.memory)
        monkeypatch.setattr(there.engine.cupy.cuda, "MemoryPool", lambda p=pools, new=pool: p.append(new()) or p[-1])
        list(prefetched(*jobs(there.device, []), range(BLOCKS), None))
        made.append([memory.made for memory in pools])
    assert min(made) == [1, 1, 1]


def test_copies_do_not_wait_for_the_work(on, monkeypatch, two_cores):
    """The work of the first block is never done: the next blocks are there all the same, as many as there are slots."""
    there = on(lambda able: able[-1])
    copied = []
    read, compute = jobs(there.device, [])
    computing = prefetched(read, compute, range(BLOCKS), None)
    next(computing)
    main = there.device.main
    monkeypatch.setattr(there.device, "choose", lambda able: [s for s in able if s is not main][-1])
    for stream in there.device.streams[1:]:
        there.device.work(until=lambda s=stream: not s.waiting)
        copied.append(stream.done)
    assert main.waiting
    assert sum(copied) >= 3
    computing.close()


def test_readers_do_not_run_away_from_the_device(on, two_cores):
    """Of what was read, three blocks at most still wait to be copied: more would fill page-locked memory."""
    there = on(lambda able: able[0])
    waiting = []
    read, compute = jobs(there.device, [])

    def counted(start):
        block = read(start)
        with there.device.lock:
            waiting.append(sum(job.__name__ == "copy" for s in there.device.streams for _, job in s.waiting))
        return block

    list(prefetched(counted, compute, range(BLOCKS), None))
    assert max(waiting) == 3


def test_slots_of_a_failure_are_not_used_again(on):
    there = on(lambda able: able[0])
    read, compute = jobs(there.device, [])

    def failing(start, block):
        if start == 4:
            raise ZeroDivisionError
        return compute(start, block)

    with pytest.raises(ZeroDivisionError):
        list(prefetched(read, failing, range(BLOCKS), None))
    assert there.engine._idle(3) == []


def test_one_block_needs_no_slot(monkeypatch):
    monkeypatch.setattr("pwl.reductions.reduce.prefetched", None)
    install(monkeypatch)
    net = random_network("tanh", 2)
    found = reduce(problem(net, 30), error(), net.to(array_api_strict))
    np.testing.assert_allclose(host(found), reduce(problem(net, 30), error(), net), rtol=1e-12)


def test_the_arrays_choose_the_slots(monkeypatch):
    assert pwl.kernels.engine(np.zeros(1)).staging is reference.staging
    assert pwl.kernels.engine(array_api_strict.zeros(1)).staging is reference.staging
    monkeypatch.setattr(pwl.kernels, "is_numpy_array", lambda a: False)
    monkeypatch.setattr(pwl.kernels, "is_cupy_array", lambda a: True)
    monkeypatch.setattr(pwl.kernels, "_cuda", lambda: "pwl.kernels.cuda")
    assert pwl.kernels.engine(np.zeros(1)) == "pwl.kernels.cuda"


@pytest.mark.gpu
@pytest.mark.parametrize("rows", [1_000_000, 7])
def test_on_a_gpu(rows):
    """Copies as long as the work, again and again: what the work sees is what was read."""
    try:
        cupy = namespace_named("cuda")
    except InputError as reason:
        pytest.skip(str(reason))
    numbers = np.random.default_rng(0).standard_normal((40, rows))

    def compute(start, x):
        return cupy.stack([(x * k).sum() for k in range(1, 6)])

    wanted = numbers.sum(axis=1)[:, None] * np.arange(1, 6)
    for _ in range(3):
        found = list(prefetched(lambda start: (start, cupy.asarray(numbers[start])), compute, range(40), cupy.zeros(1)))
        np.testing.assert_allclose(cupy.asnumpy(cupy.stack(found)), wanted, rtol=1e-9, atol=1e-9 * rows)
