"""The default learner's choice by the size of a table: the algorithm, the networks, and a sentence that says why."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
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
MORE_NETS = 10  # of Bayesian LM where the time allows that each leaves a part out
ITERATIONS, USUAL, FEWER = 100, 60, 30  # of Bayesian LM: at most, as counted for its time, and where that is short
FEWEST = 50  # patterns for curves on inputs, and for batches
FUNCTIONS = 1000, 2000  # of curves on inputs: as many as patterns within these bounds at most, or inputs stay straight
FIRST_ORDER = 1_000_000  # patterns from which networks learn by batches
WHOLE_PASS, ENDED = 300, 60  # iterations of MOLF: at most, and by which patterns left out have usually ended them
EPOCHS, BATCH = 20, 256
SHORT, LONG = (30, 32), (100, 128)  # of classes by batches: hidden units and patterns a batch, where J'J is short or long work
TENTHS = 10  # parts of the patterns, of which a network leaves out one
ROUNDS = 2  # over the parts, so that some patterns tell how far networks differ where they have not learned
MOLF_SPEED = 1.4e8  # products of patterns, inputs and units that two cores pass through in a second of damped MOLF
DEEP, BATCH_SPEED = (128, 128, 128), 4.2e9  # hidden units by batches, and products of patterns and weights a second of two cores
RATE, MORE_EPOCHS = 0.005, (10, 60)  # the highest of a cycle, and epochs
MANY, SHARE = 10_000, 0.2  # patterns from which such networks take J'J's place if that is long work, and others' share of the time
PARTS, STEPS, CLASS_EPOCHS, CLASS_L2 = 5, 12_000, (20, 100), 1e-4  # and parts, steps of a network at most, epochs, and l2
SPEED = 6e10  # floating-point operations a second of two cores in products of matrices, and twice as many in single precision
MANY_WEIGHTS = 2000  # of a network. With more, J'J gives way to JJ' if the rows are fewer
ROWS = 12  # products of J with itself in an iteration by rows
LEAST, MOST, PER_PATTERN = 20.0, 120.0, 6e-3  # seconds
L2, RISES = 1e-4, 1e-3  # penalties by MOLF and by batches, on hidden weights and on rises of curves on the inputs
GUARD = 5.0  # times the seconds of the plan: only a machine that much slower ends a fit by the clock


class Training(NamedTuple):
    """How a network is trained. parts: each network leaves out another one of this many parts of the patterns, if any.

    rounds: over the parts. The networks are spread over them, and each round divides the patterns anew. The part that is left out
    says when to stop, except to Bayesian LM, whose evidence says it. max_fail: iterations without a better network that end it, or
    None for the learner's own number. dtype: precision.
    """

    algorithm: Algorithm
    iterations: int
    batch_size: int | None = None
    parts: int = 0
    rounds: int = 1
    max_fail: int | None = None
    dtype: Any = np.float64


MOLF = Training(DampedMOLF(l2=L2, input_curve_penalty=RISES), WHOLE_PASS, parts=TENTHS, rounds=ROUNDS)


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
        return f"{' and '.join(map(str, self.hidden))} units, {self.hinges or 'no'} hinges{inputs}{how}"


@dataclass(frozen=True)
class Plan:
    """What the default learner trains.

    Attributes
    ----------
    forms : tuple of Form
        The networks, whose mean predicts, and how they are trained. Patterns left out decide the shares of several forms.
    activation : str
    seconds : float
        The time after which the clock ends a fit, with the networks that there are.
    reason : str
        The choice in a sentence.
    """

    forms: tuple[Form, ...]
    activation: str
    seconds: float
    reason: str

    @property
    def first(self) -> Training:
        """The training of the first form."""
        return self.forms[0].training


def plan(Nv: int, N: int, M: int, *, classes: bool = False, hidden: Any = None, seconds: float | None = None) -> Plan:
    """The choice for Nv patterns of N inputs and M outputs. It depends on these alone, so that a seed gives the same networks.

    hidden: units per hidden layer as a tuple, or None for the learner's own. seconds: the time that it may take, or None for
    6 ms a pattern, from 20 to 120 seconds on two cores, as estimated.
    """
    if seconds is None:
        seconds = min(max(LEAST, PER_PATTERN * Nv), MOST)
        clock = GUARD * seconds
    else:
        clock = seconds
    if Nv >= FIRST_ORDER:
        reason = f"{Nv} patterns are learned by batches, because a pass over all of them for each step would take too long"
        form = Form(hidden or (WIDTH,), None, 1, Training(Adam(), EPOCHS, BATCH))
        return Plan((form,), "tanh", clock, reason)
    forms, reason = of_classes(Nv, N, M, hidden, seconds) if classes else of_numbers(Nv, N, M, hidden, seconds)
    return Plan(forms, "tanh", clock, reason)


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


def of_numbers(Nv: int, N: int, M: int, hidden: Any, seconds: float) -> tuple[tuple[Form, ...], str]:
    """The forms and the reason for targets that are numbers."""
    hinges = hinges_of(Nv, N)
    widths = hidden or (width(Nv, N, hinges),)
    P = weights(N, M, widths, hinges)
    lm = Levenberg.within(seconds, Nv, M, P)
    if lm.seconds > seconds or (lm.long and Nv >= MANY):
        return of_many(Nv, N, M, widths, hidden, hinges, seconds)
    how: dict[str, Any] = {"iterations": lm.iterations, "dtype": lm.dtype}
    nets, leaves = min(NETS, int(seconds / lm.seconds)), not lm.long and Nv >= FEWEST
    if leaves:
        nets, how = MORE_NETS, how | {"parts": TENTHS, "rounds": ROUNDS}
    reason = f"{Nv} patterns and up to {P} weights: Bayesian Levenberg-Marquardt, which needs no validation data"
    forms = [bayesian_form(Nv, N, M, widths, None, nets, **how)]
    if hinges is not None and Nv >= FEWEST:
        reason += ", and damped MOLF" if leaves else ", and damped MOLF, where each network leaves a tenth of them out"
        molf = by_molf(Nv, N, hidden, hinges, seconds)
        molf = molf._replace(training=molf.training._replace(dtype=lm.dtype))
        forms += [bayesian_form(Nv, N, M, widths, hinges, nets, **how), molf]
    if leaves:
        reason += "; each network leaves a tenth of the patterns out"
    return tuple(forms), reason


def of_many(
    Nv: int, N: int, M: int, widths: tuple[int, ...], hidden: Any, hinges: int | None, seconds: float
) -> tuple[tuple[Form, ...], str]:
    """The forms and the reason where J'J of curves on the inputs is long work. J'J of straight inputs may still be short.

    widths: hidden units of Levenberg-Marquardt.
    """
    P = weights(N, M, widths, hinges)
    reason = f"{Nv} patterns and {P} weights: damped MOLF with a ridge by evidence"
    if Nv < FEWEST:
        return (by_molf(Nv, N, hidden, hinges, seconds),), f"{reason}, because J'J would take too long"
    reason += ", and Adam by batches"
    forms = [by_molf(Nv, N, hidden, hinges, SHARE * seconds), deep(Nv, N, M, hidden, hinges, (1 - SHARE) * seconds)]
    lm = Levenberg.within(SHARE * seconds, Nv, M, weights(N, M, widths, None))
    if nets := min(NETS, int(SHARE * seconds / lm.seconds)):
        how = {"iterations": lm.iterations, "parts": TENTHS, "rounds": ROUNDS, "dtype": lm.dtype}
        forms.insert(0, bayesian_form(Nv, N, M, widths, None, nets, **how))
        reason += ", and Bayesian Levenberg-Marquardt on straight inputs"
    return tuple(forms), f"{reason}, because J'J would take too long; each network leaves a tenth of the patterns out"


def of_classes(Nv: int, N: int, M: int, hidden: Any, seconds: float) -> tuple[tuple[Form, ...], str]:
    """The forms and the reason for classes."""
    widths = hidden or (CLASS_WIDTH,)
    P = weights(N, M, widths, None)
    lm = Levenberg.within(seconds, Nv, M, P)
    if lm.seconds > seconds:
        form = by_batches(Nv, *LONG)
        reason = f"{Nv} patterns and {P} weights: Adam by batches, because J'J would take too long"
        return (form._replace(hidden=hidden or form.hidden),), reason
    how: dict[str, Any] = {"iterations": lm.iterations, "dtype": lm.dtype}
    forms = [bayesian_form(Nv, N, M, widths, None, min(NETS, int(seconds / lm.seconds)), **how)]
    if not hidden:
        forms.insert(0, bayesian_form(Nv, N, M, LINEAR, None, 1, **how))
        if Nv >= FEWEST:
            forms.append(by_batches(Nv, *(LONG if lm.long else SHORT), lm.dtype))
    return tuple(forms), f"{Nv} patterns and up to {P} weights: Bayesian Levenberg-Marquardt, which needs no validation data"


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
    """Deep networks that learn numbers by batches for this many seconds, with four times the hinges of Levenberg-Marquardt.

    The rate rises and falls once over all epochs, so that all of them are gone through.
    """
    units = hidden or DEEP
    fewest, most = MORE_EPOCHS
    cost = Nv * (weights(N, M, units, 2 if hinges else None)) / BATCH_SPEED  # a curve has two functions at a time that are not 0
    epochs = max(fewest, min(most, int(seconds / (NETS * cost))))
    nets = max(1, min(TENTHS, int(seconds / (epochs * cost))))
    steps = epochs * math.ceil(Nv * (1 - 1 / TENTHS) / BATCH)
    adam = Adam(named("one_cycle", RATE, steps), penalties=Penalties(l2=L2, input_curves=RISES))
    training = Training(adam, epochs, BATCH, TENTHS, ROUNDS, max_fail=epochs, dtype=np.float32)
    return Form(units, hinges and 4 * hinges, nets, training)


def by_batches(Nv: int, units: int, batch: int, dtype: Any = np.float64) -> Form:
    """Networks for classes of Nv patterns that learn by batches."""
    fewest, most = CLASS_EPOCHS
    epochs = max(fewest, min(most, STEPS * batch // Nv))
    training = Training(Adam(penalties=Penalties(l2=CLASS_L2)), epochs, batch, PARTS, dtype=dtype)
    return Form((units,), None, PARTS, training)


def without_evidence(first: Plan) -> Plan:
    """The plan for patterns of which the evidence takes everything for noise."""
    reason = f"{first.reason}; as its evidence took everything for noise, damped MOLF"
    forms = (form._replace(training=MOLF) if isinstance(form.training.algorithm, BayesianLM) else form for form in first.forms)
    return dataclasses.replace(first, forms=tuple(forms), reason=reason)


def with_decorrelated(first: Plan) -> Plan:
    """The plan for inputs that nearly repeat each other, with a further form that tells them apart."""
    straight = next(form for form in first.forms[::-1] if form.hinges is None)
    return dataclasses.replace(first, forms=(*first.forms, straight._replace(decorrelated=True)))


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
