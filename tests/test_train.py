"""The one loop: what is recorded, which network comes back, why a run ends, and that it is the same run every time."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import numpy as np
import pytest
from toys import NotFinite, Stub, Watching, Worse, curve_network, short, spirals, take_step, waves

import pwl
from pwl.algorithms import Stop
from pwl.reductions.patterns import Patterns
from pwl.training.limits import GO_ON
from pwl.training.record import Record

ALGORITHMS = (
    pwl.AdAct(),
    pwl.AdAct("hwo", curve_factor="unit"),
    pwl.MOLF(),
    pwl.MOLF("hwo"),
    pwl.OWOBP(),
    pwl.OWOBP("heuristic"),
)


def run(algorithm=None, net=None, data=None, **settings):
    return pwl.train(net or curve_network(), data or waves(), algorithm or pwl.AdAct(), **{"iterations": 3, **settings})


# ---- the record


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=short)
def test_every_series_has_a_value_per_iteration_and_one_before(algorithm):
    _, record = run(algorithm, iterations=4, validation=waves(seed=1), test=waves(seed=2))
    assert record.iterations == 4
    assert len(record) == 5
    named = {"error", "objective", "validation_error", "test_error", "seconds", "multiplies", "passes", "dependent"}
    assert named <= set(record.series)
    assert {name: len(record[name]) for name in record.series} == dict.fromkeys(record.series, 5)
    assert np.all(np.diff(record["passes"]) == record["passes"][1] - record["passes"][0])
    assert record["passes"][1] > record["passes"][0] > 0
    assert record["z"][0] is None and record["z"][1] is not None
    assert np.all(np.diff(record["seconds"]) >= 0)


def test_a_series_that_is_not_there_is_named_with_those_that_are():
    _, record = run()
    assert "classification_error" not in record
    with pytest.raises(KeyError, match=r"classification_error.*objective"):
        record["classification_error"]


def test_the_errors_recorded_are_those_of_the_networks():
    seen, data, other = [], waves(), waves(seed=1)
    _, record = run(validation=other, callback=lambda net, record: seen.append(net))
    for index, net in enumerate(seen, 1):
        for name, (x, t) in (("error", data), ("validation_error", other)):
            assert np.isclose(record[name][index], np.mean(np.sum((t - net.predict(x)) ** 2, axis=1)), rtol=1e-12)


def test_the_objective_is_the_error_and_the_penalties():
    seen = []
    _, record = run(pwl.AdAct(ridge=0.1, l2=0.01), callback=lambda net, record: seen.append(net))
    for index, net in enumerate(seen, 1):
        penalty = 0.1 * np.sum(net.W_o[:, 1:] ** 2) + 0.01 * np.sum(net.W[:, 1:] ** 2)
        assert np.isclose(record["objective"][index], record["error"][index] + penalty, rtol=1e-12)


def test_the_classification_error_is_the_share_of_wrong_labels():
    (x, t), seen = spirals(), []
    net, record = run(
        net=curve_network(2, 5, 3, loss="cross_entropy"), data=(x, t), validation=spirals(seed=1),
        callback=lambda net, record: seen.append(net),
    )  # fmt: skip
    assert "validation_classification_error" in record
    assert 0 < min(record["classification_error"]) < 1
    for index, net in enumerate(seen, 1):
        assert np.isclose(record["classification_error"][index], np.mean(net.predict(x) != t), atol=1e-12)
        p = net.predict_proba(x)
        assert np.isclose(record["error"][index], -np.mean(np.log(p[np.arange(len(t)), t])), rtol=1e-12)


def test_weights_count_in_the_recorded_errors():
    (x, t), weights = spirals(60), np.arange(60.0)
    net, record = run(net=curve_network(2, 5, 3, loss="cross_entropy"), data=(x, t, weights), iterations=0)
    wrong = net.predict(x) != t
    assert np.isclose(record["classification_error"][0], np.average(wrong, weights=weights), rtol=1e-12)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=short)
def test_a_record_becomes_json_and_comes_back(algorithm):
    _, record = run(algorithm)
    text = json.dumps(record.to_dict(), allow_nan=False)
    again = Record.from_dict(json.loads(text))
    assert json.dumps(again.to_dict()) == text
    assert again["error"] == record["error"]
    assert (again.best_iteration, again.stop_code, again.stop_reason) == (
        record.best_iteration, record.stop_code, record.stop_reason,
    )  # fmt: skip
    assert again.settings["algorithm"] == repr(algorithm)


def test_json_has_no_word_for_infinity():
    record = Record()
    record.append({"error": 1.0, "z": np.array([np.inf, 2.0])})
    assert record.to_dict()["series"]["z"] == [[None, 2.0]]


def test_a_row_half_written_is_dropped():
    record = Record()
    for error in (3.0, 2.0):
        record.append({"error": error, "z": [1.0]})
    record.series["error"].append(1.0)  # as far as an interrupted append may get
    record.cut(2)
    assert record.series == {"error": [3.0, 2.0], "z": [[1.0], [1.0]]}


# ---- the network that comes back


def test_the_best_network_on_validation_data_is_returned():
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(40, 3)), rng.normal(size=(40, 2))  # noise: what is learned here is wrong there
    other = (rng.normal(size=(40, 3)), rng.normal(size=(40, 2)))
    net, record = run(net=curve_network(Nh=8), data=(x, t), validation=other, iterations=12, max_fail=12)
    assert record.best_iteration == int(np.argmin(record["validation_error"])) < record.iterations
    assert pwl.evaluate(net, other).error == min(record["validation_error"])
    assert record["error"][record.best_iteration] > min(record["error"])


def test_without_validation_data_the_lowest_training_error_is_returned():
    net, record = run(Worse(), iterations=5)
    assert record.best_iteration == 0
    assert record["error"][-1] > 10 * record["error"][0]
    assert pwl.evaluate(net, waves()).error == record["error"][0]


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=short)
def test_the_network_given_is_not_changed(algorithm):
    net = pwl.initialise(curve_network(), waves())
    before = net.theta.copy()
    run(algorithm, net=net)
    assert np.array_equal(net.theta, before)


def test_no_iterations_give_the_initialised_network():
    net, record = run(iterations=0)
    assert len(record) == 1 and record.iterations == 0 and record.best_iteration == 0
    assert record.stop_code == "iterations"
    assert np.array_equal(net.theta, pwl.initialise(curve_network(), waves()).theta)


def test_an_initialised_network_goes_on_where_it_is():
    first, _ = run(pwl.MOLF(), iterations=2)
    second, record = run(pwl.MOLF(), net=first, iterations=1)
    whole, long = run(pwl.MOLF(), iterations=3)
    assert record["error"] == long["error"][2:]
    assert np.array_equal(second.theta, whole.theta)


# ---- reasons to stop


REASONS = {
    "iterations": "all iterations asked for were run",
    "max_fail": "the validation error rose too many times in a row",
    "min_grad": "the gradient is as small as asked for",
    "goal": "the training error reached the goal",
    "max_seconds": "the time limit was reached",
    "callback": "the callback asked to stop",
    "no_descent": "as it was told",
    "mu_max": "as it was told",
    "evidence": "as it was told",
    "interrupted": "interrupted from the keyboard",
    "non_finite": "a number became infinite or NaN; the best network before that was kept",
}  # the sentences of algorithms are looked at in their own tests


def interrupt(net, record):
    if record.iterations == 2:
        raise KeyboardInterrupt


class Ending(Stub):
    """Says in its second step why the run ends."""

    def __init__(self, code):
        self.code = code

    def step(self, net, patterns, state):
        step = super().step(net, patterns, state)
        return step._replace(stop=Stop(self.code, "as it was told") if step.state.steps == 2 else None)


@pytest.mark.parametrize(
    ("code", "algorithm", "settings", "iterations"),
    [
        ("iterations", None, {"iterations": 3}, 3),
        ("max_fail", Worse(), {"validation": waves(seed=1), "max_fail": 4, "iterations": 50}, 4),
        ("min_grad", None, {"min_grad": 1e9}, 1),
        ("goal", None, {"goal": 1e9}, 1),
        ("max_seconds", None, {"max_seconds": 0}, 1),
        ("callback", None, {"callback": lambda net, record: record.iterations == 2}, 2),
        ("callback", None, {"callback": lambda net, record: np.isclose(record.iterations, 2)}, 2),
        ("interrupted", None, {"callback": interrupt, "iterations": 9}, 2),
        ("non_finite", NotFinite(at=3), {"iterations": 9}, 2),
        ("no_descent", Ending("no_descent"), {"iterations": 9}, 2),
        ("mu_max", Ending("mu_max"), {"iterations": 9}, 2),
        ("evidence", Ending("evidence"), {"iterations": 9}, 2),
    ],
)
def test_a_run_ends_for_each_reason(code, algorithm, settings, iterations):
    net, record = run(algorithm, **settings)
    assert record.stop_code == code
    assert record.stop_reason.startswith(REASONS[code])
    assert record.iterations == iterations
    assert np.all(np.isfinite(net.theta)) and np.all(np.isfinite(record["error"]))
    assert pwl.evaluate(net, waves()).error == record["error"][record.best_iteration]


def test_every_reason_to_stop_is_tested():
    """Whatever stops a run gives its code beside the word Stop; after those of algorithms a resumed run does not go on."""
    cases = test_a_run_ends_for_each_reason.pytestmark[0].args[1]
    sources = {path: path.read_text() for path in Path(pwl.__file__).parent.rglob("*.py")}
    codes = {code: path for path, text in sources.items() for code in re.findall(r'\bStop\(\s*"(\w+)"', text)}
    assert {case[0] for case in cases} == set(codes)
    assert set(GO_ON) == {"", *(code for code, path in codes.items() if path.parent.name != "algorithms")}


def test_a_callback_that_returns_something_else_does_not_stop():
    _, record = run(callback=lambda net, record: record)
    assert record.stop_code == "iterations"


def test_max_seconds_waits_for_its_time():
    begin = time.perf_counter()
    _, record = run(Stub(), max_seconds=0.2, iterations=10**6)
    assert record.stop_code == "max_seconds"
    assert 0.2 <= time.perf_counter() - begin < 2
    assert record["seconds"][-2] < 0.2 <= record["seconds"][-1]


def test_no_longer_finite_numbers_keep_the_best_finite_network():
    net, record = run(NotFinite(at=3), iterations=9)
    assert "iteration 3" in record.stop_reason
    assert record.best_iteration == 0  # the stub halves W_o before, which is worse than OWO's
    assert np.array_equal(net.theta, pwl.initialise(curve_network(), waves()).theta)


def test_an_interrupt_within_a_step_returns_the_best_so_far():
    class Interrupted(pwl.MOLF):
        def step(self, net, patterns, state):
            if steps:
                raise KeyboardInterrupt
            steps.append(1)
            return super().step(net, patterns, state)

    steps = []
    net, record = run(Interrupted(), iterations=9)
    assert record.stop_code == "interrupted" and record.iterations == 1
    assert pwl.evaluate(net, waves()).error == min(record["error"])


# ---- the same run every time


@pytest.mark.parametrize("batch_size", [None, 50])
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=short)
def test_the_same_seeds_give_the_same_bits(algorithm, batch_size):
    (a, first), (b, second) = (run(algorithm, batch_size=batch_size, seed=3) for _ in range(2))
    assert np.array_equal(a.theta, b.theta)
    assert first["error"] == second["error"]


def test_another_seed_of_the_network_gives_another_run():
    a, b = (run(net=curve_network(seed=seed))[0] for seed in (0, 1))
    assert not np.allclose(a.theta, b.theta)


def test_another_seed_of_the_shuffling_gives_other_batches():
    a, b = (run(batch_size=50, seed=seed)[1]["error"] for seed in (0, 1))
    assert a[0] == b[0] and a[1] != b[1]
    a, b = (run(seed=seed)[1]["error"] for seed in (0, 1))
    assert a == b  # nothing to shuffle without batches


# ---- batches


@pytest.mark.parametrize("batch_size", [1, 7, 20])
def test_a_pass_takes_each_pattern_once(batch_size):
    watching = Watching()
    x, t = waves(20)
    x[:, 0] = np.arange(20)
    _, record = run(watching, data=(x, t), batch_size=batch_size, iterations=2)
    a_pass = -(-20 // batch_size)
    assert len(watching.batches) == 2 * a_pass
    assert all(len(batch) == batch_size for batch in watching.batches[: a_pass - 1])
    passes = watching.batches[:a_pass], watching.batches[a_pass:]
    for batches in passes:
        assert sorted(row for batch in batches for row in batch) == list(range(20))
    assert batch_size == 20 or passes[0] != passes[1]  # shuffled anew
    assert record["multiplies"] == [0, 20, 40]  # a row is a pass, whatever the batches


def test_one_batch_of_all_is_the_whole():
    x, t = waves(60)
    a, b = (run(data=(x, t), batch_size=size)[1] for size in (None, 60))
    assert np.allclose(a["error"], b["error"], rtol=1e-9)


def test_batches_train():
    _, record = run(pwl.OWOBP(), data=waves(400), batch_size=200, iterations=5)
    assert min(record["error"]) < record["error"][0]


@pytest.mark.parametrize("batch_size", [121, 0, -1, 2.5, "all", True])
def test_batch_sizes_that_cannot_be_used(batch_size):
    with pytest.raises(pwl.InputError, match="batch_size"):
        run(batch_size=batch_size)


# ---- precision, losses, depth


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=short)
def test_float32_networks_train(algorithm):
    data = waves(200)
    net, record = run(algorithm, net=curve_network(dtype=np.float32), data=data, iterations=5)
    _, double = run(algorithm, data=data, iterations=5)
    assert net.theta.dtype == np.float32 and net.predict(data[0]).dtype == np.float32
    assert min(record["error"]) < 0.99 * record["error"][0]
    assert np.isclose(record["error"][0], double["error"][0], rtol=1e-4)
    assert np.isclose(min(record["error"]), min(double["error"]), rtol=0.05)


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
@pytest.mark.parametrize("n_hidden", [6, (6, 4), (4, 4, 4)])
@pytest.mark.parametrize(
    "algorithm", [pwl.AdAct(safeguard=True), pwl.MOLF(safeguard=True), pwl.OWOBP(safeguard=True)], ids=short
)
def test_deep_networks_train_with_both_losses(algorithm, n_hidden, loss):
    data = spirals() if loss == "cross_entropy" else waves()
    net = curve_network(data[0].shape[1], n_hidden, 3 if loss == "cross_entropy" else 2, loss=loss)
    net, record = run(algorithm, net=net, data=data, iterations=6)
    assert record["error"][-1] < 0.95 * record["error"][0]
    assert np.all(np.diff(record["objective"]) <= 1e-12), "the safeguard lets nothing rise"
    assert np.all(np.isfinite(net.theta))


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
@pytest.mark.parametrize("algorithm", [pwl.AdAct(), pwl.MOLF(), pwl.MOLF("hwo"), pwl.OWOBP()], ids=short)
def test_deep_networks_train_without_a_safeguard(algorithm, loss):
    data = spirals() if loss == "cross_entropy" else waves()
    net = curve_network(data[0].shape[1], (6, 4), 3 if loss == "cross_entropy" else 2, loss=loss)
    _, record = run(algorithm, net=net, data=data, iterations=6)
    assert min(record["error"]) < 0.98 * record["error"][0]


def test_adact_ends_below_molf_with_the_activation_its_curves_start_from():
    data = waves(300)
    _, trained = run(pwl.AdAct(), net=curve_network(Nh=6), data=data, iterations=30)
    _, fixed = run(pwl.MOLF(), net=pwl.Network.mlp(3, 6, 2, "relu"), data=data, iterations=30)
    assert np.isclose(trained["error"][0], fixed["error"][0], rtol=0.2)  # both start from ReLU
    assert min(trained["error"]) < 0.8 * min(fixed["error"])


@pytest.mark.parametrize("direction", ["gradient", "hwo"])
@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
def test_algorithm_1_is_three_calls(direction, loss):
    data = spirals() if loss == "cross_entropy" else waves()
    net = pwl.initialise(curve_network(data[0].shape[1], 5, 3 if loss == "cross_entropy" else 2, loss=loss), data)
    patterns, algorithm = Patterns.of(data), pwl.AdAct(direction)
    state = algorithm.init(net, patterns, 0)
    whole, _, info = take_step(algorithm, net, patterns, state)
    by_hand, molf = pwl.molf_step(net, patterns, direction)
    assert not np.array_equal(by_hand.W, net.W) and np.array_equal(by_hand.A, net.A)
    after_molf = by_hand
    by_hand, adact = pwl.adact_step(by_hand, patterns)
    assert not np.array_equal(by_hand.A, net.A) and np.array_equal(by_hand.W, after_molf.W)
    by_hand, owo = pwl.owo_step(by_hand, patterns)
    assert not np.array_equal(by_hand.W_o, net.W_o)
    assert np.array_equal(by_hand.theta, whole.theta)
    said = molf | adact | owo
    recorded = ("z", "dependent_factors", "gradient_norm", "share", "z_curve", "curve_gradient_norm", "curve_share",
                "dependent", "output_step", "owo_objective")  # fmt: skip
    assert set(info) == {name for name in recorded if name in said} | {"units_outside"}
    for name in set(info) - {"z", "units_outside"}:
        assert np.array_equal(info[name], said[name]), name
    assert np.array_equal(info["z"], molf["z"])
