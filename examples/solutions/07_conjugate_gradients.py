"""Solutions of lesson 7: few eigenvalues, lost conjugacy, and multiplies."""

import runpy
from pathlib import Path

import numpy as np
import scipy.linalg

import pwl

lesson = runpy.run_path(str(Path(__file__).parents[1] / "07_conjugate_gradients.py"))
descend = lesson["descend"]
rng = np.random.default_rng(1)

# 1. After k steps w minimises over b, Ab, .., A^(k-1) b. With 3 different eigenvalues a polynomial of degree
# 3 is 0 at all of them, so 3 steps reach the minimum.

q, _ = np.linalg.qr(rng.normal(size=(50, 50)))
A = q @ np.diag(np.repeat([1.0, 5.0, 20.0], [20, 20, 10])) @ q.T
b = rng.normal(size=50)
w_best = np.linalg.solve(A, b)
points, _ = descend(A, b, np.zeros(50), 20, conjugate=True)
distances = np.linalg.norm(points - w_best, axis=1)
steps = int(np.argmax(distances < 1e-10))
print(f"50 weights, 3 eigenvalues: {steps} steps")
assert steps == 3

# 2. The condition number of the Hilbert matrix of 12 is about 1e16, so that the theory of n steps no longer
# holds. The energy still falls fast, because few of the eigenvalues are large.

A = scipy.linalg.hilbert(12)
w_best = np.ones(12)
points, _ = descend(A, A @ w_best, np.zeros(12), 200, conjugate=True)
energies = np.einsum("pi,ij,pj->p", points - w_best, A, points - w_best)
steps = int(np.argmax(energies < 1e-12 * energies[0]))
print(
    f"Hilbert matrix: {steps} steps to a 1e-12th of the energy, |w - w*| is still {np.linalg.norm(points[steps] - w_best):.0e}"
)
assert 0 < steps <= 24
assert np.linalg.norm(points[12] - w_best) > 1e-6  # after n steps it should have been 0

# 3. The series "multiplies" holds the sum up to each iteration.

net, data = lesson["net"], (lesson["x2"], lesson["t2"])
spent = {}
for algorithm in (pwl.CG(), pwl.SCG()):
    _, record = pwl.train(net, data, algorithm, iterations=200)
    k = int(np.argmax(np.array(record["error"]) < 0.5))
    spent[type(algorithm).__name__] = record["own_multiplies"][k]
    print(
        f"{type(algorithm).__name__}: {k} iterations, {record['own_multiplies'][k]:.2e} multiplies by the code's own count"
    )
assert all(count > 0 for count in spent.values())
