"""Solutions of lesson 2: steps of one's own, judged by the lesson's grade."""

import runpy
from pathlib import Path

import numpy as np

import pwl

lesson = runpy.run_path(str(Path(__file__).parents[1] / "02_algorithm_1_in_numpy.py"))
signals, grade = lesson["signals"], lesson["grade"]

# 1. lstsq works on B itself and keeps all digits. R squares the condition number and loses half of them. But
# R and C are sums over patterns of the size of the weights: they can be summed block by block, and B need not
# fit in memory.


def owo_by_lstsq(X, t, W, A, W_o, ns):
    B = signals(X, t, W, A, W_o, ns)[2]
    return np.linalg.lstsq(B, t, rcond=None)[0].T


assert grade(owo_step=owo_by_lstsq)

# 2. The hat functions of all hinges at once: phi (Nv, Nh, K). It is slower, for nearly all of phi is zero.


def adact_by_hats(X, t, W, A, W_o, ns):
    n = np.clip(X @ W.T, ns[0], ns[-1])
    phi = np.maximum(0, 1 - np.abs(n[:, :, None] - ns) / (ns[1] - ns[0]))
    back = signals(X, t, W, A, W_o, ns)[3]
    G_a = np.einsum("pk,pkm->km", back, phi) / len(X)
    dy = np.einsum("pkm,km->pk", phi, G_a) @ W_o[:, X.shape[1] :].T
    return A + np.sum(G_a * G_a) / (2 / len(X) * np.sum(dy * dy)) * G_a


assert grade(adact_step=adact_by_hats)

# 3. D solves D R_i = G. It comes with other learning factors, since g_k = <G_k, D_k>.


def hwo_molf_step(X, t, W, A, W_o, ns):
    _, slope, _, back = signals(X, t, W, A, W_o, ns)
    G = (back * slope).T @ X / len(X)
    D = np.linalg.solve(X.T @ X / len(X), G.T).T
    V, W_oh = (X @ D.T) * slope, W_o[:, X.shape[1] :]
    z = np.linalg.solve(2 / len(X) * (V.T @ V) * (W_oh.T @ W_oh), np.sum(G * D, axis=1))
    return W + z[:, None] * D


x, t, net = lesson["x"], lesson["t"], lesson["net"]
_, record = pwl.train(net, (x, t), pwl.AdAct(direction="hwo"), iterations=5)
ours = lesson["errors_with"](molf_step=hwo_molf_step)[:6]
print("HWO:", np.round(ours, 6).tolist())
assert np.allclose(ours, record["error"], rtol=1e-9)
assert not grade(molf_step=hwo_molf_step)  # another algorithm, so not the lesson's
