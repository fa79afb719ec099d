"""Solutions of lesson 1: hinges, silent ordinates, and a parabola from one unit."""

import numpy as np

import pwl

x = np.linspace(-np.pi, np.pi, 201)[:, None]


def trained(hinges, t, span="nets", iterations=50):
    """E after training, and the network."""
    curve = pwl.PiecewiseLinear("relu", hinges=hinges, span=span)
    net, record = pwl.train(
        pwl.Network.mlp(1, 1, 1, curve, bypass=False, seed=0), (x, t), pwl.AdAct(), iterations=iterations
    )
    return min(record["error"]), net


# 1. The error of interpolation by straight lines falls with the square of the distance h between the points,
# so its mean square falls with h^4: a factor of 16 each time. Trained curves come close to it. With few
# hinges they even beat the straight lines between points of sin x, because they need not go through these
# points.

errors = {hinges: trained(hinges, np.sin(x))[0] for hinges in (5, 9, 17, 33)}
for hinges, E in errors.items():
    print(f"{hinges:2d} hinges: E = {E:.6f}")
assert 12 < errors[9] / errors[17] < 20 and 12 < errors[17] / errors[33] < 20

# 2. An entry of G_a is 0 if no net lies in the two segments beside its hinge: its hat function is 0 for every
# pattern. Below the first hinge the curve is constant, so nets there still pull at the first ordinate.

net = pwl.initialise(
    pwl.Network.mlp(1, 1, 1, pwl.PiecewiseLinear("relu", hinges=13), bypass=False, seed=0), (x, np.sin(x))
)
_, info = pwl.adact_step(net, (x, np.sin(x)))
n = net.W[0, 0] + net.W[0, 1] * x[:, 0]
ns, step = net.buffers["1.ns"][0], 0.5
touched = [bool(np.any(np.abs(n - hinge) < step)) for hinge in ns]
silent = [hinge for hinge, gradient in zip(ns, info.G_a["1.A"][0], strict=True) if gradient == 0]
print(f"nets from {n.min():.2f} to {n.max():.2f}; silent hinges: {np.round(silent, 2).tolist()}")
assert silent == [hinge for hinge, is_touched in zip(ns, touched, strict=True) if not is_touched]

# 3. One unit draws any function of one straight line through the inputs, so with one input it draws anything.
# x^2 takes as many hinges as sin x. For two inputs, x1^2 + x2^2 needs a unit for each.

E, _ = trained(13, x**2 / np.pi**2)
print(f"x^2: E = {E:.5f}")
assert E < 1e-3
