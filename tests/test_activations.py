"""Activations of the literature: PLU, APL, splines, scaled ones, Eqs. (43)-(46)."""

from __future__ import annotations

import array_api_strict
import numpy as np
import pytest
from oracles import quotient, random_direction, slope
from toys import (
    LOSSES,
    gradients_of,
    input_of,
    layer_of,
    outputs,
    passes_back,
    problem,
    random_layers,
    spirals,
    take_step,
    tangent,
    waves,
)

import pwl
from pwl import activations
from pwl.layers import AvgPool2d, Conv2d, Dense, Flatten
from pwl.network.layout import HEAD
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import host
from pwl.study.check import check
from pwl.study.quotients import segments

NEW = {
    "plu": pwl.PLU(0.2, 0.8),
    "apl": pwl.APL(S=3),
    "spline": pwl.Spline("tanh", 9, span=(-2.0, 2.0)),
    "scaled tanh": pwl.ScaledActivation("tanh", 2.0),
    "scaled plu": pwl.ScaledActivation(pwl.PLU()),
}
TRAINED = {name: made for name, made in NEW.items() if name != "plu"}
NETS = ("mlp", "cnn")
TOLERANCE = 2e-8  # of central quotients at step 1e-5, see tests/test_gradients.py


def network(activation, kind, loss="squared_error", dtype=np.float64):
    """A random net of two layers with the activation."""
    if kind == "mlp":
        return random_layers([Dense(4), activation, Dense(3), activation], (3,), loss=loss, dtype=dtype)
    layers = [Conv2d(2, 3), activation, AvgPool2d(2), Flatten(), Dense(3), activation]
    return random_layers(layers, (6, 6, 2), loss=loss, dtype=dtype)


def off_kinks(net, directions, Nv=60, step=1e-4):
    """Random patterns, less those that change a piece of any curve a little way along the directions."""
    patterns = problem(net, Nv)
    ends = [net.moved({key: far * d for key, d in v.items()}) for v in directions for far in (-step, step)]
    here = segments(net, patterns.x)
    keep = np.all([np.all(segments(end, patterns.x) == here, axis=1) for end in ends], axis=0)
    assert np.sum(keep) >= 20
    return Patterns(patterns.x[keep], patterns.t[keep])


def own(net):
    return net.keys("activation")


def one(activation, n, **p):
    """Values and slopes of a single unit at nets n."""
    n = np.asarray(n, dtype=np.float64)[:, None]
    p = {name: np.asarray([value], dtype=np.float64) for name, value in p.items()}
    b = activation.buffers((1,))
    o, saved = activation.forward(p, b, n)
    np.testing.assert_array_equal(o, activation.apply(p, b, n))
    return o[:, 0], activation.backward(p, b, saved, np.ones_like(n))[:, 0]


# ---- values


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_keeps_its_digits_and_never_overflows(dtype):
    eps = np.finfo(dtype).eps
    n = np.array([-np.inf, -1e30, -1e4, -40, -1, 0, 1, 40, 1e30, np.inf, np.nan], dtype)
    with np.errstate(over="raise", divide="raise"):
        o = activations.FIXED["sigmoid"].f(n)
    assert o.dtype == dtype
    np.testing.assert_allclose(o[3:8], 1 / (1 + np.exp(-n[3:8].astype(np.float64))), rtol=4 * eps)
    np.testing.assert_array_equal(o[8:10], 1)
    assert np.all((o[:3] >= 0) & (o[:3] < 1e-37)) and np.isnan(o[10])


def test_plu_by_hand():
    o, slope = one(pwl.PLU(), [-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0])
    np.testing.assert_allclose(o, [-1.2, -1.0, -0.5, 0.0, 0.5, 1.0, 1.2], rtol=1e-15)
    np.testing.assert_array_equal(slope, [0.1, 1, 1, 1, 1, 0.1, 0.1])
    assert pwl.Network.mlp(2, 3, 1, "plu").layers[1] == pwl.PLU()


def test_apl_by_hand():
    """S = 2, a = (0.2, -0.5), b = (0, 1): at -1 it is 0.2 (0 + 1) - 0.5 (1 + 1)."""
    o, slope = one(pwl.APL(S=2), [-1.0, 0.5, 2.0], a=[0.2, -0.5], b=[0.0, 1.0])
    np.testing.assert_allclose(o, [-0.8, 0.5 - 0.25, 2.0], rtol=1e-15)
    np.testing.assert_allclose(slope, [-0.2 + 0.5, 1 + 0.5, 1.0], rtol=1e-15)


def test_apl_starts_as_published():
    p = pwl.APL().start_parameters((2000,), np.random.default_rng(0))
    assert p["a"].shape == p["b"].shape == (2000, 5)
    assert 0.099 < p["a"].max() <= 0.1 and -0.1 <= p["a"].min() < -0.099
    assert np.std(p["b"]) == pytest.approx(0.5, rel=0.03)


def test_spline_by_hand():
    """Hinges 0, 1, 2, 3 and Q = (0, 1, 0, 2): at u = 1/2 it is (-Q_0 + 9 Q_1 + 9 Q_2 - Q_3) / 16, the slope
    (Q_0 - 11 Q_1 + 11 Q_2 - Q_3) / 8 by Eq. (45)."""
    o, slope = one(pwl.Spline("identity", 4, span=(0, 3)), [-5.0, 1.0, 1.5, 2.0, 9.0], Q=[0.0, 1.0, 0.0, 2.0])
    np.testing.assert_allclose(o, [1.0, 1.0, (9 - 2) / 16, 0.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(slope, [0, 0, (-11 - 2) / 8, 0, 0], atol=1e-15)  # at 1: (Q_2 - Q_0) / 2 = 0


def test_spline_meets_its_ordinates_and_lines():
    spline = pwl.Spline("tanh", 9, span=(-2, 2))
    ns = spline.buffers((1,))["ns"]
    Q = spline.start_parameters((1,), None)["Q"]
    np.testing.assert_allclose(Q, np.tanh(ns), rtol=1e-15)
    o, _ = one(spline, ns[0], Q=Q[0])
    np.testing.assert_allclose(o, np.tanh(np.clip(ns[0], -1.5, 1.5)), rtol=0, atol=1e-15)
    n = np.linspace(-1.49, 1.49, 50)
    o, slope = one(spline, n, Q=3 * ns[0] - 1)
    np.testing.assert_allclose(o, 3 * n - 1, rtol=0, atol=1e-14)
    np.testing.assert_allclose(slope, 3, rtol=1e-13)


def test_scaled_by_hand():
    o, slope = one(pwl.ScaledActivation("tanh", 5.0), [0.3, -2.0], a=[0.4])
    np.testing.assert_allclose(o, np.tanh([0.6, -4.0]), rtol=1e-15)
    np.testing.assert_allclose(slope, 2 * (1 - o**2), rtol=1e-13)


@pytest.mark.parametrize("s", [1, 10])
def test_scaled_starts_as_its_activation(s):
    x = np.random.default_rng(0).standard_normal((20, 3))
    plain, scaled = (
        pwl.initialise(Network.mlp(3, 4, 2, made), (x, np.sin(x[:, :2])))
        for made in ("sigmoid", pwl.ScaledActivation("sigmoid", s))
    )
    np.testing.assert_allclose(scaled.predict(x), plain.predict(x), rtol=1e-9)


@pytest.mark.parametrize("name", NEW)
def test_nan_and_infinity(name):
    """NaN shows; where a curve is bounded, so is its output."""
    made = NEW[name]
    p = made.start_parameters((1,), np.random.default_rng(0))
    o, slope = one(made, [np.nan, 1e30, -1e30], **{key: value[0] for key, value in p.items()})
    assert np.isnan(o[0]) and np.isfinite(o[1:]).all() and np.isfinite(slope[1:]).all()
    assert np.isnan(slope[0]) or "plu" in name


# ---- derivatives


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("name", NEW)
def test_gradients(name, kind, loss):
    net = network(NEW[name], kind, loss)
    rng = np.random.default_rng(0)
    keys = tuple(net.parts)
    directions = [random_direction(net, (key,), rng) for key in keys for _ in range(2)]
    patterns = off_kinks(net, directions)
    G = gradients_of(net, patterns)
    for v in directions:
        ((key, d),) = v.items()
        wanted = -slope(net, patterns, v)
        assert np.sum(G[key] * d) == pytest.approx(wanted, rel=0, abs=TOLERANCE * (1 + np.linalg.norm(G[key])))


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("name", NEW)
def test_tangents(name, kind):
    net = network(NEW[name], kind)
    rng = np.random.default_rng(1)
    directions = [random_direction(net, (key,), rng) for key in net.parts if key != HEAD]
    x = off_kinks(net, directions).x
    for v in directions:
        wanted = quotient(lambda at: outputs(at, x), net, v)
        found = tangent(net, x, v)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=3e-8 * max(1.0, np.abs(found).max()))


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("name", NEW)
def test_forward_and_backward_are_adjoint(name, kind):
    """<u, J v> = <J'u, v>, by `gradient` and, pattern by pattern, by `columns`."""
    net = network(NEW[name], kind)
    rng = np.random.default_rng(3)
    x = problem(net).x
    v = random_direction(net, tuple(key for key in net.parts if key != HEAD), rng)
    dy = tangent(net, x, v)
    u = rng.standard_normal(dy.shape)
    forth, back, whole = np.sum(u * dy, axis=1), np.zeros(len(x)), 0.0
    for index, saved, g in passes_back(net, x, u):
        layer, p, b = layer_of(net, index)
        for part, each in layer.columns(p, b, saved, +g).items():
            assert each.shape == (*p[part].shape, len(x))
            back += np.sum(each * v[f"{index}.{part}"][..., None], axis=(0, 1))
        for part, all_ in layer.gradient(p, b, saved, g).items():
            whole += np.sum(all_ * v[f"{index}.{part}"])
    np.testing.assert_allclose(back, forth, rtol=0, atol=1e-12)
    assert whole == pytest.approx(np.sum(forth), abs=1e-11)


@pytest.mark.parametrize("name", NEW)
def test_what_is_kept_serves_gradient_and_tangent(name):
    made = NEW[name]
    rng = np.random.default_rng(0)
    p, b = made.start_parameters((3,), rng), made.buffers((3,))
    n, g = rng.standard_normal((8, 4, 5, 3)), rng.standard_normal((8, 4, 5, 3))
    _, saved = made.forward(p, b, n)
    kept = made.keep(p, b, n)
    for key, value in made.gradient(p, b, saved, +g).items():
        np.testing.assert_array_equal(value, made.gradient(p, b, kept, +g)[key])
        d = {key: rng.standard_normal(p[key].shape)}
        np.testing.assert_array_equal(made.tangent(p, b, saved, d, None), made.tangent(p, b, kept, d, None))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("hidden", [5, (4, 3)])
@pytest.mark.parametrize("name", NEW)
def test_check_passes(name, hidden, loss):
    x, t = spirals() if loss == "cross_entropy" else waves(N=3)
    net = Network.mlp(x.shape[1], hidden, 3 if loss == "cross_entropy" else 2, NEW[name], loss=loss)
    rows = check(net, ((x - x.mean(axis=0)) / x.std(axis=0), t))
    assert all(row.passed for row in rows), [row for row in rows if not row.passed]
    assert {row.where for row in rows} >= set(own(net))


# ---- against PyTorch


def torch_output(torch, name, n, p):
    """The activations as PyTorch code of their own."""
    if name == "apl":
        return torch.relu(n) + (p["a"] * torch.relu(p["b"] - n[..., None])).sum(-1)
    if name == "spline":
        t = ((n + 2) / 0.5).clamp(1, 7)
        distance = (t[..., None] - torch.arange(9, dtype=torch.float64)).abs()
        near = 1.5 * distance**3 - 2.5 * distance**2 + 1
        far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
        zero = torch.zeros_like(distance)
        return (p["Q"] * torch.where(distance < 1, near, torch.where(distance < 2, far, zero))).sum(-1)
    alpha, c = (0.2, 0.8) if name == "plu" else (0.1, 1.0)
    z = n if name == "plu" else p["a"][:, 0] * n
    if name == "scaled tanh":
        return torch.tanh(2 * z)
    return torch.maximum(alpha * (z + c) - c, torch.minimum(alpha * (z - c) + c, z))


@pytest.mark.parametrize("shape", [(50, 3), (10, 4, 5, 3)])
@pytest.mark.parametrize("name", NEW)
def test_against_autograd(name, shape):
    torch = pytest.importorskip("torch")
    made, rng = NEW[name], np.random.default_rng(5)
    n, g = 1.5 * rng.standard_normal(shape), rng.standard_normal(shape)
    b = made.buffers((3,))
    p = {key: rng.standard_normal(size) for key, size in made.shapes((3,)).items()}
    theirs = {key: torch.tensor(value, requires_grad=True) for key, value in p.items()}
    nets = torch.tensor(n, requires_grad=True)
    o = torch_output(torch, name, nets, theirs)
    (o * torch.tensor(g)).sum().backward()
    found, saved = made.forward(p, b, n)
    np.testing.assert_allclose(found, o.detach().numpy(), rtol=0, atol=1e-12)
    for key, value in made.gradient(p, b, saved, +g).items():
        np.testing.assert_allclose(value, theirs[key].grad.numpy(), rtol=0, atol=1e-11)
    np.testing.assert_allclose(made.backward(p, b, saved, g), nets.grad.numpy(), rtol=0, atol=1e-11)


# ---- arrays of other kinds


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("name", NEW)
def test_strict_arrays(name, kind, dtype):
    net = network(NEW[name], kind, dtype=dtype)
    strict = net.to(array_api_strict)
    patterns, rng = problem(net, 20), np.random.default_rng(7)
    keys = tuple(net.parts)
    rounding = 1e-5 if dtype == np.float32 else 1e-13

    def same(other, mine):
        np.testing.assert_allclose(host(other), mine, rtol=0, atol=rounding * max(1, np.max(np.abs(mine))))

    G, there = gradients_of(net, patterns), gradients_of(strict, patterns)
    for key in keys:
        assert there[key].dtype == strict.theta.dtype and G[key].dtype == dtype
        same(there[key], G[key])
    v = {key: rng.standard_normal(net.parts[key].shape).astype(dtype) for key in keys if key != HEAD}
    x = patterns.x.astype(dtype)
    dy = tangent(net, x, v)
    other = tangent(strict, array_api_strict.asarray(x), {key: array_api_strict.asarray(d) for key, d in v.items()})
    assert dy.dtype == dtype
    same(other, dy)
    for index in range(len(net.layers)):
        layer, p, b = layer_of(net, index)
        if p and layer.kind == "activation":
            n = input_of(net, index, x)
            mine = layer.columns(p, b, layer.forward(p, b, n)[1], n)
            _, p, b = layer_of(strict, index)
            n = array_api_strict.asarray(n)
            for key, value in layer.columns(p, b, layer.forward(p, b, n)[1], n).items():
                same(value, mine[key])


@pytest.mark.parametrize("name", TRAINED)
def test_adact_steps_are_the_same_in_strict_arrays(name):
    net = network(TRAINED[name], "mlp")
    patterns = problem(net)
    wanted, found = (take_step(pwl.AdAct(), at, patterns)[0] for at in (net, net.to(array_api_strict)))
    np.testing.assert_allclose(host(found.theta), wanted.theta, rtol=0, atol=1e-8 * np.abs(wanted.theta).max())


@pytest.mark.parametrize(
    ("theirs", "ours"), [("tansig", "tanh"), ("logsig", "sigmoid"), ("purelin", "identity"), ("poslin", "relu")]
)
def test_names_of_matlab(theirs, ours):
    assert pwl.activations.resolve(theirs) is pwl.activations.resolve(ours)
    assert pwl.PiecewiseLinear(theirs, 5) == pwl.PiecewiseLinear(ours, 5)
    assert pwl.Network.mlp(2, 3, 1, theirs).layers == pwl.Network.mlp(2, 3, 1, ours).layers
