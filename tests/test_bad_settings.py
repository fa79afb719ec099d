"""Networks, curves, algorithms and settings that cannot be: InputError in words."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from refusals import refuses
from test_bad_input import INF, NAN, T, X, train
from toys import curve_network

import pwl

# ---- networks


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ((0, 4, 2), ["n_inputs", "0"]),
        ((3, 0, 2), ["n_hidden", "0"]),
        ((3, -4, 2), ["n_hidden", "-4"]),
        ((3, 4, 0), ["n_outputs", "0"]),
        ((3, 4.0, 2), ["n_hidden", "4.0"]),
        ((3, "20", 2), ["n_hidden"]),
        ((3, None, 2), ["n_hidden", "None"]),
        ((3, True, 2), ["n_hidden", "True"]),
        ((3, (), 2), ["n_hidden is empty"]),
        ((3, (4, 0), 2), ["n_hidden", "0"]),
        ((3, (4, 2.5), 2), ["n_hidden", "2.5"]),
        ((3.0, 4, 2), ["n_inputs", "3.0"]),
        (("3", 4, 2), ["n_inputs", "'3'"]),
    ],
)
def test_sizes_that_cannot_be(sizes, words):
    refuses(lambda: pwl.Network.mlp(*sizes), *words, "" if "empty" in words[0] else "1 or more")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"activation": "rellu"}, ["'rellu'", "relu", "sigmoid", "PiecewiseLinear"]),
        ({"activation": None}, ["None", "sigmoid"]),
        ({"activation": pwl.PiecewiseLinear}, ["object such as pwl.PiecewiseLinear()"]),
        ({"activation": np.tanh}, ["tanh", "PiecewiseLinear"]),
        ({"loss": "mse"}, ["'mse'", "squared_error", "cross_entropy"]),
        ({"loss": ["mse"]}, ["mse", "squared_error"]),
        ({"loss": None}, ["None", "squared_error"]),
        ({"dtype": int}, ["float32", "float64", "int"]),
        ({"dtype": "double precision"}, ["float32", "double precision"]),
        ({"seed": -1}, ["seed", "-1"]),
        ({"seed": 0.5}, ["seed", "0.5"]),
        ({"seed": None}, ["seed", "None"]),
        ({"W": np.ones((4, 3))}, ["(4, 4)", "(4, 3)", "threshold first"]),
        ({"W": np.ones((4, 4)).T[:3]}, ["(4, 4)", "(3, 4)"]),
        ({"W": [np.ones((4, 4))]}, ["(4, 4)", "(1, 4, 4)"]),
        ({"W": np.full((4, 4), NAN)}, ["W", "finite"]),
        ({"W": np.ones((4, 4)) * 1j}, ["W", "complex128"]),
        ({"W": [["a"] * 4] * 4}, ["W", "<U1"]),
        ({"W": [[1, 2], [3]]}, ["W", "same length"]),
        ({"W": 3.0}, ["(4, 4)", "()"]),
    ],
)
def test_options_of_a_network_that_cannot_be(options, words):
    refuses(lambda: pwl.Network.mlp(3, 4, 2, **options), *words)


def test_weights_of_several_layers_that_do_not_fit():
    refuses(lambda: pwl.Network.mlp(3, (4, 2), 1, W=[np.ones((4, 4))]), "1 hidden", "has 2")
    refuses(lambda: pwl.Network.mlp(3, (4, 2), 1, W=[np.ones((4, 4)), np.ones((2, 4))]), "(2, 5)", "(2, 4)")
    refuses(lambda: pwl.Network.mlp(3, (4, 2), 1, W=3.0), "list of arrays", "float")


def test_cross_entropy_with_one_output():
    refuses(lambda: pwl.Network.mlp(3, 4, 1, loss="cross_entropy"), "2 or more", "1")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hinges": 1}, ["at least 2", "1"]),
        ({"hinges": 0}, ["at least 2", "0"]),
        ({"hinges": [1.0]}, ["at least 2", "1"]),
        ({"hinges": []}, ["at least 2", "0"]),
        ({"hinges": [0, 2, 1]}, ["strictly increasing", "sort"]),
        ({"hinges": [0, 1, 1]}, ["strictly increasing", "repeats"]),
        ({"hinges": [0, NAN, 1]}, ["finite"]),
        ({"hinges": [0, 1, INF]}, ["finite"]),
        ({"hinges": 13.0}, ["13.0"]),
        ({"hinges": True}, ["True"]),
        ({"hinges": "many"}, ["'many'"]),
        ({"hinges": None}, ["hinges"]),
        ({"hinges": np.zeros((2, 2, 2))}, ["(units, K)"]),
        ({"start": "rellu"}, ["'rellu'", "relu", "tanh"]),
        ({"start": None}, ["None", "relu"]),
        ({"outside": "zero"}, ["'zero'", "constant", "linear"]),
        ({"span": (1, 1)}, ["(1, 1)", "lower first"]),
        ({"span": (2, 1)}, ["(2, 1)", "lower first"]),
        ({"span": (0, INF)}, ["inf"]),
        ({"span": 3}, ["(low, high)", "3"]),
        ({"span": "wide"}, ["'wide'", "nets"]),
        ({"hinges": [0, 1], "span": (0, 1)}, ["span", "positions"]),
    ],
)
def test_curves_that_cannot_be(options, words):
    refuses(lambda: pwl.PiecewiseLinear(**options), *words)


def test_hinges_for_another_number_of_units():
    activation = pwl.PiecewiseLinear(hinges=[[0, 1, 2], [0, 1, 3]])
    refuses(lambda: pwl.Network.mlp(3, 4, 2, activation), "2 units", "has 4")


@pytest.mark.parametrize("start", [lambda n: n[:1], lambda n: n * NAN, lambda n: 3.0])
def test_a_start_of_the_curves_that_gives_no_ordinates(start):
    refuses(lambda: pwl.Network.mlp(3, 4, 2, pwl.PiecewiseLinear(start)), "finite value per hinge")


# ---- algorithms and settings


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: pwl.MOLF("newton"), ["'newton'", "gradient", "hwo"]),
        (lambda: pwl.AdAct(direction=None), ["None", "gradient", "hwo"]),
        (lambda: pwl.AdAct(curve_factor="each"), ["'each'", "scalar", "unit"]),
        (lambda: pwl.OWOBP("exact"), ["'exact'", "optimal", "heuristic"]),
        (lambda: pwl.OWOBP(z=0), ["positive", "0"]),
        (lambda: pwl.OLS(tolerance=1), ["[0, 1)", "1"]),
        (lambda: pwl.OLS(tolerance=-1e-9), ["[0, 1)", "-1e-09"]),
        (lambda: pwl.OLS("small"), ["[0, 1)", "'small'"]),
        (lambda: pwl.OLS(relative=1e-9), ["relative must be True or False", "1e-09"]),
        (lambda: pwl.MOLF("hwo", 0.01), ["safeguard must be True or False", "0.01"]),
        (lambda: pwl.AdAct(safeguard="yes"), ["safeguard must be True or False", "'yes'"]),
        (lambda: pwl.BayesianLM(0.005), ["train_curves must be True or False", "0.005"]),
        (lambda: pwl.SGD(nesterov=2), ["nesterov must be True or False", "2"]),
        (lambda: pwl.LM(0.1), ['solver must be "qr" or "cholesky"', "0.1"]),
        (lambda: pwl.MOLF(ols=1e-9), ["ols must be a pwl.OLS(...)", "1e-09"]),
        (lambda: pwl.MOLF(penalties=0.1), ["penalties must be a pwl.Penalties(...)", "0.1"]),
        (lambda: pwl.AdAct(penalties=0.1, l2=0.1), ["penalties must be a pwl.Penalties(...)", "0.1"]),
        (lambda: pwl.CG("polak-ribiere", None, True, 0.1), ["penalties must be a pwl.Penalties(...)", "0.1"]),
        (lambda: pwl.BayesianLM(damping=0.005), ["damping must be a pwl.Damping(...)", "0.005"]),
        (lambda: pwl.VarPro(damping="gain"), ["damping must be a pwl.Damping(...)", "'gain'"]),
        (lambda: train(algorithm=pwl.MOLF(ridge=-1)), ["ridge", "-1"]),
        (lambda: train(algorithm=pwl.MOLF(l2=INF)), ["l2", "inf"]),
        (lambda: train(algorithm=pwl.AdAct(curve_penalty=NAN)), ["curves", "nan"]),
        (lambda: train(algorithm=pwl.AdAct(ridge="a little")), ["ridge", "a little"]),
        (lambda: train(algorithm=pwl.AdAct), ["pwl.AdAct()", "not"]),
        (lambda: train(algorithm="adact"), ["pwl.AdAct()", "'adact'"]),
        (lambda: pwl.train(curve_network(3, 4, 2), X, T), ["pwl.AdAct()", "an array of shape (40, 2)"]),
        (lambda: pwl.Checkpoint("run", "often"), ["0 or more", "'often'"]),
    ],
)
def test_algorithms_that_cannot_be(make, words):
    refuses(make, *words)


def test_adact_on_fixed_activations_says_what_to_do():
    for use in (
        lambda: train(net=pwl.Network.mlp(3, 4, 2, "relu")),
        lambda: pwl.adact_step(pwl.Network.mlp(3, 4, 2, "relu"), pwl.Patterns(X, T)),
    ):
        refuses(use, "PiecewiseLinear", "pwl.MOLF()")
    refuses(lambda: pwl.Network.mlp(3, 4, 2).A, "no curves")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"iterations": -1}, ["iterations", "-1"]),
        ({"iterations": 2.0}, ["iterations", "2.0"]),
        ({"iterations": None}, ["iterations", "None"]),
        ({"max_fail": 0}, ["max_fail", "0"]),
        ({"batch_size": 41}, ["batch_size 41", "40 patterns"]),
        ({"batch_size": 0}, ["batch_size", "0"]),
        ({"min_grad": -1.0}, ["min_grad", "-1.0"]),
        ({"goal": NAN}, ["goal", "nan"]),
        ({"goal": None}, ["goal", "None"]),
        ({"goal": "low"}, ["goal", "'low'"]),
        ({"max_seconds": -5}, ["max_seconds", "-5"]),
        ({"callback": 3}, ["callback", "3"]),
        ({"seed": -2, "batch_size": 10}, ["seed", "-2"]),
        ({"checkpoint": 0}, ["checkpoint must be the path of a file", "0"]),
        ({"resume": {}}, ["resume must be the path of a file", "{}"]),
    ],
)
def test_settings_that_cannot_be(settings, words):
    refuses(lambda: train(**settings), *words)


def test_a_hinge_that_cannot_be_inserted():
    net = curve_network(3, 4, 2)
    refuses(lambda: pwl.insert_hinge(net, -2.5), "-2.5", "already")
    refuses(lambda: pwl.insert_hinge(net, NAN), "finite", "nan")
    refuses(lambda: pwl.insert_hinge(net, 0.1, layer=0), "layer 0", "[1]")
    refuses(lambda: pwl.insert_hinge(pwl.Network.mlp(3, 4, 2), 0.1), "no curves", "none")


def test_options_that_algorithms_share_are_given_flat_or_as_one():
    for algorithm, options in (
        (pwl.AdAct, {"ridge": 0.1, "l2": 0.2, "curve_penalty": 0.3}),
        (pwl.LM, {"ridge": 0.1, "mu": 0.5, "schedule": "gain", "mu_max": 1e5}),
    ):
        penalties = pwl.Penalties(options["ridge"], options.get("l2", 0.0), options.get("curve_penalty", 0.0))
        own = {"damping": pwl.Damping(mu=0.5, schedule="gain", mu_max=1e5)} if algorithm is pwl.LM else {}
        assert algorithm(**options) == algorithm(penalties=penalties, **own)
        assert repr(algorithm(**options)) == repr(algorithm(penalties=penalties, **own))
        assert dataclasses.replace(algorithm(**options), ridge=0.4).penalties == dataclasses.replace(
            penalties, ridge=0.4
        )
    assert pwl.MOLF(penalties=pwl.Penalties(ridge=0.1), l2=0.2).penalties == pwl.Penalties(0.1, 0.2)
    with pytest.raises(TypeError, match="lambda_"):
        pwl.MOLF(lambda_=0.1)
