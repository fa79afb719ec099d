"""benchmarks/gpu/first as a dry run on the CPU, and what its shell scripts name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("benchmarks.shared.cells", reason="the benchmarks are not part of the installed package")
from benchmarks.gpu.first import cells, one, smoke, smoke_kernels, smoke_steps
from benchmarks.gpu.first.checks import Check, passes
from benchmarks.shared.cells import Cells

ROOT = Path(__file__).resolve().parents[1]
FIRST = ROOT / "benchmarks" / "gpu" / "first"
SCRIPTS = sorted(FIRST.glob("*.sh"))
WHEELS = ("array_api_compat-1.16.0-py3-none-any.whl", "array_api_strict-2.6.1-py3-none-any.whl")


@pytest.fixture
def dry(monkeypatch):
    monkeypatch.setenv("SMOKE_XP", "numpy")


def results(output):
    return [line.split()[0] for line in output.splitlines() if line.startswith(("ok ", "FAIL "))]


# ---- smoke.py


def test_kernels_pass_a_dry_run(dry, capsys):
    """Curves and inputs, for which Numba would compile anew, are among all checks below."""
    assert smoke.main(["float64 8 ", "pooling", "entropy", "columns", "updates", "numba", "cupy"]) == 0
    output = capsys.readouterr().out
    assert results(output) == ["ok"] * 7
    assert re.search(r"^7 passed, 0 failed, \d+ s$", output, re.MULTILINE)


@pytest.mark.slow
def test_all_checks_pass_a_dry_run(dry, capsys):
    assert smoke.main([]) == 0
    found = results(capsys.readouterr().out)
    assert found == ["ok"] * len(found) and len(found) == 33


def test_steps_pass_a_dry_run(dry, capsys, monkeypatch):
    monkeypatch.setattr(smoke_steps, "DRY_PATTERNS", 200)
    monkeypatch.setattr(smoke_steps, "UNITS", 5)
    assert smoke.main(["step of", "iteration of"]) == 0
    output = capsys.readouterr().out
    assert results(output) == ["ok"] * 4 and output.count(" ms, asked for in ") == 4


def test_a_wrong_kernel_fails_and_the_others_go_on(dry, capsys, monkeypatch):
    class Wrong:
        column_sums = staticmethod(lambda a: a.sum(axis=0) * 1.001)
        column_products = staticmethod(lambda a, b: (a * b).sum(axis=0))
        max_pool = staticmethod(lambda x, window: 1 / 0)

    monkeypatch.setattr(smoke_kernels.kernels, "engine", lambda a: Wrong)
    assert smoke.main(["pooling", "columns"]) == 1
    output = capsys.readouterr().out
    assert "FAIL max pooling" in output and "ZeroDivisionError" in output
    assert re.search(r"FAIL sums of columns +ValueError: too far .*: sums 1\.0e-03, products", output)
    assert output.endswith("0 passed, 2 failed, 0 s\n")


def test_without_a_gpu_it_says_so_in_each_group(capsys, monkeypatch):
    monkeypatch.delenv("SMOKE_XP", raising=False)
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert smoke.main(["numba"]) == 1
    output = capsys.readouterr().out
    assert "FAIL kernels: all" in output and "FAIL steps: all" in output and "the GPU can't be used" in output


def test_a_check_that_ends_the_program_is_caught(capsys):
    def end():
        raise SystemExit(2)

    assert not passes(Check("end", end))
    assert passes(Check("fine", lambda: "all is well"))
    assert "all is well" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [np.array([1.0, np.nan]), np.ones(3)])
def test_other_shapes_and_nan_are_infinitely_far(wrong):
    assert smoke_kernels.far(wrong, np.ones(2)) == np.inf


def test_a_numba_that_refuses_numpy_stops_nothing(tmp_path):
    """Cells are found, and the CPU's side of them runs on NumPy alone."""
    (tmp_path / "numba").mkdir()
    (tmp_path / "numba" / "__init__.py").write_text('raise ImportError("Numba needs NumPy 2.3 or less")')
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT))), "SMOKE_XP": "numpy"}
    command = [sys.executable, "-m", "benchmarks.gpu.first.cells", "50", str(tmp_path / "out"), r"agreement/adact-\d"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(Cells(tmp_path / "out" / "gpu.jsonl").all()) == ["dry-run-agreement-adact-500"]


# ---- cells.py and one.py


def test_cells_of_a_dry_run(dry, tmp_path, capsys):
    arguments = ["100", str(tmp_path), r"agreement/adact-\d", r"agreement/(adact|sgd)-\d", "nothing/"]
    assert cells.main(arguments) == 0
    found = Cells(tmp_path / "gpu.jsonl").all()
    assert list(found) == ["dry-run-agreement-adact-500", "dry-run-agreement-sgd-500"]
    for cell in found.values():
        assert cell["device"] == {"name": "dry run"} and cell["commit"] == cells.commit() and cell["one_step"] == 0
    output = capsys.readouterr().out
    assert "no cell matches nothing/" in output and output.index("adact-500") < output.index("sgd-500")
    assert (tmp_path / "gpu.md").read_text().startswith("## dry run\n")


def test_cells_fail_one_by_one_and_end_in_time(dry, tmp_path, capsys, monkeypatch):
    def some(device, quick):
        yield "bad", lambda: 1 / 0
        yield "good", lambda: {"algorithm": "sgd", "one_step": 0.0, "many_steps": 0.0}

    monkeypatch.setattr(cells.command, "PARTS", {"agreement": some})
    assert cells.main(["-1", str(tmp_path), "agreement/"]) == 0
    assert capsys.readouterr().out.count("no time for") == 2
    assert cells.main(["100", str(tmp_path), "agreement/"]) == 1
    assert "FAIL dry-run-agreement-bad: ZeroDivisionError" in capsys.readouterr().out
    assert list(Cells(tmp_path / "gpu.jsonl").all()) == ["dry-run-agreement-good"]


def test_the_commit_is_the_noted_one_where_there_is_no_history(tmp_path, monkeypatch):
    monkeypatch.setattr(cells.command, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setenv("PWL_GPU", str(tmp_path))
    assert cells.commit() == "unknown"
    (tmp_path / "commit").write_text("0123abc-dirty\n")
    assert cells.commit() == "0123abc-dirty"


@pytest.mark.slow
def test_each_kernel_once(dry):
    one.main()


# ---- the shell scripts


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_scripts_are_bash(script):
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_patterns_in_the_scripts_match_cells(capsys):
    keys = [[f"{job.part}/{job.name}" for job in cells.jobs(None, quick)] for quick in (False, True)]
    parts = "|".join(part for part in cells.command.PARTS if part != "tests")
    patterns = [p for script in SCRIPTS for p in re.findall(rf"'((?:{parts})/[^']*)'", script.read_text())]
    assert len(patterns) == 23
    for pattern in patterns:
        assert all(any(re.search(pattern, key) for key in names) for names in keys), pattern


def test_the_scripts_run_all_tests_marked_gpu():
    line = re.search(r"^TESTS=\((.*)\)$", (FIRST / "steps.sh").read_text(), re.MULTILINE)[1]
    run = {path for name in line.split() for path in ROOT.glob(name)}
    marked = {
        path
        for path in (ROOT / "tests").glob("test_*.py")
        if re.search(r"mark\.gpu\b|def test_\w+\(gpu\b", path.read_text())
    }
    assert len(marked) > 3 and marked - {Path(__file__)} <= run
    assert all(list(ROOT.glob(name)) for name in line.split())


def test_modules_in_the_scripts_exist():
    names = {name for script in SCRIPTS for name in re.findall(r"-m benchmarks\.([\w.]+)", script.read_text())}
    assert names == {"gpu.first.smoke", "gpu.first.cells", "gpu.first.one"}
    assert all((ROOT / "benchmarks" / f"{name.replace('.', '/')}.py").exists() for name in names)


def test_packing_takes_what_is_in_the_folders(tmp_path):
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    root, given = tmp_path / "project", tmp_path / "given"
    shutil.copytree(FIRST, root / "benchmarks" / "gpu" / "first", ignore=shutil.ignore_patterns("__pycache__"))
    given.mkdir()
    for name in (*WHEELS, "array_api_compat-1.9.0-py3-none-any.whl", "gpu.jsonl", "cupy.tgz", "other.log"):
        (given / name).write_text(name)

    def git(*arguments):
        names = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        done = subprocess.run(["git", *names, *arguments], cwd=root, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "all")
    for _ in range(2):
        script = root / "benchmarks" / "gpu" / "first" / "pack.sh"
        subprocess.run(["bash", str(script), str(given)], cwd=tmp_path, check=True, capture_output=True)
        packed = sorted(str(path.relative_to(root / ".gpu")) for path in (root / ".gpu").rglob("*") if path.is_file())
        assert packed == ["commit", "cupy.tgz", "gpu.jsonl", *(f"whl/{name}" for name in WHEELS)]
    assert (root / ".gpu" / "commit").read_text().strip() == git("rev-parse", "HEAD")
    assert git("status", "--short") == ""
    assert (root / ".git" / "info" / "exclude").read_text().count(".gpu") == 1
