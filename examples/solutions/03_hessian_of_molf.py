"""Solutions of lesson 3: a graded H_molf, the part that Gauss-Newton leaves out, and cross-entropy."""

import runpy
from pathlib import Path

import numpy as np

import pwl

lesson = runpy.run_path(str(Path(__file__).parents[1] / "03_hessian_of_molf.py"))
x, t = lesson["x"], lesson["t"]

# 1. One line per formula.


def my_H_molf(x, W, W_oh, D):
    X = np.hstack([np.ones((len(x), 1)), x])
    o = np.tanh(X @ W.T)
    V = (X @ D.T) * (1 - o * o)
    return 2 / len(x) * (V.T @ V) * (W_oh.T @ W_oh)


assert lesson["grade"](my_H_molf)

# 2. The rest is -(2 / Nv) sum of the residuals times d2y / dz2. It is small where residuals are small, or
# cancel.


def true_hessian(net, D, t, step=1e-3):
    """Second differences of E for z."""
    H, steps = np.zeros((len(D), len(D))), step * np.eye(len(D))

    def E(z):
        return np.sum((t - net.moved({"0.W": z[:, None] * D}).predict(x)) ** 2) / len(x)

    for a, b in np.ndindex(H.shape):
        u, v = steps[a], steps[b]
        H[a, b] = (E(u + v) - E(u - v) - E(v - u) + E(-u - v)) / (4 * step**2)
    return H


net, D = lesson["net"], lesson["D"]
shares = []
for part in (1.0, 0.1, 0.01):  # targets ever nearer to what the network says
    near = net.predict(x) + part * (t - net.predict(x))
    rest = true_hessian(net, D, near) - lesson["H_engine"]
    shares.append(np.max(np.abs(rest)) / np.max(np.abs(lesson["H_engine"])))
    print(f"residuals times {part:4.2f}: the rest is {shares[-1]:.3f} of H_molf")
assert 5 < shares[0] / shares[1] < 15  # in proportion to the residuals

# 3. Cross-entropy: S_p = diag(pi) - pi pi' in place of 2 I.

labels = np.argmax(np.hstack([t, np.zeros((len(x), 1))]), axis=1)
classes = pwl.initialise(pwl.Network.mlp(3, 4, 3, "tanh", loss="cross_entropy", seed=2), (x, labels))
_, info = pwl.molf_step(classes, (x, labels))
X = np.hstack([np.ones((len(x), 1)), x])
o = np.tanh(X @ classes.W.T)
V = (X @ info.D["0.W"].T) * (1 - o * o)
y = np.hstack([X, o]) @ classes.W_o.T
pi = np.exp(y) / np.sum(np.exp(y), axis=1, keepdims=True)
H = np.zeros((4, 4))
for p in range(len(x)):
    J_p = classes.W_oh * V[p]
    H += J_p.T @ (np.diag(pi[p]) - np.outer(pi[p], pi[p])) @ J_p / len(x)
print("cross-entropy agrees with the engine:", np.allclose(H, info.H_molf, rtol=1e-9))
assert np.allclose(H, info.H_molf, rtol=1e-9)
