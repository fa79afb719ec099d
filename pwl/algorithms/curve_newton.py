"""The Newton direction of each curve: its gradient divided by its own tridiagonal curvature, Eqs. (86), (87)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pwl.activations.knots import natural_spline
from pwl.activations.piecewise_linear import PiecewiseLinear
from pwl.errors import InputError
from pwl.network.network import Network
from pwl.reductions.bands import curve_bands
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.runtime.backend import Array, host, like
from pwl.runtime.threads import single_threaded_blas
from pwl.solvers.ols import OLS
from pwl.solvers.tridiagonal import solve_tridiagonal


def newton_directions(
    net: Network, patterns: Patterns, G_a: Mapping[str, Array], knots: int, ols: OLS
) -> dict[str, Array]:
    """D (units, K) by slot key, T_k D_k = G_a,k for every unit k, and for smooth curves the same among their knots."""
    for key in G_a:
        layer = net.layer_of(key)
        if not isinstance(layer, PiecewiseLinear) or len(net.layout.shapes[net.layout.by_key[key].layer]) > 1:
            raise InputError(
                'curve_direction="newton" is for curves over vectors: use "gradient" for other activations'
            )
    bands, tolerance = reduce(curve_bands(tuple(G_a)), net, patterns), ols.of_functions_like(net.theta).tolerance
    D = {}
    for key, G in G_a.items():
        layer = net.layer_of(key)
        assert isinstance(layer, PiecewiseLinear)
        diagonal, beside, g = (host(a).astype(np.float64) for a in (bands.diagonal[key], bands.beside[key], G))
        if layer.smooth:
            found = _among_knots(diagonal, beside, g, natural_spline(layer.n_hinges, knots), ols)
        else:
            found = solve_tridiagonal(diagonal, beside, g, tolerance)
        D[key] = like(found, net.theta)
    return D


def _among_knots(diagonal: np.ndarray, beside: np.ndarray, g: np.ndarray, S: np.ndarray, ols: OLS) -> np.ndarray:
    """D_k = S' (S T_k S')^-1 S g_k, Eq. (87)."""
    with single_threaded_blas():
        STS = np.einsum("qm,km,rm->kqr", S, diagonal, S)
        across = np.einsum("qm,km,rm->kqr", S[:, :-1], beside, S[:, 1:])
        STS += across + np.transpose(across, (0, 2, 1))
    return np.stack([np.asarray(ols.solve(A, S @ each).weights) @ S for A, each in zip(STS, g, strict=True)])
