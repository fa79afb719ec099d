"""
11. Batches: AdAct without a learning rate
==========================================

Large data are used in batches, and then every method needs a learning rate: too small, and nothing happens;
too large, and nothing settles. ``MinibatchAdAct`` measures how long its steps should be, a factor for each
unit and curve, Eqs. (63)-(66).
"""

import matplotlib.pyplot as plt
import numpy as np

import pwl

# %%
# A table of 4000 patterns
# ------------------------

rng = np.random.default_rng(0)
x = rng.normal(size=(5000, 8))
t = np.sin(2 * x[:, :1]) + np.abs(x[:, 1:2]) * x[:, 2:3] + 0.1 * rng.normal(size=(5000, 1))
train, test = (x[:4000], t[:4000]), (x[4000:], t[4000:])
start = pwl.initialise(pwl.Network.mlp(8, 20, 1, pwl.PiecewiseLinear("relu", 13), seed=0), train)
ITERATIONS, BATCH = 15, 100


def run(algorithm):
    """The record of 15 passes through the data in batches of 100."""
    return pwl.train(start, train, algorithm, iterations=ITERATIONS, batch_size=BATCH, test=test)[1]


# %%
# Adam needs a rate
# -----------------
# Adam trains weights and curves with one learning rate. Four of them, each ten times the last:

adam = {rate: run(pwl.Adam(rate, train_curves=True)) for rate in (1e-4, 1e-3, 1e-2, 1e-1)}
for rate, record in adam.items():
    print(f"Adam, rate {rate:6g}: test E = {record['test_error'][-1]:.2f}")

# %%
# AdAct measures
# --------------
# Its direction is that of Adam. For the factors it asks of each new batch two things about the last step: how
# far the gradient still points along it, g, and how much E bends along it, H. Both are averaged over steps,
# and H z = g gives a factor for each block: the weights of a unit, or its curve. If batches disagree, g
# averages out and the factors get small.

record = run(pwl.MinibatchAdAct())
print(f"MinibatchAdAct: test E = {record['test_error'][-1]:.2f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for rate, each in adam.items():
    left.semilogy(each["test_error"], linewidth=1, label=f"Adam, {rate:g}")
left.semilogy(record["test_error"], color="black", linewidth=2, label="MinibatchAdAct")
left.axhline(0.01, color="0.7", linewidth=0.8)
left.set(title="test error; the thin line is the noise", xlabel="passes through the data")
left.legend(frameon=False, fontsize=8)
right.plot(record["z_common"][1:], "o-", color="black", markersize=3)
right.set(title="the common factor, which nobody set", xlabel="passes through the data", yscale="log")

# %%
# The batch size is left
# ----------------------
# Large batches give good measures and few steps, small ones the opposite. The result depends on it much less
# than on a rate.

sizes = {}
for size in (25, 100, 400):
    _, each = pwl.train(start, train, pwl.MinibatchAdAct(), iterations=ITERATIONS, batch_size=size, test=test)
    sizes[size] = each["test_error"][-1]
    print(f"batches of {size:3d}: test E = {sizes[size]:.2f}")
plt.show()

# %%
# Try it
# ------
# Multiply the targets by 100. Which of Adam's rates is now the best? Does MinibatchAdAct notice?
#
# Exercises
# ---------
# 1. A good schedule helps Adam: ``pwl.schedules.Cosine(rate, steps)`` lets the rate fall to 0. Tune the rate
#    and compare. What has the tuning cost?
# 2. ``pwl.AdAct()`` itself takes all patterns in each step. What does it reach in 15 iterations? Why is that
#    less?
#
# Solutions: ``examples/solutions/11_batches.py``.
