"""Solutions of lesson 13: an unknown constant, and the Jacobian by the chain rule."""

import runpy
from pathlib import Path

import numpy as np

import pwl

lesson = runpy.run_path(str(Path(__file__).parents[1] / "13_a_small_pinn.py"))
solution, residual, s, w, START = (lesson[name] for name in ("solution", "residual", "s", "w", "START"))

# 1. One more weight, and one more kind of residual. The observations have the noise 0.05, so they get the
# weight 1 / 0.05 and the equation a weight that says how exactly it is to hold.

rng = np.random.default_rng(1)
NOISE = 0.05
at = np.linspace(0.2, 5.8, 15)
observed = lesson["exact"].sol(at)[0] + NOISE * rng.normal(size=len(at))


def with_unknown(wk):
    w, k = wk[:-1], wk[-1]
    u, velocity, acceleration = solution(w, s)
    equation = np.concatenate([acceleration + k * np.sin(u), [u[0] - START[0], velocity[0] - START[1]]])
    return np.concatenate([100 * equation, (solution(w, at)[0] - observed) / NOISE])


fit = pwl.least_squares(with_unknown, None, np.append(w, 0.5), iterations=400)
print(f"k = {fit.w[-1]:.2f}, the true one is 1")
assert abs(fit.w[-1] - 1) < 0.03

# 2. The derivatives of u'' + sin u for the weights a, b, c and the constant.


def by_chain_rule(w):
    a, b, c = w[:-1].reshape(3, -1)
    u = solution(w, s)[0]
    o = np.tanh(np.outer(s, a) + b)
    o1 = 1 - o * o  # tanh', tanh'' and tanh''' at the nets
    o2 = -2 * o * o1
    o3 = -2 * o1 * o1 - 2 * o * o2
    bend, one = np.cos(u)[:, None], np.ones((len(s), 1))
    by_b = (o3 * a * a + bend * o1) * c
    by_a = by_b * s[:, None] + 2 * o2 * a * c
    equation = np.hstack([by_a, by_b, o2 * a * a + bend * o, bend * one])
    place = np.hstack([o1[0] * c * s[0], o1[0] * c, o[0], 1.0])
    velocity = np.hstack([(o2[0] * a * s[0] + o1[0]) * c, o2[0] * a * c, o1[0] * a, 0.0])
    return np.vstack([equation, place, velocity])


difference = np.max(np.abs(by_chain_rule(w) - lesson["jacobian"](w)))
print(f"largest difference from quotients below 1e-8: {difference < 1e-8}")
assert difference < 1e-8
exact = pwl.least_squares(residual, by_chain_rule, w, iterations=300)
print(f"sum of squares below 1e-6: {exact.error < 1e-6}")
assert exact.error < 1e-6
