"""The evidence of a network's weights, one weight of |w|^2 for all of them or one per group, Eqs. (52), (79), (80)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from pwl.layers import CurvedDense
from pwl.network.layout import HEAD
from pwl.network.network import Network
from pwl.runtime.threads import single_threaded_blas
from pwl.solvers.levenberg_marquardt import Normal, Wide

# The largest lambda of a group, relative to the mean squared norm of J's columns: the data may not need the group at all.
LARGEST = 1e6
ROUNDING = 10 * np.finfo(float).eps  # of J'J per weight: a smaller lambda would leave it without a Cholesky factor

Groups = tuple[np.ndarray, ...]  # indices of each group's weights


class Size(NamedTuple):
    """Nv: sum of the patterns' weights. M: mean number of known targets of a pattern, that of outputs if all are known.

    gaussian: whether residuals have a precision beta to be found.
    """

    Nv: float
    M: float
    gaussian: bool = True

    def beta(self, gamma: float, E: float) -> float:
        """The precision of the residuals, 1 for probabilities of classes. At least one degree of freedom is noise."""
        if not self.gaussian:
            return 1.0
        return max(self.Nv * self.M - gamma, 1.0) / (2 * self.Nv * max(E, np.finfo(float).tiny))

    def constant(self, beta: float) -> float:
        """The part of -log p from the residuals' own normalisation."""
        return self.Nv * self.M / 2 * float(np.log(beta / math.pi)) if self.gaussian else 0.0


def eigenvalues(equations: Normal | Wide) -> np.ndarray:
    """Eigenvalues (P,) of J'J. The rows' own product has the same ones but for zeros, and is smaller if the rows are fewer."""
    with single_threaded_blas():
        if isinstance(equations, Normal):
            return np.clip(np.linalg.eigvalsh(equations.A), 0, None)
        J = equations.J if len(equations.J) <= equations.J.shape[1] else equations.J.T
        a = np.clip(np.linalg.eigvalsh(J @ J.T), 0, None)
    return np.concatenate([np.zeros(equations.J.shape[1] - len(a)), a])


def one_group(
    equations: Normal | Wide, E: float, w: np.ndarray, weights: np.ndarray, groups: Groups, size: Size
) -> dict[str, Any]:
    """A new estimate of the one weight lambda of |w|^2, and the evidence for the present one, by eigenvalues, Eqs. (52), (79).

    Parameters
    ----------
    equations : Normal or Wide
        J'J, or J, without penalties.
    E : float
    w : array (P,)
        The weights.
    weights : array (groups,)
        The present lambda of each group, here of one.
    groups : tuple of arrays
        Indices of each group's weights, here all.
    size : Size

    Returns
    -------
    dict
        "lambda" and "alpha", numbers here and arrays (groups,) in `many_groups`; "effective_parameters" (gamma), "beta", and
        "negative_log_evidence" (lower is better).
    """
    P, a, weight = len(w), eigenvalues(equations), float(weights[0])
    gamma = float(np.sum(np.divide(a, a + weight, out=np.zeros(P), where=a > 0)))
    alpha = gamma / (2 * float(w @ w))
    beta = size.beta(gamma, E)
    misfit = beta * size.Nv * E + alpha * float(w @ w)
    volume = 0.5 * float(np.sum(np.log(2 * beta * size.Nv * a + 2 * alpha))) - P / 2 * float(np.log(2 * alpha))
    return {
        "lambda": alpha / (beta * size.Nv), "effective_parameters": gamma, "alpha": alpha, "beta": beta,
        "negative_log_evidence": misfit + volume - size.constant(beta),
    }  # fmt: skip


def many_groups(
    equations: Normal | Wide, E: float, w: np.ndarray, weights: np.ndarray, groups: Groups, size: Size
) -> dict[str, Any]:
    """The same as `one_group` for a weight lambda per group, by Cholesky factors, Eq. (80)."""
    norms = equations.norms()
    mean, least = float(np.mean(norms)), ROUNDING * len(w) * float(np.max(norms))
    V, _ = equations.inverse_diagonal(spread(np.maximum(weights, least), groups, len(w)))
    counts = np.array([len(g) for g in groups])
    gamma = np.clip(counts - weights * np.array([np.sum(V[g]) for g in groups]), 1e-12, None)
    square = np.maximum([float(w[g] @ w[g]) for g in groups], np.finfo(float).tiny)
    beta = size.beta(float(np.sum(gamma)), E)
    wanted = np.clip(gamma / (2 * square * beta * size.Nv), least, LARGEST * mean)
    alpha = wanted * beta * size.Nv
    logarithm = equations.log_determinant(spread(wanted, groups, len(w)))
    volume = 0.5 * (logarithm + len(w) * float(np.log(2 * beta * size.Nv))) - 0.5 * float(counts @ np.log(2 * alpha))
    misfit = beta * size.Nv * E + float(alpha @ square)
    return {
        "lambda": wanted, "effective_parameters": float(np.sum(gamma)), "alpha": alpha, "beta": beta,
        "negative_log_evidence": misfit + volume - size.constant(beta),
    }  # fmt: skip


def spread(weights: np.ndarray, groups: Groups, P: int) -> np.ndarray:
    """Each weight's own lambda (P,)."""
    found = np.zeros(P)
    for weight, g in zip(weights, groups, strict=True):
        found[g] = weight
    return found


def groups_of(net: Network, keys: tuple[str, ...], each_input: bool = True) -> dict[str, np.ndarray]:
    """Groups of the parameters `keys`, by name, as indices into their vector, Eq. (80).

    The thresholds; the weights of each layer, in the first one of each input if wanted, with those of its curves; the curves of
    each layer's units; and of the head, the constants, the bypass, its curves and the features.
    """
    found: dict[str, list[np.ndarray]] = {}
    first, lowest = 0, net.keys("map")[:1]
    for key in keys:
        slot = net.layout.by_key[key]
        index = first + np.arange(math.prod(slot.shape)).reshape(slot.shape)
        first += index.size
        if key == HEAD:
            direct = net.n_basis - net.n_features
            straight = direct - net.layout.direct_rises
            parts = {
                "output constants": index[:, :1], "bypass": index[:, 1:straight], "bypass curves": index[:, straight:direct],
                "output weights": index[:, direct:],
            }  # fmt: skip
        elif slot.kind == "map":
            parts = {"thresholds": index[:, :1]}
            flat = index[:, 1:].reshape(len(index), -1)
            if each_input and key in lowest and len(net.input_shape) == 1:
                parts |= {f"input {j}": flat[:, columns] for j, columns in enumerate(_columns(net))}
            else:
                parts |= {f"weights {key}": flat}
        else:
            parts = {f"curves {key}": index}
        for name, part in parts.items():
            if part.size:
                found.setdefault(name, []).append(part.reshape(-1))
    return {name: np.sort(np.concatenate(parts)) for name, parts in found.items()}


def _columns(net: Network) -> list[list[int]]:
    """The columns of each input in the first layer's weights without thresholds: its slope, and its rises."""
    N, layer = net.input_shape[0], net.layers[0]
    found = [[j] for j in range(N)]
    if isinstance(layer, CurvedDense):
        for rise, place in enumerate(layer.geometry.owner):
            found[layer.geometry.inputs[place]].append(N + rise)
    return found
