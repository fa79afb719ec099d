"""Positions of the hinges of a layer's curves: fixed geometry that all engines share."""

from __future__ import annotations

from typing import NamedTuple

from pwl.runtime.backend import Array


class Hinges(NamedTuple):
    """Hinges of a layer's curves.

    ns: hinge positions (units, K), increasing along each row.
    uniform: True if the spacing is equal along each row. A multiply and a floor then find the segment, otherwise a
    search does, Eq. (6).
    linear: True if the end segments continue outside the hinges. Otherwise the curve is constant there, Eq. (5).
    """

    ns: Array
    uniform: bool
    linear: bool
