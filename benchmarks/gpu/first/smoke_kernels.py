"""Checks of the kernels: small problems, computed by the device's engine and by the specification on the host."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from benchmarks.gpu.device import Device
from benchmarks.gpu.first.checks import Check
from pwl import kernels
from pwl.activations.fixed import FIXED
from pwl.kernels import Hinges, hinges, reference
from pwl.kernels.window import Window
from pwl.losses import CrossEntropy
from pwl.runtime.backend import Array, host

TF32 = 1e-3  # the largest one of products of TF32
MOST = {np.float32: 3e-6, np.float64: 1e-13}  # the largest relative distances that pass
NETS = ((4097, 128), (3001, 200), (70001, 3))  # rows, units: no multiples of what a block of threads takes
IMAGES = ((8, 128, 128), (16, 32, 64), (32, 3, 32))  # side, channels, filters
SAME = Window((3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1))
HALVES = Window((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1))
HINGES = 25


def checks(device: Device) -> Iterator[Check]:
    for dtype in MOST:
        name = np.dtype(dtype).name
        for rows, units in NETS:
            yield Check(f"curves {name} {rows}x{units}", partial(curves, device, dtype, rows, units))
        for side, channels, filters in IMAGES:
            job = partial(convolutions, device, dtype, side, channels, filters)
            yield Check(f"convolutions {name} {side} {channels}->{filters}", job)
        yield Check(f"nets that kernels make {name}", partial(made_nets, device, dtype))
        yield Check(f"fixed activations {name}", partial(activations, device, dtype))
        yield Check(f"convolutions with activations {name}", partial(activated, device, dtype))
        yield Check(f"curves on inputs {name}", partial(inputs, device, dtype))
    yield Check("max pooling", partial(pooling, device))
    yield Check("cross-entropy", partial(cross_entropy, device))
    yield Check("sums of columns", partial(sums_of_columns, device))
    yield Check("updates", partial(updates, device))


class Curves(NamedTuple):
    """Arguments of the kernels of curves with one output above them."""

    n: Array
    grid: Hinges
    A: Array
    c: Array
    v: Array
    W: Array


def curves(device: Device, dtype: Any, rows: int, units: int) -> str:
    here = problem(dtype, rows, units)
    there = moved(device.xp, here)
    engine = kernels.engine(there.n)
    bits = same(values(engine, there), values(reference, here))
    words = close(sums(engine, there), sums(reference, here), MOST[dtype])
    return f"bits of values and slopes equal: {bits}, {words}"


def problem(dtype: Any, rows: int, units: int) -> Curves:
    rng = np.random.default_rng(0)
    n = rng.uniform(-3, 4, (rows, units)).astype(dtype)
    c = rng.standard_normal((rows, units)).astype(dtype)
    ns = np.tile(np.linspace(-2.5, 3.5, HINGES), (units, 1)).astype(dtype)
    A = rng.standard_normal((units, HINGES)).astype(dtype)
    return Curves(n, Hinges(ns, True, False), A, c, c[:, :1].copy(), A[:, :1].T.copy())


def moved(xp: Any, own: Curves) -> Curves:
    """The same on the device."""
    n, A, c, v, W = (xp.asarray(a) for a in (own.n, own.A, own.c, own.v, own.W))
    return Curves(n, own.grid._replace(ns=xp.asarray(own.grid.ns)), A, c, v, W)


def values(engine: ModuleType, own: Curves) -> dict[str, Array]:
    return dict(zip(("value", "slope"), engine.value_slope(own.n, own.grid, own.A), strict=True))


def sums(engine: ModuleType, own: Curves) -> dict[str, Array]:
    return {
        "scatter": engine.scatter(own.n, own.grid, own.c),
        "mix": engine.mix(own.n, own.grid, own.A, own.W),
        "back": engine.back(own.n, own.grid, own.A, own.v, own.W),
        "back scatter": engine.back_scatter(own.n, own.grid, own.v, own.W),
    }


def made_nets(device: Device, dtype: Any) -> str:
    """Curves of nets that the kernels make from 20 inputs, beside the same nets made first."""
    rng, own = np.random.default_rng(6), problem(dtype, 3001, 200)
    x, W = rng.standard_normal((3001, 20)).astype(dtype), (rng.standard_normal((200, 21)) / 5).astype(dtype)
    there = moved(device.xp, own)
    engine = kernels.engine(there.n)
    made = engine.nets(device.xp.asarray(x), device.xp.asarray(W))
    said = "left to the kernels" if isinstance(made, kernels.Nets) else "made first"
    found, wanted = (
        {"mix": e.mix(n, p.grid, p.A, p.W), "back scatter": e.back_scatter(n, p.grid, p.v, p.W)}
        for e, n, p in ((engine, made, there), (reference, reference.nets(x, W), own))
    )
    return f"{said}, {close(found, wanted, 10 * MOST[dtype])}"


def activations(device: Device, dtype: Any) -> str:
    n = (3 * np.random.default_rng(7).standard_normal((3001, 33))).astype(dtype)
    there = device.xp.asarray(n)
    found, wanted = (
        {
            f"{name} {what}": a
            for name, fixed in FIXED.items()
            for what, a in zip(("value", "slope"), engine.activation_slope(nets, fixed.formula), strict=True)
        }
        for engine, nets in ((kernels.engine(there), there), (reference, n))
    )
    return close(found, wanted, MOST[dtype])


def convolutions(device: Device, dtype: Any, side: int, channels: int, filters: int) -> str:
    rng = np.random.default_rng(1)
    shapes = ((5, side, side, channels), (5, side, side, filters), (filters, 3, 3, channels))
    here = [rng.standard_normal(shape).astype(dtype) for shape in shapes]
    there = [device.xp.asarray(a) for a in here]
    most = TF32 if device.tf32 and dtype == np.float32 else MOST[dtype]
    return close(passes(kernels.engine(there[0]), *there), passes(reference, *here), most)


def passes(engine: ModuleType, x: Array, g: Array, W: Array) -> dict[str, Array]:
    return {
        "forward": engine.convolve(x, W, SAME),
        "weight gradient": engine.weight_gradient(x, g, SAME),
        "input gradient": engine.input_gradient(g, W, SAME, *x.shape[1:3]),
    }


def activated(device: Device, dtype: Any) -> str:
    """Whether values and slopes of a convolution's nets have the bits that the activations' own kernels give for these nets."""
    rng, filters = np.random.default_rng(6), 40
    x, W = (rng.standard_normal(shape).astype(dtype) for shape in ((3, 9, 8, 12), (filters, 3, 3, 12)))
    own = problem(dtype, 1, filters)
    images, weights, there = device.xp.asarray(x), device.xp.asarray(0.2 * W), moved(device.xp, own)
    engine, bits = kernels.engine(images), {}
    for name, rule in (("relu", FIXED["relu"].formula), ("curves", hinges.Curves(there.grid, there.A))):
        n, *found = map(host, engine.convolve_value_slope(images, weights, SAME, None, rule))
        rule = hinges.Curves(own.grid, own.A) if name == "curves" else rule
        flat = n.reshape(-1, filters)
        wanted = reference.value_slope(flat, *rule) if name == "curves" else reference.activation_slope(flat, rule)
        bits[name] = all(np.array_equal(a.reshape(flat.shape), b) for a, b in zip(found, wanted, strict=True))
    if not all(bits.values()):
        raise ValueError(f"bits differ: {bits}")
    return "equal bits"


def inputs(device: Device, dtype: Any) -> str:
    """All kernels of curves on 20 inputs with 9 hinges each."""
    rng, count, K, units = np.random.default_rng(7), 20, 9, 33
    x, c = (rng.standard_normal((3001, columns)).astype(dtype) for columns in (count, units))
    ns = np.sort(rng.standard_normal((count, K)), axis=1).astype(dtype)
    A = rng.standard_normal((count * K, units)).astype(dtype)
    here = x, Hinges(ns, False, False), c, A
    there = device.xp.asarray(x), Hinges(device.xp.asarray(ns), False, False), device.xp.asarray(c), device.xp.asarray(A)
    return close(of_inputs(kernels.engine(there[0]), *there), of_inputs(reference, *here), MOST[dtype])


def of_inputs(engine: ModuleType, x: Array, grid: Hinges, c: Array, A: Array) -> dict[str, Array]:
    places = engine.input_places(x, grid)
    return {
        "positions": places.u,
        "value": engine.add_input_curves(c * 1, places, A),
        "gradient": engine.input_scatter(places, len(A), c),
        "pairs": engine.input_pairs(places, len(A), None),
    }


def pooling(device: Device) -> str:
    x = np.random.default_rng(2).standard_normal((3, 8, 10, 6)).astype(np.float32)
    there = device.xp.asarray(x)
    found, wanted = pooled(kernels.engine(there), there), pooled(reference, x)
    if not same(found, wanted):
        raise ValueError("maxima or their places differ")
    return "equal bits"


def pooled(engine: ModuleType, x: Array) -> dict[str, Array]:
    largest, place = engine.max_pool(x, HALVES)
    return {"maxima": largest, "places": place, "unpooled": engine.max_unpool(largest, place, HALVES, x.shape)}


def cross_entropy(device: Device) -> str:
    """Also says whether both ways to the errors have the same bits. Runs on labels can only be resumed if they have."""
    rng = np.random.default_rng(3)
    y, t = rng.standard_normal((700, 10)), rng.integers(0, 10, 700)
    there = device.xp.asarray(y), device.xp.asarray(t)
    found = kernels.engine(there[0]).cross_entropy(*there)
    names = ("errors", "d")
    wanted = dict(zip(names, reference.cross_entropy(y, t), strict=True))
    words = close(dict(zip(names, found, strict=True)), wanted, MOST[np.float64])
    bits = np.array_equal(host(CrossEntropy().errors(*there)), host(found[0]))
    return f"{words}, errors() has the bits of errors_and_d(): {bits}"


def sums_of_columns(device: Device) -> str:
    a = np.random.default_rng(4).standard_normal((70001, 10))
    there = device.xp.asarray(a)
    return close(column_sums(kernels.engine(there), there), column_sums(reference, a), 1e-12)


def column_sums(engine: ModuleType, a: Array) -> dict[str, Array]:
    return {"sums": engine.column_sums(a), "products": engine.column_products(a, a)}


def updates(device: Device) -> str:
    here = np.abs(np.random.default_rng(5).standard_normal((5, 1001))).astype(np.float32)
    there = device.xp.asarray(here)
    found, wanted = stepped(kernels.engine(there), there), stepped(reference, here)
    return f"equal bits: {same(found, wanted)}, {close(found, wanted, MOST[np.float32])}"


def stepped(engine: ModuleType, rows: Array) -> dict[str, Array]:
    """A step with momentum and one of Adam."""
    theta, G, m, v, rate = (rows[i, ...] for i in range(5))
    momentum = engine.momentum_step(theta, G, m, rate, 0.9, False)
    adam = engine.adam_step(theta, G, m, v, rate, 0.9, 0.999, 1e-8, 0.01, 3)
    return dict(zip(("theta", "velocity", "Adam's theta", "m", "v"), (*momentum, *adam), strict=True))


def same(found: dict[str, Array], wanted: dict[str, Array]) -> bool:
    """Whether all bits are equal."""
    return all(np.array_equal(host(found[name]), host(a)) for name, a in wanted.items())


def close(found: dict[str, Array], wanted: dict[str, Array], most: float) -> str:
    """The largest relative distance, in words. Raises ValueError with all of them if one is larger than `most`."""
    distances = {name: far(host(found[name]), host(a)) for name, a in wanted.items()}
    if max(distances.values()) > most:
        every = ", ".join(f"{name} {distance:.1e}" for name, distance in distances.items())
        raise ValueError(f"too far from the specification: {every}; {most:.0e} is allowed")
    return f"apart by {max(distances.values()):.1e}"


def far(found: np.ndarray, wanted: np.ndarray) -> float:
    """Length of the difference relative to the length of `wanted`. It is infinite for other shapes and for NaN."""
    if found.shape != wanted.shape or not np.all(np.isfinite(found)):
        return np.inf
    found, wanted = found.astype(np.float64), wanted.astype(np.float64)
    return float(np.linalg.norm(found - wanted) / (np.linalg.norm(wanted) or 1))
