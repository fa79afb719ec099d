"""
6. Levenberg-Marquardt: from Newton to the gradient
===================================================

Levenberg-Marquardt solves (J'J + mu I) e = J'r for a step e, Eq. (41). With mu = 0 that is the Gauss-Newton
step. As mu grows, the step turns towards the gradient and becomes short. We watch it in a valley of two
weights, then in a network.
"""

import matplotlib.pyplot as plt
import numpy as np

import pwl

# %%
# A valley of two weights
# -----------------------
# Rosenbrock's function is a sum of two squared residuals. Its minimum is (1, 1), at the end of a bent, narrow
# valley.


def residual(w):
    return np.array([10 * (w[1] - w[0] ** 2), 1 - w[0]])


def jacobian(w):
    return np.array([[-20 * w[0], 10.0], [-1.0, 0.0]])


def E(w):
    return np.sum(residual(w) ** 2)


def step(w, mu):
    """e with (J'J + mu I) e = -J'r."""
    J, r = jacobian(w), residual(w)
    return -np.linalg.solve(J.T @ J + mu * np.eye(2), J.T @ r)


# %%
# One point, many mu
# ------------------

w = np.array([-1.2, 1.0])
downhill = -jacobian(w).T @ residual(w)
turns = {}
for mu in (0.0, 0.1, 1.0, 10.0, 100.0, 1e3, 1e5):
    e = step(w, mu)
    cosine = e @ downhill / np.linalg.norm(e) / np.linalg.norm(downhill)
    turns[mu] = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    print(
        f"mu = {mu:8.1f}: |e| = {np.linalg.norm(e):8.5f}, angle to the gradient {turns[mu]:5.1f} degrees, E = {E(w + e):9.3f}"
    )

# %%
# Gauss-Newton, mu = 0, is so far off that E rises from 24.2 to 2342. A large mu gives a safe step that is
# hardly a step. In between E falls. The method looks for such a mu: if E fell, mu is made ten times smaller,
# if not, ten times larger.


def levenberg_marquardt(w, mu=1e-3, steps=100):
    """All points on the way down."""
    path = [w]
    for _ in range(steps):
        while E(path[-1] + step(path[-1], mu)) >= E(path[-1]):
            mu *= 10
            if mu > 1e10:
                return np.array(path)
        path.append(path[-1] + step(path[-1], mu))
        mu /= 10
        if E(path[-1]) < 1e-20:
            break
    return np.array(path)


path = levenberg_marquardt(w)
print(f"{len(path) - 1} steps to ({path[-1][0]:.6f}, {path[-1][1]:.6f})")
fit = pwl.least_squares(residual, jacobian, w)
print(f"pwl.least_squares: ({fit.w[0]:.6f}, {fit.w[1]:.6f})")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
grid = np.meshgrid(np.linspace(-1.6, 1.4, 200), np.linspace(-3.2, 2, 200))
levels = np.vectorize(lambda a, b: E(np.array([a, b])))(*grid)
for ax in (left, right):
    ax.contour(*grid, levels, np.logspace(-1, 3, 14), colors="0.8", linewidths=0.8)
    ax.plot(1, 1, "*", color="#d55e00", markersize=11)
ends = np.array([w + step(w, mu) for mu in np.logspace(-1.5, 5, 100)])
left.plot(*ends.T, color="black")
left.plot(*w, "o", color="black")
left.set_title("ends of the step from one point, for all mu")
right.plot(*path.T, "o-", color="black", markersize=3.5, linewidth=1)
right.set_title("the way down")

# %%
# In a network
# ------------
# ``pwl.LM`` does the same with all weights of a network. ``info.equations`` holds J'J and J'r, means over the
# patterns.

rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, size=(200, 2))
t = np.sin(3 * x[:, :1]) * np.cos(2 * x[:, 1:])
net = pwl.initialise(pwl.Network.mlp(2, 6, 1, "tanh", seed=0), (x, t))
lm = pwl.LM(solver="cholesky")
patterns = pwl.Patterns(x, t)
A, g = lm.step(net, patterns, lm.init(net, patterns, 0)).info.equations
A, g = np.array(A), np.array(g)
print(f"{len(g)} weights, condition number of J'J about 10^{np.log10(np.linalg.cond(A)):.0f}")


def net_E(net):
    return np.mean((t - net.predict(x)) ** 2)


print(f"start: E = {net_E(net):.5f}")
for mu in (1e-6, 1e-4, 1e-2, 1.0, 100.0):
    e = np.linalg.solve(A + mu * np.eye(len(g)), g)
    cosine = e @ g / np.linalg.norm(e) / np.linalg.norm(g)
    print(f"mu = {mu:8.0e}: |e| = {np.linalg.norm(e):8.4f}, angle {np.degrees(np.arccos(cosine)):4.1f} degrees, "
          f"E = {net_E(net.with_theta(net.theta + e)):.5f}")  # fmt: skip

# %%
# In training mu goes up and down by itself. It is in the record.

trained, record = pwl.train(net, (x, t), pwl.LM(), iterations=60)
print(f"after 20 iterations E = {record['error'][20]:.1e}")
figure, (top, bottom) = plt.subplots(2, 1, figsize=(6, 4.4), sharex=True, layout="constrained")
top.semilogy(record["error"], color="black")
top.set_ylabel("E")
bottom.semilogy(record["mu"], color="#d55e00", drawstyle="steps-mid")
bottom.set(ylabel="mu", xlabel="iteration")
plt.show()

# %%
# Try it
# ------
# Start the valley's search with mu = 1e5. How many more steps does it take? Start it at (3, -3).
#
# Exercises
# ---------
# 1. Write the search by plain gradient steps with the best fixed rate that you find. How many steps to E <
#    1e-3?
# 2. Measure the first weight in other units: w1 = 1000 v1. Does the way of Levenberg-Marquardt change?
#    Replace mu I by mu diag(J'J), which is ``scaling="diagonal"``. Now it doesn't. Show both.
# 3. For small mu the step reacts to mu only along some directions. Which eigenvectors of J'J are they? Write
#    e in their basis.
#
# Solutions: ``examples/solutions/06_levenberg_marquardt.py``.
