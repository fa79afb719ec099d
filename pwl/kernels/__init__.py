"""Kernels for piecewise-linear curves: the hot path, once per engine, chosen by the arrays.

Every engine has the same functions over two-dimensional nets n (patterns x units):

- `value(n, grid, A)`           o = sum_m A[k, m] phi_m(n),  Eqs. (3)-(6)
- `value_slope(n, grid, A)`     o and do/dn in one pass
- `scatter(n, grid, c)`         G_a[k, m] = sum_p c[p, k] phi_m(n[p, k]),  Eq. (17)

and, so that arrays of that size need not be stored, of slopes alone and below outputs that sum curves with weights W (M x units):

- `times_slope(n, grid, A, g)`  g do/dn, in place
- `mix(n, grid, A, W)`          y = o W'
- `back(n, grid, A, v, W)`      (v W) do/dn, Eq. (18)
- `back_scatter(n, grid, v, W)` G_a for c = v W

A curve is linear in its ordinates, so `value` with a direction in A in the place of A gives the change of o.

NumPy's arrays go to Numba, CuPy's to CUDA, all others to the specification, which runs anywhere.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import warnings
from types import ModuleType

from pwl.kernels.grid import Grid
from pwl.kernels.reference import convolution, pooling, slots, softmax, sums, updates
from pwl.kernels.reference import curves as reference
from pwl.runtime.backend import Array, is_cupy_array, is_numpy_array

__all__ = [
    "Grid", "convolution_engine", "engine", "pooling_engine", "slots_engine", "softmax_engine", "sums_engine", "updates_engine",
]  # fmt: skip


@functools.cache
def _cpu() -> ModuleType:
    """Numba's engine, imported at the first kernel call; the reference, with one notice, where Numba is absent."""
    if importlib.util.find_spec("numba") is None:
        warnings.warn(
            "Numba is not installed: curves run on the slower NumPy reference (pip install numba)", stacklevel=3
        )
        return reference
    from pwl.kernels.cpu import curves as cpu

    return cpu


def _gpu(name: str) -> ModuleType:
    """One of CUDA's engines; they import CuPy, and so only where its arrays have come."""
    return importlib.import_module(f"pwl.kernels.cuda.{name}")


@functools.cache
def _convolution_cpu() -> ModuleType:
    if _cpu() is reference:
        return convolution
    from pwl.kernels.cpu import convolution as convolution_cpu

    return convolution_cpu


def convolution_engine(x: Array) -> ModuleType:
    """Module with `convolve`, `weight_gradient` and `input_gradient` for arrays of x's kind."""
    if is_cupy_array(x):
        return _gpu("convolution")
    return _convolution_cpu() if is_numpy_array(x) else convolution


@functools.cache
def _pooling_cpu() -> ModuleType:
    if _cpu() is reference:
        return pooling
    from pwl.kernels.cpu import pooling as pooling_cpu

    return pooling_cpu


def pooling_engine(x: Array) -> ModuleType:
    """Module with `max_pool` and `max_unpool` for arrays of x's kind."""
    if is_cupy_array(x):
        return _gpu("pooling")
    return _pooling_cpu() if is_numpy_array(x) else pooling


def sums_engine(a: Array) -> ModuleType:
    """Module with `column_sums`, `column_products` and the same of groups of rows for arrays of a's kind."""
    return _gpu("sums") if is_cupy_array(a) else sums


def softmax_engine(y: Array) -> ModuleType:
    """Module with `cross_entropy` for arrays of y's kind."""
    return _gpu("softmax") if is_cupy_array(y) else softmax


def updates_engine(theta: Array) -> ModuleType:
    """Module with `momentum_step` and `adam_step` for arrays of theta's kind."""
    return _gpu("updates") if is_cupy_array(theta) else updates


def slots_engine(theta: Array) -> ModuleType:
    """Module with `slots` for arrays of theta's kind."""
    return _gpu("slots") if is_cupy_array(theta) else slots


def engine(n: Array) -> ModuleType:
    """Module with the functions named above for arrays of n's kind."""
    if is_cupy_array(n):
        return _gpu("curves")
    return _cpu() if is_numpy_array(n) else reference
