"""Places of signals while a network is computed: in place, beside each other, or where an earlier one is read no more."""

from __future__ import annotations

from typing import NamedTuple

from pwl.export.exported import size
from pwl.layers import Add, BatchNorm2d, Dropout, Flatten, From
from pwl.layers.layer import Layer
from pwl.network.network import Network


class Places(NamedTuple):
    """of: the store of each signal. Signal i is the input of layer i, and the last one holds the features. at: where each store
    begins, None for one that the caller gives. numbers: length of all stores together.
    """

    of: tuple[int, ...]
    at: tuple[int | None, ...]
    numbers: int


def place(net: Network, given: bool) -> Places:
    """Places for all signals. given: whether signal 0 is the caller's array, which is only read."""
    of, sizes = [0], [size(net.input_shape)]
    last = {0: 0}  # the last layer that reads each store
    for index, layer in enumerate(net.layers):
        here = in_place(layer) and not (given and of[index] == 0) and not _read_later(net, of, index)
        if isinstance(layer, From):
            of.append(of[net.joins[index]])
        elif here or isinstance(layer, (Dropout, Flatten)):
            of.append(of[index])
        else:
            of.append(len(sizes))
            sizes.append(size(net.layout.shapes[index + 1]))
        last[of[-1]] = index + 1
        for read in (of[index], of[net.joins.get(index, index)]):
            last[read] = max(last[read], index)
    if net.bypass:
        last[0] = len(net.layers)  # the outputs come after all layers
    born = {store: of.index(store) for store in set(of)}
    return _packed(of, sizes, born, last, given)


def in_place(layer: Layer) -> bool:
    """Whether each number of a layer's output depends on one number of its input."""
    return layer.kind == "activation" or isinstance(layer, (BatchNorm2d, Add))


def _read_later(net: Network, of: list[int], index: int) -> bool:
    """Whether the store of layer `index`'s input is read after it."""
    store = of[index]
    joined = any(at >= index and signal <= index and of[signal] == store for at, signal in net.joins.items())
    return joined or (net.bypass and store == 0)


def _packed(of: list[int], sizes: list[int], born: dict[int, int], last: dict[int, int], given: bool) -> Places:
    """Each store at the lowest place that is free from its first to its last use."""
    at: list[int | None] = [None] * len(sizes)
    for store in range(len(sizes)):
        if given and store == 0:
            continue
        others = [
            (at[other], at[other] + sizes[other])  # type: ignore[operator] # those that have a place
            for other in range(store)
            if at[other] is not None and last[other] >= born[store] - 1
        ]
        first = 0
        for begin, end in sorted(others):
            if begin is not None and first + sizes[store] <= begin:
                break
            first = max(first, end)
        at[store] = first
    return Places(
        tuple(of), tuple(at), max((a + n for a, n in zip(at, sizes, strict=True) if a is not None), default=0)
    )
