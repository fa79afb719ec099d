"""The default learner: trains several networks by a plan and predicts by their mean, Eq. (91)."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from pwl.algorithms import Algorithm, BayesianLM, DampedMOLF, with_posterior
from pwl.algorithms.left_out import left_out
from pwl.algorithms.predictive import MOST_OUTPUTS
from pwl.data.preparation import Preparation
from pwl.data.targets import known_or_zero
from pwl.errors import InputError
from pwl.learners.constant import CONSTANT, constant, outputs_without
from pwl.learners.ensemble import Ensemble
from pwl.learners.forms import Form, Training
from pwl.learners.inputs import View, decorrelated
from pwl.learners.levels import levels
from pwl.learners.mix import LeftOut, Score, Told, of_form, score_of, shares, with_scale
from pwl.learners.parts import numbered_groups, tell_of_classes, without_part
from pwl.learners.plan import Plan, with_decorrelated, with_groups, without_evidence
from pwl.network.network import Network
from pwl.network.passes import outputs
from pwl.reductions.blocks import block_rows
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import host
from pwl.runtime.bar import progress_bar
from pwl.runtime.threads import side_by_side
from pwl.training.input_hinges import with_input_hinges
from pwl.training.record import Record
from pwl.training.train import train

LEARNS = 0.98  # of the error of constants: a network above that has learned nothing
ENOUGH = 30  # patterns that validate: their errors tell the noise to an eighth of its deviation
SAMPLE = 2000  # patterns that tell a training error
FIVE = 5  # patterns from which deviations are found: two or three are fitted exactly, as if there were no noise
WORTH = 0.5  # of a network's time: with less left, another one is not begun


class Learned(NamedTuple):
    """The networks, and the record of the one that is believed most: by its evidence, or by its validation error.

    interrupted: whether Ctrl-C ended the fit with the networks that there were. score: of the mean for patterns as if left out, or
    for those that validate, if there are any.
    """

    net: Ensemble
    record: Record
    interrupted: bool = False
    score: Score | None = None


class _Trained(NamedTuple):
    """out: the rows of the patterns that the network has left out, or None if it has left out none.

    outs: its outputs for all patterns as if left out, if they are known without any network that leaves them out.
    """

    net: Network
    record: Record
    form: Form
    view: View
    out: np.ndarray | None = None
    outs: np.ndarray | None = None


class _Task(NamedTuple):
    """What is the same for all networks. views: the patterns, and without correlations. end: the clock when the time is over.

    levels: inputs whose curves have a hinge at each value. groups (Nv,): the number of each pattern's group, or None.
    """

    plan: Plan
    views: tuple[View, View | None]
    outputs: int
    loss: str
    bypass: bool
    max_fail: int
    end: float
    seed: int
    levels: tuple[int, ...]
    groups: np.ndarray | None

    def train(self, form: Form, seed: int, given_up: Callable[[], bool]) -> _Trained:
        """One network. Ctrl-C goes on to the caller, because half a fit is none."""
        view = self.views[form.decorrelated]
        assert view is not None

        how = form.training
        inner, out = without_part(view, form, seed - self.seed, self.seed, self.groups)
        start = Network.mlp(
            view.patterns.x.shape[1], form.hidden, self.outputs, self.plan.activation,
            bypass=self.bypass, loss=self.loss, seed=seed, input_hinges=form.hinges, dtype=how.dtype,
        )  # fmt: skip
        net, record = train(
            with_input_hinges(start, inner.patterns, self.levels), inner.patterns.apart(),
            how.algorithm_for(inner.patterns.count()), iterations=how.iterations,
            batch_size=how.batch_size and min(how.batch_size, inner.patterns.count()), error_sample=sample(inner, how),
            validation=inner.validation, max_fail=self.max_fail if how.max_fail is None else how.max_fail,
            max_seconds=max(self.end - time.perf_counter(), 0.0), callback=lambda *_: given_up(), seed=seed,
        )  # fmt: skip
        if record.stop_code == "interrupted":
            raise KeyboardInterrupt
        return _Trained(net.in_double(), record, form, view, out)

    def several(self, finished: Callable[[_Trained], Any]) -> list[_Trained]:
        """Networks of all forms, each at least once, until their numbers or the time is reached. finished: is told of each.

        Networks are trained side by side, because a batch, or the solution of equations, is work for one core. Passes of MOLF over
        all patterns take all cores.
        """
        found: list[_Trained] = []
        forms = self.plan.forms

        def wanted() -> Iterator[tuple[int, Form]]:
            for number, form in itertools.product(range(max(form.nets for form in forms)), forms):
                left = self.end - time.perf_counter()
                if number and found and left < WORTH * found[-1].record["seconds"][-1]:
                    return
                if number < form.nets:
                    yield number, form

        def work(one: tuple[int, Form], given_up: Callable[[], bool]) -> _Trained:
            trained = self.train(one[1], self.seed + one[0], given_up)
            if not given_up():
                finished(trained)
            return trained

        most = 1 if all(isinstance(form.training.algorithm, DampedMOLF) for form in forms) else None
        for trained in side_by_side(work, wanted(), most):
            found.append(trained)
        return found


def learn(
    patterns: Patterns,
    preparation: Preparation,
    plan: Plan,
    *,
    validation: Patterns | None = None,
    bounds: Any = None,
    bypass: bool = True,
    max_fail: int = 20,
    seed: int = 0,
    groups: np.ndarray | None = None,
    keeps: contextlib.AbstractContextManager[Any] | None = None,
    progress: bool = False,
) -> Learned:
    """Trains networks until the plan's number of them or its time is reached. At least one is trained.

    Parameters
    ----------
    patterns, validation : Patterns
        Prepared patterns.
    preparation : Preparation
        Theirs, which every network carries.
    plan : Plan
    bounds : array (2, M), optional
        As in `Ensemble`.
    bypass : bool
    max_fail : int
        With validation data, a network's training ends this many iterations after its best one.
    seed : int
        Networks start from seed, seed + 1, ...
    groups : array (Nv,), optional
        The group of each pattern. Networks leave out whole groups then, so that patterns as if left out are of new groups.
    keeps : context manager, optional
        If it is given, Ctrl-C ends the training with the networks that are trained by then, if there are any. The trained
        networks are judged and put together within it.
    progress : bool
        Whether to show a progress bar of the networks.

    Returns
    -------
    Learned

    Raises
    ------
    InputError
        For a single group.
    KeyboardInterrupt
        If Ctrl-C comes, unless the networks that are trained are kept.
    """
    loss = "cross_entropy" if preparation.classes else "squared_error"
    end = time.perf_counter() + plan.seconds
    view = View(patterns, validation, preparation)
    apart = decorrelated(view) if isinstance(plan.first.algorithm, BayesianLM) else None
    plan = plan if apart is None else with_decorrelated(plan)
    numbers = None if groups is None or validation is not None else numbered_groups(groups, len(patterns))
    plan = _grouped(plan, numbers)
    if numbers is not None and preparation.classes:
        tell_of_classes(numbers, patterns.t[:], preparation.classes)
    curved = next((form for form in plan.forms if form.hinges), None)
    own = () if curved is None else levels(patterns, curved, len(preparation.target_scale), numbers)
    task = _Task(plan, (view, apart), len(preparation.target_scale), loss, bypass, max_fail, end, seed, own, numbers)
    found, interrupted = _networks(task, keeps is not None, progress)
    if isinstance(plan.first.algorithm, BayesianLM):
        nothing = LEARNS * _error_of_constants(patterns, preparation)
        kept = [one for one in found if one.record["error"][one.record.best_iteration] < nothing]
        if not kept:
            if interrupted:
                raise KeyboardInterrupt
            plan = _grouped(without_evidence(plan), numbers)
            kept, interrupted = _networks(task._replace(plan=plan), keeps is not None, progress)
        found = kept
    trained = found
    if numbers is not None:
        found = [*found, _constant(view, numbers, task)]
    with keeps or contextlib.nullcontext():
        mix = _mixed(found, bool(preparation.classes))
        found = [one for one in found if mix.shares[one.form] > 0]
        ensemble = _ensemble(found, mix, bounds, bool(preparation.classes), numbers is not None)
    best = _most_believed([one.record for one in found if one.form != CONSTANT] or [one.record for one in trained])
    words = [f"{share:.1%} with {form}" for form, share in mix.shares.items() if share]
    words += [f"a hinge at each value of input {j + 1}" for j in own]
    best.settings |= {"learner": plan.words(validation is not None), "networks": len(found), "forms": "; ".join(words)}
    return Learned(ensemble, best, interrupted, mix.score)


def _constant(view: View, groups: np.ndarray, task: _Task) -> _Trained:
    """The network that knows no inputs, which draws predictions for new groups towards the mean."""
    given = view.patterns, task.outputs, task.loss
    return _Trained(constant(*given), Record({}), CONSTANT, view, outs=outputs_without(groups, *given))


def _grouped(plan: Plan, groups: np.ndarray | None) -> Plan:
    """The plan for patterns in these groups, if there are any."""
    return plan if groups is None else with_groups(plan, int(groups.max()) + 1)


def _networks(task: _Task, keeps: bool, progress: bool) -> tuple[list[_Trained], bool]:
    """The networks, and whether Ctrl-C has ended their training."""
    so_far: list[_Trained] = []
    with progress_bar(progress, sum(form.nets for form in task.plan.forms), "network") as done:

        def finished(one: _Trained) -> None:
            so_far.append(one)
            done()

        try:
            return task.several(finished), False
        except KeyboardInterrupt:
            if not (keeps and so_far):
                raise
            return so_far, True


def sample(view: View, how: Training) -> int | None:
    """Patterns on which a network by batches measures the training error if others say when to stop: to record it is enough."""
    return SAMPLE if how.batch_size and view.validation is not None and view.patterns.count() > SAMPLE else None


class _Mix(NamedTuple):
    """Shares of the forms in the mean, what is known of them by the patterns that decided, and how well the mean predicts these."""

    shares: dict[Form, float]
    forms: dict[Form, LeftOut] | None
    score: Score | None


def _ensemble(found: list[_Trained], mix: _Mix, bounds: Any, classes: bool, grouped: bool) -> Ensemble:
    """The mean of the networks, with the scale of its deviations if patterns left out tell it.

    A network that has learned a group knows more of it than of a new one, so that it does not tell the group's variance.
    """
    nets = [_known(one).with_preparation(one.view.preparation) for one in found]
    forms = [one.form for one in found]
    ensemble = Ensemble(nets, bounds, [mix.shares[form] / forms.count(form) for form in forms])
    if mix.forms is None or classes:
        return ensemble
    kinds = list(dict.fromkeys(forms))
    numbers = [kinds.index(form) for form in forms]
    told = [Told(one.view.judges, one.out if grouped else None) for one in found]
    return with_scale(ensemble, [mix.forms[kind] for kind in kinds], numbers, told)


def _mixed(found: list[_Trained], classes: bool) -> _Mix:
    """The shares with the lowest error for the patterns that judge, Eqs. (91), (92). Without these, forms have equal shares."""
    kinds = list(dict.fromkeys(one.form for one in found))
    try:
        outs = [_outs(one) for one in found]
    except InputError:  # nothing was left out, or functions are too alike
        return _unjudged(kinds)
    forms = [of_form([out for one, out in zip(found, outs, strict=True) if one.form == kind]) for kind in kinds]
    rows = np.flatnonzero(np.all([np.isfinite(form.mean[:, 0]) for form in forms], axis=0))
    if not len(rows):  # after Ctrl-C, forms may have left out no pattern in common
        return _unjudged(kinds)
    outs, gains = [form.mean[rows] for form in forms], np.stack([form.gain[rows] for form in forms])
    judges = found[0].view.judges.take(rows)
    parts = shares(outs, judges, classes, gains)
    score = score_of(outs, judges, classes, parts)
    return _Mix(dict(zip(kinds, parts.tolist(), strict=True)), dict(zip(kinds, forms, strict=True)), score)


def _unjudged(kinds: list[Form]) -> _Mix:
    """Equal shares of all forms that have learned."""
    learned = [kind for kind in kinds if kind != CONSTANT]
    return _Mix({kind: 1 / len(learned) if kind in learned else 0.0 for kind in kinds}, None, None)


def _outputs(net: Network, patterns: Patterns) -> np.ndarray:
    """Outputs (Nv, M) for prepared patterns."""
    rows = block_rows(net, 0, patterns.block_bytes)
    blocks = (slice(first, min(first + rows, len(patterns))) for first in range(0, len(patterns), rows))
    return np.concatenate([host(outputs(net, patterns.block(net, rows.start, rows.stop)[0])) for rows in blocks])


def _known(one: _Trained) -> Network:
    """The network with what the deviations of its predictions need, if that can be had."""
    if one.outs is not None:
        return one.net
    validation = one.view.validation if one.out is None else one.view.patterns.take(one.out)
    return with_deviations(one.net, one.view.patterns, one.form.training.algorithm, one.record, validation)


def _outs(one: _Trained) -> np.ndarray:
    """Outputs (Nv, M) for the patterns that judge, NaN for those that others have left out. Raises InputError if there are none."""
    patterns, algorithm = one.view.judges, one.form.training.algorithm
    if one.outs is not None:
        return one.outs
    if one.view.validation is not None:
        return _outputs(one.net, patterns)
    if one.out is None:
        if not isinstance(algorithm, BayesianLM):
            raise InputError(f"{type(algorithm).__name__} leaves no pattern out")
        return left_out(one.net, patterns, algorithm, one.record)
    found = np.full((len(patterns), one.net.n_outputs), np.nan)
    found[one.out] = _outputs(one.net, patterns.take(one.out))
    return found


def _error_of_constants(patterns: Patterns, preparation: Preparation) -> float:
    """E of the best constants in place of a network."""
    w = np.ones(len(patterns)) if patterns.weights is None else patterns.weights
    if preparation.classes:
        p = np.bincount(patterns.t[:], weights=w) / np.sum(w)
        return float(-np.sum(p * np.log(np.where(p > 0, p, 1))))
    t = patterns.t[:].reshape(len(patterns), -1)
    own = w[:, None] * ~np.isnan(t)  # of each target
    t = known_or_zero(t)
    return float(np.sum(own * (t - np.sum(own * t, axis=0) / np.sum(own, axis=0)) ** 2) / np.sum(w))


def _most_believed(records: list[Record]) -> Record:
    """The record of the network that is believed most. Evidence and validation errors don't compare, so evidence comes first."""
    return min([record for record in records if "negative_log_evidence" in record] or records, key=_belief)


def _belief(record: Record) -> float:
    """What a network's training is judged by, lower is better."""
    name = next(n for n in ("validation_error", "negative_log_evidence", "error") if n in record)
    value = record[name][record.best_iteration]
    return float("inf") if value is None else value


def with_deviations(
    net: Network, patterns: Patterns, algorithm: Algorithm, record: Record, validation: Patterns | None = None
) -> Network:
    """The network with what the deviations of its predictions need, if it predicts numbers and its functions allow it.

    A few patterns that validate tell the noise worse than the training does; networks of many functions have nothing else. Of fewer
    than five patterns a fit tells nothing about the noise.
    """
    if not net.loss.quadratic or patterns.count() < FIVE:
        return net
    few = validation is not None and validation.count() < ENOUGH and net.n_basis <= MOST_OUTPUTS
    try:
        return with_posterior(net, patterns, algorithm, record, None if few else validation)
    except InputError:  # functions that are too many for a file, or too alike
        return net
