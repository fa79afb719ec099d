"""Speed that must not get lost: a run of the usual size, and the import. Bounds are wide: others may use the cores."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from toys import waves

import pwl

ROOT = Path(__file__).resolve().parents[1]


def test_a_hundred_iterations_of_adact_take_about_a_second():
    data = waves(1030, N=8, M=1)
    net = pwl.Network.mlp(8, 20, 1, pwl.PiecewiseLinear("relu", hinges=25))
    pwl.train(net, data, pwl.AdAct(), iterations=2)  # compiles, or reads what was compiled

    def seconds():
        begin = time.perf_counter()
        _, record = pwl.train(net, data, pwl.AdAct(), iterations=100)
        assert record.iterations == 100
        return time.perf_counter() - begin

    assert any(seconds() < 2.5 for _ in range(3))


def in_a_new_process(code):
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_import_takes_at_most_five_times_numpys():
    # The importing thread's own time: what others do on the same cores doesn't count.
    code = (
        "from time import thread_time as now; begin = now(); import numpy; middle = now(); import pwl\n"
        "print((now() - middle) / (middle - begin))"
    )
    assert any(float(in_a_new_process(code)[0]) < 5 for _ in range(10))


def test_numba_is_imported_at_the_first_curve_and_not_before():
    code = (
        "import sys; import numpy as np; import pwl; print('numba' in sys.modules)\n"
        "x = np.arange(20.0)[:, None]\n"
        "pwl.train(pwl.Network.mlp(1, 2, 1), (x, x), pwl.MOLF(), iterations=1); print('numba' in sys.modules)\n"
        "pwl.initialise(pwl.Network.mlp(1, 2, 1, pwl.PiecewiseLinear()), (x, x)); print('numba' in sys.modules)\n"
    )
    assert in_a_new_process(code) == ["False", "False", "True"]
