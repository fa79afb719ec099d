"""The specification of the updates of first-order methods, for vectors like theta, element by element."""

from __future__ import annotations

from pwl.runtime.backend import Array, array_namespace


def momentum_step(
    theta: Array, G: Array, velocity: Array, rate: Array, momentum: float, nesterov: bool
) -> tuple[Array, Array]:
    """theta and velocity after a step at learning rates `rate`, Eq. (48). G: the negative gradient."""
    velocity = momentum * velocity + G
    change = G + momentum * velocity if nesterov else velocity
    return theta + rate * change, velocity


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
    """theta, the running mean m of G, and the running mean v of its square after step number `steps`, 1 or more, Eq. (49).

    The means start at 0, so they are too small by the factor 1 - beta^steps.
    """
    m, v = running_mean(m, G, beta1), running_mean(v, G * G, beta2)
    root = array_namespace(v).sqrt(v / (1 - beta2**steps))
    return theta + rate * (m / (1 - beta1**steps) / (root + epsilon) - decay * theta), m, v


def running_mean(mean: Array, value: Array, beta: float) -> Array:
    """beta mean + (1 - beta) value."""
    return beta * mean + (1 - beta) * value
