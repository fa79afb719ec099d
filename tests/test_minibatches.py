"""Batches: which patterns a step sees, what is recorded of a pass, and that runs stop, fail and resume as whole ones do."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from toys import Stub, Watching, curve_network, short, spirals, take_step, waves

import pwl
from pwl.algorithms import Step
from pwl.learners.named import LEARNERS, Learner
from pwl.reductions.patterns import Patterns
from pwl.training.train import evaluate

ALGORITHMS = (pwl.SGD(0.005), pwl.Adam(0.01, weight_decay=0.01))


def numbered(Nv=20):
    """Patterns whose first input is their number."""
    x, t = waves(Nv)
    x[:, 0] = np.arange(Nv)
    return x, t


def batches(data=None, **settings):
    """First inputs of the patterns of each batch."""
    watching = Watching()
    pwl.train(curve_network(), data or numbered(), watching, **{"batch_size": 6, "iterations": 3, **settings})
    return watching.batches


# ---- which patterns


def test_the_order_is_that_of_seed_and_iteration_alone():
    found = batches(seed=5)
    for iteration in (1, 2, 3):
        order = np.random.default_rng([5, iteration]).permutation(20)
        wanted = [order[first : first + 6].tolist() for first in range(0, 20, 6)]
        assert found[4 * (iteration - 1) : 4 * iteration] == wanted
    assert found == batches(seed=5) != batches(seed=6)


def test_the_last_batch_is_what_is_left():
    assert [len(batch) for batch in batches()] == 3 * [6, 6, 6, 2]
    assert [len(batch) for batch in batches(batch_size=20)] == 3 * [20]


def test_a_batch_larger_than_the_data_is_refused_before_anything_is_done():
    with pytest.raises(pwl.InputError, match="batch_size 21 is larger than the 20 patterns"):
        batches(batch_size=21)


def test_a_step_sees_the_mean_of_its_own_batch():
    """One step of SGD on a batch is one on these patterns alone."""
    x, t = waves()
    net = pwl.initialise(curve_network(), (x, t))
    order = np.random.default_rng([0, 1]).permutation(120)
    algorithm, stepped = pwl.SGD(0.005), net
    state = algorithm.init(net, Patterns(x, t), 0)
    for rows in (order[:80], order[80:]):
        stepped, state, _ = take_step(algorithm, stepped, Patterns(x[rows], t[rows]), state)
    seen = []
    pwl.train(net, (x, t), algorithm, batch_size=80, iterations=1, callback=lambda net, record: seen.append(net))
    assert np.array_equal(seen[0].theta, stepped.theta)


# ---- weights


def test_weights_count_patterns_that_often_within_a_batch():
    x, t = waves(60)
    weights = np.arange(60) % 4
    net = pwl.initialise(curve_network(), (x, t))
    algorithm, rows = pwl.SGD(0.005), np.arange(10, 35)
    often = np.repeat(rows, weights[rows])
    weighted, repeated = Patterns(x, t, weights).take(rows), Patterns(x[often], t[often])
    a, b = (take_step(algorithm, net, part)[0].theta for part in (weighted, repeated))
    assert np.allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=short)
def test_batches_that_weigh_nothing_make_no_step(algorithm):
    weights = np.arange(60) % 5 == 0
    net, record = pwl.train(curve_network(), (*waves(60), weights), algorithm, batch_size=2, iterations=3)
    assert np.all(np.isfinite(net.theta)) and record.iterations == 3
    found = batches((*numbered(60), weights), batch_size=2, iterations=1)
    assert 6 <= len(found) <= 12 and all(any(row % 5 == 0 for row in batch) for batch in found)
    assert {row for batch in found for row in batch} >= set(range(0, 60, 5))


# ---- data on disk


class Spy:
    """An array that notes which rows were asked of it."""

    def __init__(self, array):
        self.array, self.asked = array, []
        self.shape, self.ndim, self.dtype = array.shape, array.ndim, array.dtype

    def __getitem__(self, rows):
        self.asked.append(np.atleast_1d(np.arange(len(self.array))[rows]))
        return self.array[rows]


def test_a_batch_reads_its_own_rows_only():
    x, t = waves(100)
    net = pwl.initialise(curve_network(), (x, t))
    spies = Spy(x), Spy(t)
    patterns, rows = Patterns(*spies), np.sort(np.random.default_rng(0).permutation(100)[:9])
    take_step(pwl.SGD(), net, patterns.take(rows), pwl.SGD().init(net, patterns, 0))
    for spy in spies:
        assert [asked.tolist() for asked in spy.asked] == [rows.tolist()]


@pytest.mark.parametrize("prepared", [False, True])
def test_mapped_files_give_the_same_bits_as_memory(tmp_path, prepared):
    x, t = waves(90)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "t.npy", t)
    mapped = [np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "xt"]
    preparation = pwl.Preparation.fit(x, t) if prepared else None
    here, there = (
        pwl.train(
            curve_network(), Patterns(*data, preparation=preparation), pwl.SGD(0.005), batch_size=32, iterations=3
        )
        for data in ((x, t), mapped)
    )
    assert np.array_equal(here[0].theta, there[0].theta) and here[1]["error"] == there[1]["error"]


# ---- the record


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=short)
def test_a_row_is_a_pass(algorithm):
    data, other, seen = waves(), waves(seed=1), []
    _, record = pwl.train(
        curve_network(), data, algorithm, batch_size=50, iterations=4, validation=other, max_fail=9,
        callback=lambda net, record: seen.append((evaluate(net, data).error, evaluate(net, other).error, len(record))),
    )  # fmt: skip
    assert record["error"][1:] == [error for error, _, _ in seen]
    assert record["validation_error"][1:] == [error for _, error, _ in seen]
    assert [rows for _, _, rows in seen] == [2, 3, 4, 5]
    assert np.allclose(np.diff(record["passes"]), 2)  # the steps', and one over all for the error


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=short)
def test_a_sample_gives_the_training_error(algorithm):
    """The steps are the same. The errors, and with them the best network, are those of the patterns that the seed draws."""
    x, t = waves()
    rows, seen = np.sort(np.random.default_rng([2, 2**32 - 1]).permutation(120)[:30]), []
    settings = {"batch_size": 50, "iterations": 4, "seed": 2}
    _, whole = pwl.train(curve_network(), (x, t), algorithm, **settings)
    _, record = pwl.train(
        curve_network(), (x, t), algorithm, error_sample=30, **settings,
        callback=lambda net, record: seen.append(evaluate(net, (x[rows], t[rows])).error),
    )  # fmt: skip
    assert np.allclose(record["error"][1:], seen, rtol=1e-12) and not np.allclose(record["error"], whole["error"], rtol=1e-3)
    assert record["gradient_norm"] == whole["gradient_norm"]
    assert record.best_iteration == int(np.argmin(record["error"]))
    assert np.allclose(np.diff(record["passes"]), 1.25)
    assert record.settings["error_sample"] == 30 and whole.settings["error_sample"] is None


def test_a_sample_of_all_or_more_is_all():
    """Not in another order either, so the bits are the same."""
    settings = {"batch_size": 50, "iterations": 2}
    runs = [pwl.train(curve_network(), waves(), pwl.Adam(), **settings, error_sample=n)[1] for n in (None, 120, 999)]
    assert runs[0]["error"] == runs[1]["error"] == runs[2]["error"] and runs[2].settings["error_sample"] is None


def test_a_sample_leaves_the_choice_to_validation_data():
    other = waves(seed=1)
    settings = {"batch_size": 50, "iterations": 4, "validation": other}
    (net, whole), (same, record) = (
        pwl.train(curve_network(), waves(), pwl.Adam(0.01), **settings, **sample) for sample in ({}, {"error_sample": 7})
    )
    assert np.array_equal(net.theta, same.theta) and record["validation_error"] == whole["validation_error"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"error_sample": 0}, "error_sample must be a whole number of patterns, 1 or more, not 0"),
        ({"error_sample": 0.5}, "error_sample must be a whole number of patterns, 1 or more, not 0.5"),
        ({"error_sample": 5, "batch_size": None}, "error_sample is for training by batches"),
    ],
)
def test_samples_that_cannot_be_drawn(settings, words):
    with pytest.raises(pwl.InputError, match=words):
        batches(**settings)


def test_the_gradient_recorded_is_the_largest_of_a_pass():
    """So that the last batch of a few patterns that fit by chance does not end the run."""

    class Fitting(Stub):
        def step(self, net, patterns, state):
            return Step(net, state, {"gradient_norm": 3.0 if len(patterns) == 6 else 0.0})

    _, record = pwl.train(curve_network(), numbered(), Fitting(), batch_size=6, iterations=2)
    assert record["gradient_norm"] == [None, 3.0, 3.0]
    assert record.stop_code == "iterations"
    _, record = pwl.train(curve_network(), numbered(), Fitting(), batch_size=6, iterations=2, min_grad=3.0)
    assert (record.stop_code, record.iterations) == ("min_grad", 1)


# ---- ends


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
@pytest.mark.parametrize("activation", ["curves", "relu", "sigmoid"])
@pytest.mark.parametrize("batch_size", [32, None])
@pytest.mark.parametrize("algorithm", [pwl.SGD(1e4), pwl.Adam(1e200)], ids=short)
@pytest.mark.filterwarnings("error")
def test_a_rate_too_large_ends_in_words_with_the_best_network(algorithm, batch_size, activation, loss):
    data = spirals() if loss == "cross_entropy" else waves()
    shape = data[0].shape[1], 5, 3 if loss == "cross_entropy" else 2
    net = curve_network(*shape, loss=loss) if activation == "curves" else pwl.Network.mlp(*shape, activation, loss=loss)
    net, record = pwl.train(net, data, algorithm, batch_size=batch_size, iterations=300)
    assert record.stop_code in ("non_finite", "iterations", "min_grad")
    if loss == "squared_error":
        assert record.stop_reason.startswith("a number became infinite or NaN")
    assert record.best_iteration == int(np.argmin(record["error"]))
    assert evaluate(net, data).error == min(record["error"]) <= record["error"][0]
    assert np.all(np.isfinite(net.theta)) and np.all(np.isfinite(record["error"]))


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=short)
def test_the_best_network_on_validation_data_is_kept(algorithm):
    rng = np.random.default_rng(0)
    data, other = ((rng.normal(size=(40, 3)), rng.normal(size=(40, 2))) for _ in range(2))
    algorithm = dataclasses.replace(algorithm, learning_rate=4 * algorithm.learning_rate)
    net, record = pwl.train(
        curve_network(Nh=8), data, algorithm, validation=other, batch_size=9, iterations=60, max_fail=60
    )
    assert record.best_iteration == int(np.argmin(record["validation_error"])) < record.iterations
    assert evaluate(net, other).error == min(record["validation_error"])


def interrupted_in_batch(algorithm, number):
    """The algorithm, with Ctrl-C in its step of that number."""

    class Interrupted(type(algorithm)):
        def step(self, net, patterns, state):
            if state.steps == number:
                raise KeyboardInterrupt
            return super().step(net, patterns, state)

    Interrupted.__qualname__ = type(algorithm).__qualname__  # the same repr
    return Interrupted(**{f.name: getattr(algorithm, f.name) for f in dataclasses.fields(algorithm)})


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=short)
@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
def test_ctrl_c_within_a_pass_resumes_to_the_same_bits(tmp_path, algorithm, loss):
    x, t = spirals(90) if loss == "cross_entropy" else waves(90)
    net, path = curve_network(x.shape[1], 4, 3 if loss == "cross_entropy" else 2, loss=loss), tmp_path / "run"
    settings = {"batch_size": 20, "error_sample": 40, "seed": 3, "iterations": 8, "validation": (x[:30], t[:30]), "max_fail": 9}
    whole, record = pwl.train(net, (x, t), algorithm, **settings)
    at = 5 * 3 + 2  # the third batch of the fourth pass
    _, cut = pwl.train(net, (x, t), interrupted_in_batch(algorithm, at), checkpoint=path, **settings)
    assert (cut.stop_code, cut.iterations) == ("interrupted", 3)
    resumed, again = pwl.train(net, (x, t), algorithm, resume=path, **settings)
    assert np.array_equal(resumed.theta, whole.theta)
    for name in ("error", "validation_error", "objective", "gradient_norm", "passes", "multiplies"):
        assert again[name] == record[name], name


@pytest.mark.parametrize("batch_size", [None, 40])
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=short)
def test_resumed_runs_give_the_same_bits(tmp_path, algorithm, batch_size):
    settings = {"batch_size": batch_size, "checkpoint": tmp_path / "run", "seed": 1}
    whole, record = pwl.train(curve_network(), waves(), algorithm, iterations=9, batch_size=batch_size, seed=1)
    pwl.train(curve_network(), waves(), algorithm, iterations=4, **settings)
    resumed, again = pwl.train(curve_network(), waves(), algorithm, iterations=9, resume=tmp_path / "run", **settings)
    assert np.array_equal(resumed.theta, whole.theta) and again["error"] == record["error"]
    if batch_size:
        with pytest.raises(pwl.InputError, match="its batch_size is 40"):
            pwl.train(curve_network(), waves(), algorithm, batch_size=30, seed=1, resume=tmp_path / "run")
        with pytest.raises(pwl.InputError, match="its error_sample is None, but this run has 30"):
            pwl.train(curve_network(), waves(), algorithm, batch_size=40, error_sample=30, seed=1, resume=tmp_path / "run")


# ---- learners


def test_learners_take_their_batches_or_all_there_is():
    assert Learner(pwl.SGD(), batch_size=32).batch(range(100)) == 32
    assert Learner(pwl.SGD(), batch_size=32).batch(range(9)) == 9
    assert Learner(pwl.MOLF()).batch(range(100)) is None
    for name, learner in LEARNERS.items():
        in_batches = name.removeprefix("curved-") in ("adam", "sgd", "minibatch-adact")
        assert (learner.batch_size is not None) == in_batches


def test_a_comparison_trains_them_by_batches():
    from pwl.study.compare import Settings, compare

    x, t = waves(60)
    for outcome in compare(x, t, ["sgd", "adam", "lbfgs"], Settings(hidden=(3,), iterations=3, k=3)):
        assert outcome.record.settings["batch_size"] == (None if outcome.name == "lbfgs" else 20)
        assert len(outcome.record["test_error"]) == 4
