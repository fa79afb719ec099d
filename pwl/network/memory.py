"""Memory that a block of patterns needs on its way through a network."""

from __future__ import annotations

import functools
import math

from pwl.network.layout import HEAD, Layout
from pwl.network.network import Network
from pwl.runtime.backend import memory_bytes

DEVICE_SHARE = 4  # a quarter of a device's memory is for work arrays, because data and other libraries want room
DEVICE_BYTES = 2 * 2**30  # the same of a device that does not report its memory; large enough to fill it with work


def device_bytes(net: Network) -> int:
    """Bytes for the work arrays of the one block that the network's device works on."""
    memory = memory_bytes(net.theta)
    return DEVICE_BYTES if memory is None else memory // DEVICE_SHARE


def floats_per_pattern(net: Network) -> int:
    """Numbers of work space per pattern in the largest pass: about four for each number of a layer's output."""
    return floats_of(net.layout)


@functools.lru_cache(maxsize=256)
def floats_of(layout: Layout) -> int:
    """`floats_per_pattern` of a network with this layout."""
    n_outputs, n_basis = layout.by_key[HEAD].shape
    inputs, *outputs = map(math.prod, layout.shapes)
    return inputs + 2 * n_basis + 6 * n_outputs + 4 * sum(outputs)
