"""The same work on a device: layers, gradients, steps of every algorithm, training, files. Here the device is that of
fake_device.py; where there is a GPU, tests marked `gpu` run on CuPy's arrays, too.

Sums run in another order there, and solves enlarge that rounding by their condition: hence tolerances, relative to the length of
what is compared.
"""

from __future__ import annotations

import numpy as np
import pytest
from oracles import quotient, random_direction
from toys import (
    LOSSES,
    E_of,
    activations,
    block_rows,
    curve,
    outputs,
    problem,
    random_layers,
    random_network,
    reduce,
    short,
    take_step,
)

import pwl
from pwl import (
    CG,
    LBFGS,
    LM,
    MOLF,
    OWOBP,
    SCG,
    SGD,
    AdAct,
    Adam,
    BayesianLM,
    MinibatchAdAct,
    Network,
    Patterns,
    PiecewiseLinear,
    VarPro,
    train,
)
from pwl.algorithms.all_weights import trained
from pwl.layers import Add, AvgPool2d, BatchNorm2d, Conv2d, Dense, Dropout, Flatten, From, GlobalAvgPool2d, MaxPool2d
from pwl.reductions.curvature import block_curvature, line_curvature
from pwl.reductions.gradients import error, gradients
from pwl.runtime.backend import host
from pwl.study.check import check
from pwl.training.saved import load

pytestmark = pytest.mark.filterwarnings("ignore:.*patterns are fewer than")


def on(device, patterns: Patterns, **options) -> Patterns:
    """The same patterns, in the device's memory."""
    return Patterns(*map(device.array, (patterns.x, patterns.t, patterns.weights)), **options)


def assert_near(found, wanted, tolerance):
    found, wanted = host(found), host(wanted)
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    assert np.linalg.norm(found - wanted) <= tolerance * np.linalg.norm(wanted)


def image_net(*layers, dtype=np.float64, loss="cross_entropy") -> Network:
    """Random network for images."""
    return random_layers(layers, (7, 6, 2), seed=0, size=0.5, dtype=dtype, loss=loss)


def conv_net(activation=None) -> Network:
    return image_net(
        Conv2d(3, 3, padding="same"),
        BatchNorm2d(group=4),
        activation or curve(),
        MaxPool2d(2),
        Flatten(),
        Dense(4),
        "tanh",
    )


# ---- layers and gradients


BODIES = {
    "convolutions": [Conv2d(4, 3, padding="same"), "tanh", Conv2d(3, 2, stride=2, groups=1), "relu", Flatten()],
    "pooling": [Conv2d(3, 2), curve(), MaxPool2d(2), AvgPool2d((2, 1)), Flatten()],
    "normalised": [Conv2d(4, 3), BatchNorm2d(group=4), curve("linear"), GlobalAvgPool2d()],
    "dropout": [Conv2d(3, 3), "tanh", Dropout(0.3), Flatten(), Dense(5), curve(), Dropout(0.5)],
    "skips": [
        Conv2d(3, 3, padding="same"), "tanh", Conv2d(3, 3, padding="same"), Add(2), curve(), Conv2d(4, 3, padding="same"),
        From(1), Conv2d(4, 1), Add(2), Flatten(),
    ],
}  # fmt: skip


def scores_and_gradients(net, patterns, keys=None):
    """What one pass finds, by name; of all parameters unless keys are given."""
    found = reduce(patterns, gradients(trained(net, True) if keys is None else keys), net)
    return {"scores": found.scores, **found.G}


@pytest.mark.parametrize("form", ["as it is", "as it trains"])
@pytest.mark.parametrize("body", BODIES)
def test_layers_for_images(device, body, form):
    net = image_net(*BODIES[body])
    if form == "as it trains":
        net = net.training(7, 0)
    patterns = problem(net, 7, weights=True)
    wanted, there = scores_and_gradients(net, patterns), device.net(net)
    for data in (patterns, on(device, patterns), on(device, patterns, block_bytes=1)):
        found = scores_and_gradients(there, data)
        for key in wanted:
            assert_near(found[key], wanted[key], 1e-12)


@pytest.mark.parametrize("name", [*activations(), "apl", "spline", "plu"])
def test_activations(device, name):
    given = {"plu": pwl.activations.PLU()}
    net = random_network(given.get(name, activations().get(name, name)), (4, 3))
    patterns = problem(net, 30, weights=True)
    wanted, found = scores_and_gradients(net, patterns), scores_and_gradients(device.net(net), on(device, patterns))
    for key in wanted:
        assert_near(found[key], wanted[key], 1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_single_precision_stays_what_it_is(device, dtype):
    net = image_net(Conv2d(3, 3), BatchNorm2d(group=4), curve(), MaxPool2d(2), Flatten(), dtype=dtype).training(0, 0)
    patterns = problem(net, 13)
    wanted, found = scores_and_gradients(net, patterns), scores_and_gradients(device.net(net), patterns)
    for key in wanted:
        assert host(found[key]).dtype == dtype
        assert_near(found[key], wanted[key], 200 * np.finfo(dtype).eps)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("hidden", [5, (4, 3)])
@pytest.mark.parametrize("kind", ["curves, linear", "curves, general hinges"])
def test_curves_below_the_outputs(device, kind, hidden, outputs):
    """Without the output weights' gradient no features are needed: what is found is the same."""
    net = random_network(activations()[kind], hidden, outputs=outputs, bypass=outputs > 1)
    patterns, keys = problem(net, 30, weights=True), trained(net, True)[:-1]
    there, data = device.net(net), on(device, patterns)
    rng = np.random.default_rng(0)
    D = {key: rng.standard_normal(net.parts[key].shape) for key in keys}
    wanted = scores_and_gradients(net, patterns)
    wanted_H = reduce(patterns, block_curvature(net, D), net)
    for chosen in (keys, keys[:1], keys[-1:], keys[-2:]):
        found = scores_and_gradients(there, data, chosen)
        for key in found:
            assert_near(found[key], wanted[key], 1e-12)
        d = {key: device.array(D[key]) for key in chosen}
        H = reduce(patterns, block_curvature(net, {key: D[key] for key in chosen}), net)
        assert_near(reduce(data, block_curvature(there, d), there), H, 1e-12)
        along = reduce(data, line_curvature(d), there)
        assert_near(along, np.sum(H), 1e-11)  # all blocks by the same factor are that line
    moved = {key: device.array(D[key]) for key in keys}
    assert_near(reduce(data, block_curvature(there, moved), there), wanted_H, 1e-12)
    assert_near(reduce(data, error(), there), wanted["scores"], 1e-12)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("form", ["mlp", "images"])
def test_gradients_are_difference_quotients(device, form, loss):
    """All of it is computed on the device."""
    if form == "mlp":
        net = random_network(curve(), (4, 3), loss=loss)
    else:
        net = image_net(Conv2d(3, 3), BatchNorm2d(group=4), "tanh", AvgPool2d(2), Flatten(), loss=loss).training(0, 0)
    there, keys = device.net(net), trained(net, True)
    patterns = on(device, problem(net, 24, margin=0.02 if form == "mlp" else 0.0))
    found, rng = scores_and_gradients(there, patterns), np.random.default_rng(0)
    for key in keys:
        direction = random_direction(net, (key,), rng)
        slope = quotient(lambda net: E_of(net, patterns), there, {key: device.array(direction[key])})
        assert abs(float(np.sum(host(found[key]) * direction[key])) + slope) < 1e-7 * (1 + abs(slope))


# ---- algorithms


ALGORITHMS = [
    AdAct(),
    AdAct("hwo", "unit", curve_penalty=0.01, ridge=0.01, l2=0.01, safeguard=True),
    MOLF(),
    MOLF("hwo"),
    MOLF.damped(),
    AdAct.damped(),
    OWOBP(),
    OWOBP("heuristic"),
    CG(),
    CG(beta="polak-ribiere"),
    SCG(),
    LBFGS(),
    LM(train_curves=True),
    LM(solver="cholesky", schedule="gain"),
    VarPro(),
    VarPro(solver="qr", train_curves=True),
    BayesianLM(),
    SGD(0.01, nesterov=True),
    Adam(),
    Adam(weight_decay=0.1, curve_rate=0.01),
    MinibatchAdAct(),
]
BATCHED = (SGD, Adam, MinibatchAdAct)
CASES = [
    (a, loss) for a in ALGORITHMS for loss in LOSSES if loss == LOSSES[0] or not isinstance(a, (VarPro, BayesianLM))
]


def one_step(algorithm, net, patterns):
    """The network and what is said after a step; two of MinibatchAdAct, whose first one moves nothing."""
    state = algorithm.init(net, patterns, 0)
    for _ in range(2 if isinstance(algorithm, MinibatchAdAct) else 1):
        if hasattr(algorithm, "measure"):
            _, state = algorithm.measure(net, patterns, state)
        net, state, info = take_step(algorithm, net, patterns, state)
    return net, info


@pytest.mark.parametrize(("algorithm", "loss"), CASES, ids=short)
def test_one_step(device, algorithm, loss):
    net = random_network(curve(), 4, outputs=2, loss=loss)
    patterns = problem(net, 40, weights=True)
    wanted, said = one_step(algorithm, net, patterns)
    found, also_said = one_step(algorithm, device.net(net), on(device, patterns, block_bytes=6_000))
    assert type(found.theta) is type(device.array(net.theta))
    assert np.linalg.norm(wanted.theta - net.theta) > 1e-6
    assert_near(found.theta, wanted.theta, 1e-9)
    assert said.keys() == also_said.keys()


@pytest.mark.parametrize("algorithm", [AdAct(), MOLF(), SGD(0.01), Adam(), SCG(), MinibatchAdAct()], ids=short)
def test_one_step_on_images(device, algorithm):
    net = conv_net()
    patterns = problem(net, 12)
    wanted, _ = one_step(algorithm, net, patterns)
    found, _ = one_step(algorithm, device.net(net), on(device, patterns))
    assert np.linalg.norm(wanted.theta - net.theta) > 1e-6
    assert_near(found.theta, wanted.theta, 1e-9)


# ---- training


def smooth_problem(Nv=80):
    rng = np.random.default_rng(5)
    x = rng.standard_normal((Nv, 3))
    return x, np.column_stack([np.sin(x[:, 0]) + x[:, 1], x[:, 1] * x[:, 2]])


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=short)
def test_a_short_run(device, algorithm):
    """From the start on: net control, spans and output weights are found on the device, too."""
    x, t = smooth_problem()
    net = Network.mlp(3, 4, 2, PiecewiseLinear("tanh", 9))
    options = {"iterations": 8, "validation": (x[60:], t[60:]), "max_fail": 100}
    options["batch_size"] = 40 if isinstance(algorithm, BATCHED) else None
    wanted, record = train(net, (x[:60], t[:60]), algorithm, **options)
    blocks = Patterns(x[:60], t[:60], block_bytes=100_000)  # several for LM: sums in another order, on the stand-in too
    found, there = train(device.net(net), blocks, algorithm, **options)
    assert (there.iterations, there.best_iteration) == (record.iterations, record.best_iteration)
    np.testing.assert_allclose(there["error"], record["error"], rtol=1e-6)
    np.testing.assert_allclose(there["validation_error"], record["validation_error"], rtol=1e-6)
    assert_near(found.theta, wanted.theta, 1e-6)


def test_batches_of_mapped_images(device, tmp_path):
    """Bytes on disk, prepared as they are read, shuffled, moved and mirrored at random, with validation and dropout."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, (60, 7, 6, 2))
    x[:] = rng.integers(0, 200, x.shape) + 20 * labels[:, None, None, None]
    preparation = pwl.Preparation.fit(x, labels)
    training, validation = (
        Patterns.prepared(x, labels, preparation, rows) for rows in (np.arange(45), np.arange(45, 60))
    )
    layers = [
        Conv2d(3, 3, padding="same"),
        BatchNorm2d(group=4),
        PiecewiseLinear("relu", 5),
        MaxPool2d(2),
        Flatten(),
        Dropout(0.2),
    ]
    net = Network.from_layers([*layers, Dense(3)], (7, 6, 2), dtype=np.float64)
    options = {
        "batch_size": 12,
        "iterations": 3,
        "validation": validation,
        "augment": pwl.Augmentation(shift=1, flip=True),
    }
    wanted, record = train(net, training, Adam(0.01), **options)
    found, there = train(device.net(net), training, Adam(0.01), **options)
    np.testing.assert_allclose(there["error"], record["error"], rtol=1e-8)
    assert record["error"][-1] < record["error"][0]
    assert_near(found.theta, wanted.theta, 1e-7)  # Adam's roots of small squares enlarge rounding
    for key, buffer in wanted.buffers.items():
        assert_near(found.buffers[key], buffer, 1e-7)


def test_weights_and_several_blocks(device):
    x, t = smooth_problem()
    w = np.random.default_rng(1).uniform(0.2, 2, len(x))
    net = Network.mlp(3, 4, 2, PiecewiseLinear("tanh", 9))
    for data in (Patterns(x, t, w, block_bytes=10_000), on(device, Patterns(x, t, w), block_bytes=10_000)):
        assert block_rows(data, device.net(net)) < len(x)
        wanted, _ = train(net, (x, t, w), AdAct(), iterations=3)
        found, _ = train(device.net(net), data, AdAct(), iterations=3)
        assert_near(found.theta, wanted.theta, 1e-9)


def test_curves_whose_knots_grow(device):
    x, t = smooth_problem()
    net = Network.mlp(3, 4, 2, PiecewiseLinear("tanh", "auto"))
    wanted, _ = train(net, (x, t), AdAct("hwo"), iterations=4)
    found, _ = train(device.net(net), (x, t), AdAct("hwo"), iterations=4)
    assert_near(found.theta, wanted.theta, 1e-8)


# ---- what comes out


@pytest.mark.parametrize("loss", LOSSES)
def test_predictions_in_raw_units(device, loss):
    x, t = smooth_problem()
    x, t = 100 + 7 * x, np.array(["no", "yes"])[(t[:, 0] > 0).astype(int)] if loss == "cross_entropy" else 5 + 3 * t
    preparation = pwl.Preparation.fit(x, t)
    net = Network.mlp(3, 4, 2, PiecewiseLinear("tanh", 9), loss=loss)
    net, _ = train(net, preparation.transform(x, t), AdAct(), iterations=2)
    net = net.with_preparation(preparation)
    there, wanted = device.net(net), net.predict(x)
    for inputs in (x, device.array(x)):
        found = host(there.predict(inputs))
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted) if loss == "cross_entropy" else assert_near(found, wanted, 1e-12)
    if loss == "cross_entropy":
        assert_near(there.predict_proba(x), net.predict_proba(x), 1e-12)


@pytest.mark.parametrize("net", [random_network(curve(), 4), conv_net()], ids=["mlp", "images"])
def test_files_hold_the_same(device, net, tmp_path):
    net.save(tmp_path / "here")
    device.net(net).save(tmp_path / "there")
    wanted, found = load(tmp_path / "here").net, load(tmp_path / "there").net
    assert found.layers == wanted.layers
    for a, b in zip((found.theta, *found.buffers.values()), (wanted.theta, *wanted.buffers.values()), strict=True):
        assert isinstance(a, np.ndarray)
        np.testing.assert_array_equal(a, b)
    assert_near(outputs(device.net(found), device.array(problem(net, 5).x)), outputs(net, problem(net, 5).x), 1e-12)


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
@pytest.mark.parametrize("algorithm", [AdAct(), Adam(), LM(), MinibatchAdAct()], ids=short)
def test_a_run_resumes_to_the_same_bits(device, algorithm, loss, tmp_path):
    x, t = smooth_problem()
    t = (t[:, 0] > 0).astype(np.int64) if loss == "cross_entropy" else t
    net = device.net(Network.mlp(3, 4, 2, PiecewiseLinear("tanh", 9), loss=loss))
    options = {"batch_size": 30 if isinstance(algorithm, BATCHED) else None}
    whole, record = train(net, (x, t), algorithm, iterations=4, **options)
    path = tmp_path / "run"
    train(net, (x, t), algorithm, iterations=2, checkpoint=path, **options)
    resumed, rest = train(net, (x, t), algorithm, iterations=4, resume=path, **options)
    assert type(resumed.theta) is type(net.theta)
    assert host(resumed.theta).tobytes() == host(whole.theta).tobytes()
    assert rest["error"] == record["error"]


def test_the_check_passes_there(device, monkeypatch):
    """What the device computes against difference quotients that the CPU takes."""
    monkeypatch.setattr("pwl.network.network.namespace_of", lambda where: {"cuda": device.xp, "cpu": np}.get(where, where))
    net = random_network(PiecewiseLinear("tanh", 9, span=(-3, 3)), (4, 3))
    rows = check(net, problem(net, 120), device="cuda")
    assert [row for row in rows if row.failed] == []
    assert sum(row.passed for row in rows) >= 12
