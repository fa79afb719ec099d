"""A convolution and the activation of its nets, one kernel after the other: the specification of doing both in one."""

from __future__ import annotations

from collections.abc import Callable

from pwl.kernels.formula import Formula
from pwl.kernels.hinges import Rule
from pwl.kernels.reference import activations, convolution, curves
from pwl.kernels.window import Window
from pwl.runtime.backend import Array, array_namespace

Value = Callable[[Array, Array, Window, Array | None, Rule], Array]
ValueSlope = Callable[[Array, Array, Window, Array | None, Rule], tuple[Array, Array, Array]]


def in_turn(
    convolve: Callable[..., Array],
    value: Callable[..., Array],
    value_slope: Callable[..., tuple[Array, Array]],
    activation: Callable[..., Array],
    activation_slope: Callable[..., tuple[Array, Array]],
) -> tuple[Value, ValueSlope]:
    """`convolve_value` and `convolve_value_slope` made of an engine's own kernels."""

    def convolve_value(x: Array, W: Array, window: Window, threshold: Array | None, rule: Rule) -> Array:
        """The activation o of the nets of `convolve` alone, (Nv, out height, out width, filters), Eqs. (3), (53)."""
        n = convolve(x, W, window, threshold)
        return activation(n, rule) if isinstance(rule, Formula) else _shaped(value(_rows(n), *rule), n)

    def convolve_value_slope(
        x: Array, W: Array, window: Window, threshold: Array | None, rule: Rule
    ) -> tuple[Array, Array, Array]:
        """The nets n of `convolve`, their activation o and do/dn, all (Nv, out height, out width, filters), Eqs. (3), (53)."""
        n = convolve(x, W, window, threshold)
        if isinstance(rule, Formula):
            return n, *activation_slope(n, rule)
        o, slope = value_slope(_rows(n), *rule)
        return n, _shaped(o, n), _shaped(slope, n)

    return convolve_value, convolve_value_slope


def _rows(n: Array) -> Array:
    return array_namespace(n).reshape(n, (-1, n.shape[-1]))


def _shaped(o: Array, n: Array) -> Array:
    return array_namespace(n).reshape(o, n.shape)


convolve_value, convolve_value_slope = in_turn(
    convolution.convolve, curves.value, curves.value_slope, activations.activation, activations.activation_slope
)
