"""Passes through a network for one block of patterns: forward, back, tangent.

Signal i is the input of layer i, and signal 0 is the block's inputs x. A layer may join its signal with an earlier one
(`net.joins`). The outputs sum the units of the last layer with the weights W_oh, Eq. (9). They use the last layer's
`sums...`, so that a layer can add up its units as it evaluates them, without storing them. Curves do so.

Passes go only as deep as they must. `keys` names the parameters for gradients or tangents, and nothing is saved below the
lowest of their layers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from pwl.layers.flatten import Flatten
from pwl.layers.layer import Layer, rows_of_units, signals
from pwl.network.layout import HEAD
from pwl.network.network import Network
from pwl.network.pairs import is_pair, pair_forward
from pwl.runtime.backend import Array, array_namespace, gram, in_double

Of = tuple[int, Layer, dict[str, Array], dict[str, Array]]  # the index of a layer, the layer, its parameters and its buffers


FLATTEN = Flatten()  # stands for the last layer, and for the first one, of a network that has none


class Signals(NamedTuple):
    """The results of a forward pass over a block.

    x: inputs. saved: the saved arrays of each layer, None below the lowest. o: features (Nv, Nf), or None if they are not
    needed for the head's gradient or tangent. y: outputs (Nv, M).
    """

    x: Array
    saved: tuple[Any, ...]
    o: Array | None
    y: Array


# ---- forward


def outputs(net: Network, x: Array) -> Array:
    """Outputs y (Nv, M) alone, Eq. (9)."""
    _, layer, p, b = _last(net)
    if _remembers(net, layer):
        return weighted_sum(net, net.W_o, x, features(net, x))
    return _completed(net, layer.sums(p, b, _input_of_sums(net, x), net.W_oh), net.W_o, x)


def features(net: Network, x: Array) -> Array:
    """Features o (Nv, Nf) alone."""
    return rows_of_units(input_of(net, len(net.layers), x))


def input_of(net: Network, index: int, x: Array) -> Array:
    """The input of layer `index`, or the body's output if `index` is the number of layers."""
    return _forward(net, x, index, index)[0]


def forward(net: Network, x: Array, keys: Collection[str]) -> Signals:
    """A forward pass that saves arrays for gradients and tangents of the parameters `keys`, Eqs. (3), (9), (62)."""
    last, layer, p, b = _last(net)
    lowest = _lowest(net, keys)
    n, saved = _up_to_last(net, x, lowest, sums=HEAD not in keys)
    if HEAD in keys or _remembers(net, layer):
        o, kept = _step(net, (last, layer, p, b), n, lowest)
        o = rows_of_units(o)
        return Signals(x, (*saved, kept), o, _completed(net, o @ net.W_oh.T, net.W_o, x, (*saved, kept)))
    if lowest >= last:
        y, kept = layer.sums(p, b, n, net.W_oh), layer.keep(p, b, n)
    else:
        y, kept = layer.sums_forward(p, b, n, net.W_oh)
    return Signals(x, (*saved, kept), None, _completed(net, y, net.W_o, x, (*saved, kept)))


def kept(net: Network, x: Array, keys: Collection[str]) -> tuple[Any, ...]:
    """The arrays that `forward` saves for the parameters `keys` of the body, without the outputs."""
    last, layer, p, b = _last(net)
    lowest = _lowest(net, keys)
    n, saved = _up_to_last(net, x, lowest, sums=True)
    if _remembers(net, layer):
        return *saved, _step(net, (last, layer, p, b), n, lowest)[1]
    return *saved, layer.keep(p, b, n) if lowest >= last else layer.through(p, b, n)


def saved_from(net: Network, x: Array, lowest: int) -> tuple[Any, ...]:
    """The saved arrays of each layer from `lowest` on, None below."""
    return _forward(net, x, lowest, len(net.layers))[1]


def basis(net: Network, x: Array, o: Array) -> Array:
    """B = [1, x if bypass, o] (Nv, Nu)."""
    return array_namespace(o).concat([direct(net, x), o], axis=1)


def direct(net: Network, x: Array) -> Array:
    """[1, x if bypass], the part of the basis that needs no layer. With curves on inputs x has their rises beside it, Eq. (72)."""
    if net.bypass:
        layer, b = _first(net)
        return layer.direct(b, x)
    return array_namespace(x).ones((x.shape[0], 1), dtype=x.dtype)


def direct_gram(net: Network, x: Array, w: Array | None) -> Array:
    """D'D in float64 for D = `direct` with pattern weights w."""
    if not net.bypass:
        return gram(direct(net, in_double(x)), w)
    layer, b = _first(net)
    if net.remembered is not None:
        return net.remembered.direct(layer, b, x).gram(w)
    return layer.direct_gram(b, layer.direct_saved(b, in_double(x)), w)  # as in `Direct.gram`


def direct_across(net: Network, x: Array, *others: Array) -> list[Array]:
    """D'c in float64 for each c of `others`, D = `direct`."""
    if not net.bypass:
        one = direct(net, in_double(x))
        return [one.T @ c for c in others]
    layer, b = _first(net)
    saved = layer.direct_saved(b, in_double(x)) if net.remembered is None else net.remembered.direct(layer, b, x).in_double
    return [layer.direct_across(b, saved, c) for c in others]


def weighted_sum(net: Network, W_o: Array, x: Array, o: Array) -> Array:
    """B W_o' (Nv, M), Eq. (9). B is not formed."""
    return _completed(net, o @ W_o[:, net.n_basis - net.n_features :].T, W_o, x)


# ---- back


def gradients(net: Network, at: Signals, v: Array, keys: Collection[str]) -> dict[str, Array]:
    """v (Nv, M) at the outputs carried back to the parameters `keys`, and summed over the block, Eqs. (16)-(18)."""
    last, layer, p, b = _last(net)
    G = {HEAD: _head_gradient(net, at, v)} if HEAD in keys else {}
    layers = [index for index in net.layout.layers(keys) if index < len(net.layers)]
    if layers == [last]:
        G |= net.layout.keyed(last, layer.sums_gradient(p, b, at.saved[last], v, net.W_oh, net.layout.shapes[-1]))
    elif layers:
        for index, g in backpropagate(net, at.saved, v, layers):
            layer, p, b = net.layer(index)
            G |= net.layout.keyed(index, layer.gradient(p, b, at.saved[index], g))
    return {key: G[key] for key in keys}


def backpropagate(net: Network, saved: tuple[Any, ...], v: Array, wanted: Collection[int]) -> Iterator[tuple[int, Array]]:
    """v (Nv, M) at the outputs carried back to the outputs of the layers `wanted`, Eq. (18).

    Yields (layer, signals) from the last layer to the first. Use the signals before you ask for the next ones, because
    layers overwrite them.
    """
    last, layer, p, b = _last(net)
    shape = net.layout.shapes[-1]
    if min(wanted) >= last or last in wanted:  # signals of the last layer are wanted, so they are stored
        yield from _back(net, signals(v, net.W_oh, shape), last + 1, saved, wanted)
    else:
        yield from _back(net, layer.sums_backward(p, b, saved[last], v, net.W_oh, shape), last, saved, wanted)


def columns(net: Network, saved: tuple[Any, ...], v: Array, keys: Collection[str]) -> list[Array]:
    """Each pattern's own share of v (b, M) carried back to the body's parameters among `keys`, (numbers, b) each."""
    body = [key for key in keys if key != HEAD]
    if not body:
        return []
    found: dict[str, Array] = {}
    for index, g in backpropagate(net, saved, v, net.layout.layers(body)):
        layer, p, b = net.layer(index)
        found |= net.layout.keyed(index, layer.columns(p, b, saved[index], g))
    return [array_namespace(v).reshape(found[key], (-1, v.shape[0])) for key in body]


# ---- tangent


def tangent(net: Network, at: Signals, direction: Mapping[str, Array]) -> Array:
    """dy (Nv, M), the change of the outputs along a direction by slot key."""
    if HEAD not in direction:
        return body_tangent(net, at.saved, direction)
    own = weighted_sum(net, direction[HEAD], at.x, at.o)
    body = {key: D for key, D in direction.items() if key != HEAD}
    return body_tangent(net, at.saved, body) + own if body else own


def body_tangent(net: Network, saved: tuple[Any, ...], direction: Mapping[str, Array]) -> Array:
    """`tangent` for parameters of the body, from the saved arrays of the layers."""
    last, layer, p, b = _last(net)
    dn = _tangent(net, saved, direction, last)
    return layer.sums_tangent(p, b, saved[last], net.layout.named(last, direction), dn, net.W_oh)


def features_tangent(net: Network, saved: tuple[Any, ...], key: str, D: Array) -> Array:
    """V (Nv, units), the change of the features along a parameter of the last layer of units. Each row changes one feature."""
    change = _tangent(net, saved, {key: D}, len(net.layers))
    assert change is not None
    return change


# ---- the three walks through the layers


def _forward(net: Network, x: Array, lowest: int, end: int) -> tuple[Array, tuple[Any, ...]]:
    """The input of layer `end`, and the saved arrays of each layer before it, None below `lowest`."""
    read: dict[int, Array] = {}
    saved: list[Any] = []
    joins, remembered = net.joins, net.remembered
    while (index := len(saved)) < end:
        if index in joins.values():
            read[index] = x
        if index in joins:
            x = net.layers[index].joined(x, read[joins[index]])
            saved.append(None)
        elif remembered is not None:
            x, own = remembered.forward(index, *net.layer(index), x)
            saved.append(own)
        elif end - index > 1 and is_pair(net, index, x, lowest):
            x, both = pair_forward(net, index, x, lowest)
            saved.extend(both)
        else:
            x, own = _step(net, (index, *net.layer(index)), x, lowest)
            saved.append(own)
    return x, tuple(saved)


def _up_to_last(net: Network, x: Array, lowest: int, sums: bool) -> tuple[Any, tuple[Any, ...]]:
    """`_forward` to the last layer. sums: whether only sums of its units are wanted, and not the units themselves."""
    last = _last(net)[0]
    if sums and lowest >= last and net.remembered is None:
        return _input_of_sums(net, x), (None,) * last
    return _forward(net, x, min(lowest, last), last)


def _input_of_sums(net: Network, x: Array) -> Any:
    """The input of the last layer, which may be left to the kernels that sum its units."""
    last, layer, _, _ = _last(net)
    if last == 0 or last - 1 in net.joins or net.remembered is not None or not layer.fused:
        return input_of(net, last, x)
    before, p, b = net.layer(last - 1)
    return before.for_sums(p, b, input_of(net, last - 1, x))


def _step(net: Network, of: Of, x: Array, lowest: int) -> tuple[Array, Any]:
    """The output of a layer for its input x, and the saved arrays, None below the layer `lowest`.

    No signal passes through the lowest layer, so an activation needs no slopes there. A block whose layers are remembered has
    all arrays.
    """
    index, layer, p, b = of
    if net.remembered is not None:
        return net.remembered.forward(*of, x)
    if index < lowest:
        return layer.apply(p, b, x), None
    if index == lowest and layer.kind == "activation":
        return layer.apply(p, b, x), layer.keep(p, b, x)
    return layer.forward(p, b, x)


def _remembers(net: Network, last: Layer) -> bool:
    """Whether the units of the last layer are kept for the next pass, rather than summed as they are evaluated."""
    return net.remembered is not None and not last.fused


def _back(
    net: Network, g: Array, end: int, saved: tuple[Any, ...], wanted: Collection[int]
) -> Iterator[tuple[int, Array]]:
    """Signals g at the input of layer `end` carried back to the outputs of the layers `wanted`."""
    lowest = min(wanted)
    waiting: dict[int, Array] = {}  # shares that joins send back to earlier signals
    for index in range(min(end, len(net.layers)) - 1, lowest - 1, -1):
        if index + 1 in waiting:
            other = waiting.pop(index + 1)
            g = other if g is None else g + other
        if index in wanted:
            yield index, g
        if index == lowest:
            return
        layer, p, b = net.layer(index)
        if index not in net.joins:
            g = layer.backward(p, b, saved[index], g)
            continue
        g, other = layer.shares(g)
        source = net.joins[index]
        if source > lowest:
            waiting[source] = waiting[source] + other if source in waiting else other


def _tangent(net: Network, saved: tuple[Any, ...], direction: Mapping[str, Array], end: int) -> Array | None:
    """Change of the input of layer `end`, or None if nothing changes it."""
    dx: Array | None = None
    read: dict[int, Any] = {}
    for index in range(end):
        layer, p, b = net.layer(index)
        if index in net.joins.values():
            read[index] = None if dx is None else +dx  # a copy, because layers overwrite their arguments
        if index in net.joins:
            dx = layer.changed(dx, read[net.joins[index]])
        else:
            d = net.layout.named(index, direction)
            if d or dx is not None:
                dx = layer.tangent(p, b, saved[index], d, dx)
    return dx


def _last(net: Network) -> Of:
    """Index, layer, parameters and buffers of the layer whose units the outputs sum.

    Joined signals, and the inputs of a network without layers, are summed through `Flatten`.
    """
    last = len(net.layers) - 1
    if last >= 0 and last not in net.joins:
        return last, *net.layer(last)
    return last + 1, FLATTEN, {}, {}


def _first(net: Network) -> tuple[Layer, dict[str, Array]]:
    """The layer that says how the outputs see the inputs directly, and its buffers."""
    return (net.layers[0], net.layer_buffers[0]) if net.layers else (FLATTEN, {})


def _lowest(net: Network, keys: Collection[str]) -> int:
    """The lowest layer of some parameters, or the number of layers if the body has none of them."""
    return net.layout.layers(keys)[0] if keys else len(net.layers)


def _head_gradient(net: Network, at: Signals, v: Array) -> Array:
    """v'B (M, Nu) without forming B, Eq. (9)."""
    assert at.o is not None
    if not net.bypass:
        first = v.T @ direct(net, at.x)
    else:
        layer, b = _first(net)
        known = _known(net, at.saved)
        if known is None:
            known = layer.direct_saved(b, at.x) if net.remembered is None else net.remembered.direct(layer, b, at.x).saved
        first = layer.direct_gradient(b, known, v)
    return array_namespace(v).concat([first, v.T @ at.o], axis=1)


def _known(net: Network, saved: tuple[Any, ...]) -> Any:
    """What a first layer that reads the inputs has saved of them, which is its `direct_saved` as well, or None."""
    return saved[0] if saved and net.layers and net.layers[0].reads_inputs else None


def _completed(net: Network, y: Array, W_o: Array, x: Array, saved: tuple[Any, ...] = ()) -> Array:
    """Adds the shares of the inputs and of the constants to y, in place. saved: of the layers' passes, if they are known."""
    if net.bypass:
        layer, b = _first(net)
        known, W = _known(net, saved), W_o[:, 1 : net.n_basis - net.n_features]
        y += layer.direct_sums(b, x, W) if known is None else layer.direct_sums(b, x, W, known)
    y += W_o[:, 0]
    return y
