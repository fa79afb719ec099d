"""The forms of the default learner's networks: their sizes, how they are trained, and what that costs."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np

from pwl.algorithms import Adam, Algorithm, BayesianLM, DampedMOLF
from pwl.algorithms.penalties import Penalties
from pwl.solvers.levenberg_marquardt import Damping
from pwl.training.input_hinges import automatic
from pwl.training.schedules import named

BAYESIAN = BayesianLM(damping=Damping(mu=5e-3, schedule="gain"), starts=(0.03,), patience=15, evidence="factors")
WEIGHTS, PER_WEIGHT = 700, 12  # weights of the first layer of a network, or one for this many patterns if that is more
WIDEST, NARROWEST, WIDTH = 20, 10, 60  # hidden units; WIDTH by MOLF
CLASS_WIDTH, LINEAR = 10, (1,)  # of classes: networks, and one that is nearly linear
HINGES, MOST_HINGES, PER_HINGE = 7, 14, 1300  # of an input: one for this many patterns, within these bounds
NETS = 5
ITERATIONS, USUAL, FEWER = 100, 60, 30  # of Bayesian LM: at most, as counted for its time, and where that is short
FEWEST = 50  # patterns for curves on inputs, and for batches
FUNCTIONS = 1000, 2000  # of curves on inputs: as many as patterns within these bounds at most, or inputs stay straight
WHOLE_PASS, ENDED = 300, 60  # iterations of MOLF: at most, and by which patterns left out have usually ended them
EPOCHS, BATCH = 20, 256
SMALL_BATCH, EPOCH_STEPS = 64, 40  # fewer patterns in a batch, not less than that, where an epoch would have fewer steps
SHORT, LONG = (30, 32), (100, 128)  # of classes by batches: hidden units and patterns a batch, where J'J is short or long work
TENTHS = 10  # parts of the patterns, of which a network leaves out one
ROUNDS = 2  # over the parts, so that some patterns tell how far networks differ where they have not learned
MOLF_SPEED = 1.4e8  # products of patterns, inputs and units that two cores pass through in a second of damped MOLF
DEEP, MORE_EPOCHS = (128, 128, 128), (10, 60)  # hidden units by batches, and epochs, of many patterns
LESS_DEEP, DEEP_STEPS = (128, 128), 2200  # and hidden units and steps of fewer patterns
RATE = 0.005  # the highest of a cycle by batches
BATCH_SPEED, PER_STEP = 8e9, 1e-3  # products of patterns and weights a second of two cores, and seconds of a step beside them
PARTS, STEPS, CLASS_EPOCHS, CLASS_L2 = 5, 12_000, (20, 100), 1e-4  # and parts, steps of a network at most, epochs, and l2
SPEED = 6e10  # floating-point operations a second of two cores in products of matrices, and twice as many in single precision
MANY_WEIGHTS = 2000  # of a network. With more, J'J gives way to JJ' if the rows are fewer
ROWS = 12  # products of J with itself in an iteration by rows
L2, RISES = 1e-4, 1e-3  # penalties by MOLF and by batches, on hidden weights and on rises of curves on the inputs


class Training(NamedTuple):
    """How a network is trained. parts: each network leaves out another one of this many parts of the patterns, if any.

    rounds: over the parts. The networks are spread over them, and each round divides the patterns anew. stops: whether the part
    that is left out says when to stop, which is not so where evidence or a schedule says it. max_fail: iterations without a better
    network that end it, or None for the learner's own number. dtype: precision. schedule: of the algorithm's rate over all steps.
    """

    algorithm: Algorithm
    iterations: int
    batch_size: int | None = None
    parts: int = 0
    rounds: int = 1
    stops: bool = False
    max_fail: int | None = None
    dtype: Any = np.float64
    schedule: str = "constant"

    def algorithm_for(self, Nv: int) -> Algorithm:
        """The algorithm with the schedule of its rate, if that changes, for Nv patterns."""
        adam = self.algorithm
        if self.schedule == "constant" or self.batch_size is None or not isinstance(adam, Adam) or callable(adam.learning_rate):
            return adam
        rate = named(self.schedule, adam.learning_rate, self.iterations * math.ceil(Nv / self.batch_size))
        return dataclasses.replace(adam, learning_rate=rate)


MOLF = Training(DampedMOLF(l2=L2, input_curve_penalty=RISES), WHOLE_PASS, parts=TENTHS, rounds=ROUNDS, stops=True)


class Form(NamedTuple):
    """Networks of one structure. hidden: units per layer. hinges: of each input, or None. nets: how many at most.

    decorrelated: whether the inputs have lost their correlations, Eq. (88).
    """

    hidden: tuple[int, ...]
    hinges: int | None
    nets: int
    training: Training
    decorrelated: bool = False

    def __str__(self) -> str:
        inputs = ", decorrelated inputs" if self.decorrelated else ""
        how = ", by batches" if self.training.batch_size else ", by MOLF" if isinstance(self.training.algorithm, DampedMOLF) else ""
        if not self.hidden:
            return "no inputs"
        curves = f"{self.hinges} hinges on each input" if self.hinges else "straight inputs"
        return f"{' and '.join(map(str, self.hidden))} unit{'' if self.hidden == (1,) else 's'}, {curves}{inputs}{how}"


class Levenberg(NamedTuple):
    """What Bayesian Levenberg-Marquardt of P weights may take of the time.

    long: whether its iterations are cut short and J'J is made in single precision, which takes half the time. iterations: at most.
    seconds: of a network, as estimated. dtype: precision.
    """

    long: bool
    iterations: int
    seconds: float
    dtype: Any

    @staticmethod
    def within(seconds: float, Nv: int, M: int, P: int) -> Levenberg:
        """For P weights, if several networks may take these seconds."""
        cost = iteration_seconds(Nv, M, P)
        if NETS * USUAL * cost <= seconds:
            return Levenberg(False, ITERATIONS, USUAL * cost, np.float64)
        dtype: Any = np.float64
        if not by_rows(Nv, M, P):
            cost, dtype = cost / 2, np.float32
        iterations = max(FEWER, min(USUAL, int(seconds / (NETS * cost))))
        return Levenberg(True, iterations, iterations * cost, dtype)


def bayesian_form(Nv: int, N: int, M: int, units: tuple[int, ...], hinges: int | None, nets: int, **how: Any) -> Form:
    """Networks by Bayesian Levenberg-Marquardt. how: the settings of their training."""
    return Form(units, hinges, nets, Training(bayesian(Nv, M, weights(N, M, units, hinges)), **how))


def by_molf(Nv: int, N: int, hidden: Any, hinges: int | None, seconds: float) -> Form:
    """Networks by damped MOLF for this many seconds. They are wider and have twice the hinges, which cost little more here."""
    units = hidden or (WIDTH,)
    cost = Nv * N * sum(units) / MOLF_SPEED
    iterations = max(FEWER, min(WHOLE_PASS, int(seconds / (NETS * cost))))
    nets = max(1, min(ROUNDS * TENTHS, int(seconds / (min(iterations, ENDED) * cost))))
    return Form(units, hinges and 2 * hinges, nets, MOLF._replace(iterations=iterations))


def deep(Nv: int, N: int, M: int, hidden: Any, hinges: int | None, seconds: float) -> Form:
    """Deep networks that learn many patterns by batches for this many seconds, with four times the hinges of `bayesian_form`."""
    units, (fewest, most) = hidden or DEEP, MORE_EPOCHS
    batch = batch_of(Nv)
    cost = epoch_seconds(Nv, N, M, units, hinges, batch)
    epochs = max(fewest, min(most, int(seconds / (NETS * cost))))
    nets = max(1, min(TENTHS, int(seconds / (epochs * cost))))
    return Form(units, hinges and 4 * hinges, nets, in_one_cycle(epochs, batch)._replace(stops=True))


def less_deep(Nv: int, N: int, M: int, hidden: Any, hinges: int | None, seconds: float) -> Form:
    """Networks of two layers that learn fewer patterns by batches, with as many hinges as by MOLF.

    They end with their last epoch. The one that is best for so few patterns left out would be no better for others, but look so.
    """
    units, batch = hidden or LESS_DEEP, batch_of(Nv)
    cost = epoch_seconds(Nv, N, M, units, hinges, batch)
    epochs = max(1, min(DEEP_STEPS * batch // Nv, int(seconds / (NETS * cost))))
    nets = max(1, min(TENTHS, int(seconds / (epochs * cost))))
    return Form(units, hinges and 2 * hinges, nets, in_one_cycle(epochs, batch))


def batch_of(Nv: int) -> int:
    """Patterns in a batch of these networks."""
    return max(SMALL_BATCH, min(BATCH, Nv // EPOCH_STEPS))


def epoch_seconds(Nv: int, N: int, M: int, units: tuple[int, ...], hinges: int | None, batch: int) -> float:
    """Estimated seconds of an epoch on two cores. A curve has two functions at a time that are not 0."""
    return Nv * weights(N, M, units, 2 if hinges else None) / BATCH_SPEED + Nv / batch * PER_STEP


def in_one_cycle(epochs: int, batch: int) -> Training:
    """Adam with a rate that rises and falls once over all epochs, so that all of them are gone through."""
    adam = Adam(RATE, penalties=Penalties(l2=L2, input_curves=RISES))
    return Training(adam, epochs, batch, TENTHS, ROUNDS, max_fail=epochs, dtype=np.float32, schedule="one_cycle")


def by_batches(Nv: int, units: int, batch: int, dtype: Any = np.float64) -> Form:
    """Networks for classes of Nv patterns that learn by batches."""
    fewest, most = CLASS_EPOCHS
    epochs = max(fewest, min(most, STEPS * batch // Nv))
    training = Training(Adam(penalties=Penalties(l2=CLASS_L2)), epochs, batch, PARTS, stops=True, dtype=dtype)
    return Form((units,), None, PARTS, training)


def hinges_of(Nv: int, N: int) -> int | None:
    """Hinges of each input, None if their functions would be too many for the patterns, or for one solution in a step."""
    least, most = FUNCTIONS
    found = max(min(automatic(Nv), HINGES), min(Nv // PER_HINGE, MOST_HINGES))
    return found if found * N <= min(max(Nv, least), most) else None


def bayesian(Nv: int, M: int, P: int) -> BayesianLM:
    """The algorithm for P weights: with J'J, or with the rows of J if that is `by_rows`.

    So few rows can be fitted exactly, where the evidence has another maximum: a large first lambda avoids it.
    """
    return dataclasses.replace(BAYESIAN, solver="rows", starts=(1.0,)) if by_rows(Nv, M, P) else BAYESIAN


def by_rows(Nv: int, M: int, P: int) -> bool:
    """Whether P weights are so many, and the rows of J so few, that JJ' is solved in place of J'J."""
    return P > MANY_WEIGHTS and Nv * M < P


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
    """Estimated seconds of an iteration of Bayesian Levenberg-Marquardt on two cores: J'J or JJ', and factors of it."""
    m, n = float(Nv) * M, float(P)
    return (ROWS * m**2 * n + 3 * m**3 if by_rows(Nv, M, P) else m * n**2 + 3 * n**3) / SPEED
