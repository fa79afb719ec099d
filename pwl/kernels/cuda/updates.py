"""Updates of first-order methods on the GPU, cuda/updates.cu. One kernel replaces a dozen, and each vector is moved once."""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from pwl.kernels.cuda.launch import BLOCKS, THREADS, covering, in_order, kernel, launch, named
from pwl.runtime.backend import Array

INSTANCES = tuple(f"{name}<{t}>" for name in ("momentum_step", "adam_step") for t in ("float", "double"))


def momentum_step(
    theta: Array, G: Array, velocity: Array, rate: Array, momentum: float, nesterov: bool
) -> tuple[Array, Array]:
    """theta and velocity after a step at learning rates `rate`, Eq. (48). G: the negative gradient."""
    moved, after = _update("momentum_step", (theta, G, velocity, rate), 2, (momentum,), int(nesterov))
    return moved, after


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
    moved, m, v = _update("adam_step", (theta, G, m, v, rate), 3, numbers)
    return moved, m, v


def _update(name: str, vectors: tuple[Array, ...], results: int, numbers: tuple[float, ...], *rest: Any) -> list[Array]:
    """New vectors like the first. Numbers are passed in its precision, as in the specification."""
    dtype, size = vectors[0].dtype, vectors[0].size
    found = [cupy.empty(size, dtype) for _ in range(results)]
    launch(
        kernel("updates", INSTANCES, f"{name}<{named(dtype)}>"),
        (max(1, min(covering(size, THREADS), BLOCKS)), 1),
        (THREADS, 1),
        *(in_order(a, dtype) for a in vectors),
        size,
        *(np.dtype(dtype).type(number) for number in numbers),
        *rest,
        *found,
    )
    return found
