"""Where the hinges of a layer's curves lie: fixed geometry, shared by all engines."""

from __future__ import annotations

from typing import NamedTuple

from pwl.runtime.backend import Array


class Hinges(NamedTuple):
    """Hinges of a layer's curves.

    ns: (units, K) hinge positions, increasing along each row.
    uniform: equal spacing along each row; the segment is then found by a multiply and a floor, else by search, Eq. (6).
    linear: end segments continue outside the hinges; else the curve is constant there, Eq. (5).
    """

    ns: Array
    uniform: bool
    linear: bool
