"""
5. E along G_a is a parabola
============================

The curves move by A + z G_a. How large should z be? We find it three ways: from three points of E, by the
formula, and by the engine. Then we look at what the paper prints, z = dE/dz, and find out what it is short
for.
"""

import matplotlib.pyplot as plt
import numpy as np

import pwl

# %%
# A network and its G_a
# ---------------------

rng = np.random.default_rng(1)
x = rng.uniform(-1, 1, size=(150, 2))
t = np.sin(4 * x[:, :1]) + x[:, 1:] ** 2
net = pwl.initialise(pwl.Network.mlp(2, 5, 1, pwl.PiecewiseLinear("relu", 13), seed=0), (x, t))
moved, info = pwl.adact_step(net, (x, t))
G_a = np.array(info.G_a["1.A"])


def E(z, net=net, G_a=G_a, t=t):
    """E with the ordinates A + z G_a."""
    return np.mean((t - net.moved({"1.A": z * G_a}).predict(x)) ** 2)


# %%
# By hand: three points make a parabola
# -------------------------------------
# The output is linear in the ordinates, Eq. (4), and E is quadratic in the output. So E(z) is a parabola,
# exactly, however long the step. Three of its points determine it.

E0, E1, E2 = E(0.0), E(1.0), E(2.0)
slope = (4 * E1 - 3 * E0 - E2) / 2  # dE/dz at z = 0
curvature = E0 - 2 * E1 + E2  # d2E/dz2, the same everywhere
z_by_hand = -slope / curvature
print(f"E(0) = {E0:.6f}, E(1) = {E1:.6f}, E(2) = {E2:.6f}")
print(f"dE/dz = {slope:.6f}, d2E/dz2 = {curvature:.6f}, minimum at z = {z_by_hand:.6f}")
print(f"a point far away: E(50) = {E(50.0):.6f}, the parabola says {E0 + 50 * slope + 1250 * curvature:.6f}")

# %%
# By formula
# ----------
# The slope at 0 is minus the squared length of G_a, because G_a is the negative gradient. The curvature comes
# from dy, the change of the outputs per unit of z. It is the output of the same network with the ordinates
# G_a and without the rest, Eq. (24).

dy = net.moved({"1.A": G_a}).predict(x) - net.predict(x)
h = 2 * np.mean(dy**2)
z_formula = np.sum(G_a**2) / h
print(f"|G_a|^2 = {np.sum(G_a**2):.6f}, h = {h:.6f}, z = {z_formula:.6f}, the engine's z = {info.z[0]:.6f}")

# %%
# The paper's z = dE/dz
# ---------------------
# Read literally, z is the derivative itself, so its size is <G_a, G_a>. We try it. Then we measure the
# targets in a smaller unit, so that their numbers are ten times as large, and let OWO scale the output
# weights along.

rows = []
for scale in (0.1, 1.0, 10.0):
    scaled = pwl.initialise(net, (x, scale * t))  # the same hidden units, output weights times the scale
    _, its = pwl.adact_step(scaled, (x, scale * t))
    g = np.array(its.G_a["1.A"])
    literal, newton = np.sum(g * g), its.z[0]
    gain = [E(z, scaled, g, scale * t) / E(0.0, scaled, g, scale * t) for z in (literal, newton)]
    rows.append((scale, literal, newton, *gain))
    print(f"targets x {scale:4.1f}: |dE/dz| = {literal:10.4g}, E times {gain[0]:10.4g};", end="  ")
    print(f"-E'/E'' = {newton:8.4g}, E times {gain[1]:.4f}")

# %%
# The literal step is far too short for small targets and explodes for large ones. It cannot be meant: A has
# the units of the hidden outputs, whatever the units of t. G_a grows with the square of the targets' scale s.
# Then z has to fall with s², and -E'/E'' does: E' = -<G_a, G_a> grows with s⁴, and E'' with s⁶. The paper's
# formula is a truncation of z = -E'/E'', Newton's step along the line, Eq. (20). For a parabola it is the
# minimum.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
pwl.plots.line_search(net, (x, t), info.G_a, ax=left)
left.set_title("along G_a: the same line")
_, molf = pwl.molf_step(net, (x, t))
pwl.plots.line_search(net, (x, t), molf.D, ax=right)
right.set_title("along G, for comparison: hidden weights")

# %%
# Cross-entropy is no parabola
# ----------------------------
# With classes the output is still linear in A, but E is not quadratic in the output. z is then a Gauss-Newton
# step from the curvature at z = 0. The engine halves it until E falls.

labels = (np.sin(4 * x[:, 0]) + x[:, 1] ** 2 > 0.4).astype(int)
classes = pwl.initialise(
    pwl.Network.mlp(2, 5, 2, pwl.PiecewiseLinear("relu", 13), loss="cross_entropy", seed=0), (x, labels)
)
_, of_classes = pwl.adact_step(classes, (x, labels))
figure, ax = plt.subplots(figsize=(5.4, 3.4), layout="constrained")
pwl.plots.line_search(classes, (x, labels), of_classes.G_a, ax=ax)
ax.set_title("cross-entropy along G_a")
print(f"cross-entropy: z = {of_classes.z[0]:.4g}, share of it that was taken {of_classes.curve_share}")
plt.show()

# %%
# Try it
# ------
# Take ``E(-3)``, ``E(7)`` and ``E(1000)`` as the three points of the parabola. Does z change?
#
# Exercises
# ---------
# 1. At the minimum the new G_a is orthogonal to the old one. Check that the sum of their products is 0, and
#    say why.
# 2. ``pwl.adact_step(net, (x, t), curve_factor="unit")`` has a z per unit, Eq. (25). Can E be higher than
#    with one z? Compare.
# 3. Two steps with one z along the same G_a: the second z is 0. What does that say about the step -E'/E''?
#
# Solutions: ``examples/solutions/05_a_parabola.py``.
