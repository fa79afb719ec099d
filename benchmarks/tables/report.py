"""The tables of `benchmarks tables`: means over the folds, ranks over the sets with paired tests, and critical differences."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.mlp import ranks
from benchmarks.shared import markdown
from benchmarks.tables import published
from benchmarks.tables.measures import FOLDS, calibration_error
from benchmarks.tables.rivals import CLASSIFIERS, OURS, REGRESSORS
from pwl.plots.figure import INK, panels, png

Found = dict[str, dict[str, Any]]
NUMBERS = ("rmse", "r2", "nll", "cover50", "cover90", "seconds", "memory")
LABELS = ("accuracy", "log_loss", "seconds", "memory")
LEVEL = 0.05


def text(found: Found, sets: tuple[str, ...], classes: tuple[str, ...]) -> str:
    """Both tables of means, and the published figures."""
    heads = ["data", *published.COLUMNS]
    lines = markdown.head(heads)
    lines += [markdown.row([name, *(f"{v:g}" for v in row)]) for name, row in published.TABLE.items()]
    return "\n".join([of_numbers(found, sets), of_classes(found, classes), "**Published test RMSE**\n", *lines]) + "\n"


def rows(found: Found, name: str, learner: str) -> list[dict[str, Any]]:
    """The cells of a learner on a set, in the order of the folds. Only folds that our learner has run count."""
    folds = [fold for fold in range(FOLDS) if any(f"{name}/{own}/{fold}" in found for own in OURS)]
    return [found[key] for fold in folds or range(FOLDS) if (key := f"{name}/{learner}/{fold}") in found]


def mean_of(own: list[dict[str, Any]], column: str, error: bool = False) -> str:
    """The mean over the cells, and if wanted its standard error. Empty if a cell lacks the column."""
    if any(column not in row for row in own):
        return ""
    values = [row[column] for row in own]
    words = f"{np.mean(values):.4g}"
    return words + (f" +- {np.std(values, ddof=1) / len(values) ** 0.5:.2g}" if error and len(values) > 1 else "")


def of_numbers(found: Found, sets: tuple[str, ...]) -> str:
    """Means over the folds, beside RMSE its standard error. "gaussian" is the nll of the residuals' own variance."""
    heads = ["set", "folds", "learner", *NUMBERS[:3], "gaussian", *NUMBERS[3:]]
    lines = markdown.head(heads)
    for name in sets:
        for learner in REGRESSORS:
            if own := rows(found, name, learner):
                means = [mean_of(own, column, column == "rmse") for column in NUMBERS]
                means.insert(3, f"{gaussian(own):.4g}")
                lines.append(markdown.row([name, str(len(own)), learner, *means]))
    return "\n".join(lines) + "\n"


def gaussian(own: list[dict[str, Any]]) -> float:
    """The mean negative log-likelihood of a Gaussian with the variance of all test residuals of each target."""
    square = np.mean([row["squares"] for row in own], axis=0)
    return float(np.mean(0.5 * np.log(2 * np.pi * np.e * square)))


def of_classes(found: Found, sets: tuple[str, ...]) -> str:
    """Means over the folds, with the difference of the log loss from LogisticRegression's on the same folds."""
    heads = ["set", "folds", "learner", "accuracy", "log_loss", "less LogisticRegression's", "calibration", "seconds", "memory"]
    lines = markdown.head(heads)
    for name in sets:
        base = rows(found, name, "LogisticRegression")
        for learner in CLASSIFIERS:
            if own := rows(found, name, learner):
                means = [mean_of(own, column, column in LABELS[:2]) for column in LABELS]
                means[2:2] = [difference(own, base), calibration(own)]
                lines.append(markdown.row([name, str(len(own)), learner, *means]))
    return "\n".join(lines) + "\n"


def calibration(own: list[dict[str, Any]]) -> str:
    if any("right" not in row for row in own):
        return ""
    return f"{calibration_error(*(np.concatenate([row[key] for row in own]) for key in ('confidence', 'right'))):.3f}"


def difference(own: list[dict[str, Any]], base: list[dict[str, Any]]) -> str:
    if own is base or own == base or len(own) != len(base) or len(own) < 2:
        return ""
    d = np.array([a["log_loss"] - b["log_loss"] for a, b in zip(own, base, strict=True)])
    return f"{d.mean():+.4f} +- {d.std(ddof=1) / len(d) ** 0.5:.2g}"


def complete(found: Found, sets: tuple[str, ...]) -> tuple[list[str], list[str], np.ndarray]:
    """Sets, learners and mean RMSE (sets, learners), of equal folds.

    The sets are those on which HistGradientBoosting has run all folds of PWLRegressor, and the learners those that have on all of
    these sets.
    """

    def done(name: str, learner: str) -> bool:
        own = rows(found, name, "PWLRegressor")
        return bool(own) and len(rows(found, name, learner)) == len(own)

    own = [name for name in sets if done(name, "HistGradientBoosting")]
    names = [learner for learner in REGRESSORS if all(done(name, learner) for name in own)] if own else []
    means = [[np.mean([row["rmse"] for row in rows(found, name, learner)]) for learner in names] for name in own]
    return own, names, np.array(means).reshape(len(own), len(names))


def ranking(found: Found, sets: tuple[str, ...]) -> str:
    """Ranks by mean RMSE, and Wilcoxon's test over the sets."""
    own, names, errors = complete(found, sets)
    if len(names) < 2:
        return "no ranks: too few learners have run\n"
    head = "**Ranks by mean RMSE**; against: sets with a lower error, Wilcoxon's p (Holm's)\n\n"
    return head + ranks.table(errors, own, names, ("PWLRegressor", "HistGradientBoosting"))


def critical_difference(learners: int, sets: int) -> float:
    """Nemenyi's difference of average ranks that is significant at LEVEL (Demsar 2006)."""
    from scipy.stats import studentized_range

    q = studentized_range.ppf(1 - LEVEL, learners, np.inf) / 2**0.5
    return float(q * (learners * (learners + 1) / (6 * sets)) ** 0.5)


def groups(average: np.ndarray, width: float) -> list[tuple[float, float]]:
    """The longest stretches of sorted average ranks that hold more than one and are no wider than `width`."""
    found: list[tuple[float, float]] = []
    for first in average:
        last = max(rank for rank in average if rank <= first + width)
        if last > first and (not found or last > found[-1][1]):
            found.append((float(first), float(last)))
    return found


def picture(found: Found, sets: tuple[str, ...]) -> bytes | None:
    """Average ranks on a line, with bars over learners whose ranks do not differ significantly. None for one learner."""
    own, names, errors = complete(found, sets)
    if len(names) < 2:
        return None
    average = ranks.ranks(errors).mean(axis=0)
    order, width = np.argsort(average, kind="stable"), critical_difference(len(names), len(own))
    figure, (ax,) = panels(1, 1, 7.0, 2.8)
    for place, index in enumerate(order):
        y = -0.35 * (1 + min(place, len(order) - 1 - place))
        left = place < (len(order) + 1) // 2
        end = 0.6 if left else len(names) + 0.4
        ax.plot([average[index], average[index], end], [0, y, y], color=INK, linewidth=0.9)
        ax.text(end, y, f" {names[index]} {average[index]:.2f} ", ha="right" if left else "left", va="center", fontsize=8)
    for bar, (first, last) in enumerate(groups(np.sort(average), width)):
        ax.plot([first - 0.03, last + 0.03], [0.25 + 0.12 * bar] * 2, color="#d55e00", linewidth=3)
    ax.axhline(0, color=INK, linewidth=1)
    for rank in range(1, len(names) + 1):
        ax.plot([rank, rank], [0, 0.05], color=INK, linewidth=0.8)
        ax.text(rank, 0.07, str(rank), ha="center", va="bottom", fontsize=7, color="0.4")
    ax.set_xlim(-1.2, len(names) + 2.2)
    ax.axis("off")
    figure.suptitle(f"Average rank over {len(own)} sets; bars: within the critical difference {width:.2f}", fontsize=9, color=INK)
    return png(figure)
