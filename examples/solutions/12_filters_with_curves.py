"""Solutions of lesson 12: twice the filters, three seeds, and a check."""

import runpy
from pathlib import Path

import numpy as np

import pwl
from pwl.layers import Conv2d, Dense, Flatten, MaxPool2d

lesson = runpy.run_path(str(Path(__file__).parents[1] / "12_filters_with_curves.py"))
network, train_with_adam, right, CURVE = (lesson[name] for name in ("network", "train_with_adam", "right", "CURVE"))

# 1. Eight filters have as many numbers as they like in the dense layer behind them: 1,600 in place of
# 969.

layers = [Conv2d(8, 5), "relu", MaxPool2d(2), Flatten(), Dense(10), "relu", Dense(3)]
wide = pwl.Network.from_layers(layers, (12, 12, 1), loss="cross_entropy", seed=0)
trained, _ = train_with_adam(wide)
print(f"8 filters with ReLU: {right(trained):.0%} right with {wide.n_parameters} numbers")
print(f"4 filters with curves: {right(lesson['curved']):.0%} right with {lesson['curved'].n_parameters}")
assert wide.n_parameters > 1.5 * lesson["curved"].n_parameters
assert right(trained) > right(lesson["relu"])

# 2. Three seeds.

shares = []
for seed in range(3):
    shares.append([right(train_with_adam(network(activation, seed))[0]) for activation in ("relu", CURVE)])
    print(f"seed {seed}: ReLU {shares[-1][0]:.0%}, curves {shares[-1][1]:.0%}")
assert all(with_curves > with_relu for with_relu, with_curves in shares)

# 3. The check runs in float64, whatever the network is in.

images, labels = lesson["train"]
rows = pwl.check(lesson["start"], (images[:50], labels[:50]))
print(
    f"{len(rows)} rows, {sum(row.failed for row in rows)} failed, {sum(bool(row.note) for row in rows)} could not be checked"
)
assert not any(row.failed for row in rows) and sum(row.passed for row in rows) > 5
assert np.isfinite([row.difference for row in rows if row.passed]).all()
