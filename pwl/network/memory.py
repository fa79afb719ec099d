"""How much memory a block of patterns needs on its way through a network."""

from __future__ import annotations

import math

from pwl.network.network import Network


def floats_per_pattern(net: Network) -> int:
    """Work numbers that a pattern needs in the largest pass: about four for each number of a layer's output."""
    return (
        math.prod(net.input_shape)
        + 2 * net.n_basis
        + 6 * net.n_outputs
        + 4 * sum(math.prod(shape) for shape in net.layout.shapes[1:])
    )
