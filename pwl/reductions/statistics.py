"""What is summed over patterns. Each function returns a `Statistic`; a pattern's weight multiplies its share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pwl.network import mixed
from pwl.network.network import HEAD, Network
from pwl.reductions.patterns import Statistic
from pwl.runtime.backend import Array, array_namespace, gram


def weighted(a: Array, w: Array | None) -> Array:
    """Rows of `a` times their patterns' weights."""
    if w is None:
        return a
    return a * (w if a.ndim == 1 else array_namespace(a).reshape(w, (-1,) + (1,) * (a.ndim - 1)))


def scores(net: Network, y: Array, t: Array, w: Array | None) -> Array:
    """Sums over a block: [E], Eq. (1), or for classification nets [E, share of patterns whose largest output is wrong]."""
    return summed(net, net.loss.errors(y, t), y, t, w)


def scores_and_d(net: Network, y: Array, t: Array, w: Array | None) -> tuple[Array, Array]:
    """`scores`, and d (Nv, M) times the patterns' weights, Eq. (15)."""
    errors, d = net.loss.errors_and_d(y, t)
    return summed(net, errors, y, t, w), weighted(d, w)


def summed(net: Network, errors: Array, y: Array, t: Array, w: Array | None) -> Array:
    """`scores` from the error of each pattern (Nv,)."""
    xp = array_namespace(y)
    E = xp.sum(weighted(errors, w))
    if not net.loss.classes:
        return xp.stack([E])
    wrong = xp.astype(xp.argmax(y, axis=1) != xp.astype(t, xp.int64), y.dtype)
    return xp.stack([E, xp.sum(weighted(wrong, w))])


def error() -> Statistic:
    """(scores,)."""

    def compute(net: Network, x: Array, t: Array, w: Array | None) -> tuple[Array, ...]:
        return (scores(net, mixed.outputs(net, x), t, w),)

    return Statistic(compute)


def gradient(keys: tuple[str, ...]) -> Statistic:
    """(scores, G of each key): negative gradients of E by slot key, Eqs. (15)-(18)."""
    layers = sorted({layer_of(key) for key in keys if key != HEAD})

    def compute(net: Network, x: Array, t: Array, w: Array | None) -> tuple[Array, ...]:
        if HEAD not in keys and mixed.mixes(net):
            saved = mixed.saved_nets(net, x, layers[0])
            sums, d = scores_and_d(net, mixed.outputs_from(net, x, saved[-1].n), t, w)
            G = by_key(mixed.gradients(net, saved, d, layers))
        else:
            signals = net.forward(x, layers[0] if layers else len(net.layers))
            sums, d = scores_and_d(net, signals.y, t, w)
            G = by_key(net.gradients(signals.saved, d, layers)) if layers else {}
            if HEAD in keys:
                G[HEAD] = d.T @ net.basis(x, signals.o)
        return sums, *(G[key] for key in keys)

    return Statistic(compute)


def by_key(found: Iterable[tuple[int, dict[str, Array]]]) -> dict[str, Array]:
    """Gradients of layers by slot key."""
    return {f"{index}.{name}": G for index, of_layer in found for name, G in of_layer.items()}


def in_double(a: Array) -> Array:
    """`a` in float64: sums over patterns in float32 are off by more than tells many functions of a net apart."""
    xp = array_namespace(a)
    return xp.astype(a, xp.float64, copy=False)


def basis_correlations() -> Statistic:
    """(R, C, E_t): R = B'B, C = B'T and the targets' energy, of Eq. (10), under squared error; in float64."""

    def compute(net: Network, x: Array, t: Array, w: Array | None) -> tuple[Array, ...]:
        a, o, t = in_double(net.direct(x)), in_double(net.features(x)), in_double(t)
        xp, wt = array_namespace(t), weighted(t, w)
        return gram_of_parts(a, o, w), xp.concat([a.T @ wt, o.T @ wt], axis=0), xp.sum(wt * t)

    return Statistic(compute)


def basis_autocorrelation() -> Statistic:
    """(R,): R = B'B of Eq. (10), in float64."""

    def compute(net: Network, x: Array, t: Array, w: Array | None) -> tuple[Array, ...]:
        return (gram_of_parts(in_double(net.direct(x)), in_double(net.features(x)), w),)

    return Statistic(compute)


def gram_of_parts(a: Array, o: Array, w: Array | None) -> Array:
    """B'B of B = [a, o], which is not put together: that would move o twice more."""
    xp, across = array_namespace(o), a.T @ weighted(o, w)
    return xp.concat([xp.concat([gram(a, w), across], axis=1), xp.concat([across.T, gram(o, w)], axis=1)], axis=0)


def input_autocorrelation(layer: int) -> Statistic:
    """(R_i,): autocorrelation (n+1, n+1) of [1, what a unit of a layer sees], Eq. (23); of images summed over the
    places; in float64."""

    def compute(net: Network, x: Array, t: Array, w: Array | None) -> tuple[Array, ...]:
        a, rows = net.input_of(layer, x), net.layers[layer].inputs
        if a.ndim == 2:
            return (gram(in_double(rows(a)), w),)
        total = 0
        for p in range(a.shape[0]):  # one image at a time: all patches of a block would take far more than the block
            R = gram(in_double(rows(a[p : p + 1, ...])))
            total = total + (R if w is None else R * w[p])
        return (total,)

    return Statistic(compute)


def nets(layer: int, centre: Array | None) -> Statistic:
    """First moments (units,) of the outputs of a layer; with a centre, first and second about it: for net control, Eq. (8)."""

    def compute(net: Network, x: Array, t: Array, w: Array | None) -> tuple[Array, ...]:
        n = net.input_of(layer + 1, x)
        xp = array_namespace(n)
        if centre is None:
            return (xp.sum(weighted(n, w), axis=0),)
        n = n - centre
        return xp.sum(weighted(n, w), axis=0), xp.sum(weighted(n * n, w), axis=0)

    return Statistic(compute)


def net_range(layer: int) -> tuple[Statistic, Statistic]:
    """Two statistics: lowest and highest output of each unit of a layer (units,), over pixels and patterns that weigh something."""

    def low(net: Network, x: Array, t: Array, w: Array | None) -> tuple[Array, ...]:
        n = net.input_of(layer + 1, x)
        return (array_namespace(n).min(_counted(n, w, float("inf")), axis=tuple(range(n.ndim - 1))),)

    def high(net: Network, x: Array, t: Array, w: Array | None) -> tuple[Array, ...]:
        n = net.input_of(layer + 1, x)
        return (array_namespace(n).max(_counted(n, w, -float("inf")), axis=tuple(range(n.ndim - 1))),)

    return Statistic(low, combine="min"), Statistic(high, combine="max")


def line_curvature(direction: Mapping[str, Array]) -> Statistic:
    """(h,): sum of dy' S dy along a direction of some or all parameters, the E'' of Eqs. (20), (24), (39)."""
    body = {key: d for key, d in direction.items() if key != HEAD}
    if HEAD in direction or not body:
        return Statistic(lambda net, x, t, w: (_line(net, x, w, body, direction.get(HEAD)),))
    lowest = min(map(layer_of, body))

    def compute(net: Network, x: Array, t: Array, w: Array | None) -> tuple[Array, ...]:
        if not (net.loss.quadratic and lowest == len(net.layers) - 1):
            return (_line(net, x, w, body, None),)
        # S is constant and nothing lies above: no output is needed
        if mixed.mixes(net):
            dy = mixed.change(net, net.input_of(lowest, x), body)
            return (array_namespace(dy).sum(weighted(net.loss.quadratic_form(dy, dy), w)),)
        p, b = net.layer_parameters[lowest], net.layer_buffers[lowest]
        kept = net.layers[lowest].keep(p, b, net.input_of(lowest, x))
        dy = net.tangent((None,) * lowest + (kept,), body)
        return (array_namespace(dy).sum(weighted(net.loss.quadratic_form(dy, dy), w)),)

    return Statistic(compute)


def _line(net: Network, x: Array, w: Array | None, body: Mapping[str, Array], D_o: Array | None) -> Array:
    """Sum of dy' S dy along directions of the body's parameters and, if given, D_o of the output weights."""
    signals = net.forward(x, min(map(layer_of, body), default=len(net.layers)))
    dy = net.tangent(signals.saved, body) if body else 0
    if D_o is not None:
        dy = dy + net.head(D_o, x, signals.o)
    return array_namespace(x).sum(weighted(net.loss.quadratic_form(signals.y, dy), w))


def layer_of(key: str) -> int:
    """Index of the layer that a slot key of the body names."""
    return int(key.split(".")[0])


def block_curvature(direction: Mapping[str, Array]) -> Statistic:
    """(H_b,) with one block per unit of each key of the direction, in the order of its keys, Eqs. (21), (22), (28)."""
    blocks = sum(D.shape[0] for D in direction.values())

    def compute(net: Network, x: Array, t: Array, w: Array | None) -> tuple[Array, ...]:
        form = closed_form if one_feature_each(net, direction) else many_layers
        return (form(net, direction, x, w),)

    return Statistic(compute, floats=3 * blocks)


def one_feature_each(net: Network, direction: Mapping[str, Array]) -> bool:
    """Whether each block changes a feature of its own and no other: its layer gives vectors, and activations alone follow."""
    lowest = min(map(layer_of, direction))
    return len(net.layout.shapes[lowest + 1]) == 1 and all(
        layer.kind == "activation" for layer in net.layers[lowest + 1 :]
    )


def closed_form(net: Network, direction: Mapping[str, Array], x: Array, w: Array | None) -> Array:
    """Sum of J'SJ for blocks that all act in the last hidden layer: dy/dz_b = V[:, b] w_b, Eqs. (21), (22), (25)."""
    xp = array_namespace(net.theta)
    lowest, y = min(map(layer_of, direction)), None
    if net.loss.quadratic and mixed.mixes(net):
        saved = mixed.saved_nets(net, x, lowest)
    else:
        saved, o = net.body(x, lowest)
        if not net.loss.quadratic:  # else S is constant: y is not needed
            y = net.head(net.W_o, x, o)
    parts = [_features_tangent(net, saved, key, D) for key, D in direction.items()]
    V = parts[0] if len(parts) == 1 else xp.concat(parts, axis=1)
    W_b = net.W_oh if len(parts) == 1 else xp.concat([net.W_oh] * len(parts), axis=1)
    return net.loss.curvature(V, W_b, y, w)


def many_layers(net: Network, direction: Mapping[str, Array], x: Array, w: Array | None) -> Array:
    """Sum of J'SJ for blocks anywhere: r_p = J_p'v by a backward pass for each root v of S_p, Eq. (28)."""
    xp = array_namespace(net.theta)
    signals = net.forward(x, min(map(layer_of, direction)))
    own: dict[int, dict[str, Array]] = {}
    for key, D in direction.items():
        index, name = layer_of(key), key.split(".")[1]
        p, b = net.layer_parameters[index], net.layer_buffers[index]
        own.setdefault(index, {})[key] = net.layers[index].tangent(p, b, signals.saved[index], {name: D}, None)
    H = 0
    for v in net.loss.roots(signals.y):
        r: dict[str, Array] = {}
        for index, g in net.backpropagate(signals.saved, v, own):
            r |= {key: over_pixels(g * U) for key, U in own[index].items()}
        H = H + gram(xp.concat([r[key] for key in direction], axis=1), w)
    return H


def _features_tangent(net: Network, saved: tuple, key: str, D: Array) -> Array:
    """V (Nv, units): change of the features along one key of the last hidden layer."""
    index, name = layer_of(key), key.split(".")[1]
    change, d = None, {name: D}
    for i in range(index, len(net.layers)):
        change = net.layers[i].tangent(net.layer_parameters[i], net.layer_buffers[i], saved[i], d, change)
        d = {}
    return change


def over_pixels(a: Array) -> Array:
    """Sum over the pixels of each pattern: (Nv, ..., units) -> (Nv, units)."""
    if a.ndim == 2:
        return a
    xp = array_namespace(a)
    return xp.sum(xp.reshape(a, (a.shape[0], -1, a.shape[-1])), axis=1)


def _counted(n: Array, w: Array | None, other: float) -> Array:
    """n (Nv, ..., units) with `other` for patterns that weigh nothing."""
    if w is None:
        return n
    xp = array_namespace(n)
    return xp.where(xp.reshape(w, (-1,) + (1,) * (n.ndim - 1)) > 0, n, xp.full_like(n, other))
