"""Solutions of lesson 8: five starts, and inputs of different scales."""

import runpy
from pathlib import Path

import numpy as np

import pwl

lesson = runpy.run_path(str(Path(__file__).parents[1] / "08_the_race.py"))
(x, t), iterations = lesson["train"], lesson["ITERATIONS"]
algorithms = {name: algorithm for name, (_, algorithm) in lesson["runners"].items()}
CURVE = pwl.PiecewiseLinear("tanh", "auto")


def race(x, seed):
    """E after all iterations, by algorithm."""
    found = {}
    for name, algorithm in algorithms.items():
        net = pwl.Network.mlp(2, 8, 1, CURVE if name == "AdAct" else "tanh", seed=seed)
        found[name] = pwl.train(net, (x, t), algorithm, iterations=iterations)[1]["error"][-1]
    return found


# 1. Medians over five starts.

runs = [race(x, seed) for seed in range(5)]
medians = {name: float(np.median([run[name] for run in runs])) for name in algorithms}
for name, E in sorted(medians.items(), key=lambda pair: pair[1]):
    print(f"{name:6s} median E = {E:.4f}")
assert max(medians["AdAct"], medians["LM"]) < medians["MOLF"] < min(medians["CG"], medians["SCG"])

# 2. Net control divides each net by its spread, but a unit that sees the second input then sees hardly
# anything else. The weights of the first input would have to become large. With the HWO direction the step
# does not depend on the scales, Eq. (23); to show it, we start from the same function, with the weights of
# the second input divided by 1000.


def in_other_units(net):
    """The same function of inputs whose second one is 1000 times as large."""
    W, W_o = np.array(net.W), np.array(net.W_o)
    W[:, 2] /= 1000
    W_o[:, 2] /= 1000
    return net.with_parts({"0.W": W}).with_head(W_o)


big = x * [1.0, 1000.0]
fixed = lesson["fixed"]
changes = {}
for name, algorithm in {**algorithms, "MOLF, HWO": pwl.MOLF(direction="hwo")}.items():
    net = lesson["curved"] if name == "AdAct" else fixed
    here = pwl.train(net, (x, t), algorithm, iterations=10)[1]["error"][-1]
    there = pwl.train(in_other_units(net), (big, t), algorithm, iterations=10)[1]["error"][-1]
    changes[name] = there / here
    print(f"{name:10s} E after 10 iterations {here:.4f}, with the second input times 1000 {there:.4f}")
assert abs(changes["MOLF, HWO"] - 1) < 1e-3
assert min(changes["CG"], changes["SCG"]) > 1.5
