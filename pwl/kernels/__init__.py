"""Kernels, once per engine. `engine(a)` chooses the engine by the kind of the array a.

The engines are the folders `reference` (the specification, in plain Array API code), `cpu` (Numba) and `cuda`. All have
the same functions with the same arguments, and tests hold them equal to the specification.

Piecewise-linear curves over two-dimensional nets n (patterns x units), where most of the time is spent:

- `value(n, grid, A)`           o = sum_m A[k, m] phi_m(n), Eqs. (3)-(6)
- `value_slope(n, grid, A)`     o and do/dn in one pass
- `scatter(n, grid, c)`         G_a[k, m] = sum_p c[p, k] phi_m(n[p, k]), Eq. (17)
- `times_slope(n, grid, A, g)`  g do/dn, in place

The same for outputs that sum curves with weights W (M x units), without storing arrays of n's size:

- `mix(n, grid, A, W)`          y = o W'
- `back(n, grid, A, v, W)`      (v W) do/dn, Eq. (18)
- `back_scatter(n, grid, v, W)` G_a for c = v W
- `nets(x, W)`                  n = [1, x] W' for them, which an engine may leave to `mix` and `back_scatter`

A curve is linear in its ordinates, so `value` and `mix` also give the change along a direction that takes the place of A.

Activations without parameters: `activation(n, formula)`, and `activation_slope(n, formula)` with the slope.

Curves on inputs, each of which touches two rows of a table: `input_places(x, grid)`, `add_input_curves(n, places, A)`,
`input_scatter(places, hinges, c)`, `input_pairs(places, hinges, w)`, `input_products(places, sizes, c)`; `input_ordinates(W,
rises)` and `input_rises(G, rises)` between weights and ordinates at hinges; and `input_tails(ns)`, the hinges of curves that
continue, Eqs. (67)-(70), (109).

Images: `convolve`, with the activation of its nets `convolve_value` and `convolve_value_slope`, `weight_gradient`,
`input_gradient`, `max_pool`, `max_unpool`. Sums over rows: `column_sums`, `column_products`, `group_sums`, `group_products`.
Losses: `cross_entropy`, and `cross_entropy_errors` without its gradient. First-order updates: `momentum_step`, `adam_step`.
Blocks on their way to a device: `staging`.
"""

from __future__ import annotations

import functools
import importlib
import math
import warnings
from types import ModuleType

from pwl.kernels import reference
from pwl.kernels.formula import Formula
from pwl.kernels.hinges import Hinges
from pwl.kernels.nets import Nets
from pwl.runtime.backend import Array, is_cupy_array, is_numpy_array

__all__ = ["Formula", "Hinges", "Nets", "activation_engine", "array_engine", "compiles", "engine", "update_engine"]

LONG = 1 << 15  # numbers of an array from which compiled loops save more time than it takes to import Numba
COMPILED = ("sigmoid", "tanh")  # activations that NumPy has no fast code for on some processors


def engine(a: Array | Nets) -> ModuleType:
    """The engine for arrays like `a`: CUDA for CuPy, Numba for NumPy, and the specification for all others."""
    if isinstance(a, Nets):
        a = a.x
    if is_numpy_array(a):
        return _cpu()
    return _cuda() if is_cupy_array(a) else reference


def array_engine(a: Array) -> ModuleType:
    """Like `engine`, for losses and momentum, which are array code on the CPU. Numba is not imported for them."""
    return reference if is_numpy_array(a) else engine(a)


def compiles(a: Array) -> bool:
    """Whether kernels for arrays like `a` are compiled by Numba."""
    return is_numpy_array(a) and engine(a) is not reference


def activation_engine(n: Array, formula: Formula) -> ModuleType:
    """Like `engine`, for activations. On the CPU most are array code, and those of few nets, for which Numba is not imported."""
    return engine(n) if formula.name in COMPILED and math.prod(n.shape) >= LONG else array_engine(n)


def update_engine(theta: Array) -> ModuleType:
    """Like `engine`, for Adam's step. On the CPU it is array code for short vectors, for which Numba is not imported."""
    return array_engine(theta) if theta.shape[0] < LONG else engine(theta)


@functools.cache
def _cpu() -> ModuleType:
    """The Numba engine, imported at the first call. Without Numba it is the specification, with one warning."""
    try:
        importlib.import_module("numba")
    except ImportError as missing:  # it is not there, or refuses this version of NumPy or Python
        warnings.warn(f"Numba can't be used ({missing}): everything runs on NumPy alone, which is slower", stacklevel=3)
        return reference
    from pwl.kernels import cpu

    return cpu


@functools.cache
def _cuda() -> ModuleType:
    """The CUDA engine. It imports CuPy, so it is imported only when the first CuPy array arrives."""
    from pwl.kernels import cuda

    return cuda
