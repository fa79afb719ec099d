"""
1. One hidden unit learns its activation
========================================

A network with one hidden unit and a ReLU can draw one bend. Let the unit learn its activation, and the same
network draws sin x. This lesson takes Algorithm 1, Eq. (47), one step at a time, in numbers and pictures.
"""

import matplotlib.pyplot as plt
import numpy as np

import pwl

# %%
# The problem and the network
# ---------------------------
# 201 patterns of one input. The unit has the net n = w0 + w1 x. Its output is a curve o(n) through 13 points.
# Their positions, the hinges ns, stay where they are. Their heights, the ordinates A, are trained. The
# network's output is y = c + v o(n).

x = np.linspace(-np.pi, np.pi, 201)[:, None]
t = np.sin(x)
curve = pwl.PiecewiseLinear("relu", hinges=13, span="nets")
net = pwl.Network.mlp(1, 1, 1, curve, bypass=False, seed=0)
start = pwl.initialise(net, (x, t))


def E(net):
    """The error of Eq. (1)."""
    return np.mean((t - net.predict(x)) ** 2)


print(f"start:           E = {E(start):.4f}")

# %%
# Step 1: MOLF moves the hidden weights
# -------------------------------------
# G is the negative gradient of E for the weights of the unit, Eq. (16). How far to go? MOLF solves H z = g
# for a factor z per unit, Eq. (21). With one unit, H is a single number. It is a Gauss-Newton step: H takes
# the outputs as linear in z. They are not quite, so E can rise, as it does here.

net, molf = pwl.molf_step(start, (x, t))
print(
    f"G = {np.round(molf.G['0.W'][0], 4)}   H = {molf.H_molf[0, 0]:.4f}   g = {molf.g_molf[0]:.4f}   z = g / H = {molf.z[0]:.4f}"
)
print(f"after MOLF step: E = {E(net):.4f}")

# %%
# Step 2: AdAct moves the curve
# -----------------------------
# G_a holds a negative gradient for each of the 13 ordinates, Eq. (17). One z serves all of them, Eq. (24). E
# along G_a is exactly a parabola, because the output is linear in the ordinates. So z hits the bottom.

before = net
net, adact = pwl.adact_step(net, (x, t))
print("G_a =", np.round(adact.G_a["1.A"][0], 3))
print(f"after AdAct step: E = {E(net):.4f}   z = {adact.z[0]:.2f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
pwl.plots.line_search(before, (x, t), adact.G_a, ax=left)
pwl.plots.curves(net, x, before=before, ax=right)
left.set_title("E along G_a")
right.set_title("the curve before (dashed) and after")

# %%
# Step 3: OWO solves for the output weights
# -----------------------------------------
# The outputs are linear in c and v, so the best values come from two linear equations R W_o' = C, Eq. (10).

net, owo = pwl.owo_step(net, (x, t))
print("R =", np.round(owo.R, 3).tolist(), "  C =", np.round(owo.C.ravel(), 3).tolist())
print(f"after OWO step:  E = {E(net):.4f}   W_o = {np.round(net.W_o[0], 3)}")
one_iteration = net

# %%
# That was one iteration. Fifty of them
# -------------------------------------
# ``pwl.train`` repeats the three steps. A callback keeps the network of every iteration for the film.

nets = [start]
net, record = pwl.train(start, (x, t), pwl.AdAct(), iterations=50, callback=lambda each, record: nets.append(each))
assert abs(record["error"][1] - E(one_iteration)) < 1e-15  # the three steps above were its first iteration
for k in (0, 1, 2, 5, 10, 20, 50):
    print(f"iteration {k:2d}: E = {record['error'][k]:.5f}")

# %%


def frame(number, figure):
    """The curve on the left, what the network makes of it on the right."""
    left, right = figure.subplots(1, 2)
    pwl.plots.curves(nets[number], x, before=start, ax=left)
    left.set(title="the curve of the unit", xlabel="net n", ylabel="o", ylim=(-1.5, 3.5))
    right.plot(x, t, color="0.7", linewidth=4, label="sin x")
    right.plot(x, nets[number].predict(x), color="black", label="network")
    right.set(title=f"iteration {number}, E = {record['error'][number]:.5f}", xlabel="x", ylim=(-1.4, 1.4))
    right.legend(loc="lower right", frameon=False)


film = pwl.plots.animate(
    [*range(10), 12, 15, 20, 30, 50], frame, figure=plt.figure(figsize=(9, 3.6), layout="constrained")
)
plt.show()

# %%
# A unit with a fixed ReLU, trained by MOLF on the same patterns, cannot do this:

fixed, fixed_record = pwl.train(
    pwl.Network.mlp(1, 1, 1, "relu", bypass=False, seed=0), (x, t), pwl.MOLF(), iterations=50
)
print(f"one ReLU unit: E = {min(fixed_record['error']):.4f}, one unit with a curve: E = {min(record['error']):.5f}")

# %%
# Try it
# ------
# Start the curve from ``"tanh"`` in place of ``"relu"``. Leave out ``span="nets"``: the hinges then lie
# from -2.5 to 3.5, whether there are nets or not.
#
# Exercises
# ---------
# 1. E falls with the number of hinges. Measure it after 50 iterations for 5, 9, 17 and 33 hinges. By what
#    factor does E fall each time the hinges are twice as close? What does the theory of interpolation by
#    straight lines say?
# 2. Without ``span="nets"`` some entries of G_a are exactly 0. Which, and why?
# 3. What does the unit's curve look like if the targets are x²? Is one unit enough?
#
# Solutions: ``examples/solutions/01_one_unit.py``.
