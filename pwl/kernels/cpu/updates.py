"""Adam's step on the CPU: one walk over long vectors, with the bits of reference/updates.py, which walks a dozen times.

The walk goes piece by piece, and over a piece in loops with few arrays, because compilers give up vector instructions where
many arrays might overlap.
"""

from __future__ import annotations

import math

import numpy as np

from pwl.kernels.cpu.compiled import compiled
from pwl.runtime.backend import Array

PIECE = 1024  # numbers; eight vectors of them stay in a core's first cache


@compiled
def _adam_step(theta, G, m, v, rate, beta1, rest1, correction1, beta2, rest2, correction2, epsilon, decay, moved, mean, square):
    for first in range(0, theta.size, PIECE):
        last = min(first + PIECE, theta.size)
        for i in range(first, last):
            mean[i] = beta1 * m[i] + rest1 * G[i]
        for i in range(first, last):
            square[i] = beta2 * v[i] + rest2 * (G[i] * G[i])
        for i in range(first, last):
            root = math.sqrt(square[i] / correction2)
            moved[i] = theta[i] + rate[i] * (mean[i] / correction1 / (root + epsilon) - decay * theta[i])


def adam_step(
    theta: Array,
    G: Array,
    m: Array,
    v: Array,
    rate: Array,
    beta1: float,
    beta2: float,
    epsilon: float,
    decay: float,
    steps: int,
) -> tuple[Array, Array, Array]:
    """theta, the running mean m of G, and the running mean v of its square after step number `steps`, 1 or more, Eq. (49)."""
    numbers = (beta1, 1 - beta1, 1 - beta1**steps, beta2, 1 - beta2, 1 - beta2**steps, epsilon, decay)
    moved, mean, square = (np.empty(theta.shape, theta.dtype) for _ in range(3))
    _adam_step(*map(_fixed, (theta, G, m, v, rate)), *(theta.dtype.type(number) for number in numbers), moved, mean, square)
    return moved, mean, square


def _fixed(a: Array) -> Array:
    """A view that can't be written to, as parameters can't, because Numba would compile once more for others."""
    view = np.ascontiguousarray(a).view()
    view.flags.writeable = False
    return view
