"""Limits that end a run: iterations, validation failures, gradient, error and time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pwl.algorithms.algorithm import Stop
from pwl.errors import InputError
from pwl.training.record import Record
from pwl.validate import is_number, shown, whole

INTERRUPTED = "interrupted from the keyboard"
NON_FINITE = "a number became infinite or NaN; the best network before that was kept"
CALLBACK = Stop("callback", "the callback asked to stop")
# After these a resumed run may go on. Any other code is an algorithm's, which would stop at the same point again.
GO_ON = ("", "iterations", "max_fail", "min_grad", "goal", "max_seconds", "callback", "interrupted", "non_finite")


class Interrupted(UserWarning):
    """Says that Ctrl-C ended a fit, so that whoever fits in a loop learns of it."""


@dataclass(frozen=True)
class Limits:
    """Settings of `train` that end a run. max_fail counts only if there are validation data. None means no limit."""

    iterations: int
    max_fail: int | None
    min_grad: float
    goal: float
    max_seconds: float | None

    def __post_init__(self) -> None:
        whole("iterations", self.iterations, 0)
        if self.max_fail is not None:
            whole("max_fail", self.max_fail, unit=" of iterations")
        for name in ("min_grad", "goal"):
            _not_below_zero(name, getattr(self, name))
        if self.max_seconds is not None:
            _not_below_zero("max_seconds", self.max_seconds)

    def reached(self, record: Record, validated: bool) -> Stop | None:
        """The limit that the last iteration reached, if any. validated: whether there are validation data."""
        gradient = record["gradient_norm"][-1] if "gradient_norm" in record else None
        if record.iterations and record["error"][-1] <= self.goal:
            reason = f"the training error reached the goal ({record['error'][-1]:.3g} <= {self.goal:g})"
            return Stop("goal", reason)
        if gradient is not None and gradient <= self.min_grad:
            return Stop("min_grad", f"the gradient is as small as asked for ({gradient:.3g} <= {self.min_grad:g})")
        failures = record.iterations - record.best_iteration
        if validated and self.max_fail is not None and failures >= self.max_fail:
            reason = "the validation error rose too many times in a row"
            return Stop("max_fail", f"{reason} ({self.max_fail} iterations without a new lowest)")
        if self.max_seconds is not None and record.iterations and record["seconds"][-1] >= self.max_seconds:
            return Stop("max_seconds", f"the time limit was reached ({self.max_seconds:g} s)")
        if record.iterations >= self.iterations:
            reason = f"all iterations asked for were run ({record.iterations} of {self.iterations})"
            return Stop("iterations", reason)
        return None


def _not_below_zero(name: str, value: Any) -> None:
    if not is_number(value) or not float(value) >= 0:  # infinity is allowed, and is no limit
        raise InputError(f"{name} must be 0 or a positive number, not {shown(value)}")
