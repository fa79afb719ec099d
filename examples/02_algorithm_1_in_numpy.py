"""
2. Algorithm 1 in forty lines of NumPy
======================================

The whole of AdAct, Eq. (47), without the package: forty lines. Then the package on the same data: the same
numbers, to 1e-12. If you know what these forty lines do, you know the algorithm.
"""

import matplotlib.pyplot as plt
import numpy as np

import pwl

# %%
# The forty lines
# ---------------
# One hidden layer with curves, any number of outputs. X = [1, x] and B = [1, x, o] hold a row per pattern.
# Shapes: W (Nh, N+1), A (Nh, K), W_o (M, Nu), and hinges ns (K,) at equal distances, the same for all units.


def place(n, ns):
    """The hinge m on the left of each net and the way u from it to the next one, Eqs. (5), (6)."""
    u = np.clip((n - ns[0]) / (ns[1] - ns[0]), 0, len(ns) - 1)
    m = np.minimum(u.astype(int), len(ns) - 2)
    return m, u - m


def curve(n, ns, A):
    """Outputs o and slopes do/dn, Eq. (3)."""
    (m, u), k = place(n, ns), np.arange(len(A))
    rise = A[k, m + 1] - A[k, m]
    return A[k, m] + u * rise, np.where((n >= ns[0]) & (n < ns[-1]), rise / (ns[1] - ns[0]), 0)


def signals(X, t, W, A, W_o, ns):
    """o, slopes, B, and d W_oh: how much E falls per pattern if the output of a unit grows, Eqs. (9), (15)."""
    o, slope = curve(X @ W.T, ns, A)
    B = np.hstack([X, o])
    return o, slope, B, 2 * (t - B @ W_o.T) @ W_o[:, X.shape[1] :]


def molf_step(X, t, W, A, W_o, ns):
    """W <- W + diag(z) G with H_molf z = g_molf, Eqs. (16), (21)."""
    _, slope, _, back = signals(X, t, W, A, W_o, ns)
    G = (back * slope).T @ X / len(X)
    V, W_oh = (X @ G.T) * slope, W_o[:, X.shape[1] :]
    z = np.linalg.solve(2 / len(X) * (V.T @ V) * (W_oh.T @ W_oh), np.sum(G * G, axis=1))
    return W + z[:, None] * G


def adact_step(X, t, W, A, W_o, ns):
    """A <- A + z G_a with z = <G_a, G_a> / E'', Eqs. (17), (24)."""
    back, n = signals(X, t, W, A, W_o, ns)[3] / len(X), X @ W.T
    (m, u), k, G_a = place(n, ns), np.arange(len(A)), np.zeros_like(A)
    np.add.at(G_a, (k, m), back * (1 - u))
    np.add.at(G_a, (k, m + 1), back * u)
    dy = curve(n, ns, G_a)[0] @ W_o[:, X.shape[1] :].T
    return A + np.sum(G_a * G_a) / (2 * np.sum(dy * dy) / len(X)) * G_a


def owo_step(X, t, W, A, W_o, ns):
    """W_o with R W_o' = C, Eq. (10)."""
    B = signals(X, t, W, A, W_o, ns)[2]
    return np.linalg.solve(B.T @ B, B.T @ t).T


def adact(X, t, W, A, W_o, ns, iterations, molf_step=molf_step, adact_step=adact_step, owo_step=owo_step):
    """Algorithm 1. Returns the error at the start and after each iteration."""
    errors = []
    for it in range(iterations + 1):
        errors.append(np.sum((t - signals(X, t, W, A, W_o, ns)[2] @ W_o.T) ** 2) / len(X))
        if it < iterations:
            W = molf_step(X, t, W, A, W_o, ns)
            A = adact_step(X, t, W, A, W_o, ns)
            W_o = owo_step(X, t, W, A, W_o, ns)
    return np.array(errors)


# %%
# The same start for both
# -----------------------
# The package draws the first weights, sets their scale by net control, Eq. (8), and solves for the first
# output weights.

rng = np.random.default_rng(3)
x = rng.uniform(-2, 2, size=(200, 2))
t = np.sin(x @ [[1.5], [-0.5]]) + 0.3 * np.cos(2 * x[:, 1:])
net = pwl.initialise(pwl.Network.mlp(2, 4, 1, pwl.PiecewiseLinear("tanh", 7), seed=3), (x, t))
X, ns = np.hstack([np.ones((len(x), 1)), x]), np.array(net.buffers["1.ns"][0])
ITERATIONS = 20


def errors_with(**steps):
    """Errors of the NumPy program, with other steps if some are given."""
    return adact(X, t, np.array(net.W), np.array(net.A), np.array(net.W_o), ns, ITERATIONS, **steps)


ours = errors_with()
_, record = pwl.train(net, (x, t), pwl.AdAct(), iterations=ITERATIONS)
engine = np.array(record["error"])
difference = np.max(np.abs(ours - engine) / engine)
for k in (0, 1, 5, 20):
    print(f"iteration {k:2d}: NumPy {ours[k]:.8f}, engine {engine[k]:.8f}")
print(f"largest relative difference below 1e-12: {difference < 1e-12}")

# %%

figure, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
ax.plot(engine, color="0.7", linewidth=5, label="engine")
ax.plot(ours, color="black", linewidth=1.2, label="forty lines of NumPy")
ax.set(xlabel="iteration", ylabel="E", yscale="log")
ax.legend(frameon=False)
plt.show()

# %%
# What the package adds
# ---------------------
# A solver that drops dependent functions (lesson 4), blocks of patterns that fit the memory, several layers,
# images, other losses (lesson 5), and kernels that are fast. The formulas are the ones above.
#
# Write a step yourself
# ---------------------
# ``grade`` runs the program with your function in place of one of the three and compares it with the
# engine.


def grade(**steps):
    """Says whether steps of your own, such as adact_step=mine, train as the engine does. Returns True if they do."""
    try:
        errors = errors_with(**steps)
    except Exception as wrong:
        print(f"{', '.join(steps)}: it failed with {type(wrong).__name__}: {wrong}")
        return False
    off = np.abs(errors - engine) > 1e-9 * engine
    first = (
        "" if not off.any() else f", E is {errors[off][0]:.6g} after iteration {off.argmax()}, not {engine[off][0]:.6g}"
    )
    print(f"{', '.join(steps)}: {'right' if not first else 'wrong'}{first}")
    return not first


grade(owo_step=owo_step)
grade(owo_step=lambda X, t, W, A, W_o, ns: 0.9 * owo_step(X, t, W, A, W_o, ns))

# %%
# Try it
# ------
# Take ``x`` of 3 columns, or ``t`` of 2. What has to change in the forty lines?
#
# Exercises
# ---------
# 1. Write ``owo_step`` with ``np.linalg.lstsq`` on B itself. Let ``grade`` judge it. Why might one prefer it,
#    and why R and C?
# 2. Write ``adact_step`` without ``np.add.at``: as a sum over hinges of hat functions, Eq. (4).
# 3. Replace the direction G of ``molf_step`` by the HWO direction, D R_i = G, Eq. (23). g_k is then <G_k,
#    D_k>. Compare the errors with ``pwl.AdAct(direction="hwo")``.
#
# Solutions: ``examples/solutions/02_algorithm_1_in_numpy.py``.
