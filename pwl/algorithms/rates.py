"""Learning rates: numbers or functions of the step, with a separate rate for the curves' ordinates."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pwl.errors import InputError
from pwl.network.layout import Layout
from pwl.network.network import Network
from pwl.runtime.backend import Array, array_namespace, is_numpy_array, read_only
from pwl.validate import is_number, not_negative, shown

Rate = float | Callable[[int], float]
Factors = tuple[tuple[str, float], ...]


def rates(net: Network, keys: tuple[str, ...], weights: Rate, curves: Rate | None, step: int, factors: Factors = ()) -> Array:
    """The learning rate of every parameter in step 0, 1, ..., Eq. (48), as a vector like theta, 0 outside `keys`.

    weights: the rate of the weights. curves: the rate of the curves' ordinates, or None for the same rate. factors: of the rates
    of single parameters, by slot key; 0 leaves a parameter as it is.
    """
    rate = at(weights, step)
    kind = _kind_of_numpy(net.theta.dtype) if is_numpy_array(net.theta) else _Kind(net.theta)
    return _vector(net.layout, keys, rate, rate if curves is None else at(curves, step), factors, kind)


class _Kind:
    """Namespace, dtype and device of an array, to be found again: CuPy's devices have no hash."""

    def __init__(self, a: Array) -> None:
        self.xp, self.dtype, self.device = array_namespace(a), a.dtype, a.device
        self._words = self.xp.__name__, str(self.dtype), str(self.device)

    def __hash__(self) -> int:
        return hash(self._words)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Kind) and self._words == other._words


@functools.lru_cache(maxsize=16)
def _kind_of_numpy(dtype: np.dtype) -> _Kind:
    return _Kind(np.empty(0, dtype))


@functools.lru_cache(maxsize=4)
def _vector(
    layout: Layout, keys: tuple[str, ...], weights: float, curves: float, factors: Factors, kind: _Kind
) -> Array:
    """The vector of `rates`. It is kept as long as they stay the same."""
    of = dict.fromkeys(keys, weights) | dict.fromkeys(layout.keys("activation"), curves)
    for key, factor in factors:
        if key not in layout.by_key:
            own = ", ".join(layout.by_key)
            raise InputError(f"there is a factor for the rate of {key!r}, but the network's parameters are {own}")
        of[key] = of.get(key, 0.0) * factor
    found = kind.xp.zeros(layout.size, dtype=kind.dtype, device=kind.device)
    for key in keys:
        slot = layout.by_key[key]
        found[slot.start : slot.stop] = of[key]
    return read_only(found)


def at(rate: Rate, step: int) -> float:
    """The rate in a step. Raises InputError unless it is a finite number, 0 or more."""
    try:
        value = rate(step) if callable(rate) else rate
    except ArithmeticError as wrong:  # which would else be taken for one of the training's own numbers
        raise InputError(f"the learning rate in step {step} can't be computed: {type(wrong).__name__}, {wrong}") from wrong
    if not is_number(value) or not 0 <= float(value) < math.inf:
        raise InputError(f"a learning rate must be 0 or a positive number, not {value!r}, in step {step}")
    return float(value)


def check_rates(weights: Rate, curves: Rate | None) -> None:
    """Raises InputError for numbers that can't be learning rates. A function is checked when it is called."""
    for rate in (weights, weights if curves is None else curves):
        if not callable(rate):
            at(rate, 0)


def in_order(factors: Any) -> Factors:
    """Factors by slot key as a sorted tuple, so that equal ones have the same repr. Raises InputError for other values."""
    pairs = factors.items() if isinstance(factors, Mapping) else factors
    try:
        found = {key: not_negative(f"the factor of {key!r}", factor) for key, factor in pairs}
    except (TypeError, ValueError) as wrong:
        if isinstance(wrong, InputError):
            raise
        raise InputError(f'factors must be numbers by parameter, such as {{"0.W": 0.1}}, not {shown(factors)}') from None
    return tuple(sorted(found.items()))
