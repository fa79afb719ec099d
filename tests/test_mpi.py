"""Real ranks under mpiexec: the same results as in one process, and one end for all whatever happens to one of them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from mpiexec import environment, interrupted, needs_mpi, program
from rank_cases import ALGORITHMS, BATCHES, VECTORS, case, fits, trained

pytestmark = [needs_mpi, pytest.mark.xdist_group("mpi")]
FORMS = [(name, kind, False) for name in ALGORITHMS for kind in VECTORS[:-1] if fits(name, kind)]
FORMS += [(name, kind, True) for name in BATCHES for kind in ("numbers", "images")]
FORMS.remove(("varpro", "input curves", False))  # whose basis is dependent: many weights have one and the same E


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 3])
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
    here, files = Path(__file__).parent / "mpi_program.py", [Path(f"{path}.{rank}") for rank in range(2)]
    _, out = interrupted(files, 2, here, "interrupted", path)
    assert json.loads(out.splitlines()[-1]) == ["interrupted", 1, True]
    assert path.exists()


def test_a_signal_that_comes_while_ranks_meet_is_for_the_next_time():
    """In a process of its own, because importing the module starts MPI."""
    script = """
from types import SimpleNamespace
from pwl.runtime.mpi import Ranks

def allgather(value):
    ranks._hold(2, None)  # the signal comes after this rank has said that there was none
    return [value, value]

ranks = Ranks(SimpleNamespace(rank=0, size=2, allgather=allgather))
ranks.meet(1.0)
ranks.world.allgather = lambda value: [value, value]
try:
    ranks.meet(1.0)
except KeyboardInterrupt:
    ranks.meet(1.0)  # once is enough
    print("interrupted")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment(), check=False)
    assert done.stdout == "interrupted\n", done.stderr


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
