"""The 27 nonlinear regression problems of NIST's Statistical Reference Datasets: models, and files with certified values."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy import arctan, cos, exp, pi, sin


def hahn(b, x):
    return (b[0] + b[1] * x + b[2] * x**2 + b[3] * x**3) / (1 + b[4] * x + b[5] * x**2 + b[6] * x**3)


def gauss(b, x):
    peaks = b[2] * exp(-((x - b[3]) ** 2) / b[4] ** 2) + b[5] * exp(-((x - b[6]) ** 2) / b[7] ** 2)
    return b[0] * exp(-b[1] * x) + peaks


def lanczos(b, x):
    return b[0] * exp(-b[1] * x) + b[2] * exp(-b[3] * x) + b[4] * exp(-b[5] * x)


def enso(b, x):
    def wave(c, s, period):
        return c * cos(2 * pi * x / period) + s * sin(2 * pi * x / period)

    return b[0] + wave(b[1], b[2], 12) + wave(b[4], b[5], b[3]) + wave(b[7], b[8], b[6])


MODELS: dict[str, Callable] = {
    "Bennett5": lambda b, x: b[0] * (b[1] + x) ** (-1 / b[2]),
    "BoxBOD": lambda b, x: b[0] * (1 - exp(-b[1] * x)),
    "Chwirut1": lambda b, x: exp(-b[0] * x) / (b[1] + b[2] * x),
    "Chwirut2": lambda b, x: exp(-b[0] * x) / (b[1] + b[2] * x),
    "DanWood": lambda b, x: b[0] * x ** b[1],
    "ENSO": enso,
    "Eckerle4": lambda b, x: (b[0] / b[1]) * exp(-0.5 * ((x - b[2]) / b[1]) ** 2),
    "Gauss1": gauss,
    "Gauss2": gauss,
    "Gauss3": gauss,
    "Hahn1": hahn,
    "Kirby2": lambda b, x: (b[0] + b[1] * x + b[2] * x**2) / (1 + b[3] * x + b[4] * x**2),
    "Lanczos1": lanczos,
    "Lanczos2": lanczos,
    "Lanczos3": lanczos,
    "MGH09": lambda b, x: b[0] * (x**2 + x * b[1]) / (x**2 + x * b[2] + b[3]),
    "MGH10": lambda b, x: b[0] * exp(b[1] / (x + b[2])),
    "MGH17": lambda b, x: b[0] + b[1] * exp(-x * b[3]) + b[2] * exp(-x * b[4]),
    "Misra1a": lambda b, x: b[0] * (1 - exp(-b[1] * x)),
    "Misra1b": lambda b, x: b[0] * (1 - (1 + b[1] * x / 2) ** (-2)),
    "Misra1c": lambda b, x: b[0] * (1 - (1 + 2 * b[1] * x) ** (-0.5)),
    "Misra1d": lambda b, x: b[0] * b[1] * x / (1 + b[1] * x),
    "Nelson": lambda b, x: b[0] - b[1] * x[0] * exp(-b[2] * x[1]),
    "Rat42": lambda b, x: b[0] / (1 + exp(b[1] - b[2] * x)),
    "Rat43": lambda b, x: b[0] / (1 + exp(b[1] - b[2] * x)) ** (1 / b[3]),
    "Roszman1": lambda b, x: b[0] - b[1] * x - arctan(b[2] / (x - b[3])) / pi,
    "Thurber": hahn,
}


class Problem(NamedTuple):
    """starts: two starting vectors. certified: the parameters (P,). deviations: their standard deviations (P,)."""

    name: str
    x: np.ndarray
    y: np.ndarray
    starts: tuple[np.ndarray, np.ndarray]
    certified: np.ndarray
    deviations: np.ndarray
    sum_of_squares: float

    def residual(self, b: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):  # a trial point outside the model's domain gives NaN, which counts as a failure
            return MODELS[self.name](b, self.x) - self.y

    def jacobian(self, b: np.ndarray) -> np.ndarray:
        """The Jacobian by a complex step, which is exact to rounding: f'(b) = Im f(b + i h) / h."""
        h = 1e-100
        with np.errstate(all="ignore"):
            columns = [MODELS[self.name](b + h * 1j * unit, self.x).imag / h for unit in np.eye(len(b))]
        return np.stack(columns, axis=1)

    def digits(self, b: np.ndarray) -> float:
        """Correct digits of the worst parameter, by its relative error, from 0 to the 11 that are certified."""
        with np.errstate(divide="ignore"):
            return float(np.min(np.clip(-np.log10(np.abs(b - self.certified) / np.abs(self.certified)), 0, 11)))


def read(path: Path) -> Problem:
    lines = path.read_text(encoding="latin-1").splitlines()

    def part(title: str) -> list[str]:
        first, last = re.search(title + r"\s*\(lines\s+(\d+)\s+to\s+(\d+)\)", "\n".join(lines[:15])).groups()
        return lines[int(first) - 1 : int(last)]

    table = np.array([[float(word) for word in line.split("=")[1].split()] for line in part("Starting [Vv]alues")])
    rss = next(line for line in lines if line.startswith("Residual Sum of Squares:"))
    data = np.array([[float(word) for word in line.split()] for line in part("Data")])
    y, x = data[:, 0], data[:, 1] if data.shape[1] == 2 else data[:, 1:].T
    if path.stem == "Nelson":
        y = np.log(y)
    return Problem(path.stem, x, y, (table[:, 0], table[:, 1]), table[:, 2], table[:, 3], float(rss.split(":")[1]))
