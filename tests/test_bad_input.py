"""Bad data never end in a traceback from inside or in silent nonsense: InputError in words, or finite results."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse
from refusals import refuses
from toys import curve_network, short, spirals, waves

import pwl
from pwl.data.preparation import Preparation
from pwl.network.memory import floats_per_pattern
from pwl.network.predict import CPU_NUMBERS

X, T = waves(40)
LABELS = np.arange(40) % 3
NAN, INF = float("nan"), float("inf")


def train(x=X, t=T, net=None, algorithm=None, **settings):
    net = net or curve_network(3, 4, 2)
    return pwl.train(net, (x, t), algorithm or pwl.AdAct(), **{"iterations": 2, **settings})


def classify(t, x=X, M=3):
    return train(x, t, curve_network(3, 4, M, loss="cross_entropy"))


def with_value(a, row, column, value):
    a = np.array(a, dtype=float)
    a[row, column] = value
    return a


# ---- numbers that are none


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_row_and_column_of_what_is_not_finite_are_named(value):
    refuses(lambda: train(x=with_value(X, 17, 2, value)), "input in row 17, column 2", str(value))
    started = pwl.initialise(curve_network(3, 4, 2), (X, T))
    refuses(lambda: started.predict(with_value(X, 17, 2, value)), "row 17, column 2", str(value))
    refuses(lambda: pwl.evaluate(started, (with_value(X, 17, 2, value), T)), "row 17, column 2")


@pytest.mark.parametrize("value", [INF, -INF])  # NaN is a target that is not known
def test_row_and_column_of_infinite_targets_are_named(value):
    refuses(lambda: train(t=with_value(T, 31, 1, value)), "target in row 31, column 1", str(value))
    refuses(lambda: train(t=with_value(with_value(T, 31, 1, value), 5, 0, NAN)), "target in row 31, column 1", str(value))
    refuses(lambda: pwl.initialise(curve_network(3, 4, 2), (X, with_value(T, 31, 1, value))), "row 31, column 1")
    bad = (X, with_value(T, 31, 1, value))
    refuses(lambda: train(validation=bad), "validation data", "row 31, column 1")
    refuses(lambda: train(test=bad), "test data", "row 31, column 1")


@pytest.mark.parametrize("mapped", [False, True])
def test_rows_are_counted_over_the_blocks(tmp_path, mapped):
    x = np.random.default_rng(0).normal(size=(300, 4096))  # a check looks at 256 rows of it at a time
    x[290, 4000] = NAN
    if mapped:
        np.save(tmp_path / "x.npy", x)
        x = np.load(tmp_path / "x.npy", mmap_mode="r")
    refuses(lambda: train(x, np.zeros((300, 1)), curve_network(4096, 1, 1)), "row 290, column 4000")


def test_rows_are_counted_over_the_blocks_of_raw_targets_too():
    x = np.random.default_rng(0).normal(size=(300, 4096))
    t = np.ones((300, 2))
    preparation = Preparation.fit(x, t)
    t[290, 0] = INF
    refuses(
        lambda: pwl.train(curve_network(4096, 1, 2), pwl.Patterns(x, t, preparation=preparation), pwl.AdAct()),
        "row 290, column 0",
    )


def test_predict_counts_rows_over_its_blocks():
    net = pwl.initialise(curve_network(3, 4, 2), (X, T))
    x = np.tile(X, (2000, 1))
    assert len(x) > CPU_NUMBERS // floats_per_pattern(net)  # more than a block
    x[-3, 1] = NAN
    refuses(lambda: net.predict(x), f"row {len(x) - 3}, column 1")


@pytest.mark.parametrize("kind", [object, complex, str, "datetime64[s]"])
def test_arrays_that_hold_no_real_numbers(kind):
    other = np.ones((40, 3)).astype(int).astype(kind)
    started = pwl.initialise(curve_network(3, 4, 2), (X, T))
    for use in (lambda: train(x=other), lambda: train(t=other[:, :2]), lambda: started.predict(other)):
        refuses(use, "real numbers", str(other.dtype))


@pytest.mark.parametrize("kind", [scipy.sparse.csr_matrix, scipy.sparse.coo_array])
def test_sparse_matrices(kind):
    started, other = pwl.initialise(curve_network(3, 4, 2), (X, T)), kind(X)
    prepared = started.with_preparation(pwl.Preparation.fit(X, T))
    for use in (
        lambda: train(x=other), lambda: train(t=kind(T)), lambda: started.predict(other), lambda: prepared.predict(other),
        lambda: pwl.Preparation.fit(other, T), lambda: pwl.Ensemble([started]).predict(other),
    ):  # fmt: skip
        refuses(use, "came as a sparse matrix", kind.__name__, "toarray() gives one")


def test_tensors_with_gradients_are_numbers():
    torch = pytest.importorskip("torch")
    started = pwl.initialise(curve_network(3, 4, 2), (X, T))
    np.testing.assert_array_equal(started.predict(torch.tensor(X, requires_grad=True)), started.predict(X))


def test_numbers_too_large_to_square():
    with np.errstate(over="ignore", invalid="ignore"):
        refuses(lambda: train(t=T * 1e200), "scale", "Preparation")
        refuses(lambda: train(x=X * 1e200), "scale", "Preparation")


# ---- shapes


@pytest.mark.parametrize(
    ("x", "t", "words"),
    [
        (X[:0], T[:0], ["no patterns"]),
        ([], [], ["(patterns, inputs)", "(0,)"]),
        (X[:1], T[:1], ["only one pattern"]),
        (X, T[:39], ["40 inputs", "39 targets"]),
        (X[:, 0], T, ["(patterns, inputs)", "(40,)"]),
        (X[0, 0], T, ["(patterns, inputs)", "()"]),
        (X, 3.0, ["single number"]),
        (X, None, ["single number"]),
        (X[:, :2], T, ["(patterns, 3)", "(40, 2)"]),
        (X[:, :, None], T, ["(patterns, 3)", "(40, 3, 1)"]),
        (X, T[:, :1], ["(patterns, 2)", "(40, 1)"]),
        (X, T[:, 0], ["(patterns, 2)", "(40,)"]),
        (X, T[:, :, None], ["(patterns, 2)", "(40, 2, 1)"]),
        ([[1, 2, 3], [4, 5]], [[0, 1]] * 2, ["inputs x", "same length"]),
        (X[:2], [[0, 1], [2]], ["targets t", "same length"]),
    ],
)
def test_data_of_another_shape(x, t, words):
    refuses(lambda: train(x, t), *words)


@pytest.mark.parametrize("data", [X, "concrete", None, (X,), (X, T, None, None), {"x": X, "t": T}])
def test_data_that_are_no_pair(data):
    came = "an array of shape (40, 3)" if data is X else type(data).__name__
    refuses(lambda: pwl.train(curve_network(3, 4, 2), data, pwl.AdAct()), "(x, t)", came)
    refuses(lambda: train(validation=data) if data is not None else pwl.initialise(curve_network(), data), "(x, t)")


def test_validation_and_test_data_that_do_not_fit_are_named():
    refuses(lambda: train(validation=(X[:0], T[:0])), "validation data", "no patterns")
    refuses(lambda: train(validation=(X[:, :2], T)), "validation data", "(patterns, 3)", "(40, 2)")
    refuses(lambda: train(test=(X, T[:, :1])), "test data", "(patterns, 2)", "(40, 1)")
    refuses(lambda: train(test=(X, T[:7])), "test data", "40 inputs", "7 targets")


@pytest.mark.parametrize(
    "x", [X[:, :2], X[0], X[0, 0], [[1.0, 2.0, 3.0], [4.0]], [], [["a", "b", "c"]], None, X[:, :, None]]
)
def test_predict_on_what_does_not_fit(x):
    net = pwl.initialise(curve_network(3, 4, 2), (X, T))
    refuses(lambda: net.predict(x), "inputs")


def test_predict_before_anything_was_trained():
    refuses(lambda: curve_network(3, 4, 2).predict(X), "not been initialised", "pwl.train")
    refuses(lambda: pwl.initialise(curve_network(3, 4, 2), (X, T)).predict_proba(X), "cross_entropy", "predict")


def test_no_rows_predict_no_rows():
    assert pwl.initialise(curve_network(3, 4, 2), (X, T)).predict(X[:0]).shape == (0, 2)


# ---- labels


@pytest.mark.parametrize(
    ("t", "words"),
    [
        (LABELS.astype(float), ["integer labels", "float64", "astype(int)"]),
        (LABELS - 1, ["label -1", "row 0", "0..2"]),
        (LABELS + 1, ["label 3", "row 2", "0..2"]),
        (2 * np.eye(3)[LABELS], ["row 0 of the targets", "a single one"]),
        (np.ones((40, 3), dtype=int), ["row 0 of the targets", "a single one"]),
        (np.eye(4)[LABELS], ["one integer label", "(40, 4)"]),
        (LABELS[:, None], ["one integer label", "(40, 1)"]),
        (np.array(["a", "b", "c"])[LABELS], ["integer labels", "<U1"]),
        (LABELS > 0, ["integer labels", "bool"]),
        (LABELS.astype(object), ["integer labels", "object"]),
    ],
)
def test_labels_of_the_wrong_kind(t, words):
    refuses(lambda: classify(t), *words)


def test_labels_in_a_few_bits_count_as_any_other():
    runs = [classify(LABELS.astype(kind), M=300)[1]["error"] for kind in (np.uint8, np.int8, np.int64, np.uint64)]
    assert runs[0] == runs[1] == runs[2] == runs[3]


def test_one_class_alone_trains():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net, record = classify(np.zeros(40, dtype=int))
    assert np.all(np.isfinite(net.theta)) and record["error"][-1] < 0.1
    assert np.all(net.predict(X) == 0)


# ---- data that say little


def sane(net, record, x, t, weights_below=1e4):
    """Finite results, no worse than the mean of the targets, no huge weights, no warnings on the way."""
    assert np.all(np.isfinite(net.theta)) and np.all(np.isfinite(net.predict(x)))
    assert np.all(np.isfinite(record["error"])) and record.stop_code != "non_finite"
    assert np.abs(net.theta).max() < weights_below
    variance = np.sum(np.var(t, axis=0))
    assert min(record["error"]) <= variance * (1 + 1e-6) + (1e-12 if net.theta.dtype == np.float64 else 1e-9)
    assert np.isclose(np.mean(np.sum((t - net.predict(x)) ** 2, axis=1)), min(record["error"]), atol=1e-9, rtol=1e-4)


CONSTANT = np.full((40, 3), 0.1) * [1, 3, 7]

POOR = {
    "constant inputs": (CONSTANT, T),
    "many rows of constant inputs": (np.tile(CONSTANT, (250, 1)), np.tile(T, (250, 1))),
    "inputs all zero": (0 * X, T),
    "one constant column": (with_value(X, slice(None), 1, 5.3), T),
    "constant targets": (X, np.full_like(T, 0.3)),
    "targets all zero": (X, 0 * T),
    "all constant": (CONSTANT, np.full_like(T, 0.3)),
    "all zero": (0 * X, 0 * T),
    "duplicated columns": (X[:, [0, 0, 0]], T),
    "columns that add up": (np.stack([X[:, 0], X[:, 1], 2 * X[:, 0] - X[:, 1] + 1], axis=1), T),
    "duplicated patterns": (np.tile(X[:4], (10, 1)), np.tile(T[:4], (10, 1))),
    "two values a column": ((X > 0) * 1.0, T),
    "large offsets": (X + 1e5, T),
    "tiny inputs": (X * 1e-12, T),
    "tiny targets": (X, T * 1e-12),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("algorithm", [pwl.AdAct(), pwl.AdAct("hwo", "unit"), pwl.MOLF("hwo"), pwl.OWOBP()], ids=short)
@pytest.mark.parametrize("name", POOR)
def test_poor_data_give_finite_results(name, algorithm, dtype):
    x, t = POOR[name]
    scale = {"tiny inputs": 1e14, "large offsets": 1e8}.get(name, 1e4)  # there large weights are right
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net, record = train(x, t, curve_network(3, 4, 2, dtype=dtype), algorithm, iterations=3)
    sane(net, record, x, t, scale)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_nets_that_do_not_vary_keep_their_weights(dtype):
    for x in (CONSTANT, np.tile(CONSTANT, (250, 1))):
        net = curve_network(3, 4, 2, dtype=dtype)
        started = pwl.initialise(net, (x, np.tile(T, (len(x) // 40, 1))))
        assert np.array_equal(started.W[:, 1:], net.W[:, 1:])
        assert np.allclose(x @ started.W[:, 1:].T + started.W[:, 0], 0.5, atol=1e-5)


def test_duplicated_columns_are_dropped_from_the_output_weights():
    net, record = train(X[:, [0, 0, 1]], T)
    assert 2 in record["dependent"][1]
    assert np.all(net.W_o[:, 2] == 0)


@pytest.mark.parametrize("activation", ["relu", "sigmoid", pwl.PiecewiseLinear("relu")], ids=str)
@pytest.mark.parametrize("threshold", [-1e6, 1e6])
def test_units_that_are_dead_or_linear(activation, threshold):
    W = np.concatenate([np.full((4, 1), threshold), np.ones((4, 3))], axis=1)
    net = pwl.Network.mlp(3, 4, 2, activation, W=W, net_control=False)
    for algorithm in (
        pwl.MOLF(),
        pwl.MOLF("hwo"),
        pwl.OWOBP(),
        *([] if isinstance(activation, str) else [pwl.AdAct()]),
    ):
        trained, record = train(net=net, algorithm=algorithm, iterations=3)
        assert np.all(np.isfinite(trained.theta)) and np.all(np.isfinite(record["error"]))
        assert min(record["error"]) <= np.sum(np.var(T, axis=0))


def test_fewer_patterns_than_functions_are_noticed_and_train():
    with pytest.warns(UserWarning, match=r"5 patterns .* 8 basis functions"):
        net, record = train(X[:5], T[:5])
    assert np.all(np.isfinite(net.theta)) and record["error"][0] < 1e-12


def test_two_patterns_train():
    with pytest.warns(UserWarning, match="2 patterns"):
        net, _ = train(X[:2], T[:2])
    assert np.allclose(net.predict(X[:2]), T[:2])


@pytest.mark.parametrize(
    "make", [np.asarray, np.ndarray.tolist, lambda a: a.astype(np.float16), lambda a: a.astype(">f8")]
)
def test_other_kinds_of_real_numbers_serve(make):
    x, t = X.round(1), T.round(1)
    net, record = train(make(x), make(t))
    _, plain = train(x, t)
    assert np.allclose(record["error"], plain["error"], rtol=0.2)
    assert net.predict(make(x)).shape == (40, 2)


def test_whole_numbers_serve():
    x, t = (10 * X).astype(np.int16), (10 * T).astype(int)
    assert train(x, t)[1]["error"] == train(x.astype(float), t.astype(float))[1]["error"]
    assert np.all(np.isfinite(train(x > 0, t)[1]["error"]))


class Frame:
    """What a data frame shows of itself: a shape, no dtype, a way to an array, and a `get` that is not a device's."""

    def __init__(self, a):
        self.a, self.shape = a, a.shape

    def to_numpy(self):
        return self.a

    def __array__(self, dtype=None, copy=None):
        return self.a if dtype is None else self.a.astype(dtype)

    def get(self, column):
        raise AssertionError("a column by name was asked for")

    def __getitem__(self, rows):
        return Frame(self.a[rows])


def test_data_frames_serve():
    net, record = train(Frame(X), Frame(T))
    assert record["error"] == train()[1]["error"]
    assert np.array_equal(net.predict(Frame(X)), net.predict(X))


def test_cross_entropy_on_poor_data_is_finite():
    x, t = spirals(60)
    for poor in (0 * x, x[:, [0, 0]], np.sign(x), x * 1e-9):
        net, record = pwl.train(curve_network(2, 4, 3, loss="cross_entropy"), (poor, t), pwl.AdAct(), iterations=3)
        assert np.all(np.isfinite(net.theta)) and np.all(np.isfinite(net.predict_proba(poor)))
        assert min(record["error"]) <= np.log(3) + 1e-9


def test_public_steps_take_plain_data_and_say_what_is_wrong():
    started = pwl.initialise(pwl.Network.mlp(3, 4, 2, pwl.PiecewiseLinear()), (X, T))
    for step in (pwl.molf_step, pwl.adact_step, pwl.owo_bp_step, pwl.owo_step):
        a, b = step(started, (X, T))[0], step(started, pwl.Patterns(X, T))[0]
        np.testing.assert_array_equal(a.theta, b.theta)
        refuses(lambda step=step: step(started, (X[:, :2], T)), "(patterns, 3)")
        refuses(lambda step=step: step(started, X), "(x, t)", "an array of shape (40, 3)")
        # Two arguments in place of one.
        refuses(lambda step=step: step(started, X, T), "(x, t)", "an array of shape (40, 3)")
    refuses(lambda: pwl.molf_step(started, (X, T), direction="x"), "hwo")
    refuses(lambda: pwl.adact_step(started, (X, T), "all"), "unit")
    fresh = pwl.Network.mlp(3, 4, 2, pwl.PiecewiseLinear())
    for step in (pwl.molf_step, pwl.adact_step, pwl.owo_bp_step):
        refuses(lambda step=step: step(fresh, (X, T)), "not been initialised")
    refuses(lambda: pwl.Network.mlp(3, 4, 1, pwl.PiecewiseLinear(lambda n: "a")), "one number per hinge")
