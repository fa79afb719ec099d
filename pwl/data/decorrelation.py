"""Standardised columns without correlations, so that columns that nearly repeat others can be told apart, Eq. (88)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pwl.data.scaling import Scaling
from pwl.data.scratch import rows_a_block
from pwl.runtime.backend import Array, array_namespace, beside, gram
from pwl.runtime.ranks import Communicator, Serial, summed
from pwl.runtime.threads import single_threaded_blas

METHOD = "decorrelate"
ROUNDING = 1e-14  # of the largest eigenvalue, per column: less variance than that is rounding of the raw numbers


@dataclass(frozen=True, eq=False)
class Decorrelation:
    """prepared = standardised @ matrix, with uncorrelated columns of variance 1, Eq. (88). It stands in place of a `Scaling`.

    Parameters
    ----------
    scaling : Scaling
        Standardises the columns.
    matrix : float64 array (N, N)
        The inverse root of the correlation matrix. It is symmetric, so that each prepared column is the one that resembles its
        raw column most. Directions without variance prepare to 0.
    """

    scaling: Scaling
    matrix: np.ndarray

    @classmethod
    def fit(
        cls, a: Array, name: str, weights: np.ndarray | None = None, comm: Communicator = Serial()
    ) -> Decorrelation:
        """Fits to (Nv, N) data in three passes. weights, comm: as in `Scaling.fit`. Raises InputError as that does."""
        scaling = Scaling.fit(a, "standardise", name, weights=weights, comm=comm)
        R, rows = np.zeros((a.shape[-1], a.shape[-1])), rows_a_block(int(np.prod(a.shape[1:])))
        for first in range(0, a.shape[0], rows):
            raw, w = np.array(a[first : first + rows], dtype=np.float64), None
            if weights is not None:
                own = weights[first : first + rows]
                raw, w = raw[own > 0], own[own > 0]
            with single_threaded_blas():
                R += gram(np.asarray(scaling.apply(raw, name)).reshape(-1, a.shape[-1]), w)
        total = a.size / a.shape[-1] if weights is None else float(np.sum(weights))
        R, total = summed(comm, R, total)
        with single_threaded_blas():
            values, V = np.linalg.eigh(R / total)
        kept = values > ROUNDING * len(R) * np.max(values, initial=0.0)
        gain = np.divide(1.0, np.sqrt(np.where(kept, values, 1.0)), where=kept, out=np.zeros(len(R)))
        return cls(scaling, (V * gain) @ V.T)

    @property
    def offset(self) -> np.ndarray:
        """Means of the raw columns (N,)."""
        return self.scaling.offset

    @property
    def scale(self) -> np.ndarray:
        """Standard deviations of the raw columns (N,)."""
        return self.scaling.scale

    def apply(self, a: Array, name: str) -> Array:
        """Prepares (Nv, ..., N) data, as `Scaling.apply` does."""
        z = self.scaling.apply(a, name)
        if not isinstance(z, np.ndarray):
            xp = array_namespace(z)
            return xp.astype(xp.astype(z, xp.float64, copy=False) @ beside(self.matrix, z), z.dtype, copy=False)
        rows = rows_a_block(int(np.prod(z.shape[1:])))
        for first in range(0, len(z), rows):  # in place: the standardised array is our own
            z[first : first + rows] = z[first : first + rows] @ self.matrix
        return z

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and words. JSON gives every float back exactly."""
        return {"method": METHOD, "scaling": self.scaling.to_dict(), "matrix": self.matrix.tolist()}

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Decorrelation:
        """The Decorrelation that `to_dict` wrote."""
        return cls(Scaling.from_dict(d["scaling"]), np.array(d["matrix"], dtype=np.float64))
