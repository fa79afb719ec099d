"""Learning rates that change with the step. Call a schedule with the number of steps so far, 0, 1, ...

The repr of a schedule holds all of its settings, so a run with a schedule can be resumed from a checkpoint. After its last
step a schedule keeps its end value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pwl.errors import InputError
from pwl.validate import is_number, is_whole, listed, nearest, not_negative, positive, whole

WARM = 0.3  # share of the steps of "one_cycle" that warm up


@dataclass(frozen=True)
class Cosine:
    """Raises the rate in a straight line over `warmup` steps, then lowers it to floor x rate along half a cosine.

    Parameters
    ----------
    rate : float
        Highest rate, reached in step `warmup`. An earlier step s has (s + 1) / (warmup + 1) of it, so that no step is at 0.
    steps : int
        Number of steps in all, warm-up included. Step number `steps` is the first at the end value.
    warmup : int
        Number of steps of the warm-up.
    floor : float
        Share of the rate at the end, in [0, 1].

    Raises
    ------
    InputError
        If the rate is negative or not finite, there are no steps after the warm-up, or the floor is outside [0, 1].
    """

    rate: float
    steps: int
    warmup: int = 0
    floor: float = 0.0

    def __post_init__(self) -> None:
        _check_descent(self)

    def __call__(self, step: int) -> float:
        whole("step", step, 0)
        if step < self.warmup:
            return _warm(self, step)
        return self.rate * (self.floor + (1 - self.floor) * (1 + math.cos(math.pi * _progress(self, step))) / 2)


@dataclass(frozen=True)
class Linear:
    """Raises the rate in a straight line over `warmup` steps, then lowers it to floor x rate in another straight line.

    Parameters
    ----------
    rate, steps, warmup, floor
        As in `Cosine`.

    Raises
    ------
    InputError
        As in `Cosine`.
    """

    rate: float
    steps: int
    warmup: int = 0
    floor: float = 0.0

    def __post_init__(self) -> None:
        _check_descent(self)

    def __call__(self, step: int) -> float:
        whole("step", step, 0)
        if step < self.warmup:
            return _warm(self, step)
        return self.rate * (1 - (1 - self.floor) * _progress(self, step))


@dataclass(frozen=True)
class Steps:
    """Multiplies the rate by `factor` at each of the steps `at`. Steps(0.1, at=(300, 400)) is 0.1, then 0.01, then 0.001.

    Parameters
    ----------
    rate : float
        Rate at the start.
    at : sequence of int
        Numbers of steps, 1 or more, in increasing order.
    factor : float
        A positive number.

    Raises
    ------
    InputError
        If the rate is negative or not finite, `at` is not increasing, or the factor is not positive.
    """

    rate: float
    at: tuple[int, ...]
    factor: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", _rate(self, self.rate))
        at = listed(self.at) or ()
        if not at or not all(map(is_whole, at)) or list(at) != sorted(set(at)) or at[0] < 1:
            raise InputError(
                f"at of Steps must be numbers of steps, 1 or more, in increasing order, such as (300, 400), not {self.at!r}"
            )
        object.__setattr__(self, "at", tuple(map(int, at)))
        object.__setattr__(self, "factor", _factor(self, self.factor))

    def __call__(self, step: int) -> float:
        whole("step", step, 0)
        try:
            return self.rate * self.factor ** sum(step >= other for other in self.at)
        except OverflowError:
            raise InputError(f"{self} is too large for a number at step {step}: choose a factor of at most 1") from None


@dataclass(frozen=True)
class Exponential:
    """Multiplies the rate smoothly by `factor` over every `every` steps: rate x factor^(step / every).

    Parameters
    ----------
    rate : float
        Rate at the start.
    factor : float
        A positive number.
    every : int
        Number of steps per factor, 1 or more.

    Raises
    ------
    InputError
        If the rate is negative or not finite, the factor is not positive, or `every` is below 1.
    """

    rate: float
    factor: float
    every: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", _rate(self, self.rate))
        object.__setattr__(self, "factor", _factor(self, self.factor))
        object.__setattr__(self, "every", _whole(self, "every", self.every, 1))

    def __call__(self, step: int) -> float:
        whole("step", step, 0)
        try:
            return self.rate * self.factor ** (step / self.every)
        except OverflowError:
            raise InputError(
                f"{self} is too large for a number at step {step}: choose a factor of at most 1, or a larger `every`"
            ) from None


NAMED = {
    "constant": lambda rate, steps: rate,
    "cosine": lambda rate, steps: Cosine(rate, steps),
    "linear": lambda rate, steps: Linear(rate, steps),
    "one_cycle": lambda rate, steps: Cosine(rate, steps, warmup=int(WARM * steps)),
}


def named(name: str, rate: float, steps: int) -> Any:
    """The schedule with a name in NAMED over `steps` steps, with `rate` as its highest rate; "constant" is a number.

    "one_cycle" warms up over 30 % of the steps and falls along a cosine to 0. Raises InputError for an unknown name.
    """
    if name not in NAMED:
        raise InputError(f"unknown schedule {name!r}{nearest(str(name), NAMED)}: use one of {', '.join(NAMED)}")
    return NAMED[name](rate, steps)


def _warm(schedule: Any, step: int) -> float:
    return schedule.rate * (step + 1) / (schedule.warmup + 1)


def _progress(schedule: Any, step: int) -> float:
    """Share of the way down, from 0 to 1."""
    return min(1.0, (step - schedule.warmup) / (schedule.steps - schedule.warmup))


def _check_descent(schedule: Any) -> None:
    """Turns rate, steps, warm-up and floor into plain numbers, so that equal schedules have the same repr."""
    name = type(schedule).__name__
    object.__setattr__(schedule, "rate", _rate(schedule, schedule.rate))
    object.__setattr__(schedule, "steps", _whole(schedule, "steps", schedule.steps, 1))
    object.__setattr__(schedule, "warmup", _whole(schedule, "warmup", schedule.warmup, 0))
    if schedule.warmup >= schedule.steps:
        raise InputError(
            f"a warmup of {schedule.warmup} steps leaves {name} none of its {schedule.steps}: make it smaller"
        )
    if not is_number(schedule.floor) or not 0 <= float(schedule.floor) <= 1:
        raise InputError(f"the floor of {name} must be a share of the rate in [0, 1], not {schedule.floor!r}")
    object.__setattr__(schedule, "floor", float(schedule.floor))


def _rate(schedule: Any, value: Any) -> float:
    return not_negative(f"the rate of {type(schedule).__name__}", value)


def _factor(schedule: Any, value: Any) -> float:
    return positive(f"the factor of {type(schedule).__name__}", value)


def _whole(schedule: Any, name: str, value: Any, least: int) -> int:
    return whole(f"{name} of {type(schedule).__name__}", value, least)
