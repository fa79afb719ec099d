"""Activations of the literature in files, under penalties and in training, and settings that cannot be."""

from __future__ import annotations

import numpy as np
import pytest
from test_activations import NETS, NEW, TRAINED, network, own
from toys import E_of, problem, waves

import pwl
from pwl import activations
from pwl.algorithms.adact import adact_step, exact
from pwl.algorithms.learning_factors import objective
from pwl.algorithms.penalties import Penalties
from pwl.layers import AvgPool2d, Conv2d, Dense, Flatten
from pwl.network.network import Network
from pwl.network.structure import known, layer_from_dict
from pwl.reductions.patterns import Patterns

# ---- files


@pytest.mark.parametrize("name", NEW)
def test_layers_come_back_from_their_description(name):
    assert layer_from_dict(NEW[name].to_dict(), known()) == NEW[name]


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("name", NEW)
def test_save_and_load(name, kind, tmp_path):
    net = network(NEW[name], kind)
    x = problem(net).x
    net.save(tmp_path / "net")
    again = Network.load(tmp_path / "net")
    np.testing.assert_array_equal(again.predict(x), net.predict(x))
    assert again.layers == net.layers


def test_a_spline_from_a_function_has_no_name_to_save(tmp_path):
    with pytest.raises(pwl.InputError, match="function"):
        network(pwl.Spline(np.sin), "mlp").save(tmp_path / "net")


# ---- penalties


def test_penalties_by_kind():
    """Curvature is for ordinates; APL brings a penalty of its own on both its parameters."""
    spline, apl, scaled = (network(made, "mlp") for made in (pwl.Spline(), pwl.APL(l2=0.3), pwl.ScaledActivation()))
    Q = [spline.parts[key] for key in own(spline)]
    assert Penalties(curves=0.7).value(spline) == pytest.approx(
        0.7 * sum(np.sum(np.diff(q, 2, axis=1) ** 2) for q in Q), rel=1e-12
    )
    ab = sum(np.sum(apl.parts[key] ** 2) for key in own(apl))
    assert len(own(apl)) == 4
    assert Penalties(curves=0.7).value(apl) == pytest.approx(0.3 * ab, rel=1e-12)
    assert Penalties(curves=0.7).value(scaled) == 0
    zero = {key: np.zeros_like(part) for key, part in apl.parts.items()}
    G = Penalties().add_gradient(apl, zero)
    for key in own(apl):
        np.testing.assert_allclose(G[key], -0.6 * apl.parts[key], rtol=1e-14)
        np.testing.assert_allclose(
            Penalties().curvature(apl, key, apl.parts[key]), 0.6 * np.sum(apl.parts[key] ** 2, axis=1), rtol=1e-14
        )
    _, residuals = Penalties().rows(apl, own(apl))
    assert np.sum(residuals**2) == pytest.approx(0.3 * ab, rel=1e-12)
    assert Penalties(curves=1.0).rows(scaled, own(scaled))[0].shape[0] == 0


# ---- training


@pytest.mark.parametrize("factor", ["scalar", "unit"])
@pytest.mark.parametrize("hidden", [6, (5, 4)])
@pytest.mark.parametrize("name", TRAINED)
def test_adact_steps_never_raise_the_objective(name, hidden, factor):
    """Also where the outputs are not linear in the parameters: the step is then halved."""
    data = Patterns(*waves())
    net = pwl.initialise(Network.mlp(3, hidden, 2, TRAINED[name]), data)
    assert exact(net) == (name == "spline" and hidden == 6)
    before = objective(net, data, Penalties())
    for _ in range(6):
        net, info = adact_step(net, data, factor)
        after = objective(net, data, Penalties())
        assert after <= before * (1 + 1e-12)
        before = after
        assert info["curve_share"] == 1 or not exact(net)


def test_the_spline_step_is_the_minimum_along_the_gradient():
    data = Patterns(*waves())
    net = pwl.initialise(Network.mlp(3, 6, 2, pwl.Spline()), data)
    moved, _ = adact_step(net, data)
    change = moved.parts["1.Q"] - net.parts["1.Q"]
    E = [E_of(net.moved({"1.Q": far * change}), data) for far in (0.5, 1.0, 1.5)]
    assert E[0] == pytest.approx(E[2], rel=1e-10) and E[1] < E[0]


LEARNERS = [
    pwl.AdAct("hwo"),
    pwl.AdAct("hwo", "unit", curve_penalty=1e-4, safeguard=True),
    pwl.MOLF("hwo"),
    pwl.CG(train_curves=True),
    pwl.LM(train_curves=True),
    pwl.VarPro(train_curves=True),
    pwl.SCG(train_curves=True),
    pwl.LBFGS(),
    pwl.SGD(0.01),
    pwl.Adam(0.01),
]
# PLU has no curve to train.
PAIRS = [(name, a) for name in NEW for a in LEARNERS if name != "plu" or not isinstance(a, pwl.AdAct)]


@pytest.mark.parametrize(
    ("name", "algorithm"), PAIRS, ids=lambda value: value if isinstance(value, str) else type(value).__name__
)
def test_every_algorithm_lowers_the_error(name, algorithm):
    x, t = waves()
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    net = pwl.initialise(Network.mlp(3, 6, 2, NEW[name]), (x, t))
    before = E_of(net, Patterns(x, t))
    trained, _ = pwl.train(net, (x, t), algorithm, iterations=15)
    assert E_of(trained, Patterns(x, t)) < (0.99 if isinstance(algorithm, (pwl.SGD, pwl.Adam)) else 0.9) * before
    if own(net) and not isinstance(algorithm, pwl.MOLF):
        assert all(np.any(trained.parts[key] != net.parts[key]) for key in own(net))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NEW)
def test_a_convolutional_net_learns(name, dtype):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((90, 6, 6, 2))
    t = np.arange(90) % 3
    x[np.arange(90), :, t, 0] += 1.5  # a bright column whose place is the class
    layers = [Conv2d(3, 3), NEW[name], AvgPool2d(2), Flatten(), Dense(5), NEW[name], Dense(3)]
    net = Network.from_layers(layers, (6, 6, 2), dtype=dtype)
    trained, record = pwl.train(net, (x, t), pwl.Adam(0.02), iterations=25)
    assert record["error"][-1] < 0.8 * record["error"][0]
    assert trained.theta.dtype == dtype
    assert all(np.any(trained.parts[key] != net.parts[key]) for key in own(net))


# ---- names and bad input


def test_names():
    for name, made in [("plu", pwl.PLU()), ("apl", pwl.APL()), ("spline", pwl.Spline())]:
        assert activations.resolve(name) == made
        assert Network.mlp(2, 3, 1, name).layers[1] == made
    assert pwl.PiecewiseLinear("plu", 25).start_parameters((1,), None)["A"][0, 0] == pytest.approx(-1.15)


def test_hinges_are_inserted_into_piecewise_linear_curves_only():
    with pytest.raises(pwl.InputError, match="no curves"):
        pwl.insert_hinge(network(pwl.Spline(), "mlp"), 0.123)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: pwl.PLU(alpha=-0.1), "alpha"),
        (lambda: pwl.PLU(alpha=2), "alpha"),
        (lambda: pwl.PLU(c=0), "positive"),
        (lambda: pwl.APL(S=0), "whole number"),
        (lambda: pwl.APL(S=True), "whole number"),
        (lambda: pwl.APL(l2=-1), "l2"),
        (lambda: pwl.Spline(hinges=3), "4 or more"),
        (lambda: pwl.Spline(hinges=(0.0, 1.0, 2.0, 3.0)), "4 or more"),
        (lambda: pwl.Spline(span="nets"), "span"),
        (lambda: pwl.Spline(span=(1, 0)), "span"),
        (lambda: pwl.Spline("rely"), "start"),
        (lambda: pwl.ScaledActivation("rely"), "relu"),
        (lambda: pwl.ScaledActivation(pwl.APL()), "fixed"),
        (lambda: pwl.ScaledActivation("tanh", 0.5), "1 or more"),
    ],
)
def test_bad_input(make, words):
    with pytest.raises(pwl.InputError, match=words):
        make()
