"""A last layer of curves and the outputs above it as one: outputs sum curves, so that neither the curves' values nor the signals
at them need be stored. A GPU spends most of an iteration on moving such arrays."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pwl.network.network import Network
from pwl.runtime.backend import Array


def mixes(net: Network) -> bool:
    """Whether the last layer is one of curves, a feature each."""
    return bool(net.layers) and hasattr(net.layers[-1], "mix") and len(net.layout.shapes[-1]) == 1


def outputs(net: Network, x: Array) -> Array:
    """Outputs y (Nv, M) of a block of patterns, nothing saved."""
    return outputs_from(net, x, net.input_of(len(net.layers) - 1, x)) if mixes(net) else net.outputs(x)


def saved_nets(net: Network, x: Array, down_to: int) -> tuple[Any, ...]:
    """What each layer from `down_to` on saves; the last one, which is not evaluated, its nets."""
    last = len(net.layers) - 1
    saved, n = net.saved(x, min(down_to, last), last)
    return *saved, net.layers[last].keep(*_parameters(net, last), n)


def outputs_from(net: Network, x: Array, n: Array) -> Array:
    """Outputs y (Nv, M) from the nets n of the last layer, Eqs. (3), (9)."""
    last = len(net.layers) - 1
    return net.completed(net.layers[last].mix(*_parameters(net, last), n, net.W_oh), net.W_o, x)


def change(net: Network, n: Array, direction: Mapping[str, Array]) -> Array:
    """dy (Nv, M) along a direction of the curves' parameters: outputs are linear in them."""
    last = len(net.layers) - 1
    d = {key.split(".")[1]: D for key, D in direction.items()}
    return net.layers[last].mix(d, net.layer_buffers[last], n, net.W_oh)


def gradients(
    net: Network, saved: tuple[Any, ...], v: Array, wanted: Collection[int]
) -> Iterator[tuple[int, dict[str, Array]]]:
    """As `Network.gradients`, from what `saved_nets` saved."""
    last = len(net.layers) - 1
    layer, p, b = net.layers[last], *_parameters(net, last)
    if min(wanted) == last:
        yield last, layer.mix_gradient(p, b, saved[last].n, v, net.W_oh)
    elif last in wanted:  # signals that are wanted twice are stored
        yield from net.gradients(saved, v, wanted)
    else:
        g = layer.mix_back(p, b, saved[last].n, v, net.W_oh)
        for index, at in net.carried(g, last, saved, wanted):
            yield index, net.layers[index].gradient(*_parameters(net, index), saved[index], at)


def _parameters(net: Network, index: int) -> tuple[dict[str, Array], dict[str, Array]]:
    return net.layer_parameters[index], net.layer_buffers[index]
