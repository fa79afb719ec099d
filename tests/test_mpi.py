"""Real ranks under mpiexec: the same results as in one process, and one end for all whatever happens to one of them."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from mpiexec import SECONDS, command, environment, needs_mpi, program
from rank_cases import ALGORITHMS, BATCHES, VECTORS, case, fits, trained

pytestmark = [needs_mpi, pytest.mark.xdist_group("mpi")]
FORMS = [(name, kind, False) for name in ALGORITHMS for kind in VECTORS[:-1] if fits(name, kind)]
FORMS += [(name, kind, True) for name in BATCHES for kind in ("numbers", "images")]
FORMS.remove(("varpro", "input curves", False))  # whose basis is dependent: many weights have one and the same E


@pytest.mark.parametrize("ranks", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_one_step(ranks):
    done = program(ranks, "agree", json.dumps(FORMS))
    assert done.returncode == 0, done.stderr
    for form, (difference, bits) in zip(FORMS, json.loads(done.stdout), strict=True):
        assert difference < 1e-10, form
        assert bits == 1, form


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_ranks(tmp_path):
    path = tmp_path / "run"
    runs = [json.loads(program(ranks, "resumed", path, iterations).stdout) for ranks, iterations in ((3, 3), (2, 6))]
    net, data, _ = case("numbers")
    _, record = trained(net, data, "scg", 6)
    assert np.allclose(runs[1][0], record["error"], rtol=1e-9)
    assert runs[1][0][:4] == runs[0][0]
    assert [run[1] for run in runs] == [3, 2]
    assert [sum(run[2]) for run in runs] == [90, 90]


@pytest.mark.parametrize(("how", "words"), [("kill", ""), ("raise", "the callback is broken"), ("wrong", "this row is wrong")])
@pytest.mark.slow
def test_no_rank_is_left_when_one_goes(how, words):
    begun = time.monotonic()
    done = program(3, "killed", how)
    assert done.returncode != 0
    assert time.monotonic() - begun < 60
    if words:
        assert done.stderr.count(words) == 1 + (how == "raise")  # the trace shows the line as well
        assert done.stderr.count("pwl: rank 1:") == 1
        assert "pwl: rank 0:" not in done.stderr and "pwl: rank 2:" not in done.stderr


@pytest.mark.slow
def test_ctrl_c_ends_all_ranks_with_the_best_network(tmp_path):
    path = tmp_path / "run"
    here = Path(__file__).parent / "mpi_program.py"
    with subprocess.Popen(
        command(2, here, "interrupted", path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as running:
        while not all(Path(f"{path}.{rank}").exists() for rank in range(2)):
            assert running.poll() is None
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate(timeout=SECONDS)
    assert json.loads(out.splitlines()[-1]) == ["interrupted", 1, True]
    assert path.exists()


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("start", "another starting network"),
        ("algorithm", "another algorithm"),
        ("iterations", "another settings"),
        ("columns", "another shape of inputs"),
    ],
)
@pytest.mark.slow
def test_unequal_ranks_are_found_at_the_start(what, words):
    done = program(2, "unequal", what)
    assert done.returncode != 0
    assert f"rank 1 came with {words}" in done.stderr
