"""
3. MOLF's Hessian
=================

MOLF gives every hidden unit a factor z of its own. The factors come from H_molf z = g_molf. This lesson
computes H_molf four times: from outputs by difference quotients, as a sum over patterns, in closed form, and
by the engine.
"""

import matplotlib.pyplot as plt
import numpy as np

import pwl

# %%
# A small network with two outputs
# --------------------------------

rng = np.random.default_rng(0)
x = rng.normal(size=(100, 3))
t = np.stack([np.sin(x @ [1.0, 0.5, -0.5]), np.tanh(x[:, 0] * x[:, 1])], axis=1)
net = pwl.initialise(pwl.Network.mlp(3, 4, 2, "tanh", seed=2), (x, t))
_, info = pwl.molf_step(net, (x, t))
D = np.array(info.D["0.W"])  # the direction of each unit's weights, here the negative gradient G
Nv, Nh = len(x), len(D)

# %%
# First: J by differences
# -----------------------
# Move the weights of unit k by z D[k] and watch the outputs. J[p, i, k] is dy_pi / dz_k, Eq. (19). E has the
# Gauss-Newton Hessian H = (2 / Nv) sum over p and i of J[p, i] J[p, i]', because S = 2 I under squared error.

STEP = 1e-5


def moved(z):
    """The network with W + diag(z) D."""
    return net.moved({"0.W": z[:, None] * D})


J = np.stack([(moved(s).predict(x) - moved(-s).predict(x)) / (2 * STEP) for s in STEP * np.eye(Nh)], axis=2)
H_differences = 2 / Nv * np.einsum("pia,pib->ab", J, J)
print("J has shape", J.shape)
print("H from J:\n", np.round(H_differences, 5))

# %%
# Second: the same sum by the chain rule
# --------------------------------------
# y_i depends on z_k through unit k only: J[p, i, k] = W_oh[i, k] V[p, k], where V = (X D') * f'(n), Eq. (21).

X = np.hstack([np.ones((Nv, 1)), x])
o = np.tanh(X @ net.W.T)
V = (X @ D.T) * (1 - o * o)
H_sum = np.zeros((Nh, Nh))
for p in range(Nv):
    J_p = net.W_oh * V[p]  # (M, Nh)
    H_sum += 2 / Nv * J_p.T @ J_p

# %%
# Third: the closed form
# ----------------------
# The sum over patterns and the sum over outputs come apart. Two small matrices, multiplied element by
# element, Eq. (21):

H_closed = 2 / Nv * (V.T @ V) * (net.W_oh.T @ net.W_oh)

# %%
# Fourth: the engine
# ------------------

H_engine = np.array(info.H_molf)
largest = np.max(np.abs(H_engine))
for name, H, bound in (
    ("differences", H_differences, 1e-8),
    ("sum over patterns", H_sum, 1e-13),
    ("closed form", H_closed, 1e-13),
):
    off = np.max(np.abs(H - H_engine)) / largest
    print(f"{name:18s} within {bound} of the engine: {off < bound}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
pwl.plots.hessian(info.H_molf, ax=left)
right.bar(np.arange(1, Nh + 1), info.z, color="0.4")
right.set(title="z, the solution of H_molf z = g_molf", xlabel="unit", ylabel="z")
plt.show()

# %%
# g comes free: for D = G it is the squared length of each row of G. With one factor for all units the best
# would be z = sum(g) / sum(H), Eq. (20). With a factor each, E falls further along the model.

g = np.sum(D * D, axis=1)
z = np.linalg.solve(H_engine, g)
z_common = np.full(Nh, g.sum() / H_engine.sum())


def E(net):
    return np.sum((t - net.predict(x)) ** 2) / Nv


print(f"g equals the engine's: {np.allclose(g, info.g_molf, rtol=1e-12)}, z too: {np.allclose(z, info.z, rtol=1e-9)}")
print(f"E before {E(net):.5f}, with one factor {E(moved(z_common)):.5f}, with a factor per unit {E(moved(z)):.5f}")

# %%
# Two units that do the same
# --------------------------
# If two units have the same weights, in and out, their columns of J are the same, and H_molf is singular.
# ``np.linalg.solve`` would divide by rounding. OLS finds the dependent factor and drops it, Eq. (13).

W, W_o = np.array(net.W), np.array(net.W_o)
W[3], W_o[:, 4 + 3] = W[1], W_o[:, 4 + 1]  # W_o has the constant and the three inputs first
_, info_twins = pwl.molf_step(net.with_parts({"0.W": W}).with_head(W_o), (x, t))
print(
    f"condition number above 1e15: {np.linalg.cond(info_twins.H_molf) > 1e15}, dropped factors: {info_twins.dependent_factors}"
)

# %%
# Grade your own
# --------------
# Write a function of (x, W, W_oh, D) for tanh units that returns H_molf. ``grade`` tries it on three
# networks.


def grade(my_H_molf):
    """Says whether my_H_molf(x, W, W_oh, D) agrees with the engine. Returns True if it does."""
    for seed in range(3):
        other = pwl.initialise(pwl.Network.mlp(3, 5, 2, "tanh", seed=seed), (x, t))
        _, its = pwl.molf_step(other, (x, t), direction="hwo")
        H = my_H_molf(x, np.array(other.W), np.array(other.W_oh), np.array(its.D["0.W"]))
        difference = np.max(np.abs(H - its.H_molf)) / np.max(np.abs(its.H_molf))
        if not difference < 1e-9:
            print(f"network {seed}: off by {difference:.2g} of the largest element")
            return False
    print("right")
    return True


grade(lambda x, W, W_oh, D: np.eye(len(W)))

# %%
# ``pwl.check(net, (x, t))``, on the command line ``pwl check``, compares such things for any network and your
# own data.

passed = [row.passed for row in pwl.check(net, (x, t)) if row.quantity == "H_molf"]
print("pwl.check on H_molf:", passed)

# %%
# Try it
# ------
# Change STEP to 1e-1 and to 1e-11. Which error grows in either case?
#
# Exercises
# ---------
# 1. Write ``my_H_molf`` with one line per formula, and have it graded.
# 2. The true second derivatives of E have a further part, because the outputs are not linear in z. Find the
#    true Hessian by second differences of E. How large is the difference? Does it shrink when the residuals
#    do?
# 3. Under cross-entropy S is diag(pi) - pi pi', Eq. (22). Compute H_molf as a sum over patterns and compare
#    it with the engine.
#
# Solutions: ``examples/solutions/03_hessian_of_molf.py``.
