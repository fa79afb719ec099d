"""Solutions of lesson 9: gamma from eigenvalues, and lambda by validation."""

import runpy
from pathlib import Path

import numpy as np

import pwl

lesson = runpy.run_path(str(Path(__file__).parents[1] / "09_evidence.py"))
x, t, miss, bayesian = lesson["x"], lesson["t"], lesson["miss"], lesson["bayesian"]

# 1. For y = w0 + w1 x, J'J is the mean of [1, x]'[1, x]. In its eigenvectors, each weight is determined to
# the part a / (a + lambda).

J = np.hstack([np.ones_like(x), x])
A = J.T @ J / len(x)
lam = 0.05
by_trace = 2 - lam * np.trace(np.linalg.inv(A + lam * np.eye(2)))
a = np.linalg.eigvalsh(A)
print(f"gamma by the trace {by_trace:.6f}, by the eigenvalues {np.sum(a / (a + lam)):.6f}")
assert np.isclose(by_trace, np.sum(a / (a + lam)), rtol=1e-12)

# 2. Validation needs a part of the data and several runs, and comes out with one lambda of a coarse list.

order = np.random.default_rng(1).permutation(len(x))
fit, held = order[:21], order[21:]
start = pwl.initialise(pwl.Network.mlp(1, 10, 1, "tanh", seed=0), (x[fit], t[fit]))
found = {}
for lam in (1e-6, 1e-5, 1e-4, 1e-3, 1e-2):
    net, _ = pwl.train(start, (x[fit], t[fit]), pwl.LM(l2=lam, ridge=lam), iterations=100)
    found[lam] = np.mean((net.predict(x[held]) - t[held]) ** 2), miss(net)
    print(f"lambda {lam:g}: validation error {found[lam][0]:.3f}, distance from the truth {found[lam][1]:.3f}")
chosen = min(found, key=lambda lam: found[lam][0])
print(f"chosen by validation: {chosen:g}, distance {found[chosen][1]:.3f}; by evidence {miss(bayesian[10]):.3f}")
assert miss(bayesian[10]) < found[chosen][1]
