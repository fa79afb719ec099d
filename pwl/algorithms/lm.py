"""Levenberg-Marquardt on all weights, Eqs. (41), (42)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pwl.algorithms import multiplies_lm as costs
from pwl.algorithms.all_weights import trained
from pwl.algorithms.penalties import Penalties
from pwl.network.network import Network
from pwl.reductions.jacobian import check_bytes, system
from pwl.reductions.patterns import Patterns
from pwl.reductions.statistics import error
from pwl.runtime.backend import Array, like
from pwl.runtime.threads import single_threaded_blas
from pwl.solvers.levenberg_marquardt import Damping, Normal, Triangular, check_choice, search

MAX_BYTES = 4e9


@dataclass(frozen=True)
class LM:
    """Levenberg-Marquardt: (J'J + mu Q) e = J'r, w += e, on all weights at once, Eq. (41).

    mu: damping at the start; after a step that lowers the objective times mu_decrease, after one that does not times
        mu_increase, until mu_max. The defaults are those of MATLAB's trainlm.
    scaling: Q, "identity"; or "diagonal", the squared norms of J's columns, the largest so far.
    solver: "qr" folds blocks of rows into a triangle: accurate, and memory does not grow with the patterns. "cholesky" sums
        J'J: faster, with half the digits.
    schedule: "fixed" as above; or "gain": mu follows the ratio of the real to the predicted decrease.
    train_curves: the curves' ordinates are trained, too.
    ridge, l2, curve_penalty: penalties on output weights, hidden weights and curves, Eqs. (11), (26), (27).
    max_bytes: what J'J and its factors may take; InputError with the numbers where they would take more.

    Under cross-entropy J'J is J'SJ / 2 with S of Eq. (19), Gauss-Newton. A run ends with stop_code "mu_max" where no
    damping up to mu_max lowers the objective: at a minimum, or where rounding hides the way down.
    """

    mu: float = 1e-3
    mu_increase: float = 10.0
    mu_decrease: float = 0.1
    mu_max: float = 1e10
    scaling: str = "identity"
    solver: str = "qr"
    schedule: str = "fixed"
    train_curves: bool = False
    ridge: float = 0.0
    l2: float = 0.0
    curve_penalty: float = 0.0
    max_bytes: float = MAX_BYTES
    full_batch: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_choice("solver", self.solver)
        self.damping.start(0)

    @property
    def damping(self) -> Damping:
        return Damping(self.mu, self.mu_increase, self.mu_decrease, self.mu_max, self.scaling, self.schedule)

    @property
    def penalties(self) -> Penalties:
        return Penalties(ridge=self.ridge, l2=self.l2, curves=self.curve_penalty)

    def init(self, net: Network, patterns: Patterns, key: int) -> dict[str, Any]:
        n = sum(net.parts[k].size for k in trained(net, self.train_curves))
        check_bytes(n, self.max_bytes, "LM")
        return self.damping.start(n)

    def measure(self, net: Network, patterns: Patterns, state: dict[str, Any]) -> tuple[Array, dict[str, Any]]:
        return measured_error(net, patterns, state)

    def step(
        self, net: Network, patterns: Patterns, state: dict[str, Any]
    ) -> tuple[Network, dict[str, Any], dict[str, Any]]:
        keys = trained(net, self.train_curves)
        with (
            single_threaded_blas()
        ):  # once for all that is inside: changing it back and forth takes a tenth of a small step
            equations = penalised(system(net, patterns, keys, self.solver), net, keys, self.penalties)
            return lm_step(
                net, patterns, equations, self.damping, state, lambda e: along(net, keys, e), self.penalties.value
            )

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        """Multiplies of one step with one trial: by the literature's formula, and what this code spends."""
        return costs.lm(net, Nv), costs.own_lm(net, Nv, trained(net, self.train_curves), self.solver)


def lm_step(
    net: Network,
    patterns: Patterns,
    equations: Normal | Triangular,
    damping: Damping,
    state: dict[str, Any],
    moved: Callable[[np.ndarray], Network],
    penalty: Callable[[Network], float],
) -> tuple[Network, dict[str, Any], dict[str, Any]]:
    """The network moved by the first step that lowers the objective, mu rising until there is one.

    equations: the system at `net`, penalties included. moved(e): the network of a trial step. penalty(net): objective - E.
    Returns network, state (mu, nu, Q, and scores of the new network) and "mu", "trials", "gradient_norm", and "stop" where
    no mu served.
    """
    scores, state = measured_error(net, patterns, state)

    def trial(e: np.ndarray) -> tuple[float, Any]:
        there = moved(e)
        (found,) = patterns.reduce(error(), there)
        return float(found[0]) + penalty(there), (there, found)

    gradient_norm = 2 * float(np.linalg.norm(equations.gradient()))
    found = search(equations, damping, state, trial, float(scores[0]) + penalty(net))
    info = {"mu": found.state["mu"], "trials": found.trials, "gradient_norm": gradient_norm}
    if found.value is None:
        return net, state | found.state, info | {"stop": ("mu_max", f"mu_max = {damping.mu_max:g}")}
    net, scores = found.value
    return net, found.state | {"scores": scores}, info


def measured_error(net: Network, patterns: Patterns, state: dict[str, Any]) -> tuple[Array, dict[str, Any]]:
    """Scores of the network and the state with them; no pass where the last trial left them."""
    if "scores" not in state:
        state = state | {"scores": patterns.reduce(error(), net)[0]}
    return state["scores"], state


def along(net: Network, keys: tuple[str, ...], e: np.ndarray) -> Network:
    """The network with the parameters `keys` moved by e (n,), which holds theirs in the order of theta."""
    parts, first = {}, 0
    for key in keys:
        shape = net.parts[key].shape
        size = net.parts[key].size
        parts[key] = like(e[first : first + size].reshape(shape), net.theta)
        first += size
    return net.moved(parts)


def penalised(
    equations: Normal | Triangular, net: Network, keys: tuple[str, ...], penalties: Penalties
) -> Normal | Triangular:
    """The system with the penalties' rows: each is a sum of squares of linear forms of the weights."""
    rows, residuals = penalties.rows(net, keys)
    return equations.with_rows(rows, residuals) if len(residuals) else equations
