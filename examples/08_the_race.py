"""
8. The race: AdAct, MOLF, CG, SCG, LM
=====================================

Five algorithms from one start, against iterations, multiplies and seconds. Who is ahead depends on what you
count.
"""

import matplotlib.pyplot as plt
import numpy as np

import pwl

# %%
# One start
# ---------
# All networks have the same 8 hidden units with the same first weights. For AdAct their tanh is a curve
# through 25 points of tanh, so its E at the start is a little different.

rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, size=(400, 2))
t = np.sin(3 * x[:, :1]) * np.cos(2 * x[:, 1:]) + 0.05 * rng.normal(size=(400, 1))
train, test = (x[:300], t[:300]), (x[300:], t[300:])
ITERATIONS = 100

fixed = pwl.initialise(pwl.Network.mlp(2, 8, 1, "tanh", seed=0), train)
curved = pwl.initialise(pwl.Network.mlp(2, 8, 1, pwl.PiecewiseLinear("tanh", "auto"), seed=0), train)
assert np.array_equal(fixed.W, curved.W)
runners = {
    "AdAct": (curved, pwl.AdAct()),
    "MOLF": (fixed, pwl.MOLF()),
    "CG": (fixed, pwl.CG()),
    "SCG": (fixed, pwl.SCG()),
    "LM": (fixed, pwl.LM()),
}

# %%
# The race
# --------

records = {
    name: pwl.train(net, train, algorithm, iterations=ITERATIONS, test=test)[1]
    for name, (net, algorithm) in runners.items()
}
print(f"{'':6s} {'E after 10':>11s} {'after 100':>10s} {'multiplies':>11s}")
for name, record in records.items():
    E = record["error"]
    print(f"{name:6s} {E[min(10, len(E) - 1)]:11.4f} {E[-1]:10.4f} {record['multiplies'][-1]:11.1e}")

# %%
# Against iterations, multiplies, seconds
# ---------------------------------------
# The seconds are those of your machine. The multiplies are counted by formulas, Eqs. (31)-(38), so that they
# are the same everywhere.

pwl.plots.errors(records, figure=plt.figure())
plt.show()

# %%
# A race on a budget
# ------------------
# What does each reach for as many multiplies as MOLF spends in 20 iterations?

budget = records["MOLF"]["multiplies"][20]
reached = {}
for name, record in records.items():
    within = [k for k, m in enumerate(record["multiplies"]) if m <= budget]
    reached[name] = record["error"][within[-1]]
    print(f"{name:6s} {within[-1]:3d} iterations, E = {reached[name]:.4f}")

# %%
# LM takes the largest steps down and pays most for each. On a budget of multiplies the order turns around. CG
# and SCG pay little, but get little. What counts in the end is the error on new patterns. The targets here
# have noise of variance 0.0025, which no network should learn.

for name, record in records.items():
    print(f"{name:6s} training {record['error'][-1]:.5f}, test {record['test_error'][-1]:.5f}")

# %%
# One start is no evidence. Before you believe a race, run it from several starts and on other data;
# docs/results.md has such comparisons.
#
# Try it
# ------
# Give AdAct and MOLF the HWO direction, ``pwl.AdAct(direction="hwo")``. Let 30 units run, or 3.
#
# Exercises
# ---------
# 1. Run the race from five starts, seeds 0 to 4, and take the median of E after 100 iterations. Does the
#    order stay?
# 2. Give the inputs very different scales: multiply the second one by 1000. Net control, Eq. (8), hides much
#    of it. Which algorithms still notice? Which one does not, and why?
#
# Solutions: ``examples/solutions/08_the_race.py``.
