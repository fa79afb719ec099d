"""`pwl.check`: it passes where the engine is right, and the matching rows fail where the engine is wrong by 0.1 %."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from toys import LOSSES, problem, random_network, spirals, waves

import pwl
from pwl import kernels, losses
from pwl.layers import Layer
from pwl.network import passes
from pwl.reductions import correlations
from pwl.solvers.ols import Solution
from pwl.study.check import ALL_CROSS, TOLERANCE, check
from pwl.study.probe import PATTERNS

SLOW = pytest.mark.slow
CURVE = pwl.PiecewiseLinear("sigmoid", 13)


def failing(rows):
    return {(row.quantity, row.where) for row in rows if not row.passed}


def data_for(loss="squared_error", Nv=150):
    x, t = spirals(Nv) if losses.LOSSES[loss].classes else waves(Nv, N=3)
    return (x - x.mean(axis=0)) / x.std(axis=0), t


def untrained(hidden, activation=CURVE, loss="squared_error", **options):
    x, _ = data_for(loss, 10)
    return pwl.Network.mlp(
        x.shape[1], hidden, 3 if losses.LOSSES[loss].classes else 2, activation, loss=loss, **options
    )


# ---- where the engine is right


@pytest.mark.parametrize("loss", losses.LOSSES)
@pytest.mark.parametrize(
    ("hidden", "bypass"),
    [(5, True), ((4, 3), False), pytest.param(5, False, marks=SLOW), pytest.param((4, 3), True, marks=SLOW)],
)
@pytest.mark.parametrize("activation", ["sigmoid", "relu", CURVE], ids=["sigmoid", "relu", "curves"])
def test_all_passes(activation, hidden, loss, bypass):
    rows = check(untrained(hidden, activation, loss, bypass=bypass), data_for(loss))
    assert not failing(rows), rows
    assert max(row.difference for row in rows) < 0.1 * TOLERANCE
    assert min(row.patterns for row in rows) > 100


@pytest.mark.parametrize("activation", [CURVE, pwl.PiecewiseLinear("tanh", (-1.0, 0.3, 2.0), outside="linear")])
@pytest.mark.parametrize("loss", losses.LOSSES)
def test_all_passes_with_weights(loss, activation):
    net = random_network(activation, (4, 3), loss=loss)
    assert not failing(check(net, problem(net, weights=True)))


@pytest.mark.parametrize("loss", losses.LOSSES)
def test_all_passes_for_a_trained_net_in_float32(loss):
    data = data_for(loss)
    net, _ = pwl.train(untrained(6, loss=loss, dtype=np.float32), data, pwl.AdAct(direction="hwo"), iterations=20)
    rows = check(net, data)
    assert net.theta.dtype == np.float32
    assert not failing(rows) and max(row.difference for row in rows) < 0.1 * TOLERANCE


def test_all_passes_in_raw_units():
    x, t = waves(N=3)
    assert not failing(check(untrained(6), (1000 + 50 * x, 1e6 * t + 1e7)))


def test_rows_say_what_was_compared():
    rows = check(untrained((4, 3)), data_for())
    body = [(quantity, f"{layer}.W") for layer in (0, 2) for quantity in ("G", "dy", "J'u")]
    body += [(quantity, f"{layer}.A") for layer in (1, 3) for quantity in ("G_a", "dy", "J'u")]
    factors = [(f"{q}_{n}", w) for n, w in (("molf", "0.W, 2.W"), ("a", "1.A, 3.A")) for q in ("H", "g")]
    rest = [("z", "1.A, 3.A"), ("J'J", "all"), ("J'r", "all"), ("OWO", "head.W")]
    assert [(row.quantity, row.where) for row in rows] == [*body, ("G_o", "head.W"), *factors, *rest]


def test_the_same_seed_gives_the_same_rows():
    net, data = untrained(5), data_for()
    assert check(net, data, 3) == check(net, data, 3) != check(net, data, 4)


def test_few_of_many_patterns_are_used_and_none_that_weighs_nothing():
    x, t = data_for(Nv=1000)
    w = np.ones(1000)
    w[::2] = 0
    net = pwl.initialise(untrained(5, "sigmoid"), (x, t))
    x[::2] = 1e6
    assert {row.patterns for row in check(net, (x, t, w))} == {PATTERNS}
    assert {row.patterns for row in check(net, (x[:20], t[:20]))} == {20}


def test_patterns_that_cross_a_hinge_are_left_out():
    """A net whose hinges lie at the nets of half the patterns."""
    x = np.repeat([[-1.0], [0.5]], 20, axis=0) + np.linspace(0, 0.1, 40)[:, None] * (np.arange(40) >= 20)[:, None]
    net = pwl.Network.mlp(1, 1, 1, "relu", W=[[1.0, 1.0]], net_control=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = check(net, (x, np.sin(x)))
    used = {(row.quantity, row.where): row.patterns for row in rows}
    assert used["G", "0.W"] == used["H_molf", "0.W"] == 20
    assert used["G_o", "head.W"] == 40
    assert not failing(rows)


def test_without_patterns_the_row_is_not_checkable_and_says_why():
    x = np.zeros((40, 1))
    net = pwl.Network.mlp(1, 1, 1, "relu", W=[[0.0, 1.0]], net_control=False)
    rows = check(net, (x, np.ones((40, 1))))
    through = {("G", "0.W"), ("dy", "0.W"), ("J'u", "0.W"), ("H_molf", "0.W"), ("g_molf", "0.W")}
    assert failing(rows) == through | {("J'J", "all"), ("J'r", "all")}
    assert {row.note for row in rows if not row.passed} == {ALL_CROSS}
    assert not any(row.failed for row in rows)
    assert all(row.patterns == 0 for row in rows if row.note)


def test_nan_fails():
    net = pwl.initialise(untrained(4), data_for())
    rows = check(net.with_theta(net.theta * np.nan), data_for())
    assert not any(row.passed for row in rows)
    assert all(row.failed for row in rows)


def test_bad_data_is_an_input_error():
    with pytest.raises(pwl.InputError, match="inputs of shape"):
        check(untrained(4), (np.zeros((5, 2)), np.zeros((5, 2))))
    with pytest.raises(pwl.InputError, match="seed"):
        check(untrained(4), data_for(), seed=-1)


# ---- where the engine is wrong


def wrong(value):
    """Larger by 0.1 %: an array, the first of several, every array of a dictionary or of an iterator, the weights of a solution."""
    if isinstance(value, dict):
        return {key: 1.001 * part for key, part in value.items()}
    if isinstance(value, Solution):
        return value._replace(weights=1.001 * value.weights)
    if isinstance(value, tuple):  # the matrix before other sums
        return wrong(value[0]), *value[1:]
    if isinstance(value, Iterator):
        return map(wrong, value)
    return None if value is None else 1.001 * value


def spoil(monkeypatch, owner, name, change=wrong):
    """A method, or a function of a module; one of the engine's wherever the engine itself calls it, too."""
    right = getattr(owner, name)
    for place in (owner, sys.modules[right.__module__]) if owner is KERNELS else (owner,):
        monkeypatch.setattr(place, name, lambda *arguments: change(right(*arguments)))


W, A = ("0.W", "2.W"), ("1.A", "3.A")
BOTH_W, BOTH_A = ", ".join(W), ", ".join(A)
H = {("H_molf", BOTH_W), ("H_a", BOTH_A)}
g = {("g_molf", BOTH_W), ("g_a", BOTH_A)}
z = {("z", BOTH_A)}
SYSTEM = {("J'J", "all"), ("J'r", "all")}
G = {("G", key) for key in W} | {("G_a", key) for key in A}
BELOW = {(quantity, "0.W") for quantity in ("G", "J'u")} | {(quantity, "1.A") for quantity in ("G_a", "J'u")}
TANGENTS = {("dy", key) for key in (*W, *A)}
ALL = G | {("G_o", "head.W")} | TANGENTS | {("J'u", key) for key in (*W, *A)} | H | g | z | SYSTEM | {("OWO", "head.W")}
KERNELS = kernels.engine(np.zeros((1, 1)))

TWO_LAYERS = {
    "gradient of the weights": (
        (pwl.layers.Dense, "gradient"),
        {(quantity, key) for quantity in ("G", "J'u") for key in W} | {("g_molf", BOTH_W)},
    ),
    "scatter": (
        (KERNELS, "scatter"),
        {(quantity, key) for quantity in ("G_a", "J'u") for key in A} | {("g_a", BOTH_A)} | z,
    ),
    "back through weights": ((pwl.layers.Dense, "backward"), BELOW | H | g | z | SYSTEM),
    "back through curves": (
        (pwl.PiecewiseLinear, "backward"),
        {("G", "0.W"), ("J'u", "0.W")} | H | g | z | SYSTEM,
    ),
    "outputs of the last curves": ((pwl.PiecewiseLinear, "sums"), ALL - {("dy", "3.A")}),  # quotients rest on them
    "back from the outputs": (
        (pwl.PiecewiseLinear, "sums_backward"),
        BELOW | {("G", "2.W"), ("J'u", "2.W"), ("H_molf", BOTH_W), ("g_molf", BOTH_W)},
    ),
    "gradient of the last curves": ((pwl.PiecewiseLinear, "sums_gradient"), {("G_a", "3.A"), ("J'u", "3.A")}),
    "tangent of the outputs": ((pwl.PiecewiseLinear, "sums_tangent"), TANGENTS | z),
    "tangent of the weights": (
        (pwl.layers.Dense, "tangent"),
        {("dy", "0.W"), ("dy", "1.A"), ("dy", "2.W"), ("H_molf", BOTH_W)} | z,
    ),
    "tangent of the curves": (
        (pwl.PiecewiseLinear, "tangent"),
        TANGENTS - {("dy", "3.A")} | {("H_a", BOTH_A)} | z,
    ),
    "columns of the weights": ((pwl.layers.Dense, "columns"), SYSTEM),
    "columns of the curves": ((pwl.PiecewiseLinear, "columns"), SYSTEM),
    "basis": ((passes, "basis"), SYSTEM),
    "gradient of the head": ((passes, "_head_gradient"), {("G_o", "head.W")}),
    "basis without features": ((Layer, "direct"), {("G_o", "head.W"), ("OWO", "head.W")} | SYSTEM),
    "Gram matrix of the basis": ((correlations, "_gram_of_parts"), {("OWO", "head.W")}),
    "solve": ((pwl.OLS, "solve"), {("OWO", "head.W")}),
}
EITHER_LOSS = {
    "d": ("d", G | {("G_o", "head.W")} | g | z),
    "S along a line": ("quadratic_form", z),
    "S by roots": ("roots", H | SYSTEM),
    "residuals": ("residuals", {("J'r", "all")}),
}


def start(hidden, loss):
    """A net in the middle of its training, so that nothing is right by the symmetry of the start."""
    net, _ = pwl.train(untrained(hidden, loss=loss), data_for(loss), pwl.AdAct(), iterations=2)
    return net


@pytest.mark.parametrize("name", TWO_LAYERS)
def test_a_wrong_engine_fails_the_matching_rows(name, monkeypatch):
    net, (owner, method), wanted = start((4, 3), "squared_error"), *TWO_LAYERS[name]
    spoil(monkeypatch, owner, method)
    assert failing(check(net, data_for())) == wanted


@pytest.mark.parametrize("loss", losses.LOSSES)
@pytest.mark.parametrize("name", EITHER_LOSS)
def test_a_wrong_loss_fails_the_matching_rows(name, loss, monkeypatch):
    net, (method, wanted) = start((4, 3), loss), EITHER_LOSS[name]
    if (loss, method) == ("cross_entropy", "d"):  # made together with the errors, by a kernel
        spoil(monkeypatch, kernels.reference, "cross_entropy", lambda both: (both[0], wrong(both[1])))
    elif method == "d":  # made together, too
        spoil(monkeypatch, type(losses.LOSSES[loss]), "errors_and_d", lambda both: (both[0], wrong(both[1])))
    else:
        spoil(monkeypatch, type(losses.LOSSES[loss]), method)
    assert failing(check(net, data_for(loss))) == wanted


@pytest.mark.parametrize("loss", losses.LOSSES)
def test_wrong_closed_forms_fail_the_matching_rows(loss, monkeypatch):
    net = start(5, loss)
    spoil(monkeypatch, type(losses.LOSSES[loss]), "curvature")
    assert failing(check(net, data_for(loss))) == {("H_molf", "0.W"), ("H_a", "1.A")}


def test_outputs_that_gradients_begin_with_are_seen(monkeypatch):
    """Those of the last curves: what is saved beside them is right."""
    net = start((4, 3), "squared_error")
    spoil(monkeypatch, pwl.PiecewiseLinear, "sums_forward", lambda both: (wrong(both[0]), both[1]))
    assert failing(check(net, data_for())) == G - {("G_a", "3.A")} | g | z


def test_a_wrong_slope_fails_all_that_goes_through_it(monkeypatch):
    """Times what passes through, or, where the head's gradient is wanted too, with the values."""
    net = start(5, "squared_error")
    with monkeypatch.context() as patch:
        spoil(patch, KERNELS, "times_slope")
        assert failing(check(net, data_for())) == {
            (quantity, "0.W") for quantity in ("G", "dy", "J'u", "H_molf", "g_molf")
        }
    spoil(monkeypatch, KERNELS, "value_slope", lambda both: (both[0], wrong(both[1])))
    assert failing(check(net, data_for())) == SYSTEM


def test_a_wrong_factor_misses_the_minimum_along_the_curves(monkeypatch):
    net = start(5, "squared_error")
    spoil(monkeypatch, losses.SquaredError, "quadratic_form")
    assert failing(check(net, data_for())) == {("z", "1.A")}


def test_a_step_of_nothing_is_not_the_minimum(monkeypatch):
    net = start(5, "squared_error")
    monkeypatch.setattr(losses.SquaredError, "quadratic_form", lambda self, y, dy, t: 1e300 * np.ones(len(dy)))
    assert failing(check(net, data_for())) == {("z", "1.A")}


def test_forgotten_weights_are_seen(monkeypatch):
    net = start((4, 3), "squared_error")
    data = (*data_for(), np.random.default_rng(0).uniform(0.2, 2, 150))
    for module in ("gradients", "correlations", "curvature"):
        monkeypatch.setattr(f"pwl.reductions.{module}.weighted", lambda a, w: a)
    assert failing(check(net, data)) == G | {("G_o", "head.W"), ("OWO", "head.W")} | g | z


@pytest.mark.core
@pytest.mark.parametrize("loss", LOSSES)
def test_curves_with_automatic_hinges_pass(loss):
    """Their step goes along a smooth direction, not along G_a."""
    net = random_network(pwl.PiecewiseLinear("tanh"), loss=loss)
    rows = check(net, problem(net, 150))
    assert next(row for row in rows if row.quantity == "z").passed
    assert not [row for row in rows if row.failed]


# ---- networks in which nets are large


@pytest.mark.parametrize("loss", losses.LOSSES)
@pytest.mark.parametrize("case", ["an outlier", "cancellation"])
def test_large_nets_pass_and_faults_are_seen_in_them(case, loss, monkeypatch):
    x, t = data_for(loss, 60)
    x, net = x.copy(), pwl.initialise(untrained(4, "tanh", loss, seed=1), (x, t))
    if case == "an outlier":
        x[7, 0] = 1e6
    else:  # of a threshold and an input that varies little
        x[:, 0] = 0.3 + 1e-5 * x[:, 0]
        W = np.array(net.W)
        W[:, :2] += [-0.3e5, 1e5]
        net = net.moved({"0.W": W - net.W})
    assert np.abs(x @ net.W[:, 1:].T).max() > 1e4
    rows = check(net, (x, t))
    assert not failing(rows), rows

    def wrong(*args, gradient=pwl.layers.Dense.gradient, **options):
        return {key: 1.001 * G for key, G in gradient(*args, **options).items()}

    monkeypatch.setattr(pwl.layers.Dense, "gradient", wrong)
    assert {("G", "0.W"), ("J'u", "0.W")} & failing(check(net, (x, t)))
