"""The posterior of a network's weights, from which the variance of a prediction follows, Eqs. (82), (83)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

ARRAYS = ("factor", "noise")


@dataclass(frozen=True, eq=False)
class Posterior:
    """The spread of some weights about those of a network, under squared error, Eqs. (82), (83).

    Attributes
    ----------
    keys : tuple of str
        Slot keys of the weights, in the order of theta: all that were trained, those of the head alone, or none.
    factor : array (n, n) or (M, n, n)
        Lower triangular L with L L' = J'J + Lambda, a mean over patterns: for the head alone R + lambda I, n = Nu. One per output
        if outputs had patterns of their own. Of shape (0, 0) for no weights.
    noise : array (M,)
        Variance of each target about its output, in the units of the outputs.
    Nv : float
        Sum of the patterns' weights.
    """

    keys: tuple[str, ...]
    factor: np.ndarray = field(repr=False)
    noise: np.ndarray
    Nv: float

    @property
    def floats(self) -> int:
        """Numbers of work space per pattern: rows and solutions, of each output where outputs differ."""
        return 2 * self.factor.shape[-1] * (len(self.noise) if len(self.keys) > 1 else 1)

    def variance(self, j: np.ndarray) -> np.ndarray:
        """Variance (b, M) of new targets from the rows dy/dw (n, b), or (M, n, b) if outputs differ, Eqs. (82), (83)."""
        import scipy.linalg

        rows = j[None] if j.ndim == 2 else j
        factors = self.factor if self.factor.ndim == 3 else self.factor[None]
        pairs = [(factors[i % len(factors)], rows[i % len(rows)]) for i in range(max(len(factors), len(rows)))]
        inner = [scipy.linalg.solve_triangular(L, each, lower=True, check_finite=False) for L, each in pairs]
        q = np.stack([np.sum(each**2, axis=0) for each in inner], axis=1)
        return self.noise * (1 + q / self.Nv)

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name, for files."""
        return {name: getattr(self, name) for name in ARRAYS}

    def to_dict(self) -> dict[str, Any]:
        """Everything but the arrays, as plain words and numbers."""
        return {"keys": list(self.keys), "Nv": self.Nv}

    @staticmethod
    def from_dict(d: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Posterior:
        """The posterior from `to_dict` and `arrays`. Raises ValueError if they do not fit together."""
        factor, noise = arrays["factor"], arrays["noise"]
        if factor.ndim not in (2, 3) or factor.shape[-2] != factor.shape[-1] or noise.ndim != 1:
            raise ValueError(f"a square factor was wanted, but {factor.shape} came")
        return Posterior(tuple(d["keys"]), factor, noise, float(d["Nv"]))
