"""Problems of the comparison with other programs: their derivatives, and that each rival learns on a toy."""

from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest

import pwl

pytest.importorskip("benchmarks.shared.cells", reason="the benchmarks are not part of the installed package")
from benchmarks.peers import command as peers
from benchmarks.peers import lm as peers_lm
from benchmarks.peers import measure, rivals, sinc
from benchmarks.peers.rivals.problem import OutOfTime, Watch, drawn, started, thinned
from benchmarks.shared.cells import Cells


@pytest.fixture(scope="module")
def toy():
    x = np.linspace(-2, 2, 60)[:, None]
    return started(x, np.sin(2 * x), 5, "tanh", 3, np.random.default_rng(1).uniform(-2, 2, (5, 2)))


@pytest.fixture(scope="module")
def classes():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((90, 2))
    return started(x, np.digitize(x[:, 0] + 0.3 * x[:, 1], [-0.5, 0.5]), 4, "sigmoid", 0)


# ---- problems and their derivatives


@pytest.mark.parametrize("kind", ["toy", "classes"])
def test_the_gradient_is_the_difference_quotient(kind, request):
    problem = request.getfixturevalue(kind)
    rng = np.random.default_rng(0)
    theta, v = drawn(problem, 0).theta, rng.standard_normal(problem.theta.shape)
    h = 1e-6
    quotient = (problem.error(theta + h * v) - problem.error(theta - h * v)) / (2 * h)
    assert problem.error_and_gradient(theta)[1] @ v == pytest.approx(quotient, rel=1e-6)


def test_the_jacobian_is_the_difference_quotient():
    rng = np.random.default_rng(0)
    problem = started(rng.standard_normal((20, 3)), rng.standard_normal((20, 2)), 4, "sigmoid", 0)
    theta, v, h = drawn(problem, 0).theta, rng.standard_normal(problem.theta.shape), 1e-6
    quotient = (problem.residuals(theta + h * v) - problem.residuals(theta - h * v)) / (2 * h)
    assert problem.jacobian(theta) @ v == pytest.approx(quotient, abs=1e-7)


@pytest.mark.parametrize("kind", ["toy", "classes"])
def test_errors_are_those_of_pwl(kind, request):
    problem = request.getfixturevalue(kind)
    assert pwl.evaluate(problem.network(), (problem.x, problem.t)).error == pytest.approx(problem.error(problem.theta))


def test_drawn_output_weights_leave_the_hidden_weights(toy):
    other = drawn(toy, 1)
    assert np.array_equal(other.split(other.theta)[0], toy.split(toy.theta)[0])
    assert np.all(np.abs(other.split(other.theta)[1]) <= 5**-0.5)


def test_a_watch_ends_a_run_and_thins_its_trace(toy):
    watch = Watch(toy, 0.0)
    with pytest.raises(OutOfTime):
        watch.note(toy.theta)
    points = thinned(list(range(10_000)), 50)
    assert points[0] == 0 and points[-1] == 9999 and len(points) <= 50


# ---- rivals


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["toy", "classes"])
@pytest.mark.parametrize("file", [file for file in rivals.FILES if file != "pyrenn_lm"])  # GPL: see below
def test_a_rival_lowers_the_error_from_our_start(file, kind, request):
    problem = drawn(request.getfixturevalue(kind), 0)
    try:
        module = rivals.load(file)
    except rivals.NotHere as reason:
        pytest.skip(str(reason))
    for method, settings in module.METHODS.items():
        only = getattr(module, "SQUARED_ERROR_ONLY", ())
        if problem.classes and (only is True or (only and method in only)):
            continue
        for budget in (0.15, 3.0):  # seconds; the second for a busy machine
            trace = module.run(problem, budget, settings[0] | {"method": method})
            if min(error for _, error in trace) < (1 - 1e-3) * trace[0][1]:
                break
        curved = file == "torch_curves" or "adact" in method or method.endswith("curved-varpro")
        if not curved:  # curves begin with an output step
            assert trace[0][1] == pytest.approx(problem.error(problem.theta)), method
        assert min(error for _, error in trace) < (1 - 1e-3) * trace[0][1], method
        assert all(a <= b for (a, _), (b, _) in itertools.pairwise(trace)) or file == "sklearn_mlp"


@pytest.mark.slow
def test_second_order_rivals_fit_the_toy(toy):
    for file, method in (("own", "hwo-adact"), ("scipy_least_squares", "trf"), ("scipy_minimize", "BFGS")):
        module = rivals.load(file)
        trace = module.run(drawn(toy, 0), 1.0, module.METHODS[method][0] | {"method": method})
        assert min(error for _, error in trace) < 2e-3, method


def test_pyrenn_runs_as_a_program_of_its_own(tmp_path, data_home):
    try:
        offered = peers.offers("pyrenn_lm", "concrete-tanh")
    except rivals.NotHere as reason:
        pytest.skip(str(reason))
    found = peers.one(
        Cells(tmp_path / "peers.jsonl"), "concrete-tanh", "pyrenn_lm", "lm", "0", offered["lm"][0], 0, 0.5
    )
    assert found["lowest"] < found["trace"][0][1] and found["weights"] == 201


def test_a_rival_that_is_not_installed_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_levenberg_marquardt", None)
    monkeypatch.delitem(sys.modules, "benchmarks.peers.rivals.torch_lm", raising=False)
    with pytest.raises(rivals.NotHere, match="torch-levenberg-marquardt is not installed"):
        rivals.load("torch_lm")
    names, missing = sinc.there(["varpro", "torch-lm-qr-float64-1"])
    assert "torch-lm-qr-float64-1" in missing and "torch-lm-qr-float64-1" not in names


def test_what_a_rival_cannot_do_is_refused():
    assert measure.offered("scipy_least_squares", "wine-classes") == dict.fromkeys(("lm", "trf"), "squared error only")
    assert measure.offered("own", "wine-classes").get("varpro", "squared error only") == "squared error only"
    assert isinstance(measure.offered("own", "concrete-sigmoid")["molf"], list)


@pytest.mark.parametrize("name", ["pwl LM, QR", "pwl LM, Cholesky", "scipy trf", "scipy lm", "plain NumPy J'J"])
def test_lm_jobs_count_their_iterations(toy, name):
    assert 1 <= peers_lm.MAKERS[name](drawn(toy, 0), 3)() <= 3
