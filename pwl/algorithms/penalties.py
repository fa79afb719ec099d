"""Penalties on E.

The objective is J = E + ridge |W_o|^2 + l2 |W|^2 + curves |second differences of A|^2 + input_curves |rises|^2.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pwl.layers.forms import Form, of_columns, without_threshold
from pwl.network.layout import HEAD, Layout
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
    input_curves : float
        Weight of the penalty on the rises of curves on inputs, in the hidden weights and in the output weights of a bypass,
        Eq. (73). It draws the curves towards straight lines. The algorithms call it input_curve_penalty.

    Raises
    ------
    InputError
        If a weight is negative or not finite.
    """

    ridge: float = 0.0
    l2: float = 0.0
    curves: float = 0.0
    input_curves: float = 0.0

    def __post_init__(self) -> None:
        for name in ("ridge", "l2", "curves", "input_curves"):
            not_negative(f"the penalty {name}", getattr(self, name))

    @property
    def any(self) -> bool:
        """Whether a weight is not 0."""
        return bool(self.ridge or self.l2 or self.curves or self.input_curves)

    def act_on(self, net: Network) -> bool:
        """Whether J differs from E for a network, whose layers may bring penalties of their own."""
        return self.any or net.layout.own_penalties

    def value(self, net: Network) -> float:
        """J - E at the network's parameters."""
        if not self.act_on(net):
            return 0.0
        forms = ((f, part) for key, part in net.parts.items() for f in self._forms(net, key))
        return sum((f.weight * float(_square(f.map(part))) for f, part in forms), 0.0)

    def add_gradient(self, net: Network, G: Mapping[str, Array]) -> dict[str, Array]:
        """Negative gradients of J from those of E."""
        found = dict(G)
        for key in G if self.act_on(net) else ():
            for f in self._forms(net, key):
                found[key] = found[key] - 2 * f.weight * f.adjoint(f.map(net.parts[key]))
        return found

    def curvature(self, net: Network, key: str, D: Array) -> Array:
        """Second derivative of J - E along each unit's row of a direction D, (units,)."""
        xp = array_namespace(D)
        total = xp.zeros((D.shape[0],), dtype=D.dtype, device=D.device)
        for f in self._forms(net, key):
            total = total + 2 * f.weight * xp.sum(f.map(D) ** 2, axis=1)
        return total

    def on_head(self, net: Network) -> np.ndarray:
        """The weight of each output weight's square, one for each basis function, (Nu,), Eqs. (11), (73)."""
        rises, first = net.layout.direct_rises, net.n_basis - net.n_features
        found = np.full(net.n_basis, float(self.ridge))
        found[0] = 0.0
        found[first - rises : first] += self.input_curves
        return found

    def rows(self, net: Network, keys: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        """J - E as squares of linear forms: rows (m, n) over the parameters `keys`, and residuals (m,), minus their values."""
        n = net.layout.size_of(keys)
        rows, residuals, first = [np.zeros((0, n))], [np.zeros(0)], 0
        for key in keys:
            part = host(net.parts[key]).astype(np.float64)
            for form in self._forms(net, key):
                one = form.weight**0.5 * form.map(np.eye(part.shape[1])).T
                block = np.kron(np.eye(part.shape[0]), one)
                whole = np.zeros((len(block), n))
                whole[:, first : first + part.size] = block
                rows.append(whole)
                residuals.append(-block @ part.reshape(-1))
            first += part.size
        return np.concatenate(rows), np.concatenate(residuals)

    def _forms(self, net: Network, key: str) -> list[Form]:
        """The penalties on a parameter that have a weight."""
        layer: Any = None if key == HEAD else net.layer_of(key)
        return _forms_of(self, net.layout, layer, key)


@functools.lru_cache(maxsize=256)
def _forms_of(penalties: Penalties, layout: Layout, layer: Any, key: str) -> list[Form]:
    """The penalties on a parameter that have a weight. layer: the layer of the body that it belongs to, or None."""
    slot = layout.by_key[key]
    if layer is None:
        form, rises = without_threshold(penalties.ridge), layout.direct_rises
        last = slot.shape[1] - math.prod(layout.shapes[-1])
    else:
        form, rises, last = layer.penalty(slot.name, penalties.l2, penalties.curves), layer.rises, slot.shape[1]
    bent = of_columns(penalties.input_curves if rises else 0.0, last - rises, last, slot.shape[1])
    return [f for f in (form, bent) if f.weight]


def _square(a: Array) -> Array:
    return array_namespace(a).sum(a**2)
