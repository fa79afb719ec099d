"""The lessons in examples/ run, print what they say, and their exercises have solutions that hold."""

from __future__ import annotations

import ast
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402 - after the choice of the backend

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
LESSONS = sorted(EXAMPLES.glob("[0-9][0-9]_*.py"))
SLOW_LESSONS = {"11_batches", "12_filters_with_curves", "13_a_small_pinn"}
SLOW_SOLUTIONS = {"08_the_race", "11_batches", "12_filters_with_curves", "13_a_small_pinn"}

PRINTED = {  # key lines of each lesson
    "01_one_unit": (
        "start:           E = 0.1773",
        "after MOLF step: E = 0.1794",
        "after AdAct step: E = 0.0191   z = 8.28",
        "after OWO step:  E = 0.0162",
        "iteration 50: E = 0.00067",
        "one ReLU unit: E = 0.1629, one unit with a curve: E = 0.00067",
    ),
    "02_algorithm_1_in_numpy": (
        "iteration 20: NumPy 0.01183885, engine 0.01183885",
        "largest relative difference below 1e-12: True",
        "owo_step: right",
        "owo_step: wrong, E is 0.0421068 after iteration 1, not 0.0369244",
    ),
    "03_hessian_of_molf": (
        "differences        within 1e-08 of the engine: True",
        "closed form        within 1e-13 of the engine: True",
        "g equals the engine's: True, z too: True",
        "E before 0.38522, with one factor 0.36004, with a factor per unit 0.35191",
        "condition number above 1e15: True, dropped factors: (3,)",
        "network 0: off by 8.1 of the largest element",
        "pwl.check on H_molf: [True]",
    ),
    "04_owo_and_ols": (
        "relu(x)      energy 0.6800, left 0.0850",
        "E with the functions up to relu(x - 1)  0.00128",
        "same weights as the engine: True",
        "relu(x - 9)  energy 0.0000, left 0.0000: depends on those before it, dropped",
        "the engine drops (4,) and gives it the weight 0.0",
        "relu(x + 9)  energy 82.3600, left 0.0000: depends on those before it, dropped",
    ),
    "05_a_parabola": (
        "dE/dz = -0.200723, d2E/dz2 = 0.079269, minimum at z = 2.532164",
        "a point far away: E(50) = 89.366055, the parabola says 89.366055",
        "|G_a|^2 = 0.200723, h = 0.079269, z = 2.532164, the engine's z = 2.532164",
        "E times  5.063e+09;  -E'/E'' =  0.02532, E times 0.1943",
    ),
    "06_levenberg_marquardt": (
        "mu =      0.0: |e| =  5.31654, angle to the gradient  87.8 degrees, E =  2342.560",
        "mu = 100000.0: |e| =  0.00116, angle to the gradient   0.0 degrees, E =    23.932",
        "27 steps to (1.000000, 1.000000)",
        "pwl.least_squares: (1.000000, 1.000000)",
        "after 20 iterations E = 8.6e-04",
    ),
    "07_conjugate_gradients": (
        "conjugate gradients: 2 steps, |w| below 1e-12: True",
        "step 5: E = 0.0106654",
        "OWO, in one solve: 0.0106654",
        "SCG: E from 173.1 to 0.0",
        "w = 2.5: curvature -0.801, step without lambda to w =   3.247, with lambda = 1.602 to w =  1.753",
    ),
    "08_the_race": (
        "LM          0.0030     0.0021     1.0e+08",
        "MOLF    20 iterations, E = 0.0036",
        "LM       1 iterations, E = 0.0411",
    ),
    "09_evidence": (
        "17 weights: the data determine 6, noise found 0.18",
        "62 weights: the data determine 6, noise found 0.18",
        "with evidence 0.010",
        "first lambda 1.0 : -log evidence  35.6, 2 weights count",
        "first lambda 0.0 : -log evidence   9.8, 6 weights count",
    ),
    "10_curves_on_the_inputs": (
        "3 units, straight inputs: test error 0.120",
        "3 units, curved inputs:   test error 0.089, noise 0.050",
        "concrete, straight inputs   : test error 5.1 MPa",
        "concrete, 5 hinges per input: test error 4.7 MPa",
    ),
    "11_batches": (
        "Adam, rate 0.0001: test E = 0.79",
        "Adam, rate   0.01: test E = 0.03",
        "Adam, rate    0.1: test E = 0.1",
        "MinibatchAdAct: test E = 0.02",
    ),
    "12_filters_with_curves": (
        "all                                             969       7,070",
        "more numbers of 969",
    ),
    "13_a_small_pinn": (
        "31 weights, 62 residuals, sum of squares at the start 22.7",
        "after at most 300 steps below 1e-6: True",
        "largest distance from the solution by Runge-Kutta below 1e-4: True",
        "is still more than 100 times that of least_squares: True",
    ),
    "14_parts_of_your_own": (
        "softsign: 9 rows, failed: none",
        "wrong slope: 9 rows, failed: ['G', 'H_molf',",
        "Wave: 15 rows, failed: none",
        "Neighbours: 9 rows, failed: none",
        "Barzilai-Borwein below a half of the gradient's E: True",
    ),
    "15_from_matlab": (
        "stopped: max_fail",
        "mse on the test patterns: 0.0026, noise 0.0025",
        "the same predictions after loading: True",
    ),
}


def marked(paths, slow):
    return [pytest.param(path, id=path.stem, marks=[pytest.mark.slow] * (path.stem in slow)) for path in paths]


@pytest.fixture(autouse=True)
def _no_figures_left():
    yield
    plt.close("all")


@pytest.mark.filterwarnings("error")
@pytest.mark.filterwarnings("ignore:Animation was deleted")
@pytest.mark.parametrize("path", marked(LESSONS, SLOW_LESSONS))
def test_a_lesson_prints_what_it_says(path, capsys):
    runpy.run_path(str(path), run_name="__main__")
    printed = capsys.readouterr().out
    missing = [line for line in PRINTED[path.stem] if line not in printed]
    assert not missing, f"{missing} not in\n{printed}"
    assert plt.get_fignums()


@pytest.mark.slow
def test_filters_with_curves_are_right_more_often(capsys):
    lesson = runpy.run_path(str(EXAMPLES / "12_filters_with_curves.py"))
    capsys.readouterr()
    assert lesson["right"](lesson["curved"]) > lesson["right"](lesson["relu"]) + 0.05


@pytest.mark.parametrize("path", marked(LESSONS, SLOW_SOLUTIONS))
@pytest.mark.slow
def test_the_exercises_have_solutions_that_hold(path, capsys):
    solution = EXAMPLES / "solutions" / path.name
    runpy.run_path(str(solution), run_name="__main__")
    asserts = [node for node in ast.walk(ast.parse(solution.read_text())) if isinstance(node, ast.Assert)]
    exercises = re.findall(r"^# (\d)\. ", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert 2 <= len(exercises) <= 4
    assert len(asserts) >= len(exercises)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_has_the_form_of_a_gallery(path):
    text = path.read_text(encoding="utf-8")
    number, title, underline = re.match(r'"""\n(\d+)\. (.+)\n(=+)\n', text).groups()
    assert int(number) == int(path.stem[:2])
    assert len(underline) == len(f"{number}. {title}")
    assert text.count("\n# %%\n") >= 4
    for part in (
        "# Try it\n# ------\n",
        "# Exercises\n# ---------\n",
        f"# Solutions: ``examples/solutions/{path.name}``.\n",
    ):
        assert text.count(part) == 1
    assert len(text.splitlines()) <= 400


def test_lessons_are_numbered_without_gaps():
    assert [int(path.stem[:2]) for path in LESSONS] == list(range(1, len(LESSONS) + 1))


def test_the_list_of_lessons_has_them_all():
    listed = re.findall(r"^- `(.+) <(.+)>`__$", (EXAMPLES / "README.rst").read_text(encoding="utf-8"), re.MULTILINE)
    assert listed == [(path.read_text(encoding="utf-8").splitlines()[1], path.name) for path in LESSONS]


def test_the_site_has_all_pages():
    docs = EXAMPLES.parent / "docs"
    listed = re.findall(r"^   ([\w/-]+)$", (docs / "site.rst").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(["course/index", "reference", *(page.stem for page in docs.glob("*.md"))])


def test_a_lesson_runs_alone_from_any_folder(tmp_path):
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    done = subprocess.run(
        [sys.executable, str(LESSONS[0])], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert PRINTED[LESSONS[0].stem][-1] in done.stdout
    assert not list(tmp_path.iterdir())  # a lesson writes no files
