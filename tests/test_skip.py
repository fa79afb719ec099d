"""Skip connections, Eq. (62): networks with Add and From against signals written out, PyTorch, and brute force."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracles import assert_close, block_gauss_newton, gauss_newton, quotient, random_direction, slope, unit_blocks
from toys import (
    LOSSES,
    E_of,
    away_from_kinks,
    basis_of,
    curve,
    gradients_of,
    input_of,
    layer_of,
    outputs,
    outputs_keeping,
    outputs_of,
    problem,
    pulled_back,
    random_layers,
    reduce,
    tangent,
    tangents,
)

import pwl
from pwl.activations import resolve
from pwl.algorithms.learning_factors import block_system, line_factor
from pwl.algorithms.molf import hwo_direction
from pwl.algorithms.penalties import Penalties
from pwl.layers import Add, BatchNorm2d, Conv2d, Dense, Dropout, From, GlobalAvgPool2d
from pwl.layers.skip import check_nothing_lost
from pwl.network.layout import HEAD
from pwl.reductions.batch_moments import with_moments
from pwl.reductions.correlations import input_autocorrelation
from pwl.reductions.curvature import line_curvature, one_feature_each
from pwl.reductions.jacobian import system
from pwl.study.check import check

SHAPE = (5, 4, 2)
WIDTH = 3


def from_layers(body, shape, loss="squared_error", seed=1, bypass=False):
    """Random network that has random moments where it normalises."""
    net = random_layers(body, shape, loss=loss, seed=seed, bypass=bypass)
    rng = np.random.default_rng(seed)
    buffers = {
        key: b if key.endswith("ns") else rng.uniform(0.3, 1.5, b.shape) if key.endswith("variance") else b + 0.2
        for key, b in net.buffers.items()
    }
    return dataclasses.replace(net, buffers=buffers)


def resnet(activation=None, loss="squared_error", dropout=0.0, group=4):
    """A block that adds its input and one with a shortcut of weights, on images."""
    a = activation or curve("linear")
    body = [
        Conv2d(3, 3, padding="same"), BatchNorm2d(group=group), a, Conv2d(3, 3, padding="same"), BatchNorm2d(group=group),
        Add(3), a,
        Conv2d(4, 3, 2, padding=1), BatchNorm2d(group=group), a, Conv2d(4, 3, padding="same"), BatchNorm2d(group=group),
        From(5), Conv2d(4, 1, 2, bias=False), BatchNorm2d(group=group), Add(3), a, Dropout(dropout), GlobalAvgPool2d(),
    ]  # fmt: skip
    return from_layers(body, SHAPE, loss, seed=3)  # where classes are certain, a step without safeguard enlarges rounding


@st.composite
def bodies(draw):
    """Flat lists of dense layers, activations and joins of any reach; all signals are of one width."""
    kinds = draw(st.lists(st.sampled_from(["dense", "tanh", "sigmoid", "add", "from"]), min_size=2, max_size=9))
    body = [Dense(WIDTH)]
    for kind in kinds:
        back = draw(st.integers(1, len(body)))
        body.append({"dense": Dense(WIDTH), "add": Add(back), "from": From(back)}.get(kind, kind))
    try:
        check_nothing_lost([resolve(layer) if isinstance(layer, str) else layer for layer in body])
    except pwl.InputError:
        assume(False)
    return body


def signals(net, x):
    """What every layer gets, and what comes out, written out."""
    found = [x]
    for index, layer in enumerate(net.layers):
        _, p, b = layer_of(net, index)
        if isinstance(layer, Add):
            found.append(found[index] + found[index - layer.back])
        elif isinstance(layer, From):
            found.append(found[index - layer.back])
        else:
            found.append(layer.apply(p, b, found[index]))
    return found


# ---- networks of any joins


@pytest.mark.core
@settings(max_examples=50, deadline=None)
@given(bodies(), st.integers(0, 99))
def test_signals_are_those_written_out(body, seed):
    net = from_layers(body, (WIDTH,), seed=seed, bypass=True)
    x = problem(net, 4).x
    before = x.copy()
    wanted = signals(net, x)
    for index, signal in enumerate(wanted):
        np.testing.assert_array_equal(input_of(net, index, x), signal)
    y = outputs_of(net, x, wanted[-1])
    np.testing.assert_array_equal(outputs(net, x), y)
    for down_to in range(len(net.layers) + 1):
        np.testing.assert_array_equal(outputs_keeping(net, x, down_to), y)
    np.testing.assert_array_equal(x, before)


@pytest.mark.core
@settings(max_examples=50, deadline=None)
@given(bodies(), st.integers(0, 99), st.data())
def test_tangent_and_backward_are_adjoint(body, seed, data):
    """<u, J v> = <J'u, v> along any set of parameters of the body; and J v is the quotient of the outputs."""
    net = from_layers(body, (WIDTH,), seed=seed)
    keys = net.keys("map")
    keys = tuple(data.draw(st.lists(st.sampled_from(keys), min_size=1, unique=True)))
    rng = np.random.default_rng(seed)
    x, u, D = problem(net, 6).x, rng.standard_normal((6, 3)), random_direction(net, keys, rng)
    layers = net.layout.layers(keys)
    dy = tangent(net, x, D, layers[0])
    np.testing.assert_allclose(dy, quotient(lambda at: outputs(at, x), net, D), rtol=0, atol=1e-7)
    G = pulled_back(net, x, u.copy(), layers)
    back = sum(np.sum(G[key] * d) for key, d in D.items())
    assert back == pytest.approx(np.sum(u * dy), rel=1e-9, abs=1e-10)


@settings(max_examples=30, deadline=None)
@given(bodies(), st.integers(0, 99), st.sampled_from(LOSSES))
def test_blocks_are_the_brute_force_ones_whatever_the_joins(body, seed, loss):
    net = from_layers(body, (WIDTH,), loss, seed)
    patterns, keys = problem(net, 12, weights=True), net.keys("map")
    D = random_direction(net, keys, np.random.default_rng(5))
    H, g = block_system(net, patterns, gradients_of(net, patterns, keys), D, Penalties())
    wanted_H, wanted_g = block_gauss_newton(net, patterns, D)
    assert_close(H, wanted_H, 1e-6)
    np.testing.assert_allclose(g, wanted_g, rtol=0, atol=1e-7)


def test_two_joins_of_one_signal_and_a_layer_on_it_do_not_share_arrays():
    """Three ways lead from signal 1, and each of its readers overwrites what it is given: slopes multiply in place."""
    body = [Dense(WIDTH), "tanh", Add(1), From(2), "sigmoid", Add(4), Add(3), "tanh"]
    net = from_layers(body, (WIDTH,))
    patterns = problem(net, 8)
    G = gradients_of(net, patterns, ("0.W", HEAD))
    for key, g in G.items():
        D = random_direction(net, (key,), np.random.default_rng(0))
        found = slope(net, patterns, D)
        assert found == pytest.approx(-np.sum(g * D[key]), rel=1e-7)
        if key != HEAD:
            found, again = tangents(net, patterns.x, [D, D])
            np.testing.assert_allclose(found, quotient(lambda at: outputs(at, patterns.x), net, D), rtol=0, atol=1e-8)
            np.testing.assert_array_equal(again, found)  # nothing that was kept is overwritten


# ---- a small residual net


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("training", [False, True])
def test_gradients_of_every_parameter(training, loss, weights):
    """Of the network itself, and in training form through the moments of groups and a dropout."""
    net = resnet(loss=loss, dropout=0.3)
    if training:
        net = resnet("tanh", loss, 0.3).training(0, 7)  # patterns are coupled: none could be taken out
    D = random_direction(net, tuple(net.parts), np.random.default_rng(3))
    alone = [{key: d} for key, d in D.items()]
    patterns = (
        problem(net, 30, weights=weights)
        if training
        else away_from_kinks(net, problem(net, 30, weights=weights), alone)
    )
    G = gradients_of(net, patterns)
    for direction in [*alone, D]:
        found = slope(net, patterns, direction)
        wanted = -sum(np.sum(G[key] * d) for key, d in direction.items())
        assert found == pytest.approx(wanted, rel=2e-6, abs=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ["tanh", curve("linear")], ids=["tanh", "curves"])
def test_blocks_are_the_brute_force_ones(activation, loss):
    """H_b and g_b of Eq. (19): all weights, scales and shifts among them, curves alone, and single layers."""
    net = resnet(activation, loss)
    maps, curves = net.keys("map"), net.keys("activation")
    for keys in [maps, ("0.W",), ("13.W", "14.W"), *([curves, (*maps, *curves)] if curves else [])]:
        D = random_direction(net, keys, np.random.default_rng(5))
        patterns = away_from_kinks(net, problem(net, 40, weights=True), unit_blocks(D))
        H, g = block_system(net, patterns, gradients_of(net, patterns, keys), D, Penalties())
        wanted_H, wanted_g = block_gauss_newton(net, patterns, D)
        assert_close(H, wanted_H, 1e-6)
        assert_close(g, wanted_g, 1e-6)
        G = gradients_of(net, patterns, keys)
        H, g = block_system(net, patterns, G, G, Penalties())
        np.testing.assert_allclose(line_factor(net, patterns, G, G, Penalties()), g.sum() / H.sum(), rtol=1e-9)
        np.testing.assert_allclose(reduce(patterns, line_curvature(G), net), H.sum(), rtol=1e-10)


@pytest.mark.parametrize("solver", ["cholesky", "qr"])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_jacobians_products_are_the_brute_force_ones(loss, solver):
    """v'J'Jv and J'r along random directions of all weights, half of those of E."""
    net = resnet(loss=loss)
    keys = tuple(net.parts)
    rng = np.random.default_rng(0)
    D = [random_direction(net, keys, rng) for _ in range(3)]
    patterns = away_from_kinks(net, problem(net, 80, weights=True), D)
    equations = system(net, patterns, keys, solver)
    J = np.stack([np.concatenate([d[key].reshape(-1) for key in keys]) for d in D])
    G = gradients_of(net, patterns, keys)
    for d, v in zip(D, J, strict=True):
        wanted = reduce(patterns, line_curvature(d), net)
        A = equations.A if solver == "cholesky" else equations.R.T @ equations.R
        assert 2 * v @ A @ v == pytest.approx(float(wanted), rel=1e-9)
        assert 2 * v @ equations.gradient() == pytest.approx(sum(np.sum(G[k] * d[k]) for k in keys), rel=1e-8)
        H, _ = gauss_newton(net, patterns, [d])
        assert H[0, 0] == pytest.approx(float(wanted), rel=1e-6)


def test_the_closed_form_does_not_serve_below_a_join():
    body = [Dense(WIDTH), "tanh", Dense(WIDTH), "tanh", Add(2)]
    net = from_layers(body, (WIDTH,))
    assert not one_feature_each(net, {"2.W": 0})
    assert one_feature_each(from_layers(body[:-1], (WIDTH,)), {"2.W": 0})
    after = from_layers([Dense(WIDTH), "tanh", Add(2), Dense(WIDTH), "tanh"], (WIDTH,))
    assert one_feature_each(after, {"3.W": 0})


def test_pytorch_finds_the_same_error_and_gradients():
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    net = resnet("relu", "cross_entropy", group=64)
    patterns = problem(net, 20)
    parts = {key: torch.tensor(part, requires_grad=True) for key, part in net.parts.items()}

    def conv(index, x):
        layer, W = net.layers[index], parts[f"{index}.W"]
        kernel = W[:, 1:] if layer.bias else W
        kernel = kernel.reshape(layer.filters, *layer.size, -1).permute(0, 3, 1, 2)
        padding = layer.size[0] // 2  # of windows of 1 and of 3
        return F.conv2d(x, kernel, W[:, 0] if layer.bias else None, layer.stride, padding)

    def norm(index, x, train):
        W, b = parts[f"{index}.W"].T.contiguous(), layer_of(net, index)[2]
        if train:
            return F.batch_norm(x, None, None, W[1], W[0], training=True)
        return F.batch_norm(x, *(torch.from_numpy(b[name]) for name in ("mean", "variance")), W[1], W[0])

    for train in (False, True):
        for part in parts.values():
            part.grad = None
        x = torch.from_numpy(patterns.x.transpose(0, 3, 1, 2).copy())
        o = torch.relu(norm(1, conv(0, x), train))
        o = torch.relu(norm(4, conv(3, o), train) + norm(1, conv(0, x), train))
        inner = conv(10, torch.relu(norm(8, conv(7, o), train)))
        o = torch.relu(norm(11, inner, train) + norm(14, conv(13, o), train)).mean(dim=(2, 3))
        loss = F.cross_entropy(parts[HEAD][:, 0] + o @ parts[HEAD][:, 1:].T, torch.from_numpy(patterns.t))
        loss.backward()
        at = net.training(0, 0) if train else net
        assert E_of(at, patterns) == pytest.approx(loss.item(), rel=1e-11)
        for key, g in gradients_of(at, patterns).items():
            np.testing.assert_allclose(-g, parts[key].grad.numpy(), rtol=0, atol=1e-11)


def test_autocorrelations_and_the_output_step_see_joined_signals():
    net = from_layers([Dense(4), "tanh", Dense(4), "tanh", Add(2), Dense(2), "sigmoid"], (WIDTH,), bypass=True)
    patterns = problem(net, 60, weights=True)
    w, inputs = patterns.weights / patterns.weights.sum(), signals(net, patterns.x)
    for index in (0, 2, 5):
        xa = np.concatenate([np.ones((60, 1)), inputs[index]], axis=1)
        wanted = xa.T @ (xa * w[:, None])
        np.testing.assert_allclose(reduce(patterns, input_autocorrelation(index), net), wanted, rtol=0, atol=1e-13)
    G = gradients_of(net, patterns, net.keys("map"))
    D = hwo_direction(net, patterns, G, pwl.OLS(), {})
    for key, d in D.items():
        R = reduce(patterns, input_autocorrelation(net.layout.by_key[key].layer), net)
        np.testing.assert_allclose(d @ R, G[key], rtol=0, atol=1e-9 * np.abs(G[key]).max())
    after, _ = pwl.owo_step(net, patterns)
    B = basis_of(net, patterns.x, inputs[-1]) * np.sqrt(w)[:, None]
    wanted = np.linalg.lstsq(B, patterns.t * np.sqrt(w)[:, None], rcond=None)[0].T
    np.testing.assert_allclose(after.W_o, wanted, rtol=0, atol=1e-9 * np.abs(wanted).max())


def test_net_control_acts_on_joined_signals():
    net = from_layers([Dense(4), "tanh", Dense(4), "tanh", Add(2), Dense(2), "sigmoid"], (WIDTH,))
    patterns = problem(net, 60)
    net = pwl.initialise(dataclasses.replace(net, net_control=True), patterns)
    for index in (0, 2, 5):
        n = signals(net, patterns.x)[index + 1]
        np.testing.assert_allclose(n.mean(axis=0), 0.5, rtol=0, atol=1e-12)
        np.testing.assert_allclose(n.std(axis=0), 1, rtol=0, atol=1e-12)


def test_moments_see_joined_signals():
    net = resnet("tanh", group=64)
    patterns = problem(net, 30)
    settled = with_moments(net, patterns, (0,))
    at, found = settled, signals(settled, patterns.x)
    for index in range(len(at.layers)):
        layer, p, _ = layer_of(at, index)
        if isinstance(layer, BatchNorm2d):
            own = found[index]
            np.testing.assert_allclose(at.buffers[f"{index}.mean"], own.mean(axis=(0, 1, 2)), rtol=0, atol=1e-12)
            np.testing.assert_allclose(at.buffers[f"{index}.variance"], own.var(axis=(0, 1, 2)), rtol=0, atol=1e-12)
            n = (found[index + 1] - p["W"][:, 0]) / p["W"][:, 1]
            np.testing.assert_allclose(n.mean(axis=(0, 1, 2)), 0, atol=1e-11)


@pytest.mark.parametrize(("activation", "loss"), [(curve(), "squared_error"), ("tanh", "cross_entropy")])
@pytest.mark.slow
def test_check_passes(activation, loss):
    net = resnet(activation, loss)
    rows = check(net, problem(net, 100))
    assert not [row for row in rows if not row.passed], rows


def test_check_sees_a_join_that_brings_too_little_back(monkeypatch):
    monkeypatch.setattr(Add, "shares", lambda self, g: (g, 0.999 * g))
    failed = {row.where for row in check(resnet("tanh"), problem(resnet("tanh"), 40)) if not row.passed}
    assert failed >= {"0.W", "10.W", "11.W"}
    assert not failed & {"13.W", "14.W"}  # the shortcut is the signal that goes on
