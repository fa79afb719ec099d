"""Convolution and pooling, Eqs. (53)-(56): against PyTorch, difference quotients and each other, over all kinds of windows."""

from __future__ import annotations

import array_api_strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import central

import pwl
from pwl.kernels import engine
from pwl.kernels.cpu import convolution as convolution_cpu
from pwl.kernels.cpu import pooling as pooling_cpu
from pwl.kernels.reference import convolution, pooling
from pwl.layers import AdaptiveAvgPool2d, AvgPool2d, Conv2d, Dense, Flatten, GlobalAvgPool2d, MaxPool2d
from pwl.runtime.backend import host

EPS = {np.dtype(np.float32): 2.0**-23, np.dtype(np.float64): 2.0**-52}
FLOATS = st.sampled_from([np.float32, np.float64])
PAIR = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def convolutions(draw, dtypes=FLOATS, groups=True):
    """(layer, W, x, rng): windows of every kind on images that they fit."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    group = draw(st.integers(1, 3)) if groups else 1
    layer = Conv2d(
        group * draw(st.integers(1, 3)), draw(PAIR), draw(PAIR),
        draw(st.one_of(st.sampled_from(["valid", "same"]), st.tuples(st.integers(0, 3), st.integers(0, 3)))),
        draw(PAIR), group, draw(st.booleans()),
    )  # fmt: skip
    least = [max(1, n - sum(pad)) for n, pad in zip(layer.window.reach(), layer.window.padding, strict=True)]
    shape = (*(n + draw(st.integers(0, 5)) for n in least), group * draw(st.integers(1, 3)))
    return layer, *filled(layer, draw(st.integers(1, 3)), shape, rng, draw(dtypes))


@st.composite
def poolings(draw, dtypes=FLOATS):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size, stride = draw(PAIR), draw(st.one_of(st.none(), PAIR))
    kinds = [MaxPool2d(size, stride), AvgPool2d(size, stride), GlobalAvgPool2d(), Flatten(), AdaptiveAvgPool2d(size)]
    layer = draw(st.sampled_from(kinds))
    shape = (*(n + draw(st.integers(0, 5)) for n in size), draw(st.integers(1, 3)))
    return layer, *filled(layer, draw(st.integers(1, 3)), shape, rng, draw(dtypes))


def filled(layer, Nv, shape, rng, dtype):
    """Parameters, images and the generator."""
    p = {name: rng.standard_normal(s).astype(dtype) for name, s in layer.shapes(shape).items()}
    return p, rng.standard_normal((Nv, *shape)).astype(dtype), rng


def like_output(layer, x, rng):
    return rng.standard_normal((len(x), *layer.output_shape(x.shape[1:]))).astype(x.dtype)


def rounding(layer, p, x):
    """Bound on the difference of two orders of the sums over a window, in an output of order 1."""
    terms = max([W.shape[1] for W in p.values()] + [x.shape[1] * x.shape[2]])
    return 16 * terms * EPS[x.dtype]


def close(found, wanted, tolerance):
    assert found.shape == tuple(wanted.shape)
    scale = max(1.0, float(np.max(np.abs(wanted), initial=0)))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * scale)


ANY = st.one_of(convolutions(), poolings())
IN_DOUBLE = st.one_of(convolutions(st.just(np.float64)), poolings(st.just(np.float64)))


# ---- what every layer promises


@settings(max_examples=60, deadline=None)
@given(ANY)
def test_shapes_types_and_the_three_ways_forward(case):
    layer, p, x, rng = case
    before = x.copy()
    o, saved = layer.forward(p, {}, x)
    assert o.shape == (len(x), *layer.output_shape(x.shape[1:]))
    assert o.dtype == x.dtype
    np.testing.assert_array_equal(layer.apply(p, {}, x), o)
    g = like_output(layer, x, rng)
    back = layer.backward(p, {}, saved, g.copy())
    assert back.shape == x.shape and back.dtype == x.dtype
    found = layer.gradient(p, {}, layer.keep(p, {}, x), g)
    assert {name: (a.shape, a.dtype) for name, a in found.items()} == {
        name: (a.shape, x.dtype) for name, a in p.items()
    }
    np.testing.assert_array_equal(x, before)


@settings(max_examples=60, deadline=None)
@given(ANY)
def test_tangent_and_backward_are_adjoint(case):
    """<u, J v> = <J'u, v>, v a change of inputs, of parameters, or of both."""
    layer, p, x, rng = case
    _, saved = layer.forward(p, {}, x)
    u, dx = like_output(layer, x, rng), rng.standard_normal(x.shape).astype(x.dtype)
    d = {name: rng.standard_normal(a.shape).astype(x.dtype) for name, a in p.items()}
    back = float(np.sum(layer.backward(p, {}, saved, u.copy()) * dx))
    own = float(sum(np.sum(a * d[name]) for name, a in layer.gradient(p, {}, saved, u).items()))
    limit = 8 * rounding(layer, p, x) * u.size**0.5 * dx.size**0.5
    for part, change, wanted in (({}, dx, back), (d, dx, back + own), (d, None, own)):
        if part or change is not None:
            forth = layer.tangent(p, {}, saved, part, None if change is None else change.copy())
            assert abs((0 if forth is None else float(np.sum(u * forth))) - wanted) <= limit


@settings(max_examples=50, deadline=None)
@given(ANY)
def test_columns_sum_to_the_gradient(case):
    layer, p, x, rng = case
    _, saved = layer.forward(p, {}, x)
    g = like_output(layer, x, rng)
    columns, gradient = layer.columns(p, {}, saved, g), layer.gradient(p, {}, saved, g)
    assert columns.keys() == gradient.keys()
    for name, each in columns.items():
        assert each.shape == (*gradient[name].shape, len(x))
        close(each.sum(axis=2), gradient[name], rounding(layer, p, x))
        alone = layer.gradient(p, {}, x[:1], g[:1])[name]
        close(each[:, :, 0], alone, rounding(layer, p, x))


@settings(max_examples=50, deadline=None)
@given(IN_DOUBLE)
def test_tangent_is_a_difference_quotient(case):
    """Linear in parameters and inputs alone, bilinear in both: a central quotient is exact but for rounding and ties."""
    layer, p, x, rng = case
    _, saved = layer.forward(p, {}, x)
    dx = rng.standard_normal(x.shape)
    d = {name: rng.standard_normal(a.shape) for name, a in p.items()}
    found = layer.tangent(p, {}, saved, d, dx.copy())
    step = 1e-7  # maxima of normal numbers that change place along it are as rare as one in a million
    close(found, central(lambda z: layer.apply({n: a + z * d[n] for n, a in p.items()}, {}, x + z * dx), step), 1e-6)


@settings(max_examples=60, deadline=None)
@given(IN_DOUBLE)
def test_strict_arrays_give_the_same(case):
    layer, p, x, rng = case
    xs, ps = array_api_strict.asarray(x), {name: array_api_strict.asarray(a) for name, a in p.items()}
    g, dx = like_output(layer, x, rng), rng.standard_normal(x.shape)
    o, saved = layer.forward(p, {}, x)
    strict_o, strict_saved = layer.forward(ps, {}, xs)
    tolerance = rounding(layer, p, x)

    def same(found, wanted):
        assert type(found) is type(xs)
        close(host(found), wanted, tolerance)

    def strict(a):
        return array_api_strict.asarray(a.copy())

    same(strict_o, o)
    same(layer.backward(ps, {}, strict_saved, strict(g)), layer.backward(p, {}, saved, g.copy()))
    same(layer.tangent(ps, {}, strict_saved, ps, strict(dx)), layer.tangent(p, {}, saved, p, dx.copy()))
    for calls in ("gradient", "columns"):
        found, wanted = getattr(layer, calls)(ps, {}, strict_saved, strict(g)), getattr(layer, calls)(p, {}, saved, g)
        for name in p:
            same(found[name], wanted[name])


# ---- the compiled engines equal the specification


def test_the_arrays_choose_the_engines():
    x = np.zeros((1, 2, 2, 1))
    strict = array_api_strict.asarray(x)
    for name, compiled, plain in (
        ("convolve", convolution_cpu, convolution),
        ("weight_gradient", convolution_cpu, convolution),
        ("input_gradient", convolution_cpu, convolution),
        ("max_pool", pooling_cpu, pooling),
        ("max_unpool", pooling_cpu, pooling),
    ):
        assert getattr(engine(x), name) is getattr(compiled, name)
        assert getattr(engine(strict), name) is getattr(plain, name)


@settings(max_examples=60, deadline=None)
@given(convolutions(groups=False), st.booleans())
def test_compiled_convolution_is_the_specification(case, few_at_a_time):
    layer, p, x, rng = case
    W, window, g = layer.kernel(p["W"], x.shape[3]), layer.window, like_output(layer, x, rng)
    tolerance = rounding(layer, p, x)
    with pytest.MonkeyPatch.context() as patch:
        if few_at_a_time:  # one image, one row of its places
            patch.setattr(convolution_cpu, "PLACES", 1)
            patch.setattr(convolution_cpu, "TOGETHER", 1)
            patch.setattr(convolution_cpu, "PATCHES", 1)
        calls = (
            ("convolve", (x, W, window)),
            ("weight_gradient", (x, g, window)),
            ("input_gradient", (g, W, window, *x.shape[1:3])),
        )
        for name, given_ in calls:
            found, wanted = getattr(convolution_cpu, name)(*given_), getattr(convolution, name)(*given_)
            assert found.dtype == wanted.dtype == x.dtype
            close(found, wanted, tolerance * len(x))


@settings(max_examples=60, deadline=None)
@given(poolings(), st.booleans())
def test_compiled_max_pooling_is_the_specification(case, special):
    """To the bit, at equal values and NaN, too; what comes back is summed in another order."""
    layer, _, x, rng = case
    if not isinstance(layer, MaxPool2d):
        layer = MaxPool2d(2 if min(x.shape[1:3]) > 1 else 1, 1)
    x = np.round(x)
    if special:
        x = np.where(rng.random(x.shape) < 0.2, rng.choice(np.array([np.nan, np.inf, -np.inf], x.dtype), x.shape), x)
    window = pwl.layers.pooling.window(layer)
    (best, place), (wanted, where) = (engine.max_pool(x, window) for engine in (pooling_cpu, pooling))
    assert best.dtype == wanted.dtype == x.dtype and place.dtype == where.dtype
    np.testing.assert_array_equal(best, wanted)
    np.testing.assert_array_equal(place, where)
    g = rng.standard_normal(best.shape).astype(x.dtype)
    back = [engine.max_unpool(g, place, window, x.shape) for engine in (pooling_cpu, pooling)]
    close(*back, 16 * place.size * EPS[x.dtype])


def test_max_pooling_counts_past_a_byte():
    x = np.arange(20.0 * 20).reshape(1, 20, 20, 1)
    layer = MaxPool2d(20)
    o, saved = layer.forward({}, {}, x)
    assert o.tolist() == [[[[399.0]]]]
    back = layer.backward({}, {}, saved, np.ones_like(o))
    assert back[0, 19, 19, 0] == back.sum() == 1


@pytest.mark.parametrize("case", ["transposed", "reversed", "broadcast"])
def test_views_are_as_good_as_copies(case):
    rng = np.random.default_rng(0)
    x = {
        "transposed": rng.standard_normal((2, 3, 6, 5)).transpose(0, 2, 3, 1),
        "reversed": rng.standard_normal((2, 6, 5, 3))[:, ::-1],
        "broadcast": np.broadcast_to(rng.standard_normal((6, 5, 3)), (2, 6, 5, 3)),
    }[case]
    for layer in (Conv2d(4, 3, 2, 1), MaxPool2d(2), AvgPool2d(3, 1), GlobalAvgPool2d(), Flatten(), AdaptiveAvgPool2d(7)):
        p, _, _ = filled(layer, 1, x.shape[1:], rng, np.float64)
        np.testing.assert_allclose(layer.apply(p, {}, x), layer.apply(p, {}, x.copy()), rtol=0, atol=1e-13)


# ---- PyTorch, always in double precision: on some CPUs its float32 gradient of strided 1x1 kernels is wrong (2.13)


def to_torch(torch, a):
    return torch.from_numpy(np.ascontiguousarray(a.transpose(0, 3, 1, 2), dtype=np.float64)).requires_grad_()


def from_torch(a):
    a = a.detach().numpy()
    return a.transpose(0, 2, 3, 1) if a.ndim == 4 else a


@settings(max_examples=60, deadline=None)
@given(convolutions())
def test_convolution_is_pytorchs(case):
    torch = pytest.importorskip("torch")
    layer, p, x, rng = case
    g, kernel = like_output(layer, x, rng), layer.kernel(p["W"], x.shape[3])
    (top, bottom), (left, right) = layer.window.padding
    xt, Wt = to_torch(torch, x), to_torch(torch, kernel)
    bias = torch.from_numpy(p["W"][:, 0].astype(np.float64)).requires_grad_() if layer.bias else None
    padded = torch.nn.functional.pad(xt, (left, right, top, bottom))
    y = torch.nn.functional.conv2d(padded, Wt, bias, layer.stride, 0, layer.dilation, layer.groups)
    y.backward(to_torch(torch, g).detach())
    tolerance = rounding(layer, p, x) * len(x)
    o, saved = layer.forward(p, {}, x)
    close(o, from_torch(y), tolerance)
    close(layer.backward(p, {}, saved, g.copy()), from_torch(xt.grad), tolerance)
    G = layer.gradient(p, {}, saved, g)["W"]
    close(layer.kernel(G, x.shape[3]), from_torch(Wt.grad), tolerance)
    if layer.bias:
        close(G[:, 0], bias.grad.numpy(), tolerance)


@pytest.mark.filterwarnings("ignore:Using padding")
@settings(max_examples=40, deadline=None)
@given(st.tuples(PAIR, PAIR), st.integers(0, 1000))
def test_same_padding_is_pytorchs(windows, seed):
    torch = pytest.importorskip("torch")
    size, dilation = windows
    layer = Conv2d(2, size, 1, "same", dilation)
    p, x, _ = filled(layer, 2, (6, 7, 3), np.random.default_rng(seed), np.float64)
    kernel = to_torch(torch, layer.kernel(p["W"], 3))
    bias = torch.from_numpy(p["W"][:, 0].copy())
    y = torch.nn.functional.conv2d(to_torch(torch, x), kernel, bias, padding="same", dilation=dilation)
    assert layer.output_shape((6, 7, 3)) == (6, 7, 2)
    close(layer.apply(p, {}, x), from_torch(y), 1e-13)


@settings(max_examples=50, deadline=None)
@given(poolings())
def test_pooling_is_pytorchs(case):
    torch = pytest.importorskip("torch")
    layer, p, x, rng = case
    functional, xt, g = torch.nn.functional, to_torch(torch, x), like_output(layer, x, rng)
    if isinstance(layer, MaxPool2d):
        y = functional.max_pool2d(xt, layer.size, layer.stride)
    elif isinstance(layer, AvgPool2d):
        y = functional.avg_pool2d(xt, layer.size, layer.stride)
    elif isinstance(layer, AdaptiveAvgPool2d):
        y = functional.adaptive_avg_pool2d(xt, layer.size)
    elif isinstance(layer, GlobalAvgPool2d):
        y = xt.mean(dim=(2, 3))
    else:
        y = xt.permute(0, 2, 3, 1).flatten(1)
    y.backward(to_torch(torch, g).detach() if g.ndim == 4 else torch.from_numpy(g.astype(np.float64)))
    tolerance = rounding(layer, p, x)
    o, saved = layer.forward(p, {}, x)
    close(o, from_torch(y), tolerance)
    close(layer.backward(p, {}, saved, g.copy()), from_torch(xt.grad), tolerance)


# ---- what can't be


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Conv2d(0, 3), "filters"),
        (lambda: Conv2d(4.0, 3), "filters"),
        (lambda: Conv2d(True, 3), "filters"),
        (lambda: Conv2d(4, 0), "size"),
        (lambda: Conv2d(4, (3, 3, 3)), "size"),
        (lambda: Conv2d(4, 3, stride=0), "stride"),
        (lambda: Conv2d(4, 3, dilation=-1), "dilation"),
        (lambda: Conv2d(4, 3, padding="full"), "padding"),
        (lambda: Conv2d(4, 3, padding=-1), "padding"),
        (lambda: Conv2d(4, 3, groups=3), "shared out"),
        (lambda: MaxPool2d(0), "MaxPool2d's size"),
        (lambda: AvgPool2d(2, 0), "AvgPool2d's stride"),
    ],
)
def test_layers_that_can_not_be(make, words):
    with pytest.raises(pwl.InputError, match=words):
        make()


@pytest.mark.parametrize(
    ("layers", "shape", "words"),
    [
        ([Conv2d(4, 5), "relu", Flatten(), Dense(2)], (3, 32, 32), r"layer 0, Conv2d.*window of \(5, 5\).*\(3, 32\)"),
        ([Conv2d(4, 3), Conv2d(4, 3, groups=4), Conv2d(3, 9), Flatten(), Dense(2)], (8, 8, 1), "layer 2, Conv2d"),
        ([Conv2d(4, 3, groups=2), Flatten(), Dense(2)], (8, 8, 3), "layer 0, Conv2d.*3 channels.*2 groups"),
        ([Conv2d(4, 3), "relu", Dense(5), Dense(2)], (8, 8, 3), "layer 2, Dense.*flatten it first"),
        ([Flatten(), Conv2d(4, 3), Dense(2)], (8, 8, 3), r"layer 1, Conv2d.*height, width, channels.*\(192,\)"),
        ([MaxPool2d(9), Flatten(), Dense(2)], (8, 8, 3), "layer 0, MaxPool2d.*does not fit"),
        ([AvgPool2d(2), Flatten(), Dense(2)], (8, 8), "layer 0, AvgPool2d.*images"),
        ([Conv2d(4, 3), Flatten()], (8, 8, 3), "end the list with pwl.layers.Dense"),
        ([Conv2d(4, 3), "reluu", Flatten(), Dense(2)], (8, 8, 3), "unknown activation 'reluu'"),
        ([Conv2d, Flatten(), Dense(2)], (8, 8, 3), "an activation is a name"),
        ([Flatten(), Dense(2)], "no shape", "input_shape"),
        ([Flatten(), Dense(2)], (8, 0, 3), "input_shape"),
    ],
)
def test_networks_that_can_not_be(layers, shape, words):
    with pytest.raises(pwl.InputError, match=words):
        pwl.Network.from_layers(layers, shape)


def test_images_with_channels_first_are_refused_with_both_shapes():
    net = pwl.Network.from_layers([Conv2d(4, 3), "relu", Flatten(), Dense(2)], (8, 9, 3))
    x = np.zeros((5, 3, 8, 9), np.float32)
    for use in (lambda: net.predict(x), lambda: pwl.train(net, (x, np.zeros(5, int)), pwl.Adam(), iterations=1)):
        with pytest.raises(pwl.InputError, match=r"\(patterns, 8, 9, 3\) were wanted, but \(5, 3, 8, 9\) came"):
            use()


def test_numbers_and_lists_become_one_form():
    assert Conv2d(np.int64(4), [3, 3], padding=[1, 1]) == Conv2d(4, 3, padding=1)
    assert hash(MaxPool2d([2, 2])) == hash(MaxPool2d(2, 2))
