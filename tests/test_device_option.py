"""--device: networks trained and used on a device, here fake_device.py's under CuPy's name; what comes out is the host's."""

from __future__ import annotations

import csv
import json
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from fake_device import as_cupy, install

import pwl
from pwl.cli import main
from pwl.errors import InputError
from pwl.runtime.backend import device_named

SMALL = ["--hidden", "3", "--hinges", "7", "--iterations", "3"]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def crossings(monkeypatch):
    """The device; it answers to CuPy's name."""
    found = install(monkeypatch)
    monkeypatch.setitem(sys.modules, "cupy", as_cupy())
    return found


@pytest.fixture
def no_gpu(monkeypatch):
    cupy = ModuleType("cupy")
    vars(cupy).update(
        ndarray=type("ndarray", (), {}), cuda=SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=int))
    )
    monkeypatch.setitem(sys.modules, "cupy", cupy)


@pytest.fixture
def points(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 2))
    table = np.column_stack([x, np.sin(x[:, 0]) + x[:, 1], x[:, 0] * x[:, 1]])
    np.savetxt(tmp_path / "points.csv", table, delimiter=",", header="a,b,c,d", comments="")
    return "points.csv"


@pytest.fixture
def kinds(tmp_path):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((60, 2))
    lines = [f"{a:.3f},{b:.3f},{'yes' if a * b > 0 else 'no'}" for a, b in x]
    (tmp_path / "kinds.csv").write_text("a,b,kind\n" + "\n".join(lines) + "\n")
    return "kinds.csv"


def rows(path):
    return list(csv.reader(open(path)))[1:]


def used(crossings) -> bool:
    """Whether anything was on the device; forgets it."""
    found = bool(crossings.there)
    crossings.there.clear()
    return found


def test_train_and_predict(points, crossings, capsys):
    common = ["train", points, "--target", "c", "d", *SMALL]
    assert main([*common, "--out", "cpu.safetensors"]) == 0
    assert not used(crossings)
    assert main([*common, "--device", "cuda", "--out", "gpu.safetensors"]) == 0
    assert used(crossings)
    cpu, gpu = pwl.training.saved.load("cpu.safetensors"), pwl.training.saved.load("gpu.safetensors")
    assert (cpu.record.settings["device"], gpu.record.settings["device"]) == ("cpu", "cuda")
    assert isinstance(gpu.net.theta, np.ndarray)
    np.testing.assert_allclose(gpu.net.theta, cpu.net.theta, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(gpu.record["error"], cpu.record["error"], rtol=1e-9)
    first, second = (text.split("saved")[0] for text in capsys.readouterr().out.split("points: ")[1:])
    assert "validation of d: RMSE" in first and first == second
    for device in ("cpu", "cuda"):
        assert main(["predict", "gpu.safetensors", points, "--device", device, "--out", f"{device}.csv"]) == 0
        assert used(crossings) == (device == "cuda")
    found = np.array(rows("cuda.csv"), dtype=float)
    assert found.shape == (60, 2)
    np.testing.assert_allclose(found, np.array(rows("cpu.csv"), dtype=float), rtol=1e-9)


def test_classes_and_probabilities(kinds, crossings, capsys):
    assert main(["train", kinds, *SMALL, "--algorithm", "curved-adam", "--device", "auto"]) == 0
    assert used(crossings)
    assert "validation accuracy" in capsys.readouterr().out
    assert main(["predict", "net.safetensors", kinds, "--device", "auto", "--out", "labels.csv"]) == 0
    assert {row[0] for row in rows("labels.csv")} <= {"yes", "no"}
    assert main(["predict", "net.safetensors", kinds, "--device", "cuda", "--probabilities", "--out", "p.csv"]) == 0
    np.testing.assert_allclose(np.array(rows("p.csv"), dtype=float).sum(axis=1), 1)


@pytest.mark.slow
def test_compare(points, crossings):
    assert main(["compare", points, *SMALL, "--folds", "3", "--algorithms", "adact,lm", "--device", "cuda"]) == 0
    assert used(crossings)
    assert json.loads(open("pwl-compare/settings.json").read())["device"] == "cuda"
    assert main(["compare", points, *SMALL, "--folds", "3", "--algorithms", "adact,lm", "--out", "cpu"]) == 0
    for a, b in zip(rows("pwl-compare/table.csv"), rows("cpu/table.csv"), strict=True):
        np.testing.assert_allclose(float(a[2]), float(b[2]), rtol=1e-7)


def test_check(points, crossings, capsys):
    assert main(["check", points, "--hidden", "3", "--hinges", "5", "--device", "cuda"]) == 0
    assert used(crossings)
    on_device = capsys.readouterr().out
    assert main(["check", points, "--hidden", "3", "--hinges", "5"]) == 0
    assert len(on_device.splitlines()) == len(capsys.readouterr().out.splitlines())


def test_a_run_goes_on_where_it_was(points, crossings, capsys):
    """Bits are those of a device: a checkpoint of one is refused on another."""
    common = ["train", points, *SMALL[:-1]]
    assert main([*common, "2", "--device", "cuda"]) == 0
    assert main([*common, "4", "--device", "cuda", "--resume"]) == 0
    resumed = pwl.training.saved.load("net.safetensors")
    assert main([*common, "4", "--device", "cuda", "--out", "whole.safetensors"]) == 0
    np.testing.assert_array_equal(pwl.training.saved.load("whole.safetensors").net.theta, resumed.net.theta)
    assert resumed.record.iterations == 4


@pytest.mark.parametrize(
    "command",
    [
        ["train", "missing.csv"],
        ["compare", "missing.csv"],
        ["check", "missing.csv"],
        ["predict", "missing", "missing.csv"],
    ],
    ids=lambda words: words[0],
)
def test_one_sentence_before_anything_is_read(command, no_gpu, capsys):
    assert main([*command, "--device", "cuda"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("pwl: the GPU can't be used: no GPU was found") and "stay on the CPU" in line


def test_auto_stays_on_the_cpu_where_there_is_no_gpu(points, no_gpu):
    assert main(["train", points, *SMALL, "--device", "auto"]) == 0
    assert pwl.training.saved.load("net.safetensors").record.settings["device"] == "cpu"


def test_what_auto_stands_for(no_gpu, monkeypatch):
    assert device_named("auto") == device_named("cpu") == "cpu"
    with pytest.raises(InputError, match="no GPU was found"):
        device_named("cuda")
    monkeypatch.setitem(sys.modules, "cupy", as_cupy())
    assert device_named("auto") == device_named("cuda") == "cuda"


def test_an_unknown_device(capsys):
    assert main(["train", "--device", "tpu"]) == 2
    assert "--device" in capsys.readouterr().err
