"""Runs resume to the same bits, and a kill at any instant leaves a whole checkpoint."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from test_cg import quadratic

import pwl
from pwl.training.train import _ended

ALGORITHMS = [
    pwl.AdAct(direction="hwo"),
    pwl.MOLF(),
    pwl.OWOBP("heuristic", ridge=1e-3),
    pwl.AdAct(curve_factor="unit", curve_penalty=1e-3, safeguard=True),
]


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4))
    return x, np.sin(x[:, :1]) + x[:, 1:2] * x[:, 2:3]


def network():
    return pwl.Network.mlp(4, 6, 1, pwl.PiecewiseLinear("sigmoid", 7))


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=repr)
@pytest.mark.parametrize("batch_size", [None, 80])
def test_resumed_run_gives_the_same_bits(tmp_path, algorithm, batch_size):
    x, t = data()
    parts = {"validation": (x[150:], t[150:]), "max_fail": 100, "batch_size": batch_size, "seed": 3}
    whole, record = pwl.train(network(), (x[:150], t[:150]), algorithm, iterations=12, **parts)
    path = tmp_path / "run"
    pwl.train(network(), (x[:150], t[:150]), algorithm, iterations=5, checkpoint=path, **parts)
    resumed, again = pwl.train(network(), (x[:150], t[:150]), algorithm, iterations=12, resume=path, **parts)
    np.testing.assert_array_equal(resumed.theta, whole.theta)
    for name in ("error", "validation_error", "objective", "multiplies", "z"):
        assert again[name] == record[name], name
    assert again.best_iteration == record.best_iteration
    assert again["seconds"][12] > again["seconds"][5]


def test_interrupted_run_resumes(tmp_path):
    x, t = data()
    whole, _ = pwl.train(network(), (x, t), pwl.AdAct(), iterations=9)

    def interrupt(net, record):
        if record.iterations == 4:
            raise KeyboardInterrupt

    _, record = pwl.train(network(), (x, t), pwl.AdAct(), iterations=9, checkpoint=tmp_path / "c", callback=interrupt)
    assert record.stop_code == "interrupted"
    resumed, record = pwl.train(network(), (x, t), pwl.AdAct(), iterations=9, resume=tmp_path / "c")
    np.testing.assert_array_equal(resumed.theta, whole.theta)
    assert record.stop_code == "iterations"


# ---- Ctrl-C at the instants where a run has just changed

CASES = [(pwl.LM(), None), (pwl.AdAct(), None), (pwl.Adam(0.01), 40)]


def settings(batch_size):
    x, t = data()
    return {
        "data": (x[50:], t[50:]),
        "validation": (x[:50], t[:50]),
        "max_fail": 100,
        "batch_size": batch_size,
        "iterations": 9,
    }


def check_whole(net, record, options):
    """The network is the best of the record, and all series have a value per iteration."""
    assert {len(values) for values in record.series.values()} == {record.iterations + 1}
    assert record.best_iteration == int(np.argmin(record["validation_error"]))
    assert pwl.evaluate(net, options["validation"]).error == min(record["validation_error"])
    assert pwl.evaluate(net, options["data"]).error == record["error"][record.best_iteration]


def check_interrupted(net, record, path, algorithm, options, done):
    """The run ended after so many iterations and is whole; its checkpoint goes on to the same bits."""
    assert record.stop_code == "interrupted" and record.iterations == done
    assert record.stop_reason == f"interrupted from the keyboard (after iteration {done})"
    check_whole(net, record, options)
    assert os.listdir(path.parent) == [path.name]  # nothing half written lies beside it
    whole, wanted = pwl.train(network(), algorithm=algorithm, **options)
    resumed, again = pwl.train(network(), algorithm=algorithm, resume=path, **options)
    np.testing.assert_array_equal(resumed.theta, whole.theta)
    assert again.iterations == options["iterations"] and again.best_iteration == wanted.best_iteration
    for name in ("error", "validation_error", "objective", "multiplies", "passes"):
        assert again[name] == wanted[name], name


@pytest.mark.parametrize("rows", [2, 4, 10])
@pytest.mark.parametrize(("algorithm", "batch_size"), CASES, ids=str)
def test_ctrl_c_after_a_row_was_appended(tmp_path, monkeypatch, algorithm, batch_size, rows):
    """The record then has one row more than the run."""
    append = pwl.Record.append

    def interrupted(record, row):
        append(record, row)
        if len(record) == rows:
            raise KeyboardInterrupt

    options = settings(batch_size)
    with monkeypatch.context() as patched:
        patched.setattr(pwl.Record, "append", interrupted)
        net, record = pwl.train(network(), algorithm=algorithm, checkpoint=tmp_path / "c", **options)
    check_interrupted(net, record, tmp_path / "c", algorithm, options, done=rows - 2)


@pytest.mark.parametrize("series", [1, 3])
def test_ctrl_c_within_a_row(tmp_path, monkeypatch, series):
    """Some of the series have a value more than the others."""
    append = pwl.Record.append

    def interrupted(record, row):
        if len(record) == 4:
            for name in list(row)[:series]:
                record.series[name].append(row[name])
            raise KeyboardInterrupt
        append(record, row)

    options = settings(None)
    with monkeypatch.context() as patched:
        patched.setattr(pwl.Record, "append", interrupted)
        net, record = pwl.train(network(), algorithm=pwl.LM(), checkpoint=tmp_path / "c", **options)
    check_interrupted(net, record, tmp_path / "c", pwl.LM(), options, done=3)


@pytest.mark.parametrize("write", [1, 4])
@pytest.mark.parametrize(("algorithm", "batch_size"), CASES, ids=str)
def test_ctrl_c_when_a_checkpoint_has_just_come_into_its_place(tmp_path, monkeypatch, algorithm, batch_size, write):
    """What was written beside it is gone then: to clear it up must not turn the interrupt into another error."""
    replace, done = os.replace, []

    def interrupted(source, target):
        replace(source, target)
        done.append(target)
        if len(done) == write:
            raise KeyboardInterrupt

    options = settings(batch_size)
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", interrupted)
        net, record = pwl.train(network(), algorithm=algorithm, checkpoint=pwl.Checkpoint(tmp_path / "c", 0), **options)
    assert len(done) == write + 1  # and once more when it ended
    check_interrupted(net, record, tmp_path / "c", algorithm, options, done=write)


def test_ctrl_c_in_the_last_write_leaves_a_run_that_ended(tmp_path, monkeypatch):
    replace, done = os.replace, []

    def interrupted(source, target):
        replace(source, target)
        done.append(target)
        if len(done) == 1:
            raise KeyboardInterrupt

    options = settings(None)
    monkeypatch.setattr(os, "replace", interrupted)
    net, record = pwl.train(network(), algorithm=pwl.LM(), checkpoint=tmp_path / "c", **options)
    whole, _ = pwl.train(network(), algorithm=pwl.LM(), **options)
    assert (record.stop_code, record.iterations, len(done)) == ("iterations", 9, 2)
    np.testing.assert_array_equal(net.theta, whole.theta)


class CtrlC:
    """Ctrl-C when line number `at` is about to be run, counted in the loop of `train` and in what it calls of two folders."""

    FOLDERS = tuple(str(Path(pwl.__file__).parent / name) for name in ("training", "files"))
    LOOP = _ended.__code__
    END = max(line for *_, line in LOOP.co_lines() if line)  # there the loop is over

    def __init__(self, at=None):
        self.at, self.lines, self.over = at, 0, False

    def __enter__(self):
        sys.settrace(self.called)
        return self

    def __exit__(self, *_):
        sys.settrace(None)

    def called(self, frame, event, arg):
        return self.line if frame.f_code.co_filename.startswith(self.FOLDERS) else None

    def line(self, frame, event, arg):
        if event != "line" or self.over:
            return self.line
        if frame.f_code is self.LOOP:
            self.over = frame.f_lineno == self.END
            begun = self.lines or "done" in frame.f_locals
        else:
            begun = self.lines
        if begun and not self.over:
            self.lines += 1
            if self.lines == self.at:
                self.over = True
                raise KeyboardInterrupt
        return self.line


@pytest.mark.parametrize("step", [31, pytest.param(4, marks=pytest.mark.slow)])
def test_ctrl_c_at_any_line(tmp_path, step):
    """Wherever in the loop, the record, the checkpoint or the writing of files: the run is whole, and goes on to the same bits."""
    algorithm, options, path = pwl.LM(), settings(None) | {"iterations": 3}, tmp_path / "c"
    with CtrlC() as tracer:
        whole, wanted = pwl.train(network(), algorithm=algorithm, checkpoint=pwl.Checkpoint(path, 0), **options)
    assert tracer.lines > 1000
    codes = []
    for at in range(1, tracer.lines, step):
        path.unlink()
        with CtrlC(at) as interrupt:
            net, record = pwl.train(network(), algorithm=algorithm, checkpoint=pwl.Checkpoint(path, 0), **options)
        assert interrupt.lines == at
        check_whole(net, record, options)
        resumed, again = pwl.train(network(), algorithm=algorithm, resume=path, **options)
        np.testing.assert_array_equal(resumed.theta, whole.theta)
        assert again["error"] == wanted["error"] and again.best_iteration == wanted.best_iteration
        codes.append(record.stop_code)
    ended = codes.index("iterations") if "iterations" in codes else len(codes)
    assert ended > 0.6 * len(codes) and codes == ["interrupted"] * ended + ["iterations"] * (len(codes) - ended)


@pytest.mark.parametrize("algorithm", [pwl.CG(), pwl.SCG(), pwl.LM()], ids=repr)
def test_a_run_that_its_algorithm_ended_stays_so(tmp_path, algorithm):
    """To resume it adds nothing, also where a kill came after the checkpoint, and however many iterations are asked for."""
    net, patterns = quadratic(6)
    best, record = pwl.train(net, patterns, algorithm, iterations=300, checkpoint=pwl.Checkpoint(tmp_path / "c", 0))
    assert record.stop_code in ("no_descent", "mu_max")
    for iterations in (300, 1000):
        again, same = pwl.train(
            net, patterns, algorithm, iterations=iterations, resume=tmp_path / "c", checkpoint=tmp_path / "c"
        )
        np.testing.assert_array_equal(again.theta, best.theta)
        assert same.to_dict() == record.to_dict()


def test_a_checkpoint_that_can_not_be_written_is_refused_before_the_work():
    def called(net, record):
        raise AssertionError("it trained")

    with pytest.raises(pwl.InputError, match="/proc/nowhere/c can't be written"):
        pwl.train(network(), data(), pwl.LM(), checkpoint="/proc/nowhere/c", callback=called)


def test_checkpoint_of_another_run_is_refused(tmp_path):
    x, t = data()
    pwl.train(network(), (x, t), pwl.AdAct(), iterations=2, checkpoint=tmp_path / "c")
    for other in (
        {"algorithm": pwl.MOLF()},
        {"net": pwl.Network.mlp(4, 7, 1, pwl.PiecewiseLinear("sigmoid", 7))},
        {"data": (x[:100], t[:100])},
        {"seed": 1},
    ):
        given = {"net": network(), "data": (x, t), "algorithm": pwl.AdAct()} | other
        with pytest.raises(pwl.InputError, match="another run"):
            pwl.train(**given, iterations=4, resume=tmp_path / "c")
    with pytest.raises(pwl.InputError, match="other data"):
        pwl.train(network(), (x, 2 * t), pwl.AdAct(), iterations=4, resume=tmp_path / "c")
    with pytest.raises(pwl.InputError, match="is not there"):
        pwl.train(network(), (x, t), pwl.AdAct(), iterations=4, resume=tmp_path / "none")
    network().save(tmp_path / "n")
    with pytest.raises(pwl.InputError, match="not a pwl checkpoint"):
        pwl.train(network(), (x, t), pwl.AdAct(), iterations=4, resume=tmp_path / "n")


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
import pwl
from test_checkpoint import data, network
pwl.train(network(), data(), pwl.AdAct(), iterations=10**6, checkpoint=pwl.Checkpoint({path!r}, seconds=0))
"""


@pytest.mark.slow
def test_a_kill_at_any_instant_leaves_a_whole_checkpoint(tmp_path):
    """A real process that writes after every iteration is killed at random instants; what it left always resumes."""
    rng = np.random.default_rng(int(time.time()))
    path = tmp_path / "run"
    script = SCRIPT.format(tests=os.path.dirname(__file__), path=str(path))
    x, t = data()
    for _ in range(6):
        path.unlink(missing_ok=True)
        process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE)
        until = time.monotonic() + 60
        while not path.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        assert path.exists(), process.stderr.read().decode()
        time.sleep(rng.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stderr.close()
        _, record = pwl.train(network(), (x, t), pwl.AdAct(), iterations=10**6, resume=path, callback=lambda *_: True)
        done = record.iterations
        whole, _ = pwl.train(network(), (x, t), pwl.AdAct(), iterations=done)
        resumed, _ = pwl.train(network(), (x, t), pwl.AdAct(), iterations=done, resume=path)
        np.testing.assert_array_equal(resumed.theta, whole.theta)


def test_other_validation_data_are_noticed(tmp_path):
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(30, 2)), rng.normal(size=(30, 1))
    one, other = (x[:9], t[:9]), (x[9:18], t[9:18])

    def run(**options):
        return pwl.train(pwl.Network.mlp(2, 3, 1), (x, t), pwl.MOLF(), **options)

    run(iterations=2, validation=one, test=other, checkpoint=pwl.Checkpoint(tmp_path / "c", 0))
    for wrong, said in (
        ({"validation": other, "test": other}, "other validation data: its last validation error is"),
        ({"validation": one, "test": one}, "other test data: its last test error is"),
        ({"validation": one}, "a run with test data, but this run is without"),
    ):
        with pytest.raises(pwl.InputError, match=said):
            run(iterations=4, resume=tmp_path / "c", **wrong)
    resumed = run(iterations=4, validation=one, test=other, resume=tmp_path / "c")[1]
    assert resumed["validation_error"] == run(iterations=4, validation=one, test=other)[1]["validation_error"]
    run(iterations=2, checkpoint=pwl.Checkpoint(tmp_path / "d", 0))
    with pytest.raises(pwl.InputError, match="a run without validation data, but this run is with"):
        run(iterations=4, validation=one, resume=tmp_path / "d")
