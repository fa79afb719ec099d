"""Targets that are NaN count nothing: errors, gradients, curvatures, output steps and whole runs, Eqs. (95), (96)."""

from __future__ import annotations

import array_api_strict
import numpy as np
import pytest
from fake_ranks import on_comms
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import random_network

import pwl
from pwl.algorithms.learning_factors import block_system
from pwl.algorithms.ridge import fitted, preferred
from pwl.losses import KNOWN_SQUARED_ERROR, SQUARED_ERROR
from pwl.network.layout import HEAD
from pwl.network.passes import basis, features, outputs
from pwl.reductions.correlations import basis_correlations, own_correlations
from pwl.reductions.curvature import line_curvature
from pwl.reductions.gradients import error, gradients
from pwl.reductions.jacobian import system
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.runtime.backend import host
from pwl.solvers.evidence import Spectra, best_ridge, spectrum

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 3))
T = np.c_[np.sin(2 * X[:, 0]), X[:, 1] ** 2, X[:, 0] * X[:, 2]]
UNKNOWN = RNG.random(T.shape) < 0.3
UNKNOWN[UNKNOWN.all(axis=1)] = False
GAPS = np.where(UNKNOWN, np.nan, T)
M = ~UNKNOWN
W = RNG.integers(1, 4, len(X)).astype(float)

ALGORITHMS = [
    pwl.AdAct(), pwl.AdAct(direction="hwo", curve_factor="unit"), pwl.AdAct.damped(), pwl.AdAct.damped(ridge=1e-3), pwl.MOLF(),
    pwl.MOLF(direction="hwo", safeguard=True), pwl.MOLF.damped(), pwl.OWOBP(), pwl.CG(), pwl.SCG(), pwl.LM(), pwl.LM(solver="qr"),
    pwl.VarPro(), pwl.VarPro(solver="qr"), pwl.BayesianLM(), pwl.BayesianLM(solver="rows"), pwl.BayesianLM(groups="layers"),
    pwl.LBFGS(), pwl.SGD(1e-2), pwl.Adam(1e-2), pwl.MinibatchAdAct(),
]  # fmt: skip


def named(algorithm):
    return f"{type(algorithm).__name__}-{ALGORITHMS.index(algorithm)}"


def net_for(algorithm=None, outputs=3, **options):
    curve = pwl.PiecewiseLinear("tanh", 7) if "AdAct" in type(algorithm).__name__ else "tanh"
    return pwl.Network.mlp(3, 5, outputs, curve, seed=0, dtype=np.float64, **options)


def batches(algorithm):
    return {"batch_size": 30} if isinstance(algorithm, pwl.SGD | pwl.Adam | pwl.MinibatchAdAct) else {}


@pytest.fixture(scope="module")
def started():
    return pwl.initialise(net_for(), (X, GAPS, W)).with_loss(KNOWN_SQUARED_ERROR)


def mean(values, w=W):
    """Weighted mean over patterns."""
    return np.tensordot(w, values, axes=(0, 0)) / np.sum(w)


# ---- the loss


def test_worked_numbers():
    """Two patterns, two outputs: errors 1 and 4 + 1, d = 2 (t - y) where a target is known."""
    y, t = np.array([[1.0, 5.0], [0.0, 2.0]]), np.array([[2.0, np.nan], [2.0, 1.0]])
    loss = KNOWN_SQUARED_ERROR
    np.testing.assert_array_equal(loss.errors(y, t), [1, 5])
    np.testing.assert_array_equal(loss.d(y, t), [[2, 0], [4, -2]])
    np.testing.assert_array_equal(loss.quadratic_form(y, np.array([[1.0, 3.0], [1.0, 3.0]]), t), [2, 20])
    np.testing.assert_allclose(
        sum(v[:, :, None] * v[:, None, :] for v in loss.roots(y, t)), [np.diag([2, 0]), 2 * np.eye(2)]
    )
    V, W_b = np.array([[1.0], [2.0]]), np.array([[3.0], [4.0]])  # 2 (9 (1 + 4) + 16 * 4)
    np.testing.assert_array_equal(loss.curvature(V, W_b, None, None, t), [[218]])


def test_roots_and_residuals_make_d():
    y, u = np.random.default_rng(7).normal(size=GAPS.shape), (np.arange(len(X)) + 0.5) / len(X)
    loss = KNOWN_SQUARED_ERROR
    d = sum(r[:, None] * v for r, v in zip(loss.residuals(y, GAPS).T, loss.roots(y, GAPS), strict=True))
    np.testing.assert_allclose(d, loss.d(y, GAPS), atol=1e-15)
    t = np.tile(GAPS[UNKNOWN.any(axis=1)][:1], (len(X), 1))  # one pattern, every drawn output
    v = loss.drawn_root(y, u, t)
    np.testing.assert_allclose(v.T @ v / len(X), 2 * np.diag(~np.isnan(t[0])), atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=2, max_size=2), min_size=6, max_size=12))
def test_without_nan_it_is_squared_error_and_with_nan_a_sum_over_what_is_known(unknown):
    unknown, rng = np.array(unknown), np.random.default_rng(len(unknown))
    y, t, dy = rng.normal(size=(3, *unknown.shape))
    gaps = np.where(unknown, np.nan, t)
    for f in ("errors", "d"):
        np.testing.assert_array_equal(getattr(KNOWN_SQUARED_ERROR, f)(y, t), getattr(SQUARED_ERROR, f)(y, t))
    np.testing.assert_allclose(KNOWN_SQUARED_ERROR.errors(y, gaps), np.nansum((gaps - y) ** 2, axis=1), rtol=1e-14)
    np.testing.assert_allclose(
        KNOWN_SQUARED_ERROR.quadratic_form(y, dy, gaps),
        SQUARED_ERROR.quadratic_form(y, np.where(unknown, 0, dy), gaps),
        rtol=1e-14,
    )


# ---- derivatives


def test_gradients_are_those_of_the_error(started):
    """Away from the optimal output weights, where their gradient is 0 and quotients are rounding."""
    patterns, rng = Patterns(X, GAPS, W), np.random.default_rng(5)
    net = started.with_theta(started.theta + 0.1 * rng.normal(size=started.theta.shape))
    keys = net.keys("map", "head")
    E, G = reduce(gradients(keys), net, patterns)
    assert float(E[0]) == pytest.approx(mean(np.nansum((GAPS - net.predict(X)) ** 2, axis=1)), rel=1e-13)
    for key in keys:
        D = rng.normal(size=G[key].shape)
        ahead, behind = (float(reduce(error(), net.moved({key: s * D}), patterns)[0]) for s in (1e-5, -1e-5))
        assert -np.sum(G[key] * D) == pytest.approx((ahead - behind) / 2e-5, rel=1e-7)


def jacobian(net):
    """dy/dw (Nv, M, P) by central differences."""

    def there(i, s):
        theta = net.theta.copy()
        theta[i] += s
        return outputs(net.with_theta(theta), X)

    return np.stack([(there(i, 1e-5) - there(i, -1e-5)) / 2e-5 for i in range(len(net.theta))], axis=2)


def test_curvatures_are_those_of_the_jacobian(started):
    patterns, J = Patterns(X, GAPS, W), jacobian(started)
    key = started.keys("map")[0]
    D = {key: np.random.default_rng(7).normal(size=started.parts[key].shape)}
    along = np.stack([J @ started.join({key: np.eye(5)[[k]].T * D[key]}) for k in range(5)], axis=2)  # (Nv, M, units)
    H = mean(2 * np.einsum("pi,pia,pib->pab", M, along, along))
    found, _ = block_system(started, patterns, D, D, pwl.Penalties())
    np.testing.assert_allclose(found, H, rtol=1e-7, atol=1e-9)
    h = float(reduce(line_curvature(D), started, patterns))
    assert h == pytest.approx(float(np.sum(H)), rel=1e-7)


@pytest.mark.parametrize("solver", ["cholesky", "qr"])
def test_the_system_of_lm_is_that_of_the_stacked_rows(started, solver):
    """Rows of E / 2 whose target is not known are left out. The step is a least squares problem with damping rows below."""
    J, r = jacobian(started)[M], (GAPS - started.predict(X))[M]
    w = np.sqrt(np.repeat(W, M.sum(axis=1)) / np.sum(W))
    A = w[:, None] * J
    wanted = np.linalg.lstsq(
        np.vstack([A, 0.1 * np.eye(A.shape[1])]), np.append(w * r, np.zeros(A.shape[1])), rcond=None
    )[0]
    at = system(started, Patterns(X, GAPS, W), started.keys("map", "head"), solver)
    np.testing.assert_allclose(at.damped(np.full(len(wanted), 0.01)), wanted, rtol=1e-5, atol=1e-7)


def test_deep_nets_have_the_same_block_curvature_by_both_ways():
    net = random_network("tanh", 3, outputs=3).with_loss(KNOWN_SQUARED_ERROR)
    patterns = Patterns(X[:, : net.input_shape[0]], GAPS)
    D = {key: np.random.default_rng(7).normal(size=net.parts[key].shape) for key in net.keys("map")}
    H, _ = block_system(net, patterns, D, D, pwl.Penalties())
    line = float(reduce(line_curvature(D), net, patterns))
    assert float(np.sum(H)) == pytest.approx(line, rel=1e-10)


def test_without_nan_sums_are_those_of_squared_error():
    plain, patterns = pwl.initialise(net_for(), (X, T, W)), Patterns(X, T, W)
    own = plain.with_loss(KNOWN_SQUARED_ERROR)
    D = {key: np.random.default_rng(7).normal(size=plain.parts[key].shape) for key in plain.keys("map")}
    keys = plain.keys("map", "head")

    def sums(net):
        yield from block_system(net, patterns, D, D, pwl.Penalties())
        yield from system(net, patterns, keys, "cholesky")
        yield np.array(reduce(line_curvature(D), net, patterns))
        yield reduce(gradients(keys), net, patterns).G[HEAD]

    for found, wanted in zip(sums(own), sums(plain), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12 * np.max(np.abs(wanted)))


# ---- the output step


@pytest.mark.parametrize("inputs", [None, 4])
def test_owo_is_least_squares_for_each_output(inputs):
    net = pwl.initialise(net_for(input_hinges=inputs), (X, GAPS, W))
    net, info = pwl.owo_step(net, (X, GAPS, W))
    B, root = basis(net, X, features(net, X)), np.sqrt(W)[:, None]
    for i in range(3):
        known = M[:, i]
        wanted = np.linalg.lstsq((root * B)[known], (root * GAPS[:, [i]])[known], rcond=None)[0][:, 0]
        np.testing.assert_allclose((B @ net.W_o[i])[known], (B @ wanted)[known], atol=1e-9)
    assert info.owo_objective == pytest.approx(pwl.evaluate(net, (X, GAPS, W)).error, rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.booleans(), min_size=120, max_size=120))
def test_the_output_step_leaves_no_gradient(unknown):
    unknown = np.array(unknown).reshape(60, 2)
    gaps = np.where(unknown, np.nan, T[:60, :2])
    gaps[:8] = T[:8, :2]  # some of each output
    net = pwl.initialise(net_for(outputs=2), (X[:60], gaps))
    there, patterns = Patterns.fitting(net, (X[:60], gaps))
    G = reduce(gradients((HEAD,)), there, patterns).G[HEAD]
    assert np.max(np.abs(G)) < 1e-8


def test_the_ridge_of_the_evidence_is_that_of_the_known_patterns():
    """One output that knows 60 of 90 patterns: E is a sum over 90, so that the ridge is 2/3 of that of the 60 alone."""
    one = pwl.initialise(net_for(outputs=1), (X, T[:, :1]))
    gaps = np.where(np.arange(90)[:, None] < 30, np.nan, T[:, :1])
    known = pwl.Patterns(X[30:], T[30:, :1])
    wanted = preferred(fitted(one, known, pwl.Penalties(ridge=1e-2), pwl.OLS()), known)
    found = reduce(own_correlations(), one.with_loss(KNOWN_SQUARED_ERROR), Patterns(X, gaps))
    own = best_ridge(Spectra.of(found.R, found.C, found.energies, 90.0, None))
    assert own.gamma == pytest.approx(wanted.gamma, rel=1e-6)
    assert own.ridge == pytest.approx(wanted.ridge * 2 / 3, rel=1e-6)
    assert own.negative_log == pytest.approx(wanted.negative_log, rel=1e-9)


def test_of_several_outputs_the_evidence_is_the_sum():
    net, patterns = Patterns.fitting(pwl.initialise(net_for(), (X, GAPS)), (X, GAPS))
    found = Spectra.of(*map(np.asarray, reduce(own_correlations(), net, patterns)), 90.0, None)
    ridge = np.array([1e-4, 1e-2])
    alone = []
    for i in range(3):
        known = Patterns(X[M[:, i]], T[M[:, i], i : i + 1])
        R, C, E_t = reduce(basis_correlations(), net.with_loss(SQUARED_ERROR), known)
        alone.append(spectrum(R, C, np.array([E_t]), len(known)).negative_log(ridge * 90 / len(known)))
    np.testing.assert_allclose(found.negative_log(ridge), sum(alone), rtol=1e-10)
    fit = fitted(net, patterns, pwl.Penalties(ridge=1e-2), pwl.OLS())
    assert preferred(fit, patterns).ridge == best_ridge(found).ridge


# ---- runs


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=named)
def test_runs_lower_the_error_of_the_known_targets(algorithm):
    net, record = pwl.train(
        net_for(algorithm), (X, GAPS, W), algorithm, iterations=6, validation=(X, GAPS), **batches(algorithm)
    )
    E = mean(np.nansum((GAPS - net.predict(X)) ** 2, axis=1))
    assert record["error"][record.best_iteration] == pytest.approx(E, rel=1e-10)
    assert min(record["error"]) < record["error"][0]
    assert pwl.evaluate(net, (X, GAPS, W)).error == pytest.approx(E, rel=1e-10)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=named)
def test_without_nan_the_runs_are_those_of_squared_error(algorithm):
    full = Patterns(X, T, W)
    full._all_present, full._in_part = True, True  # as if some were not known
    start = pwl.initialise(net_for(algorithm), (X, T, W))
    one, record = pwl.train(start, full, algorithm, iterations=3, **batches(algorithm))
    other, wanted = pwl.train(start, (X, T, W), algorithm, iterations=3, **batches(algorithm))
    assert one.loss == KNOWN_SQUARED_ERROR and other.loss == SQUARED_ERROR
    np.testing.assert_allclose(record["error"][1:], wanted["error"][1:], rtol=1e-6)
    np.testing.assert_allclose(record["error"][1], wanted["error"][1], rtol=1e-10)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=named)
def test_an_output_with_the_same_patterns_throughout_is_that_of_these_patterns(algorithm):
    """All outputs unknown at the same patterns is the same as patterns that are absent, also beside weights."""
    gaps = T.copy()
    gaps[::3] = np.nan
    kept = ~np.isnan(gaps[:, 0])
    one, _ = pwl.train(net_for(algorithm), (X, gaps), algorithm, iterations=2, **batches(algorithm))
    other, _ = pwl.train(net_for(algorithm), (X[kept], T[kept]), algorithm, iterations=2, **batches(algorithm))
    np.testing.assert_array_equal(one.theta, other.theta)


@pytest.mark.parametrize("algorithm", [pwl.AdAct.damped(), pwl.BayesianLM(), pwl.SCG()], ids=lambda a: type(a).__name__)
def test_a_run_goes_on_to_the_same_bits(algorithm, tmp_path):
    whole, _ = pwl.train(net_for(algorithm), (X, GAPS), algorithm, iterations=5)
    pwl.train(net_for(algorithm), (X, GAPS), algorithm, iterations=2, checkpoint=tmp_path / "run")
    again, _ = pwl.train(net_for(algorithm), (X, GAPS), algorithm, iterations=5, resume=tmp_path / "run")
    np.testing.assert_array_equal(again.theta, whole.theta)


def test_a_trained_net_meets_full_data_as_any_other(tmp_path):
    net, _ = pwl.train(net_for(), (X, GAPS), pwl.LM(), iterations=3)
    net.save(tmp_path / "net.safetensors")
    loaded = pwl.Network.load(tmp_path / "net.safetensors")
    assert loaded.loss.name == "squared_error"
    assert pwl.evaluate(net, (X, T)) == pwl.evaluate(loaded, (X, T))
    assert pwl.molf_step(net, (X, T))[0].loss == SQUARED_ERROR


def test_only_the_validation_data_have_gaps():
    net, record = pwl.train(net_for(), (X, T), pwl.MOLF(), iterations=2, validation=(X, GAPS))
    _, wanted = pwl.train(net_for(), (X, T), pwl.MOLF(), iterations=2)
    assert record["error"] == wanted["error"]
    E = np.mean(np.nansum((GAPS - net.predict(X)) ** 2, axis=1))
    assert record["validation_error"][record.best_iteration] == pytest.approx(E, rel=1e-12)


@pytest.mark.parametrize(
    "algorithm",
    [pwl.AdAct(direction="hwo"), pwl.LM(), pwl.VarPro(), pwl.AdAct.damped(), pwl.SCG()],
    ids=lambda a: type(a).__name__,
)
def test_a_device_gives_the_same(algorithm):
    start = pwl.initialise(net_for(algorithm), (X, GAPS, W))
    one, _ = pwl.train(start, (X, GAPS, W), algorithm, iterations=2)
    there = array_api_strict.asarray
    for data in ((X, GAPS, W), (there(X), there(GAPS), W)):
        other, _ = pwl.train(start.to(array_api_strict), data, algorithm, iterations=2)
        np.testing.assert_allclose(host(other.theta), one.theta, rtol=1e-6, atol=1e-8)


def test_ranks_give_the_same():
    """Only the last rank has gaps, and all take the loss that counts them out."""
    gaps = T.copy()
    gaps[60:] = GAPS[60:]
    one, _ = pwl.train(net_for(), (X, gaps), pwl.MOLF(direction="hwo"), iterations=2)

    def run(comm):
        rows = slice(30 * comm.rank, 30 * comm.rank + 30)
        return pwl.train(net_for(), Patterns(X[rows], gaps[rows], comm=comm), pwl.MOLF(direction="hwo"), iterations=2)[
            0
        ]

    for net in on_comms(run, 3):
        np.testing.assert_allclose(net.theta, one.theta, rtol=1e-8, atol=1e-10)


IMAGES = RNG.normal(size=(60, 8, 8, 1))
FILTERS = [
    pwl.layers.Conv2d(3, 3), pwl.PiecewiseLinear("relu", 7), pwl.layers.MaxPool2d(2), pwl.layers.Flatten(), pwl.layers.Dense(3),
]  # fmt: skip
KINDS = {
    "two layers of curves": (pwl.Network.mlp(3, (5, 4), 3, pwl.PiecewiseLinear("tanh", 7)), X),
    "curves on inputs": (pwl.Network.mlp(3, 5, 3, "tanh", input_hinges=5), X),
    "no bypass": (pwl.Network.mlp(3, 5, 3, "tansig", bypass=False), X),
    "filters": (pwl.Network.from_layers(FILTERS, (8, 8, 1), loss="squared_error"), IMAGES),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_check_passes_on_gaps(kind):
    net, x = KINDS[kind]
    rows = pwl.check(net, (x, GAPS[: len(x)]))
    assert rows and not any(row.failed for row in rows)


def test_finetuning_takes_gaps():
    net, _ = pwl.train(KINDS["filters"][0], (IMAGES, T[:60]), pwl.Adam(), batch_size=20, iterations=2)
    for frozen in (0, 3):
        tuned, record = pwl.finetune(net, (IMAGES, GAPS[:60, :2]), pwl.LM(), frozen=frozen, iterations=2)
        E = np.mean(np.nansum((GAPS[:60, :2] - tuned.predict(IMAGES)) ** 2, axis=1)[M[:60, :2].any(axis=1)])
        # In float32.
        assert tuned.n_outputs == 2 and record["error"][record.best_iteration] == pytest.approx(E, rel=1e-4)
