"""Learning rates: a number or a function of the step, and one of its own for the curves' ordinates."""

from __future__ import annotations

import math
from collections.abc import Callable

from pwl.errors import InputError
from pwl.network.network import Network
from pwl.runtime.backend import Array, array_namespace
from pwl.validate import is_number

Rate = float | Callable[[int], float]


def rates(net: Network, keys: tuple[str, ...], weights: Rate, curves: Rate | None, step: int) -> Array:
    """The learning rate of every parameter in step 0, 1, ..., Eq. (48): a vector like theta, 0 for those that are not in `keys`.

    weights: of the weights. curves: of the curves' ordinates; None: the same.
    """
    xp = array_namespace(net.theta)
    rate = at(weights, step)
    of = dict.fromkeys(keys, rate) | dict.fromkeys(net.keys("activation"), rate if curves is None else at(curves, step))
    return net.join({key: xp.full_like(net.parts[key], of[key]) for key in keys})


def at(rate: Rate, step: int) -> float:
    """The rate in a step. Raises InputError unless it is a finite number, 0 or more."""
    value = rate(step) if callable(rate) else rate
    if not is_number(value) or not 0 <= float(value) < math.inf:
        raise InputError(f"a learning rate must be 0 or a positive number, not {value!r}, in step {step}")
    return float(value)


def check_rates(weights: Rate, curves: Rate | None) -> None:
    """Raises InputError for numbers that can't be learning rates; a function is checked when it is called."""
    for rate in (weights, weights if curves is None else curves):
        if not callable(rate):
            at(rate, 0)
