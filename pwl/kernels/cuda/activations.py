"""Activations without parameters on the GPU, cuda/activations.cu: one kernel for a value, and one for a value with its slope."""

from __future__ import annotations

import cupy
import numpy as np

from pwl.kernels.cuda.launch import (
    FLAGS,
    THREADS,
    VECTORS,
    at_once,
    by_type,
    covering,
    flag,
    in_order,
    kernel,
    launch,
    named,
    resident,
)
from pwl.kernels.formula import Formula
from pwl.kernels.reference import activations as reference
from pwl.runtime.backend import Array

KERNELS = ("relu", "leaky_relu", "sigmoid", "tanh", "identity", "plu")
NUMBERS = 2  # most numbers of a formula

INSTANCES = tuple(
    f"activation<{t}, {v}, {name}, {slope}>" for t, v in VECTORS for name in map(str.upper, KERNELS) for slope in FLAGS
)
OF = by_type(INSTANCES)


def activation(n: Array, formula: Formula) -> Array:
    """o = f(n) in the shape of n."""
    return _computed(n, formula, with_slope=False)[0] if formula.name in KERNELS else reference.activation(n, formula)


def activation_slope(n: Array, formula: Formula) -> tuple[Array, Array]:
    """o and do/dn, both in the shape of n."""
    return _computed(n, formula, with_slope=True) if formula.name in KERNELS else reference.activation_slope(n, formula)


def _computed(n: Array, formula: Formula, with_slope: bool) -> tuple[Array, Array]:
    n = in_order(n, n.dtype)
    o = cupy.empty(n.shape, n.dtype)
    slope = cupy.empty(n.shape, n.dtype) if with_slope else o
    vector = at_once(n.size, n)
    instance = f"activation<{named(n.dtype)}, {vector}, {formula.name.upper()}, {flag(with_slope)}>"
    found = kernel("activations", OF[named(n.dtype)], instance)
    numbers = (*formula.numbers, *(0.0,) * NUMBERS)[:NUMBERS]
    launch(
        found,
        (max(1, min(covering(n.size, vector * THREADS), resident(found, THREADS))), 1),
        (THREADS, 1),
        n,
        np.int64(n.size),
        *(n.dtype.type(number) for number in numbers),
        o,
        slope,
    )
    return o, slope
