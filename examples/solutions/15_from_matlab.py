"""Solutions of lesson 15: patternnet, and the best of five starts."""

import runpy
from pathlib import Path

import numpy as np

import pwl

lesson = runpy.run_path(str(Path(__file__).parents[1] / "15_from_matlab.py"))

# 1. patternnet(10) has a softmax and cross-entropy. Labels are whole numbers or words; nobody has to write
# them as columns.

rng = np.random.default_rng(0)
centres = np.array([[0.0, 1.0], [1.0, -0.5], [-1.0, -0.5]])
labels = rng.integers(3, size=300)
x = centres[labels] + 0.6 * rng.normal(size=(300, 2))
net = pwl.Network.mlp(2, 10, 3, "tanh", bypass=False, loss="cross_entropy", seed=0)
net, tr = pwl.train(net, (x[:200], labels[:200]), pwl.SCG.matlab(), iterations=100)
wrong = int(np.sum(net.predict(x[200:]) != labels[200:]))
pwl.plots.confusion(net, x[200:], labels[200:])
print(f"{wrong} of 100 wrong")
assert 0 < wrong <= 15

# 2. A seed is a start.

train, validation, test = (lesson[name] for name in ("train", "validation", "test"))
found = []
for seed in range(5):
    net = pwl.Network.mlp(1, 10, 1, "tanh", bypass=False, seed=seed).with_preparation(lesson["net"].preparation)
    net, tr = pwl.train(net, train, pwl.LM(), iterations=200, validation=validation)
    found.append((tr["validation_error"][tr.best_iteration], np.mean((net.predict(test[0]) - test[1]) ** 2)))
    print(f"seed {seed}: validation {found[-1][0]:.4f}, test mse {found[-1][1]:.4f}")
best = min(found)
print(f"chosen: test mse {best[1]:.4f}")
assert best[1] < 1.05 * min(mse for _, mse in found)
