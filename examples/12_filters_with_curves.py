"""
12. A CNN whose filters learn their curves
==========================================

In a convolutional network a curve belongs to a filter: all pixels of its output go through it. We make small
pictures, train four filters on them, and look at the curves they have learned.
"""

import matplotlib.pyplot as plt
import numpy as np

import pwl
from pwl.layers import Conv2d, Dense, Flatten, MaxPool2d

# %%
# Pictures of three kinds
# -----------------------
# Bars, crosses and rings of 12 x 12 pixels, bright on dark or dark on bright, with noise. Images are arrays
# of patterns, height, width and channels; labels are whole numbers.

SIZE, NAMES = 12, ("bar", "cross", "ring")


def pictures(count, seed, noise=0.5):
    """Images (count, 12, 12, 1) and labels (count,)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    labels = rng.integers(3, size=count)
    images = np.empty((count, SIZE, SIZE, 1))
    for image, label in zip(images, labels, strict=True):
        r, c = rng.integers(4, SIZE - 4, size=2)
        near = np.maximum(abs(rows - r), abs(columns - c)) <= 3
        horizontal, vertical = near & (rows == r), near & (columns == c)
        ring = np.abs(np.hypot(rows - r, columns - c) - 2.5) < 0.6
        shape = (horizontal if rng.random() < 0.5 else vertical, horizontal | vertical, ring)[label]
        image[:, :, 0] = rng.choice([-1, 1]) * shape + noise * rng.normal(size=(SIZE, SIZE))
    return images, labels


train, test = pictures(600, seed=0), pictures(400, seed=1)
figure, axes = plt.subplots(1, 6, figsize=(10, 1.9), layout="constrained")
for ax, image, label in zip(axes, *train, strict=False):
    ax.imshow(image[:, :, 0], cmap="gray")
    ax.set_title(NAMES[label], fontsize=9)
    ax.axis("off")

# %%
# Two networks
# ------------
# One convolution with four filters of 5 x 5, pooling, and ten hidden units. One network has ReLU everywhere.
# The other has curves that start as the same ReLU: one for each filter, and one for each hidden unit.


def network(activation, seed=0):
    layers = [Conv2d(4, 5), activation, MaxPool2d(2), Flatten(), Dense(10), activation, Dense(3)]
    return pwl.Network.from_layers(layers, (SIZE, SIZE, 1), loss="cross_entropy", seed=seed)


def train_with_adam(net, iterations=30):
    schedule = pwl.schedules.Cosine(0.01, iterations * len(train[0]) // 50)
    return pwl.train(net, train, pwl.Adam(schedule, train_curves=True), iterations=iterations, batch_size=50, test=test)


CURVE = pwl.PiecewiseLinear("relu", 13)
start = network(CURVE)
print(start.summary())

# %%
# Train both
# ----------

relu, relu_record = train_with_adam(network("relu"))
curved, curved_record = train_with_adam(start)


def right(net):
    """Share of the test pictures whose class is right."""
    return np.mean(net.predict(test[0]) == test[1])


print(f"ReLU:   {right(relu):.0%} right")
print(
    f"curves: {right(curved):.0%} right, with {curved.n_parameters - relu.n_parameters} more numbers of {curved.n_parameters}"
)

# %%
# What the filters learned
# ------------------------
# A shape may be darker or brighter than the ground. A ReLU sees one sign only, so it takes two filters for
# what one curve can do: look at the left half of the curves, where some of them rise again. Dashed is the
# ReLU they started as.

figure, axes = plt.subplots(2, 4, figsize=(10, 4), layout="constrained")
W = curved.parts["0.W"][:, 1:].reshape(4, 5, 5)
for ax, filter_ in zip(axes[0], W, strict=True):
    ax.imshow(filter_, cmap="RdBu", vmin=-np.abs(W).max(), vmax=np.abs(W).max())
    ax.axis("off")
pwl.plots.curves(curved, train[0], before=start, ax=axes[1])

figure, ax = plt.subplots(figsize=(6, 3), layout="constrained")
for name, record in (("ReLU", relu_record), ("curves", curved_record)):
    ax.plot(100 * np.array(record["test_classification_error"]), label=name)
ax.set(xlabel="passes through the data", ylabel="test pictures wrong (%)")
ax.legend(frameon=False)
plt.show()

# %%
# Try it
# ------
# Train with ``pwl.MinibatchAdAct()`` (lesson 11) in place of Adam. Make all shapes brighter than the
# ground. Do curves still help?
#
# Exercises
# ---------
# 1. Give the ReLU network twice the filters, 8. Does it catch up? Compare the numbers of parameters.
# 2. One seed is no evidence. Train both networks from three seeds and compare.
# 3. ``pwl.check`` works for convolutions, too. Run it on the untrained network and 50 pictures.
#
# Solutions: ``examples/solutions/12_filters_with_curves.py``.
