"""
10. Curves on the inputs
========================

Tables are often bent along their inputs: something saturates, or begins at a threshold. ``input_hinges``
gives every unit a piecewise-linear curve of each input, Eq. (67). The curves fit such bends, and they can be
looked at.
"""

import matplotlib.pyplot as plt
import numpy as np

import pwl

# %%
# A table whose bends we know
# ---------------------------
# The target depends on the first input by its size, on the second one up to a limit, and on the third one
# smoothly. The fourth one does nothing.

rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, size=(600, 4))
parts = (np.abs(x[:, 0]), np.clip(3 * x[:, 1], -1, 1), 0.3 * x[:, 2] ** 2)
t = np.sum(parts, axis=0)[:, None] + 0.05 * rng.normal(size=(600, 1))
train, test = (x[:400], t[:400]), (x[400:], t[400:])
ALGORITHM = pwl.BayesianLM(starts=(0.1,))


def trained(train, units, input_hinges, iterations):
    """A network of tanh units. Its preparation stands on the training data, so that it takes and gives raw numbers."""
    net = pwl.Network.mlp(train[0].shape[1], units, 1, "tanh", input_hinges=input_hinges, seed=0)
    net = net.with_preparation(pwl.Preparation.fit(*train))
    return pwl.train(net, train, ALGORITHM, iterations=iterations)[0]


def rms(net, data):
    """The root of the mean squared error in the targets' units."""
    return np.sqrt(np.mean((net.predict(data[0]) - data[1]) ** 2))


known = {hinges: trained(train, 3, hinges, 60) for hinges in (None, "auto")}
print(f"3 units, straight inputs: test error {rms(known[None], test):.3f}")
print(f"3 units, curved inputs:   test error {rms(known['auto'], test):.3f}, noise 0.050")

# %%
# What the network learned of each input
# --------------------------------------
# One call draws the curves. Thick lines go straight to the output, thin ones into the hidden units. The
# strongest inputs come first. The share in brackets is the part of an input in all that moves, Eq. (74).

names = ["size of it", "up to a limit", "smooth", "nothing"]
pwl.plots.input_curves(known["auto"], train[0], names=names, figure=plt.figure())

# %%
# The thick and the thin lines work together. To see the effect of an input on the output, move it alone and
# average over the patterns.


def effect(net, x, j, points):
    """The mean output with input j set to each of the points, less its own mean."""
    y = []
    for point in points:
        moved = x.copy()
        moved[:, j] = point
        y.append(np.mean(net.predict(moved)))
    return np.array(y) - np.mean(y)


points = np.linspace(-0.95, 0.95, 39)
true_effects = (np.abs(points), np.clip(3 * points, -1, 1), 0.3 * points**2, 0 * points)
figure, axes = plt.subplots(1, 4, figsize=(11, 2.8), sharey=True, layout="constrained")
for j, ax in enumerate(axes):
    found, true = effect(known["auto"], x, j, points), true_effects[j] - np.mean(true_effects[j])
    ax.plot(points, true, color="0.75", linewidth=4)
    ax.plot(points, found, color="black")
    ax.set_title(f"{names[j]}: off by {np.sqrt(np.mean((found - true) ** 2)):.3f}", fontsize=9)

# %%
# A real table
# ------------
# The strength of concrete from its mixture and its age. 700 mixtures are for training.

x, t = pwl.data.load("concrete")
order = np.random.default_rng(0).permutation(len(x))
train, test = (x[order[:700]], t[order[:700]]), (x[order[700:]], t[order[700:]])
inputs = ["cement", "slag", "fly ash", "water", "plasticizer", "coarse", "fine", "age"]
concrete = {hinges: trained(train, 6, hinges, 50) for hinges in (None, 5)}
for hinges, net in concrete.items():
    print(f"concrete, {'5 hinges per input' if hinges else 'straight inputs   '}: test error {rms(net, test):.1f} MPa")
pwl.plots.input_curves(concrete[5], train[0], names=inputs, figure=plt.figure())
plt.show()

# %%
# Try it
# ------
# Give the known table 100 patterns in place of 400. Do the curves still help? Use
# ``pwl.MOLF(direction="hwo")`` on the concrete data, with and without ``input_curve_penalty=1e-3``.
#
# Exercises
# ---------
# 1. A network without hidden units cannot bend. With ``input_hinges`` and a single unit it is nearly an
#    additive model. How well does it fit the known table? Why so?
# 2. At what age does concrete stop hardening? Draw the effect of age, and find the age by which it has 80 %
#    of its range.
#
# Solutions: ``examples/solutions/10_curves_on_the_inputs.py``.
