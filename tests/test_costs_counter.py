"""Our own count of multiplies against a counter: every product of matrices of a step, every system factored and solved."""

from __future__ import annotations

import array_api_strict
import numpy as np
import pytest
from toys import curve, problem, random_network, short, take_step

from pwl import CG, LM, MOLF, OWOBP, SCG, AdAct, VarPro
from pwl.algorithms.multiplies import own, published
from pwl.solvers.ols import OLS

strict = type(array_api_strict.asarray([0.0]))

ALGORITHMS = [
    OWOBP(),
    MOLF(),
    MOLF("hwo"),
    AdAct(),
    AdAct("hwo"),
    AdAct(curve_factor="unit"),
    CG(),
    CG("polak-ribiere", train_curves=True),
    SCG(),
    SCG(train_curves=True),
]


class Counter:
    """Multiplies of the products and solves that it was shown."""

    def __init__(self):
        self.spent = 0.0

    def product(self, a, b):
        """a @ b; half where it is A'A, which BLAS sees by itself."""
        (n, inner), m = a.shape, b.shape[1]
        is_gram = np.shares_memory(a, b) and a.shape == b.shape[::-1]
        self.spent += inner * (n * (n + 1) / 2 if is_gram else n * m)

    def elementwise(self, a, b):
        """a * b: counted only where it is the outer product of a column and a row."""
        if np.ndim(a) == np.ndim(b) == 2 and a.shape[1] == 1 == b.shape[0] and a.shape[0] > 1 < b.shape[1]:
            self.spent += a.size * b.size

    def factored(self, R):
        self.spent += published.ols(R.shape[0], 0)

    def solved(self, R, C):
        n = R.shape[0]
        self.spent += published.ols(n, 1 if C.ndim == 1 else C.shape[0]) - published.ols(n, 0)


@pytest.fixture
def counter(monkeypatch):
    """Every `@` and `*` of strict arrays, and every solve by OLS, passes through it."""
    found = Counter()
    for name, count in (("__matmul__", found.product), ("__mul__", found.elementwise)):
        plain = getattr(strict, name)

        def counted(self, other, plain=plain, count=count):
            count(np.asarray(self), np.asarray(other))
            return plain(self, other)

        monkeypatch.setattr(strict, name, counted)
    plain_solver = OLS.solver

    def solver(self, R):
        found.factored(R)
        solve = plain_solver(self, R)
        return lambda C: (found.solved(R, C), solve(C))[1]

    monkeypatch.setattr(OLS, "solver", solver)
    return found


def case(algorithm, hidden, outputs, loss):
    """A network that fits the algorithm, as strict arrays."""
    curves = isinstance(algorithm, AdAct) or getattr(algorithm, "train_curves", False)
    return random_network(curve() if curves else "tanh", hidden, inputs=12, outputs=outputs, loss=loss).to(
        array_api_strict
    )


def spent(counter, algorithm, net, Nv):
    """Multiplies of one iteration, a step and what is measured after it, without those of further trials."""
    patterns = problem(net, Nv)
    _, state = algorithm.measure(net, patterns, algorithm.init(net, patterns, 0))
    counter.spent = 0.0
    after, state, info = take_step(algorithm, net, patterns, state)
    algorithm.measure(after, patterns, state)
    a_trial = own.whole_gradient(net, Nv) if isinstance(algorithm, CG) else own.error(net, Nv)
    return counter.spent + np.log2(info.get("share", 1) * info.get("curve_share", 1)) * a_trial


@pytest.mark.parametrize(("loss", "outputs"), [("squared_error", 1), ("squared_error", 3), ("cross_entropy", 3)])
@pytest.mark.parametrize("hidden", [20, (14, 9)])
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=short)
def test_own_multiplies_are_those_that_are_spent(counter, algorithm, hidden, outputs, loss):
    """Both what a pattern adds and the whole, to rounding."""
    net = case(algorithm, hidden, outputs, loss)
    found = [spent(counter, algorithm, net, Nv) for Nv in (60, 150)]
    counted = [algorithm.multiplies(net, Nv)[1] for Nv in (60, 150)]
    assert counted[1] - counted[0] == pytest.approx(found[1] - found[0], rel=1e-12)
    assert counted[1] == pytest.approx(found[1], rel=1e-12)


@pytest.mark.parametrize(("loss", "outputs"), [("squared_error", 1), ("squared_error", 3), ("cross_entropy", 3)])
@pytest.mark.parametrize("hidden", [20, (14, 9)])
@pytest.mark.parametrize("algorithm", [LM(mu=0.1, solver="cholesky"), VarPro(mu=0.1)], ids=short)
def test_what_a_pattern_adds_to_a_system_of_all_weights(counter, algorithm, hidden, outputs, loss):
    """Of Levenberg-Marquardt and its kin: their solves are LAPACK's, so only what grows with the patterns is counted."""
    if loss == "cross_entropy" and isinstance(algorithm, VarPro):
        pytest.skip("VarPro is for squared error")
    net = case(algorithm, hidden, outputs, loss)
    found, trials = zip(*(spent_on_system(counter, algorithm, net, Nv) for Nv in (60, 150)), strict=True)
    assert trials == (1, 1)
    counted = [algorithm.multiplies(net, Nv)[1] for Nv in (60, 150)]
    assert counted[1] - counted[0] == pytest.approx(found[1] - found[0], rel=1e-12)


def spent_on_system(counter, algorithm, net, Nv):
    patterns = problem(net, Nv)
    _, state = algorithm.measure(net, patterns, algorithm.init(net, patterns, 0))
    counter.spent = 0.0
    _, _, info = take_step(algorithm, net, patterns, state)
    return counter.spent, info["trials"]


def test_the_counter_counts(counter):
    a, b, column = (array_api_strict.ones(shape) for shape in ((5, 3), (3, 4), (5, 1)))
    for product, multiplies in (
        (lambda: a @ b, 60),
        (lambda: a.T @ a, 30),  # A'A, half
        (lambda: a.T @ (a * column), 45),  # weighted: BLAS sees two arrays
        (lambda: column * column.T, 25),  # an outer product
        (lambda: a * a, 0),
        (lambda: OLS().solve(b @ b.T, b[:, 0]), 24 + published.ols(3, 1)),
    ):
        counter.spent = 0.0
        product()
        assert counter.spent == multiplies


def test_products_of_one_network_by_hand():
    """N = 2, Nh = 3, M = 1 with bypass, 10 patterns; a gradient of all weights: nets 9, outputs 5, back 3, G 9, G_o 6."""
    net = random_network("tanh", 3, inputs=2, outputs=1)
    assert own.whole_gradient(net, 10) == 10 * (9 + 5 + 3 + 9 + 6)
    assert CG().multiplies(net, 10) == (10 * 32 + 10 * (9 + 5 + 9 + 3 + 5),) * 2  # and a curvature: P_w, W_oh, P_o
    assert SCG().multiplies(net, 10) == (4 * 10 * (3 * 4 + 6) + 10 * (9 + 6), 2 * 10 * 32)  # Eq. (38)
