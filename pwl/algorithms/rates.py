"""Learning rates: numbers or functions of the step, with a separate rate for the curves' ordinates."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from pwl.errors import InputError
from pwl.network.layout import Layout
from pwl.network.network import Network
from pwl.runtime.backend import Array, array_namespace, read_only
from pwl.validate import is_number

Rate = float | Callable[[int], float]


def rates(net: Network, keys: tuple[str, ...], weights: Rate, curves: Rate | None, step: int) -> Array:
    """The learning rate of every parameter in step 0, 1, ..., Eq. (48), as a vector like theta, 0 outside `keys`.

    weights: the rate of the weights. curves: the rate of the curves' ordinates, or None for the same rate.
    """
    rate = at(weights, step)
    of = dict.fromkeys(keys, rate) | dict.fromkeys(net.keys("activation"), rate if curves is None else at(curves, step))
    return _vector(net.layout, tuple((key, of[key]) for key in keys), array_namespace(net.theta), net.theta.dtype, net.theta.device)


@functools.lru_cache(maxsize=4)
def _vector(layout: Layout, of: tuple[tuple[str, float], ...], xp: Any, dtype: Any, device: Any) -> Array:
    """A vector like theta of numbers by slot key, 0 elsewhere. It is kept as long as they stay the same."""
    found = xp.zeros(layout.size, dtype=dtype, device=device)
    for key, value in of:
        slot = layout.by_key[key]
        found[slot.start : slot.stop] = value
    return read_only(found)


def at(rate: Rate, step: int) -> float:
    """The rate in a step. Raises InputError unless it is a finite number, 0 or more."""
    value = rate(step) if callable(rate) else rate
    if not is_number(value) or not 0 <= float(value) < math.inf:
        raise InputError(f"a learning rate must be 0 or a positive number, not {value!r}, in step {step}")
    return float(value)


def check_rates(weights: Rate, curves: Rate | None) -> None:
    """Raises InputError for numbers that can't be learning rates. A function is checked when it is called."""
    for rate in (weights, weights if curves is None else curves):
        if not callable(rate):
            at(rate, 0)
