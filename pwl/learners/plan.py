"""The default learner's choice by the size of a table: which networks, and a sentence that says why."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from pwl.algorithms import Adam, BayesianLM
from pwl.learners.forms import (
    BATCH,
    CLASS_WIDTH,
    EPOCHS,
    FEWEST,
    LINEAR,
    LONG,
    MOLF,
    NETS,
    ROUNDS,
    SHORT,
    TENTHS,
    WIDTH,
    Form,
    Levenberg,
    Training,
    bayesian_form,
    by_batches,
    by_molf,
    deep,
    hinges_of,
    less_deep,
    weights,
    width,
)

MORE_NETS = 10  # of Bayesian LM where the time allows that each leaves a part out
BY_BATCHES = 3_000  # patterns from which networks by batches are tried beside Levenberg-Marquardt
FIRST_ORDER = 1_000_000  # patterns from which networks learn by batches
MANY, SHARE = 10_000, 0.2  # patterns from which deep networks replace long work with J'J, and the others' share of the time
LEAST, MOST, PER_PATTERN = 20.0, 120.0, 6e-3  # seconds
EACH = "; each network leaves a tenth of the patterns out"
FOREVER = 1e9  # seconds, in place of infinitely many
GUARD = 5.0  # times the seconds of the plan: only a machine that much slower ends a fit by the clock


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
    left_out : str
        How the sentence goes on if no other patterns validate, because networks then leave some out.
    """

    forms: tuple[Form, ...]
    activation: str
    seconds: float
    reason: str
    left_out: str = ""

    def words(self, validated: bool) -> str:
        """The reason. validated: whether other patterns validate."""
        return self.reason if validated else self.reason + self.left_out

    @property
    def first(self) -> Training:
        """The training of the first form."""
        return self.forms[0].training


def plan(
    Nv: int, N: int, M: int, *, classes: bool = False, hidden: Any = None, seconds: float | None = None, groups: int | None = None
) -> Plan:
    """The choice for Nv patterns of N inputs and M outputs. It depends on these alone, so that a seed gives the same networks.

    hidden: units per hidden layer as a tuple, or None for the learner's own. seconds: the time that it may take, or None for
    6 ms a pattern, from 20 to 120 seconds on two cores, as estimated. groups: of the patterns, their number.
    """
    guard, seconds = (GUARD, min(max(LEAST, PER_PATTERN * Nv), MOST)) if seconds is None else (1, min(seconds, FOREVER))
    found = dataclasses.replace(chosen(Nv, N, M, classes, hidden, seconds), seconds=guard * seconds)
    if groups is None:
        return found
    grouped = with_groups(found, groups)  # where only groups make networks leave parts out, they leave out each part once
    pairs = zip(found.forms, grouped.forms, strict=True)
    forms = (own if form.training.parts else own._replace(nets=max(own.nets, own.training.parts)) for form, own in pairs)
    return dataclasses.replace(grouped, forms=tuple(forms))


def chosen(Nv: int, N: int, M: int, classes: bool, hidden: Any, seconds: float) -> Plan:
    """The plan that takes this many seconds, as estimated."""
    if Nv >= FIRST_ORDER:
        reason = f"{Nv} patterns are learned by batches, because a pass over all of them for each step would take too long"
        form = Form(hidden or (WIDTH,), None, 1, Training(Adam(), EPOCHS, BATCH))
        return Plan((form,), "tanh", seconds, reason)
    return (of_classes if classes else of_numbers)(Nv, N, M, hidden, seconds)


def of_numbers(Nv: int, N: int, M: int, hidden: Any, seconds: float) -> Plan:
    """The plan for targets that are numbers."""
    hinges = hinges_of(Nv, N)
    widths = hidden or (width(Nv, N, hinges),)
    P = weights(N, M, widths, hinges)
    lm = Levenberg.within(seconds, Nv, M, P)
    if lm.seconds > seconds or (lm.long and Nv >= MANY):
        return of_many(Nv, N, M, widths, hidden, hinges, seconds)
    how: dict[str, Any] = {"iterations": lm.iterations, "dtype": lm.dtype}
    leaves, curves = not lm.long and Nv >= FEWEST, hinges is not None and Nv >= FEWEST
    batches = curves and leaves and Nv >= BY_BATCHES  # networks that leave nothing out are not judged alike
    nets = min(NETS, int(seconds / lm.seconds))
    if leaves:
        nets, how = NETS if batches else MORE_NETS, how | {"parts": TENTHS, "rounds": ROUNDS}
    reason = f"{Nv} patterns: Bayesian Levenberg-Marquardt on up to {P} weights, which needs no validation data"
    forms = [bayesian_form(Nv, N, M, widths, None, nets, **how)]
    if curves:
        molf = by_molf(Nv, N, hidden, hinges, seconds / 2 if batches else seconds)
        molf = molf._replace(training=molf.training._replace(dtype=lm.dtype))
        forms += [bayesian_form(Nv, N, M, widths, hinges, nets, **how), molf]
        if batches:
            forms.append(less_deep(Nv, N, M, hidden, hinges, seconds))
        reason += ", and larger networks by damped MOLF" + (" and by Adam in batches" if batches else "")
    some = ", where each network leaves a tenth of them out" if curves else ""
    return Plan(tuple(forms), "tanh", seconds, reason, EACH if leaves else some)


def of_many(
    Nv: int, N: int, M: int, widths: tuple[int, ...], hidden: Any, hinges: int | None, seconds: float
) -> Plan:
    """The plan where J'J of curves on the inputs is long work. J'J of straight inputs may still be short.

    widths: hidden units of Levenberg-Marquardt.
    """
    so = f"{Nv} patterns and {weights(N, M, widths, hinges)} weights: damped MOLF with a ridge by evidence"
    why = "because J'J of all weights would take too long"
    if Nv < FEWEST:
        return Plan((by_molf(Nv, N, hidden, hinges, seconds),), "tanh", seconds, f"{so}, {why}")
    forms = [by_molf(Nv, N, hidden, hinges, SHARE * seconds), deep(Nv, N, M, hidden, hinges, (1 - SHARE) * seconds)]
    lm = Levenberg.within(SHARE * seconds, Nv, M, weights(N, M, widths, None))
    nets = min(NETS, int(SHARE * seconds / lm.seconds))
    if nets:
        how = {"iterations": lm.iterations, "parts": TENTHS, "rounds": ROUNDS, "dtype": lm.dtype}
        forms.insert(0, bayesian_form(Nv, N, M, widths, None, nets, **how))
    others = ", Adam by batches and Bayesian Levenberg-Marquardt on straight inputs" if nets else " and Adam by batches"
    return Plan(tuple(forms), "tanh", seconds, f"{so}{others}, {why}", EACH)


def of_classes(Nv: int, N: int, M: int, hidden: Any, seconds: float) -> Plan:
    """The plan for classes."""
    widths = hidden or (CLASS_WIDTH,)
    P = weights(N, M, widths, None)
    lm = Levenberg.within(seconds, Nv, M, P)
    if lm.seconds > seconds:
        form = by_batches(Nv, *LONG)
        reason = f"{Nv} patterns and {P} weights: Adam by batches, because J'J would take too long"
        return Plan((form._replace(hidden=hidden or form.hidden),), "tanh", seconds, reason)
    how: dict[str, Any] = {"iterations": lm.iterations, "dtype": lm.dtype}
    forms = [bayesian_form(Nv, N, M, widths, None, min(NETS, int(seconds / lm.seconds)), **how)]
    if not hidden:
        forms.insert(0, bayesian_form(Nv, N, M, LINEAR, None, 1, **how))
        if Nv >= FEWEST:
            forms.append(by_batches(Nv, *(LONG if lm.long else SHORT), lm.dtype))
    reason = f"{Nv} patterns and up to {P} weights: Bayesian Levenberg-Marquardt, which needs no validation data"
    return Plan(tuple(forms), "tanh", seconds, reason)


def without_evidence(first: Plan) -> Plan:
    """The plan for patterns of which the evidence takes everything for noise."""
    reason = f"{first.reason}; as its evidence took everything for noise, damped MOLF"
    forms = (form._replace(training=MOLF) if isinstance(form.training.algorithm, BayesianLM) else form for form in first.forms)
    return dataclasses.replace(first, forms=tuple(forms), reason=reason)


def with_decorrelated(first: Plan) -> Plan:
    """The plan for inputs that nearly repeat each other, with a further form that tells them apart."""
    straight = [form for form in first.forms if form.hinges is None and isinstance(form.training.algorithm, BayesianLM)][-1]
    return dataclasses.replace(first, forms=(*first.forms, straight._replace(decorrelated=True)))


def with_groups(first: Plan, groups: int) -> Plan:
    """The plan for patterns in groups, which are left out as a whole. There are no more parts than groups.

    Errors for single patterns left out, Eq. (92), do not tell those for new groups. Forms that would use them leave parts out.
    """
    forms = []
    for form in first.forms:
        how = form.training
        parts = how.parts or (TENTHS if isinstance(how.algorithm, BayesianLM) else 0)
        forms.append(form._replace(training=how._replace(parts=min(parts, groups))))
    left_out = "; each network leaves whole groups out" if any(form.training.parts for form in forms) else ""
    return dataclasses.replace(first, forms=tuple(forms), left_out=left_out)
