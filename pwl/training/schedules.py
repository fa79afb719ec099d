"""Learning rates that change with the step: values to be called with the number of steps made so far, 0, 1, ...

Their repr says all there is to know of them, and a run is known again by it: such a rate can be resumed from a checkpoint.
After its last step a schedule stays at its end value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from pwl.errors import InputError
from pwl.validate import nearest

WARM = 0.3  # share of the steps of "one_cycle" that warm up


@dataclass(frozen=True)
class Cosine:
    """Up in a straight line over `warmup` steps, then down to floor rate along half a cosine.

    rate: the highest, reached in step `warmup`; step s before it has (s + 1) / (warmup + 1) of it, so that none is wasted at 0.
    steps: of the whole, warm-up included; step `steps` is the first at the end value. floor: share of the rate in [0, 1].

    Raises InputError for a rate that is not 0 or a positive number, no steps, a warm-up that leaves none, or another floor.
    """

    rate: float
    steps: int
    warmup: int = 0
    floor: float = 0.0

    def __post_init__(self) -> None:
        _check_descent(self)

    def __call__(self, step: int) -> float:
        if step < self.warmup:
            return _warm(self, step)
        return self.rate * (self.floor + (1 - self.floor) * (1 + math.cos(math.pi * _progress(self, step))) / 2)


@dataclass(frozen=True)
class Linear:
    """Up in a straight line over `warmup` steps, then down to floor rate in another. rate, steps, floor: as in `Cosine`."""

    rate: float
    steps: int
    warmup: int = 0
    floor: float = 0.0

    def __post_init__(self) -> None:
        _check_descent(self)

    def __call__(self, step: int) -> float:
        if step < self.warmup:
            return _warm(self, step)
        return self.rate * (1 - (1 - self.floor) * _progress(self, step))


@dataclass(frozen=True)
class Steps:
    """The rate times `factor` from each of the steps in `at` on: Steps(0.1, at=(300, 400)) is 0.1, 0.01, 0.001.

    Raises InputError where `at` does not name steps, 1 or more, in increasing order, or the factor is not positive.
    """

    rate: float
    at: tuple[int, ...]
    factor: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", _rate(self, self.rate))
        at = tuple(self.at) if isinstance(self.at, (tuple, list, np.ndarray)) else ()
        if not at or not all(map(_is_whole, at)) or list(at) != sorted(set(at)) or at[0] < 1:
            raise InputError(
                f"at of Steps names steps, 1 or more, in increasing order, such as (300, 400), not {self.at!r}"
            )
        object.__setattr__(self, "at", tuple(map(int, at)))
        object.__setattr__(self, "factor", _factor(self, self.factor))

    def __call__(self, step: int) -> float:
        return self.rate * self.factor ** sum(step >= other for other in self.at)


@dataclass(frozen=True)
class Exponential:
    """The rate times `factor` for every `every` steps made, smoothly: rate factor^(step / every).

    Raises InputError for a rate that is not 0 or a positive number, a factor that is not positive, or no steps.
    """

    rate: float
    factor: float
    every: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", _rate(self, self.rate))
        object.__setattr__(self, "factor", _factor(self, self.factor))
        object.__setattr__(self, "every", _whole(self, "every", self.every, 1))

    def __call__(self, step: int) -> float:
        return self.rate * self.factor ** (step / self.every)


NAMED = {
    "constant": lambda rate, steps: rate,
    "cosine": lambda rate, steps: Cosine(rate, steps),
    "linear": lambda rate, steps: Linear(rate, steps),
    "one_cycle": lambda rate, steps: Cosine(rate, steps, warmup=int(WARM * steps)),
}


def named(name: str, rate: float, steps: int) -> Any:
    """The learning rate of a name in NAMED over so many steps: a number, or a schedule with `rate` as its highest.

    "one_cycle" warms up over 30 % of the steps and falls along a cosine to 0. Raises InputError for another name.
    """
    if name not in NAMED:
        raise InputError(f"unknown schedule {name!r}{nearest(str(name), NAMED)}; there are {', '.join(NAMED)}")
    return NAMED[name](rate, steps)


def _warm(schedule: Any, step: int) -> float:
    return schedule.rate * (step + 1) / (schedule.warmup + 1)


def _progress(schedule: Any, step: int) -> float:
    """Of the way down, 0 to 1."""
    return min(1.0, (step - schedule.warmup) / (schedule.steps - schedule.warmup))


def _check_descent(schedule: Any) -> None:
    """Rate, steps, warm-up and floor as plain numbers, so that equal schedules have the same repr."""
    name = type(schedule).__name__
    object.__setattr__(schedule, "rate", _rate(schedule, schedule.rate))
    object.__setattr__(schedule, "steps", _whole(schedule, "steps", schedule.steps, 1))
    object.__setattr__(schedule, "warmup", _whole(schedule, "warmup", schedule.warmup, 0))
    if schedule.warmup >= schedule.steps:
        raise InputError(
            f"a warmup of {schedule.warmup} steps leaves {name} none of its {schedule.steps}: make it smaller"
        )
    if not _is_number(schedule.floor) or not 0 <= float(schedule.floor) <= 1:
        raise InputError(f"the floor of {name} is a share of the rate in [0, 1], not {schedule.floor!r}")
    object.__setattr__(schedule, "floor", float(schedule.floor))


def _rate(schedule: Any, value: Any) -> float:
    if not _is_number(value) or not 0 <= float(value) < math.inf:
        raise InputError(f"the rate of {type(schedule).__name__} must be 0 or a positive number, not {value!r}")
    return float(value)


def _factor(schedule: Any, value: Any) -> float:
    if not _is_number(value) or not 0 < float(value) < math.inf:
        raise InputError(f"the factor of {type(schedule).__name__} must be a positive number, not {value!r}")
    return float(value)


def _whole(schedule: Any, name: str, value: Any, least: int) -> int:
    if not _is_whole(value) or value < least:
        raise InputError(
            f"{name} of {type(schedule).__name__} must be a whole number, {least} or more, not {value!r}: "
            "steps are counted in batches"
        )
    return int(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
