"""Sigmoid and tanh on the CPU, value and slope in one walk, Eqs. (107), (108).

NumPy has fast exponentials for some processors only. With AVX2 a tanh in double precision takes it four to seven times as long.
Results are within four units of the last digit of the specification's.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types

from pwl.kernels import reference
from pwl.kernels.cpu.compiled import compiled, intrinsic
from pwl.kernels.formula import Formula
from pwl.runtime.backend import Array

LN2 = Fraction("0.693147180559945309417232121458176568075500134360255254")
DEGREE: dict[Any, int] = {np.float64: 13, np.float32: 7}  # of the series of exp(r) - 1 for |r| <= ln(2) / 2
TOP = 40.0  # tanh of half of it is 1
RANGE = {np.float64: (-708.0, 710.0), np.float32: (-87.0, 89.0)}  # exp of the ends is a normal number, and infinite


@intrinsic
def _power(typingctx, t):
    """2^k of Eq. (107) from t = k + 1.5 * 2^d, where d is the number of binary digits: k is in the last digits of t."""
    digits, bias, word = (52, 1023, ir.IntType(64)) if t == types.float64 else (23, 127, ir.IntType(32))

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        exponent = builder.add(builder.bitcast(args[0], word), word(bias))
        return builder.bitcast(builder.shl(exponent, word(digits)), args[0].type)

    return t(t), code


@njit(forceinline=True, error_model="numpy")
def _exponential(y, series, turn, ln2, ln2_rest, inverse):
    """exp(r) - 1 and 2^k with y = k ln 2 + r, Eq. (107)."""
    t = y * inverse + turn
    k = t - turn
    r = (y - k * ln2) - k * ln2_rest
    p = series[0]
    for i in range(1, len(series)):
        p = p * r + series[i]
    return p * r * r + r, _power(t)


@compiled
def _sigmoid(n, o, slope, numbers, low, high, one, two):
    """o and, if there is room for it, do/dn, Eq. (108)."""
    for i in range(n.size):
        y = -n[i]
        y = high if y > high else y
        y = low if y < low else y
        p, power = _exponential(y, *numbers)
        value = one / (one + power * (one + p))
        o[i] = value
        if slope.size:
            slope[i] = (one - value) * value


@compiled
def _tanh(n, o, slope, numbers, low, high, one, two):
    """o and, if there is room for it, do/dn, Eq. (108)."""
    for i in range(n.size):
        y = two * abs(n[i])
        y = high if y > high else y
        p, power = _exponential(y, *numbers)
        e = power * p + (power - one)
        value = math.copysign(e / (e + two), n[i])
        o[i] = value
        if slope.size:
            slope[i] = one - value * value


def activation(n: Array, formula: Formula) -> Array:
    """o = f(n) in the shape of n."""
    if formula.name not in LOOPS or n.dtype.type not in DEGREE:
        return reference.activation(n, formula)
    return _evaluated(n, formula.name, with_slope=False)[0]


def activation_slope(n: Array, formula: Formula) -> tuple[Array, Array]:
    """o and do/dn, both in the shape of n."""
    if formula.name not in LOOPS or n.dtype.type not in DEGREE:
        return reference.activation_slope(n, formula)
    return _evaluated(n, formula.name, with_slope=True)


def _evaluated(n: Array, name: str, with_slope: bool) -> tuple[Array, Array]:
    """o, and the slope or an empty array."""
    if not n.flags.forc:
        n = np.ascontiguousarray(n)
    o, slope = np.empty_like(n), np.empty_like(n) if with_slope else np.empty(0, n.dtype)
    view = n.ravel("K").view()
    view.flags.writeable = False  # as parameters are, because Numba would compile once more for others
    loop, ends = LOOPS[name]
    number = n.dtype.type
    loop(view, o.ravel("K"), slope.ravel("K"), _numbers(number), *map(number, (*ends[number], 1, 2)))
    return o, slope


@functools.cache
def _numbers(number: Any) -> tuple[Any, ...]:
    """The coefficients 1/K!, ..., 1/2!, and what takes k ln 2 from y without a loss of digits."""
    digits = np.finfo(number).nmant
    ln2 = Fraction(math.floor(LN2 * 2 ** (digits - 11)), 2 ** (digits - 11))  # k times it is exact
    series = tuple(number(1 / math.factorial(k)) for k in range(DEGREE[number], 1, -1))
    return series, number(1.5 * 2.0**digits), number(float(ln2)), number(float(LN2 - ln2)), number(float(1 / LN2))


LOOPS: dict[str, tuple[Any, dict[Any, tuple[float, float]]]] = {
    "sigmoid": (_sigmoid, RANGE),
    "tanh": (_tanh, dict.fromkeys(DEGREE, (0.0, TOP))),
}
