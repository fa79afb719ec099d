"""How good predictions are, where a table holds the targets as well, and how many rows have no answer."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from pwl.cli.source import counted
from pwl.data.inputs import Rows
from pwl.data.schema import Schema


def fit_in_words(rmse: float, r2: float) -> str:
    """The root mean squared error and R^2 of a target, as far as there are known values of it."""
    if math.isnan(rmse):
        return "no known values"
    return f"RMSE {rmse:.6g}" + ("" if math.isnan(r2) else f", R^2 {r2:.4f}")


class Scores:
    """Sums over the rows so far, from which `lines` makes sentences. Memory does not grow with the rows."""

    def __init__(self, schema: Schema) -> None:
        self.names = schema.target_names
        self.classes = schema.targets[0].categories
        self.rows = self.unread = self.far = 0
        self.why = ""
        self.n: np.ndarray = np.zeros(len(self.names), dtype=np.int64)  # of each target
        self.right = 0
        self.squares = np.zeros(len(self.names))
        self.mean, self.spread = np.zeros(len(self.names)), np.zeros(len(self.names))

    def add(self, rows: Rows, good: np.ndarray, y: np.ndarray, probabilities: bool, far: int) -> None:
        """Adds some rows. good: places of those with an answer. y: their predictions. far: how many are not finite."""
        self.rows += len(rows.x)
        self.unread += len(rows.unread)
        self.far += far
        self.why = self.why or next(iter(rows.unread.values()), "")
        if rows.t is None or not len(good):
            return
        t = rows.t[good]
        if self.classes is not None:
            known = np.isfinite(t[:, 0])
            t, y = t[known], y[known]
            numbers = y.argmax(axis=1) if probabilities else np.array([self.classes.index(str(label)) for label in y])
            self.right += int(np.sum(numbers == t[:, 0]))
            self.n += len(t)
            return
        y, known = y.reshape(len(y), -1), np.isfinite(t)
        count, n = known.sum(axis=0), self.n + known.sum(axis=0)
        with np.errstate(over="ignore", invalid="ignore"):
            self.squares += np.sum((t - y) ** 2, axis=0, where=known)
            mean = np.sum(t, axis=0, where=known) / np.maximum(count, 1)
            away = np.where(count > 0, mean - self.mean, 0.0)
            self.spread += np.sum((t - mean) ** 2, axis=0, where=known) + away**2 * self.n * count / np.maximum(n, 1)
        self.mean, self.n = self.mean + away * count / np.maximum(n, 1), n

    def plus(self, other: Scores) -> Scores:
        """These sums with those over the rows of another rank."""
        self.rows, self.unread, self.far = self.rows + other.rows, self.unread + other.unread, self.far + other.far
        self.why, self.right = self.why or other.why, self.right + other.right
        self.squares = self.squares + other.squares
        n, away = self.n + other.n, other.mean - self.mean
        self.spread = self.spread + other.spread + away**2 * (self.n * other.n / np.maximum(n, 1))
        self.mean, self.n = self.mean + away * (other.n / np.maximum(n, 1)), n
        return self

    def lines(self) -> Iterator[str]:
        """Sentences for standard error."""
        if self.classes is not None:
            if n := int(self.n[0]):
                yield f"{self.names[0]}: {self.right / n:.2%} of {counted(n, 'row')} in the right class"
        else:
            for name, n, squares, spread in zip(self.names, self.n, self.squares, self.spread, strict=True):
                if not n:
                    continue
                r2 = f", R^2 {1 - squares / spread:.4f}" if spread > 0 else ""
                yield f"{name}: RMSE {(squares / n) ** 0.5:.6g}{r2} over {counted(n, 'row')}"
        if self.unread:
            yield f"{self.unread} of {self.rows} rows can't be read and have empty cells; the first: {self.why}"
        if self.far:
            yield f"{self.far} of {self.rows} rows have no finite prediction and have empty cells: their inputs lie too far outside"
