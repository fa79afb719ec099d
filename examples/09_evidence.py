"""
9. Evidence: how much to believe the data
=========================================

A network with many weights can fit the noise. A penalty lambda w'w holds it back, but how large should lambda
be? Bayesian regularisation finds it from the training data alone, without validation data, Eqs. (52), (79).
On the way it counts the weights that the data determine.
"""

import matplotlib.pyplot as plt
import numpy as np

import pwl

# %%
# Noisy data
# ----------
# 30 patterns with noise of standard deviation 0.2. The true function is known here, so we can see what a fit
# is worth.

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(-1, 1, size=(30, 1)), axis=0)
NOISE = 0.2


def truth(x):
    return np.sin(4 * x) + 0.5 * x


t = truth(x) + NOISE * rng.normal(size=x.shape)
x_new = np.linspace(-1, 1, 201)[:, None]


def miss(net):
    """Mean squared distance from the true function."""
    return np.mean((net.predict(x_new) - truth(x_new)) ** 2)


# %%
# With and without lambda
# -----------------------
# Networks of 5, 10 and 20 units have 17, 32 and 62 weights. Levenberg-Marquardt fits as well as it can.
# ``BayesianLM`` adds lambda. After each step it computes gamma = P - lambda tr (J'J + lambda I)^-1, the
# number of weights that the data determine, and from it a new lambda.

bayesian, records = {}, {}
for units in (5, 10, 20):
    net = pwl.initialise(pwl.Network.mlp(1, units, 1, "tanh", seed=0), (x, t))
    plain, _ = pwl.train(net, (x, t), pwl.LM(), iterations=200)
    bayesian[units], records[units] = pwl.train(net, (x, t), pwl.BayesianLM(), iterations=200)
    best = records[units].best_iteration
    gamma, beta = records[units]["effective_parameters"][best], records[units]["beta"][best]
    print(f"{net.n_parameters} weights: the data determine {gamma:.0f}, noise found {np.sqrt(1 / (2 * beta)):.2f}")
    print(f"   distance from the truth: LM {miss(plain):.2f}, with evidence {miss(bayesian[units]):.3f}")

# %%
# The number of weights that count is 6, whatever the size of the network. The noise is found, too. So the
# size of the network no longer has to be right, only large enough.

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
for units, record in records.items():
    left.semilogy(record["lambda"][1:], label=f"{units} units")
    middle.plot(record["effective_parameters"][1:], label=f"{units} units")
left.set(title="lambda settles", xlabel="iteration")
middle.set(title="weights that the data determine", xlabel="iteration", ylim=(0, 20))
middle.legend(frameon=False)
right.plot(x, t, ".", color="0.6")
right.plot(x_new, truth(x_new), color="0.7", linewidth=4, label="truth")
right.plot(x_new, plain.predict(x_new), color="#d55e00", linewidth=1, label="LM, 20 units")
right.plot(x_new, bayesian[20].predict(x_new), color="black", label="with evidence")
right.legend(frameon=False)

# %%
# Several maxima
# --------------
# The evidence has several maxima. One of them believes that nearly all is noise and draws a straight line.
# Which one is found depends on the first lambda. ``starts`` tries several and keeps the one of the highest
# evidence.

net = pwl.initialise(pwl.Network.mlp(1, 20, 1, "tanh", seed=0), (x, t))
several = pwl.BayesianLM(starts=pwl.BayesianLM.STARTS)
best_net, record = pwl.train(net, (x, t), several, iterations=300)
start, cost = np.array(record["start"][1:]), np.array(record["negative_log_evidence"][1:], dtype=float)
gamma = np.array(record["effective_parameters"][1:])
maxima = []
for k in np.unique(start):
    lowest = np.nanargmin(np.where(start == k, cost, np.nan))
    maxima.append((cost[lowest], gamma[lowest]))
    print(f"first lambda {several.starts[k]:<4}: -log evidence {cost[lowest]:5.1f}, {gamma[lowest]:.0f} weights count")

# %%
# Error bars come with it
# -----------------------
# The posterior of the weights says how sure the network is, Eq. (82).

sure = pwl.with_posterior(best_net, (x, t), several, record)
wide = np.linspace(-1.6, 1.6, 201)[:, None]
y, std = sure.predict(wide, return_std=True)
y, std = np.ravel(y), np.ravel(std)
figure, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
ax.fill_between(wide[:, 0], y - 2 * std, y + 2 * std, color="0.87", label="two standard deviations")
ax.plot(x, t, ".", color="0.5")
ax.plot(wide, y, color="black", label="network")
ax.plot(wide, truth(wide), "--", color="#d55e00", label="truth")
ax.legend(frameon=False)
plt.show()
inside = np.mean(np.abs(t[:, 0] - np.ravel(sure.predict(x))) < 2 * np.ravel(sure.predict(x, return_std=True)[1]))
print(f"share of the targets within two standard deviations: {inside:.2f}")

# %%
# Try it
# ------
# Set NOISE to 0.05 and to 1. How many weights count? Take 15 patterns in place of 30.
#
# Exercises
# ---------
# 1. If lambda is known and E is quadratic, gamma is the sum of a / (a + lambda) over the eigenvalues a of
#    J'J. Check this for a network without hidden units.
# 2. Choose lambda by hand instead: train ``pwl.LM(l2=..., ridge=...)`` for several values on 21 patterns and
#    take the best on the other 9. How does the result compare with the evidence?
#
# Solutions: ``examples/solutions/09_evidence.py``.
