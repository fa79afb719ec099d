"""What a layer leaves behind on the way forward, openly: second-order methods read it."""

from __future__ import annotations

from typing import NamedTuple

from pwl.runtime.backend import Array


class Activated(NamedTuple):
    """An activation's nets n and slopes do/dn, both (Nv, ..., units); no slopes where nothing passes through it."""

    n: Array
    slope: Array | None
