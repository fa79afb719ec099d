"""What is added to E: the objective J = E + ridge |W_o|^2 + l2 |W|^2 + curves |second differences of A|^2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import NamedTuple

import numpy as np

from pwl.errors import InputError
from pwl.network.network import HEAD, Network
from pwl.runtime.backend import Array, array_namespace, host


@dataclass(frozen=True)
class Penalties:
    """Weights of the penalties, all 0 by default: then J = E.

    ridge: on the output weights but the constants', Eq. (11). l2: on the hidden weights but the thresholds, Eq. (27).
    curves: on the second differences of each curve's ordinates, Eq. (26).

    What other activations train has the penalty that they name themselves, such as APL's l2.
    """

    ridge: float = 0.0
    l2: float = 0.0
    curves: float = 0.0

    def __post_init__(self) -> None:
        for name in ("ridge", "l2", "curves"):
            value = getattr(self, name)
            if not isinstance(value, Real) or not 0 <= float(value) < float("inf"):
                raise InputError(f"the penalty {name} must be 0 or a positive number, not {value!r}")

    def value(self, net: Network) -> float:
        """J - E at the network's parameters."""
        forms = ((self._form(net, key), part) for key, part in net.parts.items())
        return sum(
            (
                form.weight * float(array_namespace(part).sum(form.map(part) ** 2))
                for form, part in forms
                if form.weight
            ),
            0.0,
        )

    def add_gradient(self, net: Network, G: dict[str, Array]) -> dict[str, Array]:
        """Negative gradients of J from those of E."""
        forms = {key: self._form(net, key) for key in G}
        return {
            key: g - 2 * f.weight * f.adjoint(f.map(net.parts[key])) if (f := forms[key]).weight else g
            for key, g in G.items()
        }

    def curvature(self, net: Network, key: str, D: Array) -> Array:
        """Second derivative of J - E along each unit's row of a direction D, (units,)."""
        form = self._form(net, key)
        return 2 * form.weight * array_namespace(D).sum(form.map(D) ** 2, axis=1)

    def rows(self, net: Network, keys: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        """J - E as squares of linear forms: rows (m, n) over the parameters `keys`, and residuals (m,), minus the forms' values."""
        n = sum(net.parts[key].size for key in keys)
        rows, residuals, first = [np.zeros((0, n))], [np.zeros(0)], 0
        for key in keys:
            form, part = self._form(net, key), host(net.parts[key]).astype(np.float64)
            if form.weight:
                one = form.weight**0.5 * form.map(np.eye(part.shape[1])).T
                block = np.kron(np.eye(part.shape[0]), one)
                whole = np.zeros((len(block), n))
                whole[:, first : first + part.size] = block
                rows.append(whole)
                residuals.append(-block @ part.reshape(-1))
            first += part.size
        return np.concatenate(rows), np.concatenate(residuals)

    def _form(self, net: Network, key: str) -> Form:
        if key == HEAD:
            return Form(self.ridge, _without_threshold, _with_zero_threshold)
        layer = net.layers[int(key.split(".")[0])]
        if layer.kind == "activation":
            if layer.linear:
                return Form(self.curves, second_differences, _second_differences_adjoint)
            return Form(getattr(layer, "l2", 0.0), _whole, _whole)
        if not getattr(layer, "bias", True):
            return Form(self.l2, _whole, _whole)
        return Form(self.l2, _without_threshold, _with_zero_threshold)


class Form(NamedTuple):
    """A penalty weight |map(part)|^2 on one parameter, with the map's transpose."""

    weight: float
    map: Callable[[Array], Array]
    adjoint: Callable[[Array], Array]


def _whole(W: Array) -> Array:
    return W


def _without_threshold(W: Array) -> Array:
    return W[:, 1:]


def _with_zero_threshold(W: Array) -> Array:
    xp = array_namespace(W)
    return xp.concat([xp.zeros((W.shape[0], 1), dtype=W.dtype), W], axis=1)


def second_differences(A: Array) -> Array:
    """A[k, m] - 2 A[k, m+1] + A[k, m+2], (units, K - 2); nothing to penalise with two hinges."""
    return A[:, :-2] - 2 * A[:, 1:-1] + A[:, 2:]


def _second_differences_adjoint(S: Array) -> Array:
    """Transpose of `second_differences`: (units, K - 2) -> (units, K)."""
    xp = array_namespace(S)
    zero = xp.zeros((S.shape[0], 2), dtype=S.dtype)
    padded = xp.concat([zero, S, zero], axis=1)
    return padded[:, 2:] - 2 * padded[:, 1:-1] + padded[:, :-2]
