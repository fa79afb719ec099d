"""What a release promises: one version everywhere, types, and a package that runs without Numba and without threads."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import pwl

ROOT = Path(__file__).resolve().parents[1]

# Before anything is imported, Numba can't be imported and no thread can be started, as in a browser.
FORBIDDING = """
import sys, threading

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("numba", "llvmlite"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

def start(self):
    raise RuntimeError("can't start new thread")

sys.meta_path.insert(0, Forbidden())
threading.Thread.start = start
"""
MORE = """
import numpy as np

for algorithm in (pwl.LM(), pwl.AdAct.damped(), pwl.Adam()):
    small = pwl.Network.mlp(8, 3, 1, pwl.PiecewiseLinear(hinges=5), input_hinges=4)
    print(pwl.train(small, (x, t), algorithm, iterations=2)[1])
images, labels = np.random.default_rng(0).normal(size=(30, 8, 8, 1)), np.arange(30) % 3
cnn = pwl.models.vgg(1, pwl.PiecewiseLinear(), input_shape=(8, 8, 1), n_classes=3)
print(pwl.train(cnn, (images, labels), pwl.MinibatchAdAct(), iterations=1, batch_size=10)[1])
many = np.random.default_rng(0).normal(size=(150_000, 8))  # several blocks
print(pwl.evaluate(net, (many, many[:, :1])).error)
"""


def readme():
    return re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def run(code, folder, **environment):
    """Output and errors of a process that sees the package from an empty folder."""
    own = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"} | environment
    own.pop("OMP_NUM_THREADS", None)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, env=own, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_the_readme_runs_without_numba_and_without_threads(tmp_path):
    out, err = run(FORBIDDING + "\n".join(readme()) + MORE, tmp_path)
    assert err.count("Numba can't be used") == 1
    assert out.count("Record(") == 4 and (tmp_path / "net.safetensors").exists()


def test_a_numba_that_refuses_numpy_is_none(tmp_path):
    """It is there and can't be imported, which it says in its own words."""
    (tmp_path / "numba").mkdir()
    (tmp_path / "numba" / "__init__.py").write_text('raise ImportError("Numba needs NumPy 2.3 or less. Got NumPy 2.5.")')
    out, err = run(readme()[0], tmp_path, PYTHONPATH=os.pathsep.join((str(tmp_path), str(ROOT))))
    assert err.count("Numba can't be used (Numba needs NumPy 2.3 or less. Got NumPy 2.5.)") == 1
    assert np.isfinite(float(out.split()[0]))


@pytest.mark.slow
def test_results_are_those_of_numba(tmp_path):
    """The first lines of the README, to the digits that other rounding leaves."""
    (one, _), (other, _) = (run(before + readme()[0], tmp_path) for before in ("", FORBIDDING))
    assert float(one.split()[0]) == pytest.approx(float(other.split()[0]), rel=1e-6)


def test_the_forbidding_forbids(tmp_path):
    with pytest.raises(AssertionError, match="No module named 'numba'"):
        run(FORBIDDING + "import numba", tmp_path)
    with pytest.raises(AssertionError, match="can't start new thread"):
        run(FORBIDDING + "threading.Thread(target=print).start()", tmp_path)


def test_one_version_everywhere():
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest is not None and cited is not None
    assert pwl.__version__ == newest[1] == cited[1] == "0.2.0"


def test_the_package_carries_what_it_reads():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    data = project["tool"]["setuptools"]["package-data"]
    assert (ROOT / "pwl" / "py.typed").exists() and "py.typed" in data["pwl"]
    carried = {path for package, patterns in data.items() for pattern in patterns for path in _files(package, pattern)}
    kinds = {".c", ".cu", ".cuh", ".css", ".csv", ".html", ".js", ".txt", ".typed"}
    others = {path for path in (ROOT / "pwl").rglob("*") if path.suffix in kinds}
    assert others and others == carried
    assert "numba>=0.60; sys_platform != 'emscripten'" in project["project"]["dependencies"]


def _files(package, pattern):
    return (ROOT / package.replace(".", "/")).glob(pattern)


def test_public_names_exist_and_are_listed_once():
    assert len(set(pwl.__all__)) == len(pwl.__all__)
    for name in (*pwl.__all__, "PWLRegressor", "PWLClassifier"):
        assert getattr(pwl, name) is not None
