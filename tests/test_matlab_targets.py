"""What MATLAB's people expect of data: parts whose rows are kept, NaN for targets that do not matter, one-hot targets."""

from __future__ import annotations

import numpy as np
import pytest

import pwl
from pwl.errors import InputError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
T = np.c_[np.sin(X[:, :1]), X[:, 1:2] ** 2]
LABELS = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)
PARTS = pwl.data.split(60, (0.7, 0.15, 0.15), 0)


def net_of(outputs=2, **options):
    return pwl.Network.mlp(3, 4, outputs, "tansig", seed=0, dtype=np.float64, **options)


# ---- parts


def test_parts_train_as_validation_and_test_do_and_the_record_keeps_their_rows(tmp_path):
    train, validation, test = PARTS
    one, record = pwl.train(net_of(), (X, T), pwl.LM(), iterations=4, parts=PARTS)
    other, wanted = pwl.train(
        net_of(), (X[train], T[train]), pwl.LM(), iterations=4,
        validation=(X[validation], T[validation]), test=(X[test], T[test]),
    )  # fmt: skip
    np.testing.assert_array_equal(one.theta, other.theta)
    for series in ("error", "validation_error", "test_error"):
        assert record[series] == wanted[series]
    assert record.rows == {"training": train.tolist(), "validation": validation.tolist(), "test": test.tolist()}
    assert pwl.Record.from_dict(record.to_dict()).rows == record.rows
    assert wanted.rows == {} and "rows" not in wanted.to_dict()


def test_parts_in_the_order_of_the_patterns_are_blocks():
    train, validation, test = pwl.data.split(60, (0.7, 0.15, 0.15), ordered=True)
    assert (train.tolist(), validation.tolist(), test.tolist()) == (list(range(42)), list(range(42, 51)), list(range(51, 60)))


def test_validation_of_parts_ends_a_run():
    noise = np.random.default_rng(7).normal(size=(60, 2))
    _, record = pwl.train(net_of(), (X, noise), pwl.LM(), iterations=200, max_fail=2, parts=PARTS)
    assert record.stop_code == "max_fail"


def test_parts_without_rows_are_left_out_and_raw_errors_are_of_the_parts():
    parts = pwl.data.split(60, (0.8, 0.0, 0.2), 0)
    net = net_of().with_preparation(pwl.Preparation.fit(X, T, inputs="minmax", targets="minmax"))
    net, record = pwl.train(net, (X, T), pwl.LM(), iterations=3, parts=parts)
    assert set(record.rows) == {"training", "test"} and "validation_error" not in record
    wanted = np.mean(np.sum((net.predict(X[parts[2]]) - T[parts[2]]) ** 2, axis=1))
    assert record["test_raw_error"][record.best_iteration] == pytest.approx(wanted, rel=1e-12)


def test_a_run_goes_on_with_its_own_parts_only(tmp_path):
    path = tmp_path / "run"
    whole, _ = pwl.train(net_of(), (X, T), pwl.LM(), iterations=4, parts=PARTS)
    pwl.train(net_of(), (X, T), pwl.LM(), iterations=2, parts=PARTS, checkpoint=path)
    again, record = pwl.train(net_of(), (X, T), pwl.LM(), iterations=4, parts=PARTS, resume=path)
    np.testing.assert_array_equal(again.theta, whole.theta)
    assert set(record.rows) == {"training", "validation", "test"}
    first, second, third = PARTS
    for parts, words in (
        (pwl.data.split(60, (0.7, 0.15, 0.15), 1), "other data"), ((first, third, second), "other validation data"),
        ((first, second[::-1], third), "other parts"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            pwl.train(net_of(), (X, T), pwl.LM(), iterations=4, parts=parts, resume=path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"parts": PARTS, "test": (X, T)}, "leave out validation= and test="),
        ({"parts": (0.7, 0.3)}, "rows of training must be whole numbers"),
        ({"parts": ([0, 1], [60])}, "from 0 to 59"),
        ({"parts": [PARTS[0]]}, "as pwl.data.split gives"),
    ],
)
def test_impossible_parts_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        pwl.train(net_of(), (X, T), pwl.LM(), iterations=1, **options)


# ---- NaN


ALGORITHMS = [
    pwl.AdAct(), pwl.AdAct.damped(), pwl.MOLF(direction="hwo"), pwl.MOLF.damped(), pwl.OWOBP(), pwl.CG(), pwl.SCG(), pwl.LM(),
    pwl.VarPro(), pwl.BayesianLM(), pwl.LBFGS(),
]  # fmt: skip


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda a: type(a).__name__)
@pytest.mark.parametrize("outputs", [1, 2])
def test_nan_is_weight_0_to_the_same_bits(algorithm, outputs):
    t, w = T[:, :outputs].copy(), np.ones(60)
    missing = np.random.default_rng(7).choice(60, 15, replace=False)
    t[missing], w[missing] = np.nan, 0
    curve = pwl.PiecewiseLinear("tanh", 7) if "AdAct" in type(algorithm).__name__ else "tanh"
    start = pwl.Network.mlp(3, 4, outputs, curve, seed=0, dtype=np.float64)
    one, record = pwl.train(start, (X, t), algorithm, iterations=3)
    other, wanted = pwl.train(start, (X, T[:, :outputs], w), algorithm, iterations=3)
    np.testing.assert_array_equal(one.theta, other.theta)
    assert record["error"] == wanted["error"]
    assert pwl.evaluate(one, (X, t)) == pwl.evaluate(other, (X, T[:, :outputs], w))


def test_nan_counts_neither_in_the_preparation_nor_in_validation():
    t = T[:, :1].copy()
    t[::4] = np.nan
    kept = ~np.isnan(t[:, 0])
    preparation, wanted = pwl.Preparation.fit(X, t), pwl.Preparation.fit(X[kept], T[kept, :1])
    np.testing.assert_allclose(preparation.targets.offset, wanted.targets.offset, rtol=1e-14)
    np.testing.assert_allclose(preparation.inputs.scale, wanted.inputs.scale, rtol=1e-14)
    net = net_of(1).with_preparation(wanted)
    one = pwl.train(net, (X, t), pwl.LM(), iterations=3, validation=(X, t))
    other = pwl.train(net, (X[kept], T[kept, :1]), pwl.LM(), iterations=3, validation=(X[kept], T[kept, :1]))
    np.testing.assert_array_equal(one[0].theta, other[0].theta)
    assert one[1]["validation_error"] == other[1]["validation_error"]
    weighed = pwl.Preparation.fit(X, t, weights=np.arange(60.0))
    np.testing.assert_allclose(
        weighed.targets.offset, pwl.Preparation.fit(X[kept], T[kept, :1], weights=np.arange(60.0)[kept]).targets.offset, rtol=1e-14
    )


def test_patterns_without_any_target_are_refused():
    with pytest.raises(InputError, match="all patterns are NaN"):
        pwl.train(net_of(), (X, np.full_like(T, np.nan)), pwl.LM(), iterations=1)


# ---- one-hot targets


@pytest.mark.parametrize("loss", ["cross_entropy", "output_reset"])
@pytest.mark.parametrize("kind", [float, int, bool])
def test_one_hot_targets_are_labels(loss, kind):
    hot = np.eye(3)[LABELS].astype(kind)
    one, record = pwl.train(net_of(3, loss=loss), (X, hot), pwl.SCG(), iterations=3, validation=(X, hot))
    other, wanted = pwl.train(net_of(3, loss=loss), (X, LABELS), pwl.SCG(), iterations=3, validation=(X, LABELS))
    np.testing.assert_array_equal(one.theta, other.theta)
    assert record["validation_classification_error"] == wanted["validation_classification_error"]
    assert pwl.evaluate(one, (X, hot)) == pwl.evaluate(one, (X, LABELS))


def test_columns_of_one_hot_targets_are_the_nets_classes_in_their_order():
    names = np.array(["ape", "bee", "cat"])[LABELS]
    net = net_of(3, loss="cross_entropy").with_preparation(pwl.Preparation.fit(X, names))
    one, _ = pwl.train(net, (X, np.eye(3)[LABELS]), pwl.SCG(), iterations=3)
    other, _ = pwl.train(net, (X, names), pwl.SCG(), iterations=3)
    np.testing.assert_array_equal(one.theta, other.theta)
    assert set(one.predict(X)) <= {"ape", "bee", "cat"}


def test_rows_that_are_not_one_hot_are_named():
    hot = np.eye(3)[LABELS]
    hot[7] = 0.5
    with pytest.raises(InputError, match=r"row 7 of the targets is \[0.5, 0.5, 0.5\]"):
        pwl.train(net_of(3, loss="cross_entropy"), (X, hot), pwl.SCG(), iterations=1)
    with pytest.raises(InputError, match=r"one integer label per pattern.*\(60, 2\)"):
        pwl.train(net_of(3, loss="cross_entropy"), (X, T), pwl.SCG(), iterations=1)
