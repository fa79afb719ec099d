"""Who wins a comparison, by how much, and whether it is more than chance, in sentences.

The folds' test errors of two algorithms are paired. The test is the corrected paired t-test of C. Nadeau and Y. Bengio
("Inference for the generalization error", Machine Learning 52, 2003): training sets of folds overlap, so the variance of the mean
difference is taken as (1/k + n_test/n_train) times that of the differences, not 1/k times. The p-values of all pairs are corrected
by S. Holm's method (Scandinavian Journal of Statistics 6, 1979), because the best is known only after looking at all of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pwl.learners.outcome import Outcome, by_name

LEVEL = 0.05
TEST = "corrected paired t-test of Nadeau and Bengio"


class Verdict(NamedTuple):
    """The result of a comparison.

    Attributes
    ----------
    best : str
        The algorithm of the lowest mean.
    what : str
        The error that is compared, in words.
    means : dict of str to float
        Its mean on the test patterns over the folds that all algorithms finished, in rising order.
    p : dict of str to float
        For each other algorithm the p-value of its difference from the best, corrected for all pairs. Empty for fewer than two
        folds.
    folds : int
        Number of those folds.
    """

    best: str
    what: str
    means: dict[str, float]
    p: dict[str, float]
    folds: int

    def sentences(self) -> list[str]:
        """Who wins, by how much, and whether that is significant. Nothing for a single algorithm."""
        others = list(self.means)[1:]
        if not others:
            return []
        lowest, second = self.means[self.best], self.means[others[0]]
        lead = second - lowest
        if lead == 0:
            level = [name for name in self.means if self.means[name] == lowest]
            said = f"{in_words(level)} are level: their mean {self.what} over {self.folds} folds is {lowest:.4g}."
            return [said, *self._significance(others)[1:]]
        share = f" ({100 * lead / second:.2g} %)" if second > 0 else ""
        first = (
            f"{self.best} wins: its mean {self.what} over {self.folds} fold{'s' * (self.folds > 1)} is {lowest:.4g}, which is "
            f"{lead:.2g}{share} below that of {others[0]}, the next."
        )
        return [first, *self._significance(others)]

    def _significance(self, others: Sequence[str]) -> list[str]:
        """Whether the lead, and which other differences from the best, are more than chance."""
        if not self.p:
            return ["Whether that is more than chance can't be told from one fold."]
        pairs = len(self.means) * len(others) // 2
        correction = f" after Holm's correction for {pairs} pairs" if pairs > 1 else ""
        lead_words = "is significant" if self.p[others[0]] < LEVEL else "is not significant"
        sure = [name for name in others if self.p[name] < LEVEL]
        better = f"significantly better than {in_words(sure)}" if sure else "not significantly better than any other"
        rest = f"{self.best} is {better}"
        level = [name for name in others if name not in sure]
        if sure and level:
            rest += f", but not than {in_words(level)}"
        return [
            f"This lead {lead_words} ({TEST}, p = {self.p[others[0]]:.2g}{correction}).",
            f"{rest} (p < {LEVEL}).",
        ]


def verdict(outcomes: Sequence[Outcome], sizes: tuple[int, int]) -> Verdict | None:
    """The verdict on outcomes, or None if no fold has a finite error of every algorithm.

    Parameters
    ----------
    outcomes : sequence of Outcome
    sizes : (int, int)
        Numbers of training and test patterns of a fold.

    Returns
    -------
    Verdict or None
        On the share of wrong patterns for classes, otherwise on E.
    """
    classes = bool(outcomes) and "test_classification_error" in outcomes[0].record
    series = "test_classification_error" if classes else "test_error"
    found = {name: {one.fold: one.at_best(series) for one in own} for name, own in by_name(outcomes).items()}
    folds = sorted(set.intersection(*(set(own) for own in found.values()))) if found else []
    folds = [fold for fold in folds if all(np.isfinite(own[fold]) for own in found.values())]
    if not folds:
        return None
    errors = {name: np.array([own[fold] for fold in folds]) for name, own in found.items()}
    means = dict(sorted(((name, float(np.mean(e))) for name, e in errors.items()), key=lambda pair: pair[1]))
    best = next(iter(means))
    what = "share of wrong test patterns" if classes else "test E"
    return Verdict(best, what, means, _against(best, errors, sizes) if len(folds) > 1 else {}, len(folds))


def _against(best: str, errors: Mapping[str, np.ndarray], sizes: tuple[int, int]) -> dict[str, float]:
    pairs = list(itertools.combinations(errors, 2))
    corrected = holm([paired_p(errors[a] - errors[b], *sizes) for a, b in pairs])
    return {a if b == best else b: p for (a, b), p in zip(pairs, corrected, strict=True) if best in (a, b)}


def paired_p(differences: np.ndarray, n_train: int, n_test: int) -> float:
    """The two-sided p-value of the mean of k paired differences (k,), by the corrected t-test. 1 if all are 0."""
    from scipy.stats import t as student

    k, mean = len(differences), float(np.mean(differences))
    variance = float(np.var(differences, ddof=1)) * (1 / k + n_test / n_train)
    if variance == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * student.sf(abs(mean) / variance**0.5, k - 1))


def holm(p: Sequence[float]) -> list[float]:
    """p-values corrected for their number by Holm's method, in their order."""
    order = np.argsort(p)
    corrected = np.minimum(1, np.maximum.accumulate(np.asarray(p)[order] * np.arange(len(p), 0, -1)))
    back = np.empty(len(p))
    back[order] = corrected
    return back.tolist()


def in_words(names: Sequence[str]) -> str:
    """Names as a list in a sentence."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
