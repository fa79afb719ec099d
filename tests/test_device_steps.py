"""What a first-order step costs a device beyond its arithmetic: it waits for nothing, and does nothing twice.

On the device of fake_device.py that is counted. On a GPU CuPy is told that any wait is a failure.
"""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import array_api_strict
import numpy as np
import pytest
from fake_device import DEVICE, install, there
from toys import LOSSES, activations, block_rows, problem, random_network, reduce, take_step

import pwl
from pwl import SGD, Adam, Patterns
from pwl.algorithms.rates import rates
from pwl.errors import InputError
from pwl.network import memory
from pwl.network.network import Network
from pwl.reductions.gradients import error
from pwl.runtime.backend import host, memory_bytes, namespace_named

FIRST_ORDER = [SGD(0.01), SGD(0.01, nesterov=True), Adam(), Adam(weight_decay=0.1, curve_rate=0.1)]
ALL = {**activations(), "apl": pwl.APL(), "spline": pwl.Spline("tanh"), "plu": pwl.PLU(), "scaled": pwl.ScaledActivation("tanh")}


@pytest.fixture
def crossings(monkeypatch):
    return install(monkeypatch)


def steps(algorithm, net: Network, patterns: Patterns, count: int = 2) -> Network:
    state = algorithm.init(net, patterns, 0)
    for _ in range(count):
        net, state, _ = take_step(algorithm, net, patterns, state)
    return net


def forbidden(name: str):
    def call(*_, **__):
        raise AssertionError(f"{name} was called")

    return call


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("algorithm", FIRST_ORDER, ids=repr)
@pytest.mark.parametrize("name", ALL)
def test_steps_read_nothing_back(name, algorithm, loss, crossings, monkeypatch):
    """`clip` would: CuPy's form for array libraries waits for each bound. The results are those of the CPU."""
    net = random_network(ALL[name], (4, 3), loss=loss)
    patterns = problem(net, 30, weights=True)
    wanted, on_device = steps(algorithm, net, patterns), net.to(array_api_strict)
    data = Patterns(*map(there, (patterns.x, patterns.t, patterns.weights)))
    state = algorithm.init(on_device, data, 0)
    crossings.back.clear()
    monkeypatch.setattr(array_api_strict, "clip", forbidden("clip"))
    monkeypatch.setattr(array_api_strict, "argmax", forbidden("argmax"))  # it belongs to scores, which nobody reads
    found = on_device
    for _ in range(2):
        found, state, _ = take_step(algorithm, found, data, state)
    assert crossings.back == []
    np.testing.assert_allclose(host(found.theta), wanted.theta, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ALL)
def test_outputs_take_no_bounds_by_clip(name, loss, crossings, monkeypatch):
    net = random_network(ALL[name], (4, 3), loss=loss)
    patterns = problem(net, 30)
    wanted, on_device = reduce(patterns, error(), net), net.to(array_api_strict)
    data = Patterns(*map(there, (patterns.x, patterns.t)))
    monkeypatch.setattr(array_api_strict, "clip", forbidden("clip"))
    np.testing.assert_allclose(host(reduce(data, error(), on_device)), wanted, rtol=1e-12)


@pytest.mark.gpu
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("algorithm", FIRST_ORDER, ids=repr)
@pytest.mark.parametrize("name", ALL)
def test_no_step_synchronises(name, algorithm, loss):
    try:
        namespace_named("cuda")
    except InputError as reason:
        pytest.skip(str(reason))
    import cupyx

    net = random_network(ALL[name], (4, 3), loss=loss)
    patterns, on_device = problem(net, 300, weights=True), net.to("cuda")
    wanted, data = steps(algorithm, net, patterns, 3), Patterns(*(on_device_array(a) for a in parts(patterns)))
    found, state, _ = take_step(algorithm, on_device, data, algorithm.init(on_device, data, 0))  # compiles
    with cupyx.allow_synchronize(False):
        for _ in range(2):
            found, state, _ = take_step(algorithm, found, data, state)
    np.testing.assert_allclose(host(found.theta), wanted.theta, rtol=1e-7, atol=1e-9)


def parts(patterns: Patterns) -> tuple:
    return patterns.x, patterns.t, patterns.weights


def on_device_array(a):
    return namespace_named("cuda").asarray(a)


def test_rates_that_stay_are_made_once(crossings, monkeypatch):
    monkeypatch.setattr(type(DEVICE), "__hash__", None)  # CuPy's devices have none
    net = random_network("tanh", 4).to(array_api_strict)
    keys = net.keys("map", "head")
    first = rates(net, keys, 0.01, None, 0)
    assert rates(net, keys, 0.01, None, 1) is first
    falling = rates(net, keys, lambda step: 0.1 / (1 + step), None, 1)
    assert falling is not first
    np.testing.assert_array_equal(host(falling), host(first) * 5)
    own = random_network("tanh", 4)
    assert not rates(own, keys, 0.01, None, 0).flags.writeable
    assert rates(own, keys, 0.01, None, 0).dtype == own.theta.dtype


@contextlib.contextmanager
def divisions(monkeypatch, Array):
    """The arrays that are divided meanwhile."""
    divided, divide = [], Array.__truediv__
    with monkeypatch.context() as patch:
        patch.setattr(Array, "__truediv__", lambda a, b: divided.append(a) or divide(a, b))
        yield divided


@pytest.mark.parametrize("penalties", [{}, {"ridge": 0.1, "l2": 0.01, "curve_penalty": 0.1}], ids=["none", "some"])
def test_the_gradient_is_divided_once(penalties, crossings, monkeypatch):
    """However many parameters a network has."""
    counts = []
    for hidden in ((4,), (4, 3, 2)):
        net = random_network(activations()["curves, linear"], hidden).to(array_api_strict)
        data = Patterns(*map(there, parts(problem(net, 30))[:2]))
        algorithm = SGD(0.01, **penalties)
        state = algorithm.init(net, data, 0)
        with divisions(monkeypatch, type(net.theta)) as divided:
            take_step(algorithm, net, data, state)
        counts.append(len(divided))
    assert counts == [1, 1]


# ---- blocks that fill a device


class Card:
    """A device that tells its memory, and has no hash, as CuPy's."""

    __hash__ = None  # type: ignore[assignment]
    mem_info = (10, 80 * 2**30)

    def __init__(self, number: int) -> None:
        self.id = number


def test_a_card_tells_its_memory(crossings):
    assert memory_bytes(SimpleNamespace(device=Card(0))) == 80 * 2**30
    assert memory_bytes(np.zeros(1)) is None
    assert memory_bytes(there(np.zeros(1))) is None


def test_blocks_have_the_size_of_the_cards_memory(crossings, monkeypatch):
    net = random_network("tanh", 4).to(array_api_strict)
    patterns = Patterns(there(np.ones((9, 3))), there(np.ones((9, 3))))
    row = 8 * memory.floats_per_pattern(net)
    assert block_rows(patterns, net) == 2**31 // row
    monkeypatch.setattr(memory, "memory_bytes", lambda a: 80 * 2**30)
    assert block_rows(patterns, net) == 20 * 2**30 // row
    assert block_rows(Patterns(patterns.x, patterns.t, block_bytes=10 * row), net) == 10


def test_predictions_take_blocks_of_the_same_size(crossings, monkeypatch):
    net = random_network("tanh", 4).to(array_api_strict)
    row = 8 * memory.floats_per_pattern(net)
    for blocks in (1, 4):
        monkeypatch.setattr(memory, "memory_bytes", lambda a, blocks=blocks: 4 * row * 40 // blocks)
        seen = []
        with monkeypatch.context() as patch:
            own = pwl.network.predict.outputs
            patch.setattr("pwl.network.predict.outputs", lambda net, x, seen=seen, own=own: seen.append(x.shape[0]) or own(net, x))
            net.predict(there(np.ones((40, 3))))
        assert seen == [40 // blocks] * blocks
