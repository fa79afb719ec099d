"""Runs resume to the same bits, and a kill at any instant leaves a whole checkpoint."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import pwl

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
