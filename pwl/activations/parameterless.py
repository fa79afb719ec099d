"""The common base of activations without parameters."""

from __future__ import annotations

from typing import Any, ClassVar

from pwl.kernels import Formula, activation_engine
from pwl.layers.layer import Activated, Layer
from pwl.runtime.backend import Array


class Parameterless(Layer):
    """An activation o = f(n) with the slope do/dn = df(n, o), which jumps at the kinks."""

    kind: ClassVar[str] = "activation"
    f: Any
    df: Any

    @property
    def formula(self) -> Formula:
        """The activation for the engines. Its name is that of a kernel, if an engine has one for it."""
        return Formula(type(self).__name__, self.f, self.df)

    @property
    def kinks(self) -> tuple[float, ...]:
        """Nets at which the slope jumps."""
        return ()

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return input_shape

    def apply(self, p: dict, b: dict, n: Array) -> Array:
        return activation_engine(n, self.formula).activation(n, self.formula)

    def forward(self, p: dict, b: dict, n: Array) -> tuple[Array, Activated]:
        o, slope = activation_engine(n, self.formula).activation_slope(n, self.formula)
        return o, Activated(n, slope)

    def rule(self, p: dict, b: dict) -> Formula:
        return self.formula

    def keep(self, p: dict, b: dict, n: Array) -> Activated:
        return Activated(n, None)

    def backward(self, p: dict, b: dict, saved: Activated, g: Array) -> Array:
        g *= saved.slope
        return g

    def tangent(self, p: dict, b: dict, saved: Activated, d: dict, dn: Array | None) -> Array | None:
        if dn is not None:
            dn *= saved.slope
        return dn

    def pieces(self, p: dict, b: dict, saved: Activated) -> tuple[Array, ...]:
        return self.sides(saved.n)

    def sides(self, n: Array) -> tuple[Array, ...]:
        """The side of each kink that the nets n lie on."""
        return tuple(n >= kink for kink in self.kinks)
