"""Penalties on E. The objective is J = E + ridge |W_o|^2 + l2 |W|^2 + curves |second differences of A|^2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pwl.layers.forms import Form, without_threshold
from pwl.network.layout import HEAD
from pwl.network.network import Network
from pwl.runtime.backend import Array, array_namespace, host
from pwl.validate import not_negative


@dataclass(frozen=True)
class Penalties:
    """Holds the weights of the penalties. All are 0 by default, so that J = E.

    Activations with other parameters have a penalty of their own, such as the l2 of APL.

    Parameters
    ----------
    ridge : float
        Weight of the penalty on the output weights, except those of the constant, Eq. (11).
    l2 : float
        Weight of the penalty on the hidden weights, except the thresholds, Eq. (27).
    curves : float
        Weight of the penalty on the second differences of each curve's ordinates, Eq. (26). The algorithms call it
        curve_penalty.

    Raises
    ------
    InputError
        If a weight is negative or not finite.
    """

    ridge: float = 0.0
    l2: float = 0.0
    curves: float = 0.0

    def __post_init__(self) -> None:
        for name in ("ridge", "l2", "curves"):
            not_negative(f"the penalty {name}", getattr(self, name))

    def value(self, net: Network) -> float:
        """J - E at the network's parameters."""
        forms = ((self._form(net, key), part) for key, part in net.parts.items())
        return sum((f.weight * float(_square(f.map(part))) for f, part in forms if f.weight), 0.0)

    def add_gradient(self, net: Network, G: Mapping[str, Array]) -> dict[str, Array]:
        """Negative gradients of J from those of E."""
        forms = {key: self._form(net, key) for key in G}
        return {
            key: g - 2 * f.weight * f.adjoint(f.map(net.parts[key])) if (f := forms[key]).weight else g
            for key, g in G.items()
        }

    def curvature(self, net: Network, key: str, D: Array) -> Array:
        """Second derivative of J - E along each unit's row of a direction D, (units,)."""
        form, xp = self._form(net, key), array_namespace(D)
        if not form.weight:
            return xp.zeros((D.shape[0],), dtype=D.dtype, device=D.device)
        return 2 * form.weight * xp.sum(form.map(D) ** 2, axis=1)

    def rows(self, net: Network, keys: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        """J - E as squares of linear forms: rows (m, n) over the parameters `keys`, and residuals (m,), minus their values."""
        n = net.layout.size_of(keys)
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
            return without_threshold(self.ridge)
        return net.layer_of(key).penalty(net.layout.by_key[key].name, self.l2, self.curves)


def _square(a: Array) -> Array:
    return array_namespace(a).sum(a**2)
