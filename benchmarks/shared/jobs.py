"""Iterations as functions without arguments, which can be timed in turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pwl


def steps(algorithm: Any, net: pwl.Network, patterns: pwl.Patterns) -> Callable[[], None]:
    """A function that takes the next step with every call."""
    at = {"net": net, "state": algorithm.init(net, patterns, 0)}

    def one() -> None:
        at["net"], at["state"], *_ = algorithm.step(at["net"], patterns, at["state"])

    return one


def same_iteration(algorithm: Any, net: pwl.Network, patterns: pwl.Patterns) -> Callable[[], None]:
    """A function that takes the first iteration anew with every call, and measures the network that it finds."""
    _, state = algorithm.measure(net, patterns, algorithm.init(net, patterns, 0))

    def iteration() -> None:
        step = algorithm.step(net, patterns, state)
        algorithm.measure(step.net, patterns, step.state)

    return iteration
