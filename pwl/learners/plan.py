"""The default learner's choice by the size of a table: the algorithm, the networks, and a sentence that says why."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from pwl.algorithms import Adam, Algorithm, BayesianLM, DampedMOLF
from pwl.runtime.threads import workers
from pwl.solvers.levenberg_marquardt import Damping
from pwl.training.input_hinges import automatic

BAYESIAN = BayesianLM(damping=Damping(mu=5e-3, schedule="gain"), starts=(0.03,), patience=15, evidence="factors")
WEIGHTS, PER_WEIGHT = 700, 12  # weights of the first layer of a network, or one for so many patterns if that is more
WIDEST, NARROWEST, WIDTH = 20, 5, 20  # hidden units; WIDTH without Bayesian LM
CLASS_WIDTH = 10
HINGES = 7  # of an input: more seldom predict better, and cost in the cube of their number
NETS = 5
ITERATIONS, USUAL = 100, 60  # of Bayesian LM, at most and as counted for its time
FEWEST = 50  # patterns for curves on inputs
FIRST_ORDER = 1_000_000  # patterns from which networks learn by batches
WHOLE_PASS = 300  # iterations of MOLF at most
EPOCHS, BATCH = 20, 256
SPEED = 3e10  # floating-point operations a second of one core in products of matrices, counted low
LEAST, MOST, PER_PATTERN = 20.0, 120.0, 6e-3  # seconds


@dataclass(frozen=True)
class Plan:
    """What the default learner trains.

    Attributes
    ----------
    algorithm : Algorithm
    hidden : tuple of int
        Number of units per hidden layer.
    activation : str
    input_hinges : tuple of int or None
        Numbers of hinges of each input. If there are several, held-out patterns decide their shares.
    nets : int
        Number of networks at most, whose mean predicts.
    iterations : int
        Iterations per network at most.
    batch_size : int or None
    seconds : float
        The time for all networks, which ends the last ones early.
    reason : str
        The choice in a sentence.
    """

    algorithm: Algorithm
    hidden: tuple[int, ...]
    activation: str
    input_hinges: tuple[int | None, ...]
    nets: int
    iterations: int
    batch_size: int | None
    seconds: float
    reason: str


def plan(Nv: int, N: int, M: int, *, classes: bool = False, hidden: Any = None, seconds: float | None = None) -> Plan:
    """The choice for Nv patterns of N inputs and M outputs.

    hidden: units per hidden layer as a tuple, or None for the learner's own. seconds: the time that it may take, or None for
    6 ms a pattern, from 20 to 120 seconds.
    """
    seconds = min(max(LEAST, PER_PATTERN * Nv), MOST) if seconds is None else seconds
    if Nv >= FIRST_ORDER:
        reason = f"{Nv} patterns are learned by batches, because a pass over all of them for each step would take too long"
        return Plan(Adam(), hidden or (WIDTH,), "tanh", (None,), 1, EPOCHS, BATCH, seconds, reason)
    hinges = None if classes else min(automatic(Nv), HINGES)
    widths = hidden or (CLASS_WIDTH if classes else width(Nv, N, hinges),)
    P = weights(N, M, widths, hinges)
    cost = iteration_seconds(Nv, M, P) * USUAL
    if cost <= seconds:
        nets = max(1, min(NETS, int(seconds / cost)))
        reason = f"{Nv} patterns and up to {P} weights: Bayesian Levenberg-Marquardt, which needs no validation data"
        forms = (None,) if hinges is None or Nv < FEWEST else (None, hinges)
        return Plan(BAYESIAN, widths, "tanh", forms, nets, ITERATIONS, None, seconds, reason)
    reason = f"{Nv} patterns and {P} weights: damped MOLF with a ridge by evidence, because J'J would take too long"
    return Plan(DampedMOLF(), hidden or (WIDTH,), "tanh", (hinges,), NETS, WHOLE_PASS, None, seconds, reason)


def without_evidence(first: Plan) -> Plan:
    """The plan for patterns of which the evidence takes everything for noise."""
    reason = f"{first.reason}; as its evidence took everything for noise, damped MOLF"
    return dataclasses.replace(first, algorithm=DampedMOLF(), iterations=WHOLE_PASS, reason=reason)


def width(Nv: int, N: int, hinges: int | None) -> int:
    """Hidden units of one layer, so that the first layer's weights are few beside the patterns."""
    inputs = 1 + N * (hinges or 1)
    return min(WIDEST, max(NARROWEST, round(max(WEIGHTS, Nv / PER_WEIGHT) / inputs)))


def weights(N: int, M: int, hidden: tuple[int, ...], hinges: int | None) -> int:
    """Number of weights, if all inputs have hinges."""
    inputs = N * (hinges or 1)
    sizes = (inputs, *hidden)
    return sum((n + 1) * units for n, units in zip(sizes, hidden, strict=False)) + M * (1 + inputs + hidden[-1])


def iteration_seconds(Nv: int, M: int, P: int) -> float:
    """Estimated seconds of an iteration of Bayesian Levenberg-Marquardt: J'J, and factors of it."""
    return (float(Nv) * M * P**2 + 3.0 * P**3) / (SPEED * workers())
