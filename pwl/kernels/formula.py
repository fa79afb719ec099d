"""An activation without parameters as the engines take it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pwl.runtime.backend import Array


class Formula(NamedTuple):
    """o = f(n) with the slope do/dn = df(n, o), in array code. An engine may have a kernel `name`, which gets `numbers`."""

    name: str
    f: Callable[[Array], Array]
    df: Callable[[Array, Array], Array]
    numbers: tuple[float, ...] = ()
