"""Solutions of lesson 5: orthogonal gradients, a factor per unit, and two steps along one line."""

import runpy
from pathlib import Path

import numpy as np

import pwl

lesson = runpy.run_path(str(Path(__file__).parents[1] / "05_a_parabola.py"))
x, t, net, moved, G_a = (lesson[name] for name in ("x", "t", "net", "moved", "G_a"))

# 1. dE/dz = -<G_a there, G_a here> is 0 at the minimum.

_, there = pwl.adact_step(moved, (x, t))
product = np.sum(there.G_a["1.A"] * G_a)
print(f"<new G_a, old G_a> below 1e-12 of |old G_a|^2: {abs(product) < 1e-12 * np.sum(G_a**2)}")
assert abs(product) < 1e-12 * np.sum(G_a**2)

# 2. One z for all is one of the choices of a z per unit, and the step finds the best of them. So E cannot be
# higher.

per_unit, info = pwl.adact_step(net, (x, t), curve_factor="unit")
one, several = (np.mean((t - each.predict(x)) ** 2) for each in (moved, per_unit))
print(f"E with one z {one:.6f}, with a z per unit {several:.6f}; z = {np.round(info.z, 2).tolist()}")
assert several < one

# 3. E is quadratic along the line, so -E'/E'' is no approximation: one step reaches the minimum, and from
# there E' = 0.

E = [lesson["E"](info.z[0] * 0 + z, net=moved) for z in (0.0, 1.0, 2.0)]
slope, curvature = (4 * E[1] - 3 * E[0] - E[2]) / 2, E[0] - 2 * E[1] + E[2]
print(f"second z: {abs(-slope / curvature):.1f}")
assert abs(slope / curvature) < 1e-9
