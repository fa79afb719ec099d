"""
13. A small PINN by least squares
=================================

A physics-informed network is trained on an equation in place of targets. Its residuals are what the
equation misses at some points. So it is a least squares problem, and ``pwl.least_squares`` solves it by
Levenberg-Marquardt, Eq. (41). Gradient methods take many thousands of steps for this.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import solve_ivp

import pwl

# %%
# A pendulum
# ----------
# u'' + sin u = 0 for 0 <= s <= 6, with u(0) = 2 and u'(0) = 0. That is a wide swing, far from a sine. The
# network is u(s) = sum of c tanh(a s + b) over 10 units, plus a constant. All its derivatives can be written
# down.

UNITS, END = 10, 6.0
s = np.linspace(0, END, 60)
START = (2.0, 0.0)


def solution(w, s):
    """u, u' and u'' at times s, for weights w = (a, b, c, constant)."""
    a, b, c = w[:-1].reshape(3, -1)
    o = np.tanh(np.outer(s, a) + b)
    slope = 1 - o * o
    return o @ c + w[-1], slope @ (a * c), (-2 * o * slope) @ (a * a * c)


def residual(w):
    """What the equation misses at 60 times, and the two conditions at the start."""
    u, velocity, acceleration = solution(w, s)
    return np.concatenate([acceleration + np.sin(u), [u[0] - START[0], velocity[0] - START[1]]])


# %%
# Train it
# --------
# ``jacobian=None`` takes difference quotients, Eq. (89). For 31 weights that costs little.

rng = np.random.default_rng(0)
a = np.full(UNITS, 1.0)
w = np.concatenate([a, -a * np.linspace(0, END, UNITS), 0.5 * rng.normal(size=UNITS), [0.0]])
fit = pwl.least_squares(residual, None, w, iterations=300)

exact = solve_ivp(lambda s, u: [u[1], -np.sin(u[0])], (0, END), START, rtol=1e-10, atol=1e-12, dense_output=True)
times = np.linspace(0, END, 301)
u = solution(fit.w, times)[0]
worst = np.max(np.abs(u - exact.sol(times)[0]))
print(f"{len(w)} weights, {len(residual(w))} residuals, sum of squares at the start {np.sum(residual(w) ** 2):.1f}")
print(f"after at most 300 steps below 1e-6: {fit.error < 1e-6}")
print(f"largest distance from the solution by Runge-Kutta below 1e-4: {worst < 1e-4}")

# %%
# The same residuals, by gradient steps
# -------------------------------------
# Adam with the same residuals and the best of a few rates, for 1500 steps. (The gradient is 2 J'r, with J by
# differences.)


def jacobian(w, step=1e-6):
    """Central difference quotients of the residuals."""
    return np.stack([(residual(w + e) - residual(w - e)) / (2 * step) for e in step * np.eye(len(w))], axis=1)


def adam(w, rate, steps):
    """The error at each step."""
    m, v, errors = 0.0, 0.0, []
    for k in range(1, steps + 1):
        r = residual(w)
        errors.append(r @ r)
        G = 2 * jacobian(w).T @ r
        m, v = 0.9 * m + 0.1 * G, 0.999 * v + 0.001 * G * G
        w = w - rate * (m / (1 - 0.9**k)) / (np.sqrt(v / (1 - 0.999**k)) + 1e-8)
    return np.array(errors)


by_adam = adam(w, 0.01, 1500)
print(
    f"Adam: 1500 steps, the sum of squares is still more than 100 times that of least_squares: {by_adam[-1] > 100 * fit.error}"
)

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
left.plot(times, exact.sol(times)[0], color="0.75", linewidth=5, label="Runge-Kutta")
left.plot(times, u, color="black", label="network")
left.plot(times, 2 * np.cos(times), ":", color="#0072b2", label="2 cos s, the small swing")
left.set(xlabel="time s", ylabel="angle u")
left.legend(frameon=False)
right.loglog(np.arange(1, len(by_adam) + 1), by_adam, color="#d55e00", label="Adam")
right.axhline(fit.error, color="black", label=f"least_squares, {fit.iterations} steps")
right.set(xlabel="step", ylabel="sum of squares")
right.legend(frameon=False)
plt.show()

# %%
# Try it
# ------
# Let the pendulum swing to END = 12. How many units and points does it take? Let it start at u(0) = 3.1,
# nearly upside down.
#
# Exercises
# ---------
# 1. The inverse problem: the equation is u'' + k sin u = 0 with an unknown k, and there are 15 noisy
#    observations of u. Append k to w and the observations to the residuals. How well is k found?
# 2. Write the Jacobian by the chain rule and give it to ``least_squares``. Check it against differences
#    first.
#
# Solutions: ``examples/solutions/13_a_small_pinn.py``.
