"""Everything on convolutional nets: factors against brute force, every algorithm's steps, `pwl.check`, files and checkpoints."""

from __future__ import annotations

import array_api_strict
import numpy as np
import pytest
from oracles import assert_close, block_gauss_newton, quotient, random_direction, slope, unit_blocks
from toys import (
    LOSSES,
    E_of,
    away_from_kinks,
    basis,
    curve,
    gradients_of,
    input_of,
    problem,
    random_layers,
    reduce,
    take_step,
)

import pwl
from pwl.algorithms.learning_factors import block_system, line_factor
from pwl.algorithms.molf import hwo_direction
from pwl.algorithms.penalties import Penalties
from pwl.layers import AvgPool2d, Conv2d, Dense, Flatten, GlobalAvgPool2d, MaxPool2d
from pwl.network.layout import HEAD
from pwl.network.network import Network
from pwl.reductions.correlations import input_autocorrelation, nets_range
from pwl.reductions.curvature import line_curvature, one_feature_each
from pwl.runtime.backend import host
from pwl.study.check import check

SHAPE = (5, 4, 2)


def bodies(a):
    """Bodies of layers by name; each has an activation, and some end in something else."""
    return {
        "deep": [Conv2d(3, 3, padding=1), a, MaxPool2d(2), Conv2d(2, 2, padding="same"), a, Flatten(), Dense(3), a],
        "ends in a convolution": [Conv2d(2, 2, 2, bias=False), a],
        "ends in pooling": [Conv2d(4, 3, padding="same", groups=2), a, GlobalAvgPool2d()],
        "ends in flattening": [AvgPool2d(2), Conv2d(3, 2), a, Flatten()],
        "dense on images": [MaxPool2d((2, 1)), Flatten(), Dense(4), a],
    }


NAMES = tuple(bodies(None))


def cnn(name="deep", activation=None, loss="squared_error", **options):
    """One of the bodies with its output layer, all parameters random."""
    return random_layers(bodies(activation or curve("linear"))[name], SHAPE, loss=loss, seed=2, **options)


# ---- derivatives


@pytest.mark.parametrize(
    ("bypass", "weights"),
    [(False, True), (True, False), *(pytest.param(both, both, marks=pytest.mark.slow) for both in (False, True))],
)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_every_parameter(name, bypass, loss, weights):
    net = cnn(name, loss=loss, bypass=bypass)
    D = random_direction(net, tuple(net.parts), np.random.default_rng(3))
    alone = [{key: d} for key, d in D.items()]
    patterns = away_from_kinks(net, problem(net, 30, weights=weights), alone)
    G = gradients_of(net, patterns)
    for direction in alone:
        ((key, d),) = direction.items()
        found = slope(net, patterns, direction)
        assert found == pytest.approx(-np.sum(G[key] * d), rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ["tanh", curve("linear")], ids=["tanh", "curves"])
@pytest.mark.parametrize("name", NAMES)
def test_blocks_are_the_brute_force_ones(name, activation, loss):
    """H_b and g_b of Eq. (19): weights alone, curves alone, and both; J from difference quotients of the outputs."""
    net = cnn(name, activation, loss)
    maps, curves = net.keys("map"), net.keys("activation")
    for keys in [maps, maps[-1:], *([curves, (*maps, *curves), curves[-1:]] if curves else [])]:
        D = random_direction(net, keys, np.random.default_rng(5))
        patterns = away_from_kinks(net, problem(net, weights=True), unit_blocks(D))
        H, g = block_system(net, patterns, gradients_of(net, patterns, keys), D, Penalties())
        wanted_H, wanted_g = block_gauss_newton(net, patterns, D)
        assert_close(H, wanted_H, 1e-6)
        assert_close(g, wanted_g, 1e-6)


def test_the_closed_form_serves_where_each_block_changes_one_feature():
    closed = {name: one_feature_each(cnn(name), {cnn(name).keys("map")[-1]: 0}) for name in NAMES}
    assert closed == {name: name in ("deep", "dense on images") for name in NAMES}
    assert not one_feature_each(cnn(), {"0.W": 0, "6.W": 0})
    assert one_feature_each(cnn(), {"7.A": 0})


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", NAMES)
def test_one_factor_is_the_sum_of_the_blocks(name, loss):
    net = cnn(name, loss=loss)
    patterns, keys = problem(net, weights=True), (*net.keys("map"), *net.keys("activation"))
    G = gradients_of(net, patterns, keys)
    H, g = block_system(net, patterns, G, G, Penalties())
    np.testing.assert_allclose(line_factor(net, patterns, G, G, Penalties()), g.sum() / H.sum(), rtol=1e-10)
    np.testing.assert_allclose(reduce(patterns, line_curvature(G), net), H.sum(), rtol=1e-11)


# ---- sums over places are divided by patterns


def test_an_image_counts_once_in_the_autocorrelation():
    """R of [1, patch], of [patch] without thresholds, and of [1, x] of a dense layer on top."""
    net = cnn("deep")
    patterns = problem(net, weights=True)
    for index in (0, 3, 6):
        R = reduce(patterns, input_autocorrelation(index), net)
        a, wanted = input_of(net, index, patterns.x), 0
        for p, w in enumerate(patterns.weights):
            rows = net.layers[index].inputs({}, a[p : p + 1])
            wanted = wanted + w * rows.T @ rows
        np.testing.assert_allclose(R, wanted / patterns.weights.sum(), rtol=1e-12, atol=1e-13)
    pixels = np.prod(net.layout.shapes[1][:-1])
    assert reduce(patterns, input_autocorrelation(0), net)[0, 0] == pytest.approx(pixels)


@pytest.mark.parametrize("name", ["deep", "ends in a convolution"])
def test_hwo_direction_solves_each_layers_autocorrelation(name):
    net = cnn(name)
    patterns, keys = problem(net, 60), net.keys("map")
    G = gradients_of(net, patterns, keys)
    D = hwo_direction(net, patterns, G, pwl.OLS(), {})
    for key, d in D.items():
        R = reduce(patterns, input_autocorrelation(net.layout.by_key[key].layer), net)
        np.testing.assert_allclose(d @ R, G[key], rtol=0, atol=1e-9 * np.abs(G[key]).max())


def test_groups_have_no_hwo_direction_and_say_so():
    net = cnn("ends in pooling")
    with pytest.raises(pwl.InputError, match="groups"):
        pwl.molf_step(net, problem(net), "hwo")
    assert E_of(pwl.owo_step(pwl.molf_step(net, problem(net))[0], problem(net))[0], problem(net)) < np.inf


def test_whole_weights_count_patterns_so_often():
    net = cnn(loss="cross_entropy")
    plain, counts = problem(net, 60), np.arange(60) % 3
    weighted = pwl.Patterns(plain.x, plain.t, counts)
    repeated = pwl.Patterns(np.repeat(plain.x, counts, axis=0), np.repeat(plain.t, counts))
    for algorithm in (pwl.MOLF("hwo"), pwl.AdAct()):
        after = [take_step(algorithm, net, data)[0].theta for data in (weighted, repeated)]
        assert np.linalg.norm(after[1] - after[0]) < 1e-7 * np.linalg.norm(after[0])


def test_penalties_spare_thresholds_that_are_there():
    penalties = Penalties(l2=0.3)
    for name, first in (("deep", 1), ("ends in a convolution", 0)):
        net = cnn(name)
        wanted = 0.3 * sum(
            float(np.sum(net.parts[key][:, first if key == "0.W" else 1 :] ** 2)) for key in net.keys("map")
        )
        assert penalties.value(net) == pytest.approx(wanted, rel=1e-13)
        key = net.keys("map")[0]
        G = penalties.add_gradient(net, {key: np.zeros_like(net.parts[key])})[key]
        D = random_direction(net, (key,), np.random.default_rng(0))
        assert quotient(penalties.value, net, D, 1.0) == pytest.approx(-np.sum(G * D[key]), rel=1e-11)


def test_spans_are_taken_over_pixels_and_patterns():
    layers = [Conv2d(3, 3), pwl.PiecewiseLinear("relu", 9, span="nets"), Flatten(), Dense(3)]
    net = Network.from_layers(layers, SHAPE, dtype=np.float64)
    assert not net.initialised
    patterns = problem(net, weights=True)
    n = input_of(net, 1, patterns.x).reshape(-1, 3)
    low, high = (reduce(patterns, each, net) for each in nets_range(0))
    np.testing.assert_array_equal([low, high], [n.min(axis=0), n.max(axis=0)])
    ns = pwl.initialise(net, patterns).buffers["1.ns"]
    assert np.all(ns[:, 0] <= low) and np.all(ns[:, -1] >= high * (1 - 1e-12))


# ---- every algorithm

FULL = [
    pwl.MOLF(), pwl.MOLF("hwo", ridge=0.01, l2=0.01, safeguard=True), pwl.AdAct(), pwl.AdAct("hwo", "unit"),
    pwl.OWOBP(), pwl.OWOBP("heuristic"), pwl.CG(), pwl.SCG(), pwl.LM(), pwl.LM(solver="cholesky"), pwl.LBFGS(),
    pwl.BayesianLM(), pwl.VarPro(),
]  # fmt: skip
BATCHED = [pwl.Adam(0.01), pwl.SGD(0.01, 0.9)]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("algorithm", [*FULL, *BATCHED], ids=repr)
def test_every_algorithm_takes_steps_that_lower_the_error(algorithm, loss):
    only_squares = isinstance(algorithm, (pwl.VarPro, pwl.BayesianLM))
    if only_squares and loss == "cross_entropy":
        pytest.skip("for squared error only")
    net = cnn(loss=loss)
    patterns = problem(net, 60)
    after, record = pwl.train(net, patterns, algorithm, iterations=6, batch_size=20 if algorithm in BATCHED else None)
    assert record.iterations == 6, record.stop_reason
    assert min(record["error"]) < 0.999 * record["error"][0]
    assert np.all(np.isfinite(record["own_multiplies"])) and record["own_multiplies"][-1] > 0
    assert np.all(np.isfinite(after.theta))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", NAMES)
def test_strict_arrays_take_the_same_step(name, loss):
    net = cnn(name, loss=loss)
    patterns = problem(net)
    for algorithm in (pwl.AdAct(), pwl.OWOBP(), pwl.LM(solver="cholesky")):
        found = []
        for at in (net, net.to(array_api_strict)):
            after, _, _ = take_step(algorithm, at, patterns)
            assert type(after.theta) is type(at.theta)
            found.append(host(after.theta))
        assert np.linalg.norm(found[0] - net.theta) > 1e-6
        assert np.linalg.norm(found[1] - found[0]) < 1e-7 * np.linalg.norm(found[0])


def test_results_do_not_depend_on_threads_or_type_of_images(monkeypatch):
    """Bytes, float32 images, and blocks on one or two threads."""
    net = cnn(loss="cross_entropy").with_theta(cnn(loss="cross_entropy").theta.astype(np.float32))
    rng = np.random.default_rng(0)
    x, t = rng.integers(0, 255, (40, *SHAPE), dtype=np.uint8), rng.integers(0, 3, 40)
    preparation = pwl.Preparation.fit(x, t)
    found = []
    for threads, data in (
        ("1", pwl.Patterns(x, t, preparation=preparation, block_bytes=200_000)),
        ("2", pwl.Patterns(x, t, preparation=preparation, block_bytes=200_000)),
        ("1", pwl.Patterns(preparation.transform(x).astype(np.float32), t, block_bytes=200_000)),
    ):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        found.append(pwl.train(net, data, pwl.Adam(), iterations=2, batch_size=16)[0].theta)
    assert found[0].dtype == np.float32
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])


# ---- pwl.check


@pytest.mark.parametrize(
    ("activation", "loss"),
    [
        pytest.param("tanh", "squared_error", marks=pytest.mark.slow), ("tanh", "cross_entropy"),
        ("relu", "squared_error"), pytest.param("relu", "cross_entropy", marks=pytest.mark.slow),
        (curve(), "squared_error"), (curve(), "cross_entropy"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", NAMES)
def test_check_passes(name, activation, loss):
    net = cnn(name, activation, loss)
    rows = check(net, problem(net, 50))
    assert not [row for row in rows if not row.passed], rows


@pytest.mark.parametrize("layer", [Conv2d, MaxPool2d])
def test_check_sees_a_backward_pass_wrong_by_a_thousandth(layer, monkeypatch):
    right = layer.backward
    monkeypatch.setattr(layer, "backward", lambda self, *given: 1.001 * right(self, *given))
    net = cnn("deep", "tanh")
    failed = {row.where for row in check(net, problem(net, 50)) if not row.passed}
    assert "0.W" in failed


# ---- files


@pytest.mark.parametrize("name", NAMES)
def test_saved_nets_predict_the_same_bits(name, tmp_path):
    net = cnn(name, loss="cross_entropy")
    patterns = problem(net)
    net = net.with_preparation(pwl.Preparation.fit(patterns.x, patterns.t))
    net.save(tmp_path / "net.safetensors")
    again = Network.load(tmp_path / "net.safetensors")
    assert again.layers == net.layers and hash(again.layers) == hash(net.layers)
    np.testing.assert_array_equal(again.predict_proba(patterns.x), net.predict_proba(patterns.x))


@pytest.mark.parametrize("algorithm", [pwl.AdAct(), pwl.Adam(0.01), pwl.LBFGS()], ids=repr)
def test_resumed_runs_give_the_same_bits(algorithm, tmp_path):
    net = cnn(loss="cross_entropy")
    patterns, path = problem(net, 60), tmp_path / "run"
    options = {"batch_size": 20 if isinstance(algorithm, pwl.Adam) else None}
    whole, record = pwl.train(net, patterns, algorithm, iterations=6, **options)
    pwl.train(net, patterns, algorithm, iterations=3, checkpoint=path, **options)
    resumed, again = pwl.train(net, patterns, algorithm, iterations=6, resume=path, **options)
    np.testing.assert_array_equal(resumed.theta, whole.theta)
    assert again["error"] == record["error"]


def test_head_weights_are_found_by_least_squares():
    net = cnn("ends in a convolution", bypass=True)
    patterns = problem(net, 200)
    after, _ = pwl.owo_step(net, patterns)
    B = basis(after, patterns.x)
    wanted = np.linalg.lstsq(B, patterns.t, rcond=None)[0].T
    np.testing.assert_allclose(after.parts[HEAD], wanted, rtol=0, atol=1e-9 * np.abs(wanted).max())


def test_memory_mapped_bytes_train_to_the_same_bits(tmp_path):
    rng = np.random.default_rng(0)
    x, t = rng.integers(0, 255, (40, *SHAPE), dtype=np.uint8), rng.integers(0, 3, 40)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    net, found = cnn(loss="cross_entropy"), []
    for images_ in (x, mapped):
        patterns = pwl.Patterns(images_, t, preparation=pwl.Preparation.fit(images_, t))
        found.append(pwl.train(net, patterns, pwl.Adam(), iterations=2, batch_size=16)[0].theta)
    np.testing.assert_array_equal(*found)


def test_curves_of_their_own_number_of_knots_train_on_images():
    net = Network.from_layers([Conv2d(3, 3), pwl.PiecewiseLinear("relu"), MaxPool2d(2), Dense(3)], SHAPE)
    patterns = problem(net, 80)
    _, record = pwl.train(net, patterns, pwl.AdAct(), iterations=4)
    assert record["error"][-1] < record["error"][0]


# ---- the benchmarks' PyTorch twin


@pytest.mark.parametrize("activation", ["relu", "curves"])
def test_vgg_and_its_gradient_are_pytorchs(activation):
    torch = pytest.importorskip("torch")
    twin = pytest.importorskip("benchmarks.cnn", reason="the benchmarks are not part of the installed package")
    kind = pwl.PiecewiseLinear("relu", twin.HINGES, span=twin.SPAN) if activation == "curves" else activation
    net = pwl.models.vgg(2, kind, dtype=np.float64, seed=3)
    model = twin.torch_net(2, activation).double()
    x = np.random.default_rng(0).standard_normal((3, 32, 32, 3))
    t = np.array([1, 7, 4])
    with torch.no_grad():
        for name, values in by_torch_name(net, model, net.parts).items():
            dict(model.named_parameters())[name].copy_(torch.tensor(values))
    loss = torch.nn.functional.cross_entropy(
        model(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())), torch.from_numpy(t)
    )
    loss.backward()
    patterns, keys = pwl.Patterns(x, t), tuple(net.parts)
    assert E_of(net, patterns) == pytest.approx(loss.item(), rel=1e-12)
    G = by_torch_name(net, model, gradients_of(net, patterns, keys))
    assert len(G) == len(list(model.parameters()))
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(-G[name], parameter.grad.numpy(), rtol=0, atol=1e-12)


def by_torch_name(net, model, parts):
    """Parts of vgg by the names and in the shapes of its PyTorch twin, whose images have channels first."""
    found = {}
    for key, value in parts.items():
        index, layer = net.layout.by_key[key].layer, None if key == HEAD else net.layer_of(key)
        if key.endswith(".A"):
            found[f"{index}.A"] = value
            continue
        W = value[:, 1:]
        if isinstance(layer, Conv2d):
            W = layer.kernel(value, net.layout.shapes[index][2]).transpose(0, 3, 1, 2)
        elif layer is not None:
            W = W.reshape(len(W), *net.layout.shapes[index - 1]).transpose(0, 3, 1, 2).reshape(len(W), -1)
        found |= {f"{index}.weight": np.ascontiguousarray(W), f"{index}.bias": value[:, 0]}
    return found


def test_convolutions_of_the_benchmark_agree():
    pytest.importorskip("torch")
    conv = pytest.importorskip("benchmarks.conv", reason="the benchmarks are not part of the installed package")
    rng = np.random.default_rng(0)
    x, g, W = (rng.standard_normal(shape).astype(np.float32) for shape in ((5, 8, 8, 4), (5, 8, 8, 6), (6, 3, 3, 4)))
    own, others = conv.ours(x, g, W, 2), conv.torch_jobs(x, g, W)
    for name in conv.PASSES:
        found = own[name]()
        found = found if isinstance(found, np.ndarray) else np.concatenate(found)
        for jobs in others.values():
            np.testing.assert_allclose(found, jobs[name]().numpy().transpose(0, 2, 3, 1), rtol=0, atol=1e-3)
    row = conv.measure(2, 8, 4, 6, 1)
    assert {"ours", "bare products", "torch contiguous", "torch channels_last"} == set(row["milliseconds"]["forward"])
    assert conv.table([row]).count("\n") == 6
