"""
7. Conjugate gradients: n steps, and what lambda does
=====================================================

On a quadratic function of n weights, conjugate gradients need n steps, Eq. (39). The scaled method, SCG,
needs no search along the line and has a number lambda that keeps its steps sane, Eq. (40). We look at both
where they can be seen.
"""

import matplotlib.pyplot as plt
import numpy as np

import pwl

# %%
# Two weights, two steps
# ----------------------
# f(w) = w'Aw / 2 - b'w has the negative gradient G = b - Aw. The gradient zigzags. Conjugate gradients add a
# part of the last direction, P = G + beta P_old, so that P'AP_old = 0: the new step does not spoil what the
# last one has reached.

A = np.array([[1.0, 0.5], [0.5, 6.0]])
b = np.zeros(2)


def descend(A, b, w, steps, conjugate):
    """All points and directions on the way, by the best step along each direction."""
    points, directions, P, G_old = [w], [], None, None
    for _ in range(steps):
        G = b - A @ w
        if np.linalg.norm(G) < 1e-12:
            break
        beta = (G @ G) / (G_old @ G_old) if conjugate and P is not None else 0.0  # Fletcher and Reeves
        P = G + beta * P if beta else G
        w = w + (G @ P) / (P @ A @ P) * P
        G_old = G
        points.append(w)
        directions.append(P)
    return np.array(points), np.array(directions)


start = np.array([4.0, 1.2])
zigzag, _ = descend(A, b, start, 12, conjugate=False)
two, P = descend(A, b, start, 12, conjugate=True)
print(f"gradient: 12 steps leave |w| = {np.linalg.norm(zigzag[-1]):.4f}")
print(f"conjugate gradients: {len(two) - 1} steps, |w| below 1e-12: {np.linalg.norm(two[-1]) < 1e-12}")
print(f"P1'AP2 below 1e-12: {abs(P[0] @ A @ P[1]) < 1e-12}, but P1'P2 = {P[0] @ P[1]:.3f}")

figure, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
grid = np.meshgrid(np.linspace(-1, 4.5, 150), np.linspace(-1, 1.6, 150))
levels = (A[0, 0] * grid[0] ** 2 + 2 * A[0, 1] * grid[0] * grid[1] + A[1, 1] * grid[1] ** 2) / 2
ax.contour(*grid, levels, np.logspace(-1.5, 1.3, 12), colors="0.8", linewidths=0.8)
ax.plot(*zigzag.T, "o-", color="#0072b2", markersize=3.5, label="gradient")
ax.plot(*two.T, "s-", color="#d55e00", markersize=5, label="conjugate gradients")
ax.legend(frameon=False)

# %%
# n weights, n steps, by the engine
# ---------------------------------
# A network without hidden units is linear in its weights, so its E is quadratic. It has 5 weights here, and
# inputs of very different sizes.

rng = np.random.default_rng(0)
x = rng.normal(size=(100, 4)) * [1.0, 2.0, 4.0, 8.0]
t = x @ rng.normal(size=(4, 1)) + 0.1 * rng.normal(size=(100, 1))
linear = pwl.Network.from_layers(
    [pwl.layers.Flatten(), pwl.layers.Dense(1)], (4,), loss="squared_error", dtype=np.float64
)
least = np.mean((t - pwl.owo_step(linear, (x, t))[0].predict(x)) ** 2)
_, cg_record = pwl.train(linear, (x, t), pwl.CG(), iterations=5)
for k, E in enumerate(cg_record["error"]):
    print(f"step {k}: E = {E:.7f}")
print(f"OWO, in one solve: {least:.7f}")

# %%
# SCG's lambda
# ------------
# SCG measures the curvature d'Hd along its direction from two gradients and goes to the minimum of that
# parabola. If the function bends the other way, the parabola has no minimum. So SCG adds lambda d'd. Here is
# one weight, on f(w) = 1 - cos w: it bends upwards near 0 and downwards beyond pi / 2.

f, G, H = (lambda w: 1 - np.cos(w)), (lambda w: -np.sin(w)), np.cos
for w in (0.5, 2.5):
    d = G(w)
    delta = d * H(w) * d
    print(f"w = {w}: curvature {H(w):6.3f}, step without lambda to w = {w + d * d / delta * d:7.3f}, ", end="")
    lam = 1e-6
    if delta + lam * d * d <= 0:  # Eq. (40): a larger lambda makes the curvature positive
        lam = 2 * (lam - (delta + lam * d * d) / (d * d))
    delta = delta + lam * d * d
    print(f"with lambda = {lam:.3f} to w = {w + d * d / delta * d:6.3f}")

# %%
# Without lambda the second step goes up to the top of the hill. With it, it goes down.
#
# In training, lambda grows after bad steps and shrinks after good ones. The comparison says which: the real
# fall of E over the predicted one. It is 1 for a quadratic function.

x2 = rng.uniform(-1, 1, size=(200, 2))
t2 = 4 * np.sin(3 * x2[:, :1]) * np.cos(2 * x2[:, 1:])
net = pwl.initialise(pwl.Network.mlp(2, 8, 1, "tanh", seed=0), (x2, t2))
net = net.with_head(4 * rng.normal(size=net.W_o.shape))  # far from the best ones, so that there is more to see
_, scg_record = pwl.train(net, (x2, t2), pwl.SCG(), iterations=100)
lambdas = np.array(scg_record["lambda"][1:])
print(f"SCG: E from {scg_record['error'][0]:.1f} to {scg_record['error'][-1]:.3f}")
print("lambda grew in iteration", (np.flatnonzero(np.diff(lambdas) > 0) + 1).tolist())

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.2), layout="constrained")
left.semilogy(scg_record["error"], color="black")
left.set(title="E", xlabel="iteration")
middle.semilogy(scg_record["lambda"][1:], color="#d55e00", drawstyle="steps-mid")
middle.set(title="lambda", xlabel="iteration")
right.plot(np.clip(scg_record["comparison"][1:], -1, 3), ".", color="#0072b2")
right.axhline(0.25, color="0.7", linewidth=0.8)
right.axhline(0.75, color="0.7", linewidth=0.8)
right.set(title="real fall / predicted fall", xlabel="iteration")
plt.show()

# %%
# Early on one step was bad, and lambda jumped. After that the real falls were the predicted ones, nearly, and
# lambda faded away: what is left is conjugate gradients.
#
# Try it
# ------
# Start SCG with ``pwl.SCG(damping=1.0)``. How long is lambda felt? Compare ``schedule="netlab"``.
#
# Exercises
# ---------
# 1. n steps are enough, but often fewer do. Make an A of 50 weights with only 3 different eigenvalues. How
#    many steps? Why?
# 2. With rounding, conjugacy gets lost. Take the 12 weights of the Hilbert matrix, A[i, j] = 1 / (i + j + 1).
#    How many steps until the energy (w - w*)'A(w - w*) is a 1e-12th of the first one? How far is w from w*
#    then, and after 12 steps?
# 3. One iteration of SCG takes two gradients, and one of CG a gradient and a curvature. Compare ``pwl.CG``
#    and ``pwl.SCG`` on the network by the multiplies of their records to reach E = 0.5.
#
# Solutions: ``examples/solutions/07_conjugate_gradients.py``.
