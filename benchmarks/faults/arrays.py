"""Arrays of any kind at the doors of Python: training, estimators, preparation, least squares."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import pwl
from benchmarks.faults.outcome import Tally

KINDS = ["<f8", "<f4", ">f8", "<f2", "<i8", "|u1", "|b1", "<c16", "<U3", "<M8[D]", "|O"]
ALGORITHMS = [pwl.AdAct(), pwl.MOLF(), pwl.LM(), pwl.SCG(), pwl.Adam(), pwl.VarPro(), pwl.BayesianLM()]
SHORT = {"max_seconds": 0.1}  # the default learner


@st.composite
def arrays(draw: Any, dims: int) -> Any:
    """An array of a few rows: of any type, with numbers of any size, or lists and None."""
    kind = np.dtype(draw(st.sampled_from(KINDS + ["<f8"] * 8)))
    shape = draw(st.sampled_from([(12, 3), (12,), (12, 1), (12, 2), (0, 3), (12, 0), (1, 3), (11, 3), (), (3, 2, 2)]))
    shape = draw(st.sampled_from([(12, 3), shape])) if dims == 2 else draw(st.sampled_from([(12,), (12, 2), shape]))
    if draw(st.integers(0, 30)) == 0:
        return draw(st.sampled_from([None, "x", 3, [], [[1, 2], [3]], {}, [None] * 12, iter([1.0])]))
    if kind.kind == "f" and draw(st.booleans()):
        size = 10.0 ** draw(st.sampled_from([0, 0, 0, 3, -30, 30, -150, 150, 300, 308]))
        with np.errstate(over="ignore"):
            return (size * np.random.default_rng(draw(st.integers(0, 99))).normal(size=shape)).astype(kind)
    if kind.kind == "O":
        return np.array(draw(st.lists(st.sampled_from([1, 2.5, "a", None]), min_size=12, max_size=12)), dtype=object)
    return draw(hnp.arrays(kind, shape))


def campaign(tally: Tally, tries: int, seed: int) -> None:
    """Each try calls one door. What comes must be finite."""

    @seeded(seed)
    @settings(
        max_examples=tries,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(arrays(2), arrays(1), st.sampled_from([train, estimator, classifier, preparation, fit]), st.data())
    def one(x: Any, t: Any, door: Any, data: st.DataObject) -> None:
        before = [a.copy() if isinstance(a, np.ndarray) else None for a in (x, t)]
        call = door(x, t, data)
        what = f"{door.__name__} of {_short(x)} and {_short(t)}"
        tally.called(what, call, lambda y: None if np.all(np.isfinite(np.asarray(y, dtype=float))) else "not finite")
        for a, b in zip((x, t), before, strict=True):
            if b is not None and a.tobytes() != b.tobytes():
                tally.failed(what, "an input array was changed")

    one()


def _short(a: Any) -> str:
    return f"{a.dtype} {a.shape} {a.ravel()[:3].tolist()}" if isinstance(a, np.ndarray) else repr(a)[:60]


def train(x: Any, t: Any, data: st.DataObject) -> Any:
    algorithm, loss = (
        data.draw(st.sampled_from(ALGORITHMS)),
        data.draw(st.sampled_from(["squared_error", "cross_entropy"])),
    )
    outputs = data.draw(st.integers(1, 3))

    def call() -> Any:
        net = pwl.Network.mlp(3, 2, outputs, pwl.PiecewiseLinear(hinges=3), loss=loss)
        return pwl.train(net, (x, t), algorithm, iterations=2)[0].theta

    return call


def estimator(x: Any, t: Any, data: st.DataObject) -> Any:
    weights = data.draw(st.sampled_from([None, None, np.ones(12), np.arange(12) % 2, -np.ones(12), np.ones(3)]))
    how, groups = data.draw(st.sampled_from([SHORT, {"iterations": 2}, {"iterations": 2, "algorithm": "lm"}])), None
    if how == SHORT:
        groups = data.draw(st.sampled_from([None, np.arange(12) % 3, np.zeros(12), ["a", None] * 6, np.ones(3)]))

    def call() -> Any:
        try:
            model = pwl.PWLRegressor(hidden=2, **how)
            return model.fit(x, t, sample_weight=weights, groups=groups).predict(np.zeros((2, 3)) if np.ndim(x) == 2 else x)
        except (ValueError, TypeError) as refused:  # scikit-learn's own ways to refuse
            raise pwl.InputError(" ".join(str(refused).split()) or "refused") from None

    return call


def classifier(x: Any, t: Any, data: st.DataObject) -> Any:
    how = data.draw(st.sampled_from([SHORT, {"iterations": 2}]))

    def call() -> Any:
        try:
            return pwl.PWLClassifier(hidden=2, **how).fit(x, t).predict_proba(np.zeros((2, np.shape(x)[1])))
        except (ValueError, TypeError) as refused:
            raise pwl.InputError(" ".join(str(refused).split()) or "refused") from None

    return call


def preparation(x: Any, t: Any, data: st.DataObject) -> Any:
    method = data.draw(st.sampled_from(["standardise", "minmax", "centre", "common", "none"]))

    def call() -> Any:
        prepared = pwl.Preparation.fit(x, t, inputs=method)
        a, b = prepared.transform(x, t)
        return [*np.ravel(a), *np.ravel(b)]

    return call


def fit(x: Any, t: Any, data: st.DataObject) -> Any:
    loss = data.draw(st.sampled_from(["linear", "cauchy", "huber"]))

    def call() -> Any:
        def residual(w: Any) -> Any:
            return np.asarray(x) @ w - np.asarray(t)

        return pwl.least_squares(residual, None, np.zeros(3), loss=loss, iterations=20).w

    return call
