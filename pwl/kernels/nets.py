"""Nets that stand for a product which is not made: kernels make them where they are used."""

from __future__ import annotations

from typing import NamedTuple

from pwl.runtime.backend import Array, augmented, product_of_rows


class Nets(NamedTuple):
    """Nets n = [1, x] W' (Nv, units) of inputs x (Nv, inputs) and weights W (units, inputs + 1)."""

    x: Array
    W: Array

    @property
    def shape(self) -> tuple[int, int]:
        return self.x.shape[0], self.W.shape[0]

    @property
    def ndim(self) -> int:
        return 2


def made(n: Array | Nets) -> Array:
    """The nets as an array."""
    return product_of_rows(augmented(n.x), n.W) if isinstance(n, Nets) else n
