"""Nothing of data size moves between host and device inside a step, and how often anything moves doesn't grow with the patterns.

The device is that of fake_device.py, which counts every way across.
"""

from __future__ import annotations

import dataclasses

import array_api_strict
import numpy as np
import pytest
from fake_device import DEVICE, HOST, Crossings, install, there
from toys import LOSSES, block_rows, curve, problem, random_network, reduce, take_step

import pwl
from pwl import LM, MOLF, OWOBP, SGD, AdAct, Adam, BayesianLM, MinibatchAdAct, Patterns, VarPro
from pwl.network.memory import floats_per_pattern
from pwl.network.network import Network
from pwl.reductions.gradients import error
from pwl.reductions.statistic import Statistic
from pwl.runtime.backend import host


@pytest.fixture
def crossings(monkeypatch) -> Crossings:
    return install(monkeypatch)


def repeated(patterns: Patterns, times: int) -> tuple:
    """Each pattern so many times: sums grow, decisions stay."""
    parts = (patterns.x, patterns.t, patterns.weights)
    return tuple(None if a is None else np.concatenate([a] * times) for a in parts)


def steps(algorithm, net: Network, patterns: Patterns, crossings: Crossings, count: int = 2):
    """The network after some steps, and what crossed during them."""
    state = algorithm.init(net, patterns, 0)
    crossings.there.clear()
    crossings.back.clear()
    for _ in range(count):
        net, state, _ = take_step(algorithm, net, patterns, state)
    return net, (list(crossings.there), list(crossings.back))


FULL = [
    AdAct(),
    AdAct("hwo", "unit", curve_penalty=0.01, ridge=0.01, l2=0.01, safeguard=True),
    MOLF(),
    MOLF("hwo"),
    MOLF.damped(ridge=0.01),  # a ridge by evidence depends on the number of patterns, and with it the trials
    AdAct.damped(ridge=0.01),
    AdAct.damped(ridge=0.01, curve_direction="newton", curve_factor="unit"),
    OWOBP(),
    OWOBP("heuristic"),
    pwl.CG(),
    pwl.SCG(),
    pwl.LBFGS(),
    LM(train_curves=True),
    LM(solver="cholesky"),
    VarPro(),
    VarPro(solver="qr"),
    BayesianLM(),
    SGD(0.01),
    Adam(),
    MinibatchAdAct(),
]
GROWS = {MinibatchAdAct: 4}  # bytes a pattern and step from the second on: the number that draws a pattern's root


@pytest.mark.parametrize("algorithm", FULL, ids=repr)
@pytest.mark.parametrize("weights", [pytest.param(False, marks=pytest.mark.slow), True])
def test_steps_on_patterns_that_are_there(algorithm, weights, crossings):
    net = random_network(curve(), 4, outputs=2)
    patterns = problem(net, 40, weights=weights)  # more rows of LM's Jacobian than weights: triangles have one size
    on_device = net.to(array_api_strict)
    found = {}
    for times in (1, 2):
        data = repeated(patterns, times)
        wanted, _ = steps(algorithm, net, Patterns(*data), crossings)
        several = Patterns(*map(there, data), block_bytes=40_000)
        moved, found[times] = steps(algorithm, on_device, several, crossings)
        assert moved.theta.device == DEVICE
        assert np.linalg.norm(host(moved.theta) - wanted.theta) < 1e-7 * np.linalg.norm(wanted.theta)
    assert block_rows(several, on_device) < 80  # several blocks
    (to_1, from_1), (to_2, from_2) = found[1], found[2]
    assert (len(to_1), from_1) == (len(to_2), from_2)
    assert sum(to_2) - sum(to_1) == 40 * GROWS.get(type(algorithm), 0)


@pytest.mark.parametrize("algorithm", [AdAct(), LM(), SGD(0.01)], ids=repr)
def test_patterns_of_the_host_cross_once_a_pass_and_never_come_back(algorithm, crossings):
    net = random_network(curve(), 4, outputs=2)
    data = repeated(problem(net, 30), 1)
    _, resident = steps(algorithm, net.to(array_api_strict), Patterns.of(Patterns(*map(there, data))), crossings)
    patterns = Patterns(*data, block_bytes=40_000)
    _, (_, back) = steps(algorithm, net.to(array_api_strict), patterns, crossings)
    assert back == resident[1]
    before = patterns.passes
    _, (to, _) = steps(algorithm, net.to(array_api_strict), patterns, crossings)
    passes = patterns.passes - before
    assert passes >= 2 and passes == int(passes)
    assert sum(to) - sum(resident[0]) == passes * (data[0].nbytes + data[1].nbytes)


@pytest.mark.parametrize("algorithm", [SGD(0.01), Adam(), SGD(0.01, ridge=0.1, curve_penalty=0.1)], ids=repr)
def test_first_order_steps_read_nothing_back(algorithm, crossings):
    """They would wait for the device, which has the next step's work only then."""
    net = random_network(curve(), 4, outputs=2)
    data = map(there, repeated(problem(net, 30), 1))
    _, (_, back) = steps(algorithm, net.to(array_api_strict), Patterns(*data), crossings, 3)
    assert back == []


def test_a_batch_costs_its_row_numbers(crossings):
    net = random_network(curve(), 4, outputs=2)
    x, t, _ = repeated(problem(net, 60), 1)
    on_device, found = net.to(array_api_strict), {}
    for size in (10, 40):
        rows = np.random.default_rng(0).permutation(60)[:size]
        batch = Patterns(there(x), there(t)).batch(rows, (0, 1), 0)
        moved, found[size] = steps(SGD(0.01), on_device, batch, crossings, 1)
        wanted, _, _ = take_step(SGD(0.01), net, Patterns(x[rows], t[rows]), SGD(0.01).init(net, Patterns(x, t), 0))
        assert np.max(np.abs(host(moved.theta) - wanted.theta)) < 1e-12
    assert sum(found[40][0]) - sum(found[10][0]) == 2 * 30 * 8  # of inputs and of targets
    assert found[40][1] == found[10][1]


# ---- raw data with a preparation


def raw_problem(loss: str, Nv: int) -> tuple[Network, np.ndarray, np.ndarray, pwl.Preparation]:
    """A network that carries the preparation of raw data, and these: offsets and scales of their own, labels 0 and 1."""
    rng = np.random.default_rng(3)
    x = 50 + 9 * rng.standard_normal((Nv, 3))
    t = rng.integers(0, 2, Nv) if loss == "cross_entropy" else 7 - 4 * rng.standard_normal((Nv, 2))
    preparation = pwl.Preparation.fit(x, t, classes=(0, 1) if loss == "cross_entropy" else None)
    return random_network(curve(), 4, outputs=2, loss=loss).with_preparation(preparation), x, t, preparation


@pytest.fixture
def no_prefetching(monkeypatch) -> None:
    """Blocks that are brought by threads of their own would fail the test."""
    monkeypatch.setattr("pwl.reductions.reduce.prefetched", None)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("algorithm", [AdAct(), SGD(0.01)], ids=repr)
def test_raw_patterns_are_prepared_where_they_are(algorithm, loss, crossings, no_prefetching):
    net, x, t, preparation = raw_problem(loss, 120)
    on_device, found = net.to(array_api_strict), {}
    for Nv in (40, 120):
        raw = Patterns(there(x[:Nv]), there(t[:Nv]), preparation=preparation)
        assert raw.are_beside(on_device)
        moved, found[Nv] = steps(algorithm, on_device, raw, crossings)
        wanted, _ = steps(algorithm, net.with_preparation(None), Patterns(*preparation.transform(x[:Nv], t[:Nv])), crossings)
        assert moved.theta.device == DEVICE
        assert np.linalg.norm(host(moved.theta) - wanted.theta) < 1e-9 * np.linalg.norm(wanted.theta)
    assert found[40] == found[120]


@pytest.mark.parametrize("loss", LOSSES)
def test_blocks_of_raw_patterns_cross_as_a_few_numbers_each(loss, crossings, no_prefetching):
    """The offsets and scales go there, and one number says that inputs or targets are what they should be."""
    net, x, t, preparation = raw_problem(loss, 120)
    raw = Patterns(there(x), there(t), preparation=preparation, block_bytes=20_000)
    on_device = net.to(array_api_strict)
    blocks = -(-120 // block_rows(raw, on_device))
    assert blocks > 2
    crossings.there.clear()
    crossings.back.clear()
    reduce(raw, error(), on_device)
    columns = 3 if loss == "cross_entropy" else 5
    assert sum(crossings.there) == 2 * 8 * columns * blocks
    assert crossings.back == [8] * (2 * blocks)


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_patterns_are_checked_where_they_are(loss, prepared, crossings):
    net, x, t, preparation = raw_problem(loss, 120)
    on_device, found = net.to(array_api_strict), {}
    for Nv in (40, 120):
        patterns = Patterns(there(x[:Nv]), there(t[:Nv]), preparation=preparation if prepared else None)
        crossings.there.clear()
        crossings.back.clear()
        patterns.check(on_device)
        found[Nv] = list(crossings.there), list(crossings.back)
    assert found[40] == found[120]
    assert set(found[40][1]) == {8}


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_what_is_wrong_on_the_device_is_said_with_its_row(loss, prepared, crossings):
    net, x, t, preparation = raw_problem(loss, 20)
    on_device, options = net.to(array_api_strict), {"preparation": preparation if prepared else None}
    bad_x, bad_t = x.copy(), t.copy()
    bad_x[7, 2] = np.nan
    bad_t[5] = 9 if loss == "cross_entropy" else np.inf
    with pytest.raises(pwl.InputError, match="input in row 7, column 2 is nan"):
        Patterns(there(bad_x), there(t), **options).check(on_device)
    words = "label 9" if loss == "cross_entropy" else "target in row 5, column 0 is inf"
    with pytest.raises(pwl.InputError, match=words):
        Patterns(there(x), there(bad_t), **options).check(on_device)


@pytest.mark.parametrize("t", [np.ones(6), np.ones((6, 3)), np.ones((6, 2), complex)])
def test_targets_on_the_device_that_do_not_fit(t, crossings):
    net = random_network(curve(), 4, outputs=2)
    with pytest.raises(pwl.InputError, match="target"):
        Patterns(there(np.ones((6, 3))), there(t)).check(net.to(array_api_strict))


@pytest.mark.parametrize("loss", LOSSES)
def test_a_run_on_raw_arrays_of_the_device(loss, crossings):
    net, x, t, preparation = raw_problem(loss, 60)
    options = {"iterations": 3}
    wanted, record = pwl.train(net, Patterns(x, t, preparation=preparation), AdAct(), **options)
    raw = Patterns(there(x), there(t), preparation=preparation)
    found, also = pwl.train(net.to(array_api_strict), raw, AdAct(), **options)
    np.testing.assert_allclose(also["error"], record["error"], rtol=1e-9)
    assert np.linalg.norm(host(found.theta) - wanted.theta) < 1e-7 * np.linalg.norm(wanted.theta)


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_predictions_stay_on_the_device(loss, prepared, crossings):
    net, x, _, _ = raw_problem(loss, 120)
    net = net if prepared else dataclasses.replace(net, preparation=None)
    on_device, found = net.to(array_api_strict), {}
    for Nv in (40, 120):
        inputs = there(x[:Nv])
        crossings.there.clear()
        crossings.back.clear()
        y = on_device.predict(inputs)
        found[Nv] = list(crossings.there), list(crossings.back)
        assert y.device == DEVICE
        np.testing.assert_allclose(host(y), net.predict(x[:Nv]), rtol=1e-12)
    assert found[40] == found[120]
    assert set(found[40][1]) == {8}


# ---- images


def image_net(*more) -> Network:
    layers = [
        pwl.layers.Conv2d(3, 3, padding="same"), pwl.layers.BatchNorm2d(group=4), pwl.PiecewiseLinear("relu", 7),
        pwl.layers.MaxPool2d(2), pwl.layers.Flatten(), *more, pwl.layers.Dense(3),
    ]  # fmt: skip
    return dataclasses.replace(Network.from_layers(layers, (6, 6, 2), dtype=np.float64), initialised=True, bypass=False)


@pytest.mark.parametrize("algorithm", [SGD(0.01), Adam(), AdAct(), MOLF(), MinibatchAdAct()], ids=repr)
def test_steps_on_images(algorithm, crossings):
    net, found = image_net(), {}
    patterns = problem(net, 12)
    wanted, _ = steps(algorithm, net, patterns, crossings)
    for times in (1, 2):
        on_device = Patterns(*map(there, repeated(patterns, times)))
        moved, found[times] = steps(algorithm, net.to(array_api_strict), on_device, crossings)
        if times == 1:
            assert np.linalg.norm(host(moved.theta) - wanted.theta) < 1e-7 * np.linalg.norm(wanted.theta)
    assert found[1][1] == found[2][1]
    # moments of groups: their sizes are no data, but each is told to the device
    assert sum(found[2][0]) - sum(found[1][0]) <= 12 * GROWS.get(type(algorithm), 0)


def test_a_mask_crosses_as_bytes(crossings):
    net, found = image_net(pwl.layers.Dropout(0.5)), {}
    for times in (1, 2):
        on_device = Patterns(*map(there, repeated(problem(net, 12), times)))
        _, found[times] = steps(SGD(0.01), net.to(array_api_strict), on_device, crossings, 1)
    assert sum(found[2][0]) - sum(found[1][0]) == 12 * 27
    assert found[1][1] == found[2][1]


@pytest.mark.parametrize(("dtype", "size"), [(np.uint8, 1), (np.float32, 4), (np.float64, 8), (np.int32, 8)])
def test_narrow_numbers_cross_as_they_are(dtype, size, crossings):
    net = random_network("tanh", 2)
    x = np.arange(30).reshape(10, 3).astype(dtype)
    crossings.there.clear()
    found, _, _ = Patterns(x, np.zeros((10, 3))).block(net.to(array_api_strict), 0, 10)
    assert crossings.there[-2:] == [240, 30 * size]
    np.testing.assert_array_equal(host(found), x.astype(np.float64))


def test_the_next_blocks_are_read_while_one_is_worked_on(crossings, two_cores):
    net = random_network("tanh", 2).to(array_api_strict)
    read, at_the_first = [], []

    class Watched(np.ndarray):
        def __getitem__(self, key):
            read.append(key)
            return super().__getitem__(key)

    def compute(net, x, t, w):
        if not at_the_first:
            at_the_first.append(len(read))
        return array_api_strict.sum(x, axis=0)

    x = np.ones((50, 3)).view(Watched)
    patterns = Patterns(x, np.zeros((50, 3)), block_bytes=1)
    assert block_rows(patterns, net) == 1
    total = reduce(patterns, Statistic(compute), net)
    np.testing.assert_array_equal(host(total), np.ones(3))
    assert 2 <= at_the_first[0] < 25  # some ahead, not all


class OutOfMemoryError(MemoryError):
    """Called as CuPy's is."""


def test_too_little_memory_names_bytes_and_a_batch_size(crossings):
    net = random_network("tanh", 2).to(array_api_strict)

    def compute(net, x, t, w):
        raise OutOfMemoryError("Out of memory allocating 4,096 bytes")

    patterns = Patterns(np.ones((64, 3)), np.zeros((64, 3)))
    needed = 64 * 8 * floats_per_pattern(net)
    message = f"4,096 bytes.*64 patterns takes about {needed} bytes.*batch_size=32.*block_bytes={needed // 2}"
    with pytest.raises(pwl.InputError, match=message):
        reduce(patterns, Statistic(compute), net)
    assert block_rows(Patterns(patterns.x, patterns.t, block_bytes=needed // 2), net) == 32


def test_other_failures_stay_what_they_are(crossings):
    net = random_network("tanh", 2).to(array_api_strict)

    def compute(net, x, t, w):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        reduce(Patterns(np.ones((4, 3)), np.zeros((4, 3))), Statistic(compute), net)


def test_what_is_left_on_the_host_is_refused(crossings):
    """The device of these tests would show a mistake."""
    on_device = there(np.ones(3))
    with pytest.raises(ValueError, match="device"):
        on_device + array_api_strict.ones(3, device=HOST)
    with pytest.raises((RuntimeError, TypeError, ValueError)):
        np.asarray(on_device)
