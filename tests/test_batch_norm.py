"""Batch normalisation, Eqs. (58)-(60): against PyTorch and difference quotients, groups, moments, runs and files."""

from __future__ import annotations

import dataclasses

import array_api_strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import central, random_direction, slope
from toys import E_of, block_rows, curve, gradients_of, layer_of, random_layers, take_step

import pwl
from pwl.layers import BatchNorm2d, Conv2d, Dropout, Flatten
from pwl.network.layout import HEAD
from pwl.reductions.batch_moments import PATTERNS, with_moments
from pwl.runtime.backend import host

SHAPE = (4, 3, 2)


@st.composite
def cases(draw, alone=False):
    """(frozen layer, p, b, x, rng) on images of a few numbers; groups of one number come where `alone` is True."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    Nv, group = draw(st.integers(1, 7)), draw(st.integers(1, 9))
    shape = (draw(st.integers(1, 3)), draw(st.integers(1 if alone else 2, 3)), draw(st.integers(1, 3)))
    layer = BatchNorm2d(10.0 ** -draw(st.integers(1, 3)), group)
    c = shape[2]
    p = {"W": rng.standard_normal((c, 2))}
    b = {"mean": rng.standard_normal(c), "variance": rng.uniform(0.2, 2.0, c)}
    return layer, p, b, 1 + 2 * rng.standard_normal((Nv, *shape)), rng


def both_forms(layer):
    return layer, layer.training(())


def net_of(layers=None, seed=1, loss="cross_entropy", shape=SHAPE):
    """Random network; its moments are 0 and 1 still."""
    layers = layers or [Conv2d(3, 2), BatchNorm2d(group=4), curve("linear"), Conv2d(2, 2), BatchNorm2d(group=4), "tanh"]
    return random_layers([*layers, Flatten()], shape, loss=loss, seed=seed)


def images(Nv=30, loss="cross_entropy", shape=SHAPE, seed=2, weights=False, **options):
    rng = np.random.default_rng(seed)
    x = 1 + 2 * rng.standard_normal((Nv, *shape))
    t = rng.integers(0, 3, Nv) if loss == "cross_entropy" else rng.standard_normal((Nv, 3))
    return pwl.Patterns(x, t, rng.uniform(0.2, 2.0, Nv) if weights else None, **options)


# ---- PyTorch


def by_torch(layer, p, b, x, u, train):
    """Output, and the gradients of <u, output> for x, shift and scale, by torch.nn.BatchNorm2d."""
    torch = pytest.importorskip("torch")
    module = torch.nn.BatchNorm2d(x.shape[3], eps=layer.epsilon).double().train(train)
    with torch.no_grad():
        module.bias.copy_(torch.from_numpy(p["W"][:, 0]))
        module.weight.copy_(torch.from_numpy(p["W"][:, 1]))
        module.running_mean.copy_(torch.from_numpy(b["mean"]))
        module.running_var.copy_(torch.from_numpy(b["variance"]))
    at = torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).requires_grad_()
    y = module(at)
    (y * torch.from_numpy(u.transpose(0, 3, 1, 2).copy())).sum().backward()
    last = (0, 2, 3, 1)
    return y.detach().numpy().transpose(last), at.grad.numpy().transpose(last), module.bias.grad, module.weight.grad


@settings(max_examples=40, deadline=None)
@given(cases(), st.booleans())
def test_values_and_gradients_are_pytorchs(case, train):
    layer, p, b, x, rng = case
    layer = dataclasses.replace(layer, group=len(x))
    at, u = layer.training(()) if train else layer, rng.standard_normal(x.shape)
    y, gx, shift, scale = by_torch(layer, p, b, x, u, train)
    n, saved = at.forward(p, b, x)
    np.testing.assert_allclose(n, y, rtol=0, atol=1e-11)
    np.testing.assert_allclose(at.gradient(p, b, saved, u)["W"].T, [shift, scale], rtol=0, atol=1e-10)
    np.testing.assert_allclose(at.backward(p, b, saved, u.copy()), gx, rtol=0, atol=1e-10)


def test_a_net_with_its_loss_is_pytorchs():
    torch = pytest.importorskip("torch")
    net = net_of([Conv2d(3, 2), BatchNorm2d(), "relu"])
    patterns = images(12)
    parts = {key: torch.tensor(part, requires_grad=True) for key, part in net.parts.items()}
    W, W_o = parts["0.W"], parts[HEAD]
    kernel = W[:, 1:].reshape(3, 2, 2, 2).permute(0, 3, 1, 2)
    n = torch.nn.functional.conv2d(torch.from_numpy(patterns.x.transpose(0, 3, 1, 2).copy()), kernel, W[:, 0])
    shift, scale = (parts["1.W"][:, i].contiguous() for i in (0, 1))  # PyTorch's gradient is wrong for a strided scale
    n = torch.nn.functional.batch_norm(n, None, None, scale, shift, training=True)
    o = torch.relu(n).permute(0, 2, 3, 1).reshape(12, -1)
    loss = torch.nn.functional.cross_entropy(W_o[:, 0] + o @ W_o[:, 1:].T, torch.from_numpy(patterns.t))
    loss.backward()
    trained = net.training(0, 0)
    assert E_of(trained, patterns) == pytest.approx(loss.item(), rel=1e-12)
    for key, g in gradients_of(trained, patterns).items():
        np.testing.assert_allclose(-g, parts[key].grad.numpy(), rtol=0, atol=1e-12)


# ---- both forms


@settings(max_examples=40, deadline=None)
@given(cases(alone=True))
def test_what_every_layer_promises(case):
    layer, p, b, x, rng = case
    for at in both_forms(layer):
        before = x.copy()
        n, saved = at.forward(p, b, x)
        assert n.shape == (len(x), *at.output_shape(x.shape[1:])) and n.dtype == x.dtype
        np.testing.assert_array_equal(at.apply(p, b, x), n)
        g = rng.standard_normal(x.shape)
        for name, kept in zip(saved._fields, at.keep(p, b, x), strict=True):
            np.testing.assert_array_equal(kept, getattr(saved, name))
        assert at.backward(p, b, saved, g.copy()).shape == x.shape
        assert at.gradient(p, b, saved, g)["W"].shape == at.shapes(x.shape[1:])["W"] == p["W"].shape
        np.testing.assert_array_equal(x, before)


@settings(max_examples=40, deadline=None)
@given(cases(alone=True))
def test_tangent_and_backward_are_adjoint(case):
    """<u, J v> = <J'u, v>, v a change of inputs, of parameters, or of both."""
    layer, p, b, x, rng = case
    for at in both_forms(layer):
        _, saved = at.forward(p, b, x)
        u, dx, d = rng.standard_normal(x.shape), rng.standard_normal(x.shape), {"W": rng.standard_normal(p["W"].shape)}
        back = float(np.sum(at.backward(p, b, saved, u.copy()) * dx))
        own = float(np.sum(at.gradient(p, b, saved, u)["W"] * d["W"]))
        for part, change, wanted in (({}, dx, back), (d, dx, back + own), (d, None, own)):
            forth = at.tangent(p, b, saved, part, None if change is None else change.copy())
            assert float(np.sum(u * forth)) == pytest.approx(wanted, rel=1e-9, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(cases())
def test_tangents_are_quotients(case):
    layer, p, b, x, rng = case
    dx, d = rng.standard_normal(x.shape), {"W": rng.standard_normal(p["W"].shape)}
    for at in both_forms(layer):
        wanted = central(lambda z, at=at: at.apply({"W": p["W"] + z * d["W"]}, b, x + z * dx))
        found = at.tangent(p, b, at.forward(p, b, x)[1], d, dx.copy())
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * max(1.0, np.abs(found).max()))


@settings(max_examples=40, deadline=None)
@given(cases(alone=True))
def test_columns_sum_to_the_gradient(case):
    layer, p, b, x, rng = case
    _, saved = layer.forward(p, b, x)
    g = rng.standard_normal(x.shape)
    columns = layer.columns(p, b, saved, g)["W"]
    assert columns.shape == (*p["W"].shape, len(x))
    np.testing.assert_allclose(columns.sum(axis=2), layer.gradient(p, b, saved, g)["W"], rtol=0, atol=1e-12)
    one = [layer.gradient(p, b, layer.keep(p, b, x[q : q + 1]), g[q : q + 1])["W"] for q in range(len(x))]
    np.testing.assert_allclose(columns, np.stack(one, axis=2), rtol=0, atol=1e-13)


@settings(max_examples=40, deadline=None)
@given(cases(alone=True))
def test_a_group_is_a_batch_of_its_own(case):
    """To the bit: what a group gives does not depend on what else is in the block."""
    layer, p, b, x, rng = case
    at, g = layer.training(()), rng.standard_normal(x.shape)
    n, saved = at.forward(p, b, x)
    back = at.backward(p, b, saved, g.copy())
    for first in range(0, len(x), layer.group):
        rows = slice(first, first + layer.group)
        alone, kept = at.forward(p, b, x[rows])
        np.testing.assert_array_equal(n[rows], alone)
        np.testing.assert_array_equal(back[rows], at.backward(p, b, kept, g[rows].copy()))


def test_normalised_numbers_have_mean_0_and_variance_1():
    layer, x = BatchNorm2d(1e-12, group=8), images(21, shape=(3, 4, 2)).x
    n = layer.training(()).apply({"W": np.tile([0.0, 1.0], (2, 1))}, {}, x)
    for rows in (slice(0, 8), slice(8, 16), slice(16, 21)):
        np.testing.assert_allclose(n[rows].mean(axis=(0, 1, 2)), 0, atol=1e-13)
        np.testing.assert_allclose(n[rows].var(axis=(0, 1, 2)), 1, atol=1e-10)


# ---- networks


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
@pytest.mark.parametrize("weights", [False, True])
def test_the_gradient_of_the_training_form_is_the_quotient(loss, weights):
    """Whole nets, every parameter, through the moments of groups of 4 patterns, the last of 2."""
    layers = [Conv2d(3, 2), BatchNorm2d(group=4), "tanh", Conv2d(2, 2), BatchNorm2d(group=4), "sigmoid"]
    net = net_of(layers, loss=loss).training(0, 0)
    patterns = images(14, loss, weights=weights)
    G = gradients_of(net, patterns)
    rng = np.random.default_rng(3)
    for key in net.parts:
        D = random_direction(net, (key,), rng)
        found = slope(net, patterns, D)
        assert found == pytest.approx(-np.sum(G[key] * D[key]), rel=1e-6, abs=1e-8)


def test_sgd_steps_along_the_gradient_of_the_training_form():
    net, patterns = net_of(), images(14)
    algorithm = pwl.SGD(0.1, momentum=0)
    after, _, _ = take_step(algorithm, net, patterns, algorithm.init(net, patterns, 5))
    G = net.join(gradients_of(net.training(5, 0), patterns))
    np.testing.assert_array_equal(after.theta, net.theta + 0.1 * G)
    frozen = net.join(gradients_of(net, patterns))
    assert np.abs(G - frozen).max() > 0.01
    assert after.layers == net.layers


def test_blocks_are_whole_groups_in_training_form_only():
    net = net_of([Conv2d(3, 2), BatchNorm2d(group=4), "tanh", Conv2d(2, 2), BatchNorm2d(group=6), "tanh"])
    assert (net.group, net.training(0).group) == (1, 12)
    for block_bytes in (1, 60_000, 200_000, 300_000):
        patterns = images(100, block_bytes=block_bytes)
        plain = block_rows(patterns, net)
        assert block_rows(patterns, net.training(0)) == max(1, plain // 12) * 12
    assert block_rows(images(100, block_bytes=200_000), net) % 12


@pytest.mark.parametrize("threads", ["1", "2"])
def test_results_do_not_depend_on_blocks_or_threads(threads, monkeypatch):
    net = net_of()
    keys = tuple(net.parts)
    wanted = gradients_of(net.training(0), images(50), keys)
    moments = with_moments(net, images(50), (1,)).buffers
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    for block_bytes in (1, 150_000):
        patterns = images(50, block_bytes=block_bytes)
        assert block_rows(patterns, net.training(0)) < 50
        for key, g in gradients_of(net.training(0), patterns, keys).items():
            np.testing.assert_allclose(g, wanted[key], rtol=0, atol=1e-13)
        for key, found in with_moments(net, patterns, (1,)).buffers.items():
            np.testing.assert_allclose(found, moments[key], rtol=1e-12, atol=1e-14)


def test_strict_arrays_give_the_same_numbers():
    net, patterns = net_of(), images(14)
    strict = net.to(array_api_strict)
    for at, there in ((net, strict), (net.training(0), strict.training(0))):
        wanted, found = (gradients_of(n, patterns) for n in (at, there))
        for key in wanted:
            np.testing.assert_allclose(host(found[key]), wanted[key], rtol=0, atol=1e-13)
    for algorithm in (pwl.SGD(0.1), pwl.Adam(0.01), pwl.AdAct(), pwl.LM(solver="cholesky")):
        wanted, found = (take_step(algorithm, at, patterns)[0].theta for at in (net, strict))
        assert type(found) is type(strict.theta)
        assert np.linalg.norm(host(found) - wanted) < 1e-7 * np.linalg.norm(wanted)
    moments = with_moments(net, patterns, (0,)).buffers
    for key, found in with_moments(strict, patterns, (0,)).buffers.items():
        assert type(found) is type(strict.theta)
        np.testing.assert_allclose(host(found), moments[key], rtol=0, atol=1e-13)


def test_float32_stays():
    net = net_of()
    single = dataclasses.replace(
        net.with_theta(net.theta.astype(np.float32)), buffers={k: b.astype(np.float32) for k, b in net.buffers.items()}
    )
    patterns = images(40)
    after, _ = pwl.train(single, patterns, pwl.SGD(0.01), iterations=2, batch_size=10)
    wanted, _ = pwl.train(net, patterns, pwl.SGD(0.01), iterations=2, batch_size=10)
    assert {a.dtype for a in (after.theta, *after.buffers.values())} == {np.dtype(np.float32)}
    np.testing.assert_allclose(after.theta, wanted.theta, rtol=0, atol=1e-4)


# ---- moments


def brute_force_moments(net, x):
    """Each BatchNorm2d's mean and variance over groups of 4, layer by layer, written out."""
    found, rest = {}, len(x) % 4
    weights = np.array([4] * (len(x) // 4) + ([rest] if rest else []), dtype=float)
    for index, layer in enumerate(net.layers):
        _, p, b = layer_of(net, index)
        if not isinstance(layer, BatchNorm2d):
            x = layer.apply(p, b, x)
            continue
        parts = [x[first : first + 4] for first in range(0, len(x), 4)]
        means, variances = (np.array([f(part, axis=(0, 1, 2)) for part in parts]) for f in (np.mean, np.var))
        found[f"{index}.mean"] = weights @ means / weights.sum()
        found[f"{index}.variance"] = weights @ variances / weights.sum()
        hat = [(part - m) / np.sqrt(v + layer.epsilon) for part, m, v in zip(parts, means, variances, strict=True)]
        x = p["W"][:, 0] + p["W"][:, 1] * np.concatenate(hat)
    return found


@pytest.mark.parametrize("weights", [False, True])
def test_moments_are_those_of_groups_in_a_drawn_order(weights):
    net, patterns = net_of(), images(30)
    if weights:  # those that weigh nothing are left out, others count alike
        patterns = pwl.Patterns(patterns.x, patterns.t, np.arange(30) % 3)
    counted = np.flatnonzero(np.arange(30) % 3) if weights else np.arange(30)
    after = with_moments(net, patterns, (7, 3))
    order = np.random.default_rng((7, 3)).permutation(counted)
    wanted = brute_force_moments(net, patterns.x[order])
    assert len(wanted) == 4
    for key, value in wanted.items():
        np.testing.assert_allclose(after.buffers[key], value, rtol=0, atol=1e-12)
    assert np.array_equal(after.theta, net.theta) and after.layers == net.layers
    assert np.any(with_moments(net, patterns, (7, 4)).buffers["1.variance"] != after.buffers["1.variance"])


def test_so_many_patterns_at_most_are_drawn():
    net = net_of([BatchNorm2d()], shape=(1, 1, 1))
    patterns = images(PATTERNS + 1000, shape=(1, 1, 1))
    after = with_moments(net, patterns, (0, 1))
    rows = np.random.default_rng((0, 1)).permutation(len(patterns))[:PATTERNS]
    np.testing.assert_allclose(after.buffers["0.mean"], patterns.x[rows].mean(axis=(0, 1, 2)), rtol=0, atol=1e-12)


def test_dropout_does_not_act_on_moments():
    layers = [Conv2d(3, 2), Dropout(0.5), BatchNorm2d(group=4), "tanh"]
    with_it, without = net_of(layers), net_of([layers[0], *layers[2:]])
    found = with_moments(with_it, images(), (0,)).buffers["2.variance"]
    np.testing.assert_array_equal(found, with_moments(without, images(), (0,)).buffers["1.variance"])


def test_networks_that_normalise_nothing_stay_the_same_value():
    net = net_of([Conv2d(3, 2), "tanh"])
    patterns = images()
    assert with_moments(net, patterns, (0,)) is net and patterns.passes == 0
    assert net.training(0, 1) is net and net.at_pattern(8) is net and net.group == 1
