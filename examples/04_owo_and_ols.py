"""
4. Output weights: OWO and orthogonal least squares
===================================================

Once the hidden units are fixed, the best output weights are the solution of linear equations, R W_o' = C, Eq.
(10). OLS solves them by Schmidt's procedure, function by function. It notices when a function adds nothing.
We kill a unit and watch.
"""

import matplotlib.pyplot as plt
import numpy as np

import pwl

# %%
# The basis
# ---------
# The output is a weighted sum of basis functions: the constant, the inputs (the bypass) and the hidden units,
# in this order.

x = np.linspace(-2, 2, 101)[:, None]
t = np.abs(x) ** 1.5
W = np.array([[0.0, 1.0], [1.0, 1.0], [-1.0, 1.0]])  # three ReLU units that bend at 0, -1 and 1
net = pwl.initialise(pwl.Network.mlp(1, 3, 1, "relu", W=W, net_control=False), (x, t))
names = ["1", "x", "relu(x)", "relu(x + 1)", "relu(x - 1)"]


def basis(net):
    """B = [1, x, o], a row per pattern."""
    X = np.hstack([np.ones((len(x), 1)), x])
    return np.hstack([X, np.maximum(0, X @ net.W.T)])


B = basis(net)
R, C = B.T @ B / len(x), B.T @ t / len(x)
print("R =\n", np.round(R, 3))

# %%
# Schmidt's procedure, line by line
# ---------------------------------
# Each function is made orthogonal to those before it. What is left of it has the energy g. Q holds the
# recipe: row m says how orthonormal function m is made of basis functions 1 .. m, Eq. (13).


def schmidt(R, names, tolerance=1e-12):
    """Q with Q R Q' = I, and the functions that depend on those before them."""
    Q, dependent = np.zeros_like(R), []
    for m in range(len(R)):
        c = Q[:m, :m] @ R[:m, m]  # what the functions before it explain
        g = R[m, m] - c @ c  # what is left
        if g <= tolerance * R[m, m]:
            dependent.append(m)
            print(f"{names[m]:12s} energy {R[m, m]:.4f}, left {0:.4f}: depends on those before it, dropped")
            continue
        Q[m, : m + 1] = np.append(-Q[:m, :m].T @ c, 1) / np.sqrt(g)
        print(f"{names[m]:12s} energy {R[m, m]:.4f}, left {g:.4f}")
    return Q, dependent


Q, dependent = schmidt(R, names)
print("Q R Q' is the identity:", np.allclose(Q @ R @ Q.T, np.eye(5)))

# %%
# In the orthonormal basis every weight is a product, V = Q C, and the energies of the weights add up: each
# function takes V² off the error. Back in the old basis W_o = V' Q, Eq. (14).

V = (Q @ C).ravel()
W_o = V @ Q
E_t = np.mean(t**2)
for name, left in zip(names, E_t - np.cumsum(V**2), strict=True):
    print(f"E with the functions up to {name:12s} {left:.5f}")
_, info = pwl.owo_step(net, (x, t))
print("same weights as lstsq:", np.allclose(W_o, np.linalg.lstsq(B, t, rcond=None)[0].ravel()))
print("same weights as the engine:", np.allclose(W_o, pwl.owo_step(net, (x, t))[0].W_o))

# %%
# Kill a unit
# -----------
# Move the threshold of the last unit to -9. Its net is then negative for every pattern and its output 0: a
# dead ReLU. Least squares by ``solve`` would divide by zero. OLS drops the function.

dead_W = W.copy()
dead_W[2, 0] = -9.0
dead = net.with_parts({"0.W": dead_W})
B_dead = basis(dead)
Q, dropped_dead = schmidt(B_dead.T @ B_dead / len(x), [*names[:4], "relu(x - 9)"])
dead, info_dead = pwl.owo_step(dead, (x, t))
print("the engine drops", info_dead.dependent, "and gives it the weight", dead.W_o[0, 4])

# %%
# A unit that is alive everywhere is no better. With the threshold 9 it never bends: relu(x + 9) = x + 9,
# which the constant and the bypass can do without it.

straight_W = W.copy()
straight_W[2, 0] = 9.0
straight = net.with_parts({"0.W": straight_W})
B_straight = basis(straight)
_, dropped_straight = schmidt(B_straight.T @ B_straight / len(x), [*names[:4], "relu(x + 9)"])
straight, info_straight = pwl.owo_step(straight, (x, t))

figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for ax, each, title in zip(axes, (net, dead), ("three units", "one of them dead"), strict=True):
    each, _ = pwl.owo_step(each, (x, t))
    B_each = basis(each)
    ax.plot(x, t, color="0.75", linewidth=4, label="targets")
    ax.plot(x, B_each[:, 2:] * each.W_o[0, 2:], "--", linewidth=1)
    ax.plot(x, each.predict(x), color="black", label=f"network, E = {np.mean((t - each.predict(x)) ** 2):.4f}")
    ax.set(title=title, xlabel="x")
    ax.legend(frameon=False)
plt.show()

# %%
# Records of training list such functions as ``record["dependent"]``. A unit with a trained curve can die,
# too: all its nets may leave the hinges on one side.
#
# Try it
# ------
# Give two units the same weights. Which of the two is dropped? Change their order.
#
# Exercises
# ---------
# 1. The order decides what a function seems worth. Which unit is worth most on its own, after the constant
#    and the bypass? Pick units greedily, always the one that lowers E most.
# 2. A ridge adds lambda to the diagonal of R, Eq. (11). Then no function is dependent. What weight does the
#    dead unit get, and how do the straight unit and the bypass share their work?
# 3. The published test is absolute: g <= 1e-12. Measure x in kilometres in place of metres, x / 1000, and
#    raise the tolerance to 1e-7. Which functions would ``pwl.OLS(1e-7, relative=False)`` drop, and which does
#    ``pwl.OLS(1e-7)``?
#
# Solutions: ``examples/solutions/04_owo_and_ols.py``.
