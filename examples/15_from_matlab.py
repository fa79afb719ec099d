"""
15. From MATLAB: the same steps, side by side
=============================================

You know ``feedforwardnet``, ``train``, ``tr`` and ``plotperform``. Here is each of them beside the line that
does it here, on one small problem.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import pwl

# %%
# Data: patterns are rows
# -----------------------
# In MATLAB patterns are columns. Here they are rows, x (Nv, N) and t (Nv, M), as in every table.
#
# .. code-block:: matlab
#
#     rng(0); x = linspace(-3, 3, 200); t = sin(x.^2 / 2) + 0.05 * randn(size(x));

rng = np.random.default_rng(0)
x = np.linspace(-3, 3, 200)[:, None]
t = np.sin(x**2 / 2) + 0.05 * rng.normal(size=x.shape)

# %%
# feedforwardnet
# --------------
# MATLAB's network has tansig units, a linear output and no direct connections from inputs to outputs:
# ``bypass=False``. MATLAB's names of activations are understood.
#
# .. code-block:: matlab
#
#     net = feedforwardnet(10);

net = pwl.Network.mlp(1, 10, 1, "tansig", bypass=False, seed=0)

# %%
# dividerand and mapminmax
# ------------------------
# MATLAB scales inside the network, and so does a network with a preparation: it takes and gives raw numbers.
# It has to be fitted to the training patterns.
#
# .. code-block:: matlab
#
#     net.divideParam.trainRatio = 0.7;  net.divideParam.valRatio = 0.15;  net.divideParam.testRatio = 0.15;

parts = pwl.data.split(len(x), (0.7, 0.15, 0.15), seed=0)
train, validation, test = ((x[rows], t[rows]) for rows in parts)
net = net.with_preparation(pwl.Preparation.fit(*train, inputs="minmax", targets="minmax"))

# %%
# train
# -----
# ``pwl.LM()`` is trainlm, with its mu, mu_dec, mu_inc and mu_max. A network is a value here: ``train``
# returns a new one, the one with the lowest validation error, and the old one stays as it was.
#
# .. code-block:: matlab
#
#     net.trainFcn = 'trainlm';  net.trainParam.epochs = 200;  net.trainParam.max_fail = 6;
#     [net, tr] = train(net, x, t);

trained, tr = pwl.train(net, (x, t), pwl.LM(), iterations=200, max_fail=6, parts=parts)

# %%
# tr
# --
# ==========================  ==================================================
# MATLAB                      here
# ==========================  ==================================================
# ``tr.perf``, ``tr.vperf``   ``tr["raw_error"]``, ``tr["validation_raw_error"]``
# ``tr.tperf``                ``tr["test_raw_error"]``
# ``tr.trainInd``             ``tr.rows["training"]``, counted from 0
# ``tr.best_epoch``           ``tr.best_iteration``
# ``tr.stop``                 ``tr.stop_reason``
# ``tr.mu``, ``tr.gradient``  ``tr["mu"]``, ``tr["gradient_norm"]``
# ``tr.time``                 ``tr["seconds"]``
# ==========================  ==================================================

print("stopped:", tr.stop_code)
print(f"best iteration {tr.best_iteration} of {tr.iterations}")

# %%
# perform and sim
# ---------------
# The error E is MATLAB's mse with one output, and M times as large with M outputs. In a record it is in the
# network's units, and ``raw_error`` is in those of the targets.
#
# .. code-block:: matlab
#
#     y = net(x);  perf = perform(net, t, y);

y = trained.predict(test[0])
print(f"mse on the test patterns: {np.mean((y - test[1]) ** 2):.4f}, noise {0.05**2:.4f}")

# %%
# plotperform, plottrainstate, plotregression, ploterrhist, plotfit
# -----------------------------------------------------------------
#
# .. code-block:: matlab
#
#     plotperform(tr);  plottrainstate(tr);  plotregression(t, y);  ploterrhist(t - y);  plotfit(net, x, t);

pwl.plots.errors(tr, figure=plt.figure())  # plotperform; against time and multiplies, too
pwl.plots.training_state(tr, figure=plt.figure())  # plottrainstate
apart = {"training": train, "validation": validation, "test": test}
pwl.plots.regression(trained, apart, figure=plt.figure())  # plotregression
pwl.plots.error_histogram(trained, apart, figure=plt.figure())  # ploterrhist
figure, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.plot(x, t, ".", color="0.6")
ax.plot(x, trained.predict(x), color="black")
ax.set_title("plotfit")
plt.show()

# %%
# save and load
# -------------
#
# .. code-block:: matlab
#
#     save('net.mat', 'net', 'tr');  load('net.mat');

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "net.safetensors"
    trained.save(path, tr)
    again = pwl.Network.load(path)
print("the same predictions after loading:", np.array_equal(again.predict(x), trained.predict(x)))

# %%
# The other training functions
# ----------------------------
# One line each. docs/from-matlab.md has them all.

others = {
    "trainbr": pwl.BayesianLM(),
    "trainscg": pwl.SCG.matlab(),
    "traincgf": pwl.CG(),
    "traincgp": pwl.CG(beta="polak-ribiere"),
    "trainbfg": pwl.LBFGS(),
}
found = {}
for matlab, algorithm in others.items():
    each, _ = pwl.train(net, train, algorithm, iterations=200, validation=validation)
    found[matlab] = np.mean((each.predict(test[0]) - test[1]) ** 2)
    print(f"{matlab:9s} {type(algorithm).__name__:11s} test mse {found[matlab]:.4f}")

# %%
# What MATLAB's toolbox does not have: ``pwl.AdAct()``, ``pwl.MOLF()`` and curves. One line turns the network
# above into one that learns its activations.

curved = pwl.Network.mlp(1, 10, 1, pwl.PiecewiseLinear("tanh"), bypass=False, seed=0)
curved, _ = pwl.train(
    curved.with_preparation(net.preparation), train, pwl.AdAct(), iterations=200, validation=validation
)
print(f"AdAct, learned activations: test mse {np.mean((curved.predict(test[0]) - test[1]) ** 2):.4f}")

# %%
# Try it
# ------
# Set ``max_fail=1000``. Does the training error go on falling? And the validation error?
#
# Exercises
# ---------
# 1. ``patternnet`` classifies. Build its equivalent for three classes of points in the plane, train it with
#    trainscg's constants, and count the wrong ones, as plotconfusion does.
# 2. MATLAB repeats a training from new weights with ``net = init(net)``. Train from five seeds and keep the
#    network of the lowest validation error.
#
# Solutions: ``examples/solutions/15_from_matlab.py``.
