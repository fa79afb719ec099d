"""What the package is held against: difference quotients, Jacobians and Gauss-Newton matrices by brute force, E written out.

Nothing here uses the package's backward or tangent passes, nor its reductions: only a net's outputs, and formulas.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import scipy.special
from toys import outputs

from pwl.runtime.backend import host

Direction = Mapping[str, np.ndarray]  # by slot key


# ---- quotients


def central(f: Callable[[float], Any], step: float = 1e-5) -> Any:
    """Central difference quotient of a function of one number at 0; its error is of second order in the step."""
    return (f(step) - f(-step)) / (2 * step)


def second_difference(f: Callable[[float], Any], step: float = 1.0) -> Any:
    """Second difference of a function of one number at 0; for a quadratic it is the second derivative."""
    return (f(-step) - 2 * f(0.0) + f(step)) / step**2


def along(f: Callable[[Any], Any], net: Any, direction: Direction) -> Callable[[float], Any]:
    """f of the net moved a way z along a direction, as a function of z."""
    return lambda z: f(net.moved({key: z * d for key, d in direction.items()}))


def quotient(f: Callable[[Any], Any], net: Any, direction: Direction, step: float = 1e-5) -> Any:
    """Central difference quotient of f(net) along a direction."""
    return central(along(f, net, direction), step)


def slope(net: Any, patterns: Any, direction: Direction, step: float = 1e-5) -> float:
    """Difference quotient of E along a direction."""
    return quotient(lambda at: error(at, patterns), net, direction, step)


# ---- directions


def random_direction(net: Any, keys: Iterable[str], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Normal numbers for each key, of length 1 all together."""
    parts = {key: rng.standard_normal(net.parts[key].shape) for key in keys}
    length = np.sqrt(sum(np.sum(part**2) for part in parts.values()))
    return {key: part / length for key, part in parts.items()}


def unit_blocks(direction: Direction) -> list[dict[str, np.ndarray]]:
    """The direction cut into its blocks: one row of one key each, in the order of the keys."""
    blocks = []
    for key, D in direction.items():
        for k in range(len(D)):
            row = np.zeros_like(D)
            row[k] = D[k]
            blocks.append({key: row})
    return blocks


def unit_elements(net: Any, keys: Iterable[str]) -> list[dict[str, np.ndarray]]:
    """One direction per number of the keys' parameters, in the order of the keys."""
    shapes = [(key, net.parts[key].shape) for key in keys]
    return [{key: unit.reshape(shape)} for key, shape in shapes for unit in np.eye(int(np.prod(shape)))]


# ---- E, its derivatives by the outputs, and Gauss-Newton


def pattern_weights(patterns: Any) -> np.ndarray:
    """Weights (Nv,); all 1 where there are none."""
    return np.ones(len(patterns)) if patterns.weights is None else host(patterns.weights)


def probabilities(y: np.ndarray) -> np.ndarray:
    """Softmax of the outputs (Nv, M)."""
    return np.exp(y - scipy.special.logsumexp(y, axis=1, keepdims=True))


def error(net: Any, patterns: Any) -> float:
    """E, the weighted mean of the patterns' errors."""
    y, t = host(outputs(net, patterns.x)), host(patterns.t)
    if net.loss.name == "squared_error":
        errors = np.sum((t - y) ** 2, axis=1)
    else:
        errors = scipy.special.logsumexp(y, axis=1) - y[np.arange(len(y)), t]
    return float(np.average(errors, weights=pattern_weights(patterns)))


def output_signals(loss: Any, y: np.ndarray, t: np.ndarray) -> np.ndarray:
    """d_p (Nv, M), the negative derivative of each pattern's error by its outputs."""
    if loss.name == "squared_error":
        return 2 * (t - y)
    return np.eye(y.shape[1])[t] - probabilities(y)


def output_hessians(loss: Any, y: np.ndarray) -> np.ndarray:
    """S_p as full matrices (Nv, M, M), the second derivatives of each pattern's error by its outputs."""
    if loss.name == "squared_error":
        return np.broadcast_to(2 * np.eye(y.shape[1]), (len(y), y.shape[1], y.shape[1]))
    pi = probabilities(y)
    return pi[:, :, None] * np.eye(y.shape[1]) - pi[:, :, None] * pi[:, None, :]


def jacobian(net: Any, x: np.ndarray, directions: list[dict[str, np.ndarray]]) -> np.ndarray:
    """J_p (Nv, M, n): quotients of the outputs along each of n directions."""
    return np.stack([quotient(lambda at: outputs(at, x), net, d) for d in directions], axis=2)


def gauss_newton(net: Any, patterns: Any, directions: list[dict[str, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """J'SJ (n, n) and J'd (n,), averaged over patterns, for n directions."""
    J, y, w = jacobian(net, patterns.x, directions), outputs(net, patterns.x), pattern_weights(patterns)
    H = np.einsum("p,pib,pij,pjc->bc", w, J, output_hessians(net.loss, y), J, optimize=True) / w.sum()
    g = np.einsum("p,pib,pi->b", w, J, output_signals(net.loss, y, patterns.t)) / w.sum()
    return H, g


def block_gauss_newton(net: Any, patterns: Any, direction: Direction) -> tuple[np.ndarray, np.ndarray]:
    """(H_b, g_b) of Eq. (19) for the blocks of a direction."""
    return gauss_newton(net, patterns, unit_blocks(direction))


# ---- comparison


def assert_close(found: Any, wanted: Any, tolerance: float) -> None:
    """Every element to a tolerance relative to the largest."""
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * np.abs(wanted).max())
