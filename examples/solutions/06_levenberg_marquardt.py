"""Solutions of lesson 6: gradient steps, units of the weights, and eigenvectors."""

import runpy
from pathlib import Path

import numpy as np

lesson = runpy.run_path(str(Path(__file__).parents[1] / "06_levenberg_marquardt.py"))
E, residual, jacobian = lesson["E"], lesson["residual"], lesson["jacobian"]
start = np.array([-1.2, 1.0])

# 1. The largest rate that does not explode along the steep walls is far too small along the floor of the
# valley.


def gradient_steps(rate, most=50_000):
    """Number of steps to E < 1e-3, or None."""
    w = start
    for k in range(most):
        if E(w) < 1e-3:
            return k
        w = w - rate * 2 * jacobian(w).T @ residual(w)
        if not E(w) < 1e6:
            return None
    return None


steps = {rate: gradient_steps(rate) for rate in (5e-4, 1e-3, 2e-3, 4e-3)}
print("gradient steps by rate:", steps)
best = min(k for k in steps.values() if k)
assert best > 100 * (len(lesson["path"]) - 1) / 3

# 2. In v1 = w1 / 1000 the column of J grows a thousandfold, and mu I weighs the two weights differently.
# diag(J'J) grows with it.


def first_step(unit, mu, diagonal):
    """The first step in the units of w, with w1 = unit v1."""
    J, r = jacobian(start) * [unit, 1.0], residual(start)
    damping = np.diag(np.diag(J.T @ J)) if diagonal else np.eye(2)
    return -np.linalg.solve(J.T @ J + mu * damping, J.T @ r) * [unit, 1.0]


for diagonal in (False, True):
    same = np.allclose(first_step(1.0, 1.0, diagonal), first_step(1000.0, 1.0, diagonal), rtol=1e-6)
    print(f"{'mu diag(J`J)' if diagonal else 'mu I':12s}: the step is the same in other units: {same}")
    assert same == diagonal

# 3. In the basis of the eigenvectors q of J'J, with eigenvalues a, e = sum of q <q, g> / (a + mu). mu matters
# along those with a below mu. They are the directions of which the data say little.

A, g = lesson["A"], lesson["g"]
a, q = np.linalg.eigh(A)
mu = 1e-4
e = q @ ((q.T @ g) / (a + mu))
assert np.allclose(e, np.linalg.solve(A + mu * np.eye(len(g)), g), rtol=1e-6)
print(f"eigenvalues below mu = {mu:g}: {np.sum(a < mu)} of {len(a)}")
assert 0 < np.sum(a < mu) < len(a)
