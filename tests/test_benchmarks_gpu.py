"""`benchmarks gpu` without a GPU: the refusal, cells on a device that is none, tables of made-up cells."""

from __future__ import annotations

import inspect

import array_api_strict
import numpy as np
import pytest
from fake_device import install

pytest.importorskip("benchmarks.shared.cells", reason="the benchmarks are not part of the installed package")
from benchmarks.__main__ import RESULTS
from benchmarks.gpu import activated as gpu_activated
from benchmarks.gpu import agreement as gpu_agreement
from benchmarks.gpu import cnn as gpu_cnn
from benchmarks.gpu import command as gpu
from benchmarks.gpu import conv as gpu_conv
from benchmarks.gpu import input_curves as gpu_input_curves
from benchmarks.gpu import iteration as gpu_iteration
from benchmarks.gpu import kernels as gpu_kernels
from benchmarks.gpu import nets as gpu_nets
from benchmarks.gpu import tables as gpu_tables
from benchmarks.gpu.device import Device, version_text
from benchmarks.shared.cells import Cells
from pwl.errors import InputError
from pwl.kernels.reference import curves as reference
from pwl.learners.named import LEARNERS
from pwl.network.network import Network
from pwl.runtime.backend import host

FACTS = {"name": "Made-up 9000", "memory": "80 GiB", "driver": "1.2", "CUDA": "12.4", "CuPy": "14.0"}


@pytest.fixture
def device(monkeypatch):
    install(monkeypatch)
    waits = []
    found = Device(array_api_strict, lambda: waits.append(1), lambda: None, FACTS)
    yield found
    assert waits  # no timing without a wait


def without(monkeypatch, reason="no GPU was found"):
    def fail():
        raise InputError(f"the GPU can't be used: {reason}")

    monkeypatch.setattr(gpu, "gpu", fail)


def test_without_a_gpu_one_sentence_and_status_2(tmp_path, monkeypatch, capsys):
    without(monkeypatch)
    with pytest.raises(SystemExit) as end:
        gpu.run(tmp_path, True, list(gpu.PARTS), 1)
    assert end.value.code == 2
    assert capsys.readouterr().err == "benchmarks gpu: the GPU can't be used: no GPU was found\n"
    assert list(tmp_path.iterdir()) == []


def test_cells_are_measured_once_and_name_the_device(tmp_path, monkeypatch, capsys):
    calls = []

    def cells(device, quick):
        for name in ("a", "b"):
            yield name, lambda n=name: calls.append(n) or {"passed": 1, "skipped": 0, "seconds": 2.0}

    monkeypatch.setattr(gpu, "gpu", lambda: Device(None, lambda: None, lambda: calls.append("free"), FACTS))
    monkeypatch.setitem(gpu.PARTS, "tests", cells)
    for _ in range(2):
        gpu.run(tmp_path, True, ["tests"], 1)
    assert [call for call in calls if call != "free"] == ["a", "b"] and calls.count("free") == 4
    cells = Cells(tmp_path / "gpu.jsonl").all()
    assert list(cells) == ["made-up-9000-tests-a", "made-up-9000-tests-b"]
    cell = cells["made-up-9000-tests-a"]
    assert cell["device"] == FACTS and cell["part"] == "tests" and "numpy" in cell["machine"]
    text = (tmp_path / "gpu.md").read_text()
    assert text.startswith("## Made-up 9000, memory 80 GiB, driver 1.2, CUDA 12.4, CuPy 14.0\n")
    assert text.count("| 1 | 0 | 2 |") == 2


def calls_of_table1(folder):
    return folder, False, [1, 2, 3], [0, 1], "cuda"


def test_folds_of_table1_are_those_of_its_own_benchmark(tmp_path, monkeypatch):
    table1, calls = pytest.importorskip("benchmarks.table1.command"), []
    monkeypatch.setattr(gpu, "gpu", lambda: Device(None, lambda: None, lambda: None, FACTS))
    inspect.signature(table1.run).bind(*calls_of_table1(tmp_path))
    monkeypatch.setattr(table1, "run", lambda *arguments: calls.append(arguments))
    gpu.run(tmp_path, False, ["table1"], 2)
    assert calls == [calls_of_table1(tmp_path)]


@pytest.mark.parametrize("part", ["kernels", "nets", "agreement", "iteration", "conv", "activated", "input_curves", "cnn"])
def test_cells_of_a_part_have_names_of_their_own(part):
    names = [[name for name, _ in gpu.PARTS[part](None, quick)] for quick in (True, False)]
    assert len({*names[0], *names[1]}) == len(names[0]) + len(names[1])
    assert all("/" not in name and " " not in name for name in names[0])


@pytest.mark.parametrize("kind", gpu_kernels.KINDS)
def test_kernels(device, kind):
    cell = gpu_kernels.measure(device, 40, 3, kind, torch=False, repeats=1)
    seconds = cell["seconds"]
    assert seconds.keys() == gpu_kernels.ARRAYS.keys()
    assert cell["share"]["copy"] == 1
    assert cell["share"]["value + slope"] == pytest.approx(1.5 * seconds["copy"] / seconds["value + slope"])
    assert cell["gigabytes"]["value + slope"] == pytest.approx(3 * 480e-9)
    n, _, grid, _ = gpu_kernels.problem(array_api_strict, 40, 3, kind)
    m = reference.locate(n, grid)[0]
    assert (array_api_strict.unique_values(m).shape[0] == 1) == (kind == "one segment")
    assert "torch scatter" in gpu_tables.written(*gpu_tables.kernels([cell])) and "not run" in str(
        gpu_tables.kernels([cell])
    )


@pytest.mark.parametrize("kind", gpu_kernels.KINDS)
def test_pytorch_computes_the_same(kind):
    pytest.importorskip("torch")
    n, c, grid, A = gpu_kernels.problem(np, 300, 5, kind)
    jobs = gpu_kernels.torch_jobs(n, c, A)
    for found, wanted in zip(jobs["torch value + slope"](), reference.value_slope(n, grid, A), strict=True):
        np.testing.assert_allclose(found.numpy(), wanted, atol=2e-4)
    G = reference.scatter(n, grid, c)
    np.testing.assert_allclose(jobs["torch scatter"]().numpy().reshape(G.shape), G, atol=1e-3)


@pytest.mark.parametrize("name", gpu_iteration.ALGORITHMS)
def test_iterations_and_their_passes(device, name, monkeypatch):
    """Products are counted for as many passes as an iteration makes: LM makes one more for each further trial."""
    bare, counted = gpu_iteration.bare, []
    monkeypatch.setattr(
        gpu_iteration, "bare", lambda xp, net, passes, *more: counted.append(passes) or bare(xp, net, passes, *more)
    )
    cell = gpu_iteration.measure(device, name, 60, 3, repeats=1)
    (passes,), usual = counted, gpu_iteration.ALGORITHMS[name][1]
    assert cell["passes"] == len(passes) and passes[: len(usual)] == usual
    assert passes == usual if name != "LM" else set(passes[1:]) == {gpu_iteration.FORWARD}
    assert cell["ratio"] == pytest.approx(cell["seconds"]["iteration"] / cell["seconds"]["bare products"])


def test_bare_products_come_in_blocks_of_one_size(device):
    made = []

    class Counted:
        asarray = staticmethod(array_api_strict.asarray)

        @staticmethod
        def matmul(a, b):
            made.append((*a.shape, b.shape[1]))

    net = Network.mlp(gpu_iteration.N, 4, 1)
    passes = (gpu_iteration.GRADIENT, gpu_iteration.BLOCKS, gpu_iteration.JACOBIAN)
    gpu_iteration.bare(Counted, net, passes, 100, 30)()
    device.wait()
    assert len(made) == 4 * 9
    assert set(made) == {(25, 21, 4), (25, 25, 1), (4, 25, 21), (4, 25, 4), (110, 25, 110)}


def test_agreement(device):
    cell = gpu_agreement.measure(device, "adact", 60, iterations=2)
    assert 0 <= cell["one_step"] <= 1e-9 and 0 <= cell["many_steps"] <= 1e-6
    device.wait()
    rows = gpu_tables.agreement([cell | {"one_step": 2e-9, "many_steps": 1e-6}])[1]
    assert rows == [("adact", "**2.0e-09**", "1.0e-06")]


@pytest.mark.parametrize("channels", [3, 4])
def test_convolutions(device, channels):
    """Each pass beside the product of the same multiplies; the first layer's has no input gradient."""
    cell = gpu_conv.measure(device, 2, 5, channels, 6, torch=False, repeats=1)
    passes = ["forward", "input gradient", "weight gradient"] if channels > 3 else ["forward", "weight gradient"]
    assert list(cell["seconds"]) == passes
    assert cell["multiplies"] == 2 * 25 * 9 * channels * 6
    rows = gpu_tables.TABLES["conv"][1]([cell])[1]
    assert [row[1] for row in rows] == [*passes, "all"]
    cell["seconds"] = {
        "forward": {"ours": 0.002, "bare products": 0.001, "torch contiguous": 0.004, "torch channels_last": 0.005}
    }
    assert gpu_conv.table([cell])[1][0][2:] == ("2.000", "0.0", "1.000", "4.000", "2.00", "0.50")


@pytest.mark.parametrize("kind", gpu_activated.KINDS)
def test_convolutions_with_activations(device, kind):
    """One kernel and two give the same values."""
    cell = gpu_activated.measure(device, 2, 5, 4, 6, kind, torch=False, repeats=1)
    assert list(cell["seconds"]) == [gpu_activated.ALONE, gpu_activated.TOGETHER, gpu_activated.APART]
    rng = np.random.default_rng(0)
    x, W = (array_api_strict.asarray(rng.standard_normal(s).astype(np.float32)) for s in ((2, 5, 5, 4), (6, 3, 3, 4)))
    jobs = gpu_activated.ours(x, W, gpu_activated.rule(array_api_strict, kind, 6))
    one, two = jobs[gpu_activated.TOGETHER](), jobs[gpu_activated.APART]()
    for a, b in zip(one[1:], two, strict=True):
        np.testing.assert_array_equal(host(a).reshape(-1, 6), host(b).reshape(-1, 6))
    names = (gpu_activated.ALONE, gpu_activated.TOGETHER, gpu_activated.APART, "torch contiguous")
    cell["seconds"] = dict(zip(names, (0.001, 0.002, 0.004, 0.003), strict=True))
    heads, rows = gpu_activated.table([cell])
    assert rows[0][1:] == (kind, "1.000", "2.000", "4.000", "0.50", "3.000") and len(heads) == len(rows[0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_curves_on_inputs(device, dtype):
    cell = gpu_input_curves.measure(device, 50, 3, 4, dtype, repeats=1)
    assert tuple(cell["seconds"]) == gpu_input_curves.JOBS
    heads, rows = gpu_input_curves.table([cell])
    assert rows[0][:2] == ("50 x 3 -> 4", dtype) and len(heads) == len(rows[0])
    jobs = gpu_input_curves.jobs(array_api_strict, 50, 3, 4, dtype)
    sizes = {name: host(job()).size for name, job in jobs.items() if name != "places"}
    assert sizes == {"value": 200, "gradient": 27 * 4, "pairs": 27**2, "inputs times weights": 200, "signals times inputs": 12}


def test_figures_of_tf32_have_keys_and_a_section_of_their_own():
    on, off = (Device(None, None, None, FACTS | {"TF32": word}) for word in ("on", "off"))
    assert (gpu.slug(on), gpu.slug(off)) == ("made-up-9000-tf32", "made-up-9000")
    assert not Device(None, None, None, FACTS).tf32
    cells = [{"passed": 1, "skipped": 0, "seconds": 2.0, "device": device.facts} for device in (on, off)]
    assert gpu_tables.text({"tests": cells}).count("## Made-up 9000") == 2


def test_jobs_of_convolutions_have_the_sizes_of_the_passes(device):
    rng = np.random.default_rng(0)
    x, g, W = (array_api_strict.asarray(rng.standard_normal(s)) for s in ((2, 5, 5, 4), (2, 5, 5, 6), (6, 3, 3, 4)))
    ours, bare = gpu_conv.ours(x, g, W), gpu_conv.bare(array_api_strict, x, g, W)
    sizes = {"forward": g.size, "input gradient": 9 * x.size, "weight gradient": W.size}
    assert {name: job().size for name, job in bare.items()} == sizes
    assert {name: job().size for name, job in ours.items()} == sizes | {"input gradient": x.size}
    device.wait()


@pytest.mark.parametrize("activation", gpu_cnn.ACTIVATIONS)
def test_a_step_of_a_cnn(device, activation):
    cell = gpu_cnn.measure(device, 1, activation, 2, torch=False, repeats=1)
    assert cell["images_a_second"]["ours"] == pytest.approx(2 / cell["seconds"]["ours"])


def test_tables_of_steps_compare_with_the_faster_and_with_relu():
    common = {"blocks": 3, "patterns": 512}
    cells = [
        common | {"activation": "curves", "seconds": {"ours": 0.012, "torch contiguous": 0.1, "torch channels_last": 0.06}},
        common | {"activation": "relu", "seconds": {"ours": 0.01, "torch contiguous": 0.008, "torch channels_last": 0.02}},
    ]  # fmt: skip
    relu, curves = gpu_tables.cnn(cells)[1]
    assert relu == ["vgg3, batch 512", "relu", "10.00", "8.00", "1.25", "1.00", "51200", "64000"]
    assert curves == ["vgg3, batch 512", "curves", "12.00", "60.00", "0.20", "1.20", "42667", "8533"]


def test_sections_keep_devices_apart():
    cell = {"passed": 3, "skipped": 1, "seconds": 9.6, "device": FACTS}
    text = gpu_tables.text({"tests": [cell, cell | {"device": FACTS | {"name": "Other"}, "passed": 4}]})
    first, second = text.split("## Other")
    assert "| 3 | 1 | 10 |" in first and "| 4 | 1 | 10 |" in second and "| 4 |" not in first


def test_counts_of_the_tests():
    assert gpu.counts("...\n12 passed, 3 skipped, 100 deselected in 8.0s\n") == {"passed": 12, "skipped": 3}
    assert gpu.counts("5 passed in 8.0s") == {"passed": 5, "skipped": 0}


def test_failing_tests_are_a_failure(monkeypatch, capsys):
    class Done:
        returncode, stdout, stderr = 1, "1 failed", ""

    asked = []
    monkeypatch.setattr(gpu.subprocess, "run", lambda command, **more: asked.append((command, more)) or Done)
    with pytest.raises(RuntimeError, match="failed"):
        gpu.tested()
    assert "1 failed" in capsys.readouterr().err
    ((command, more),) = asked
    assert more["timeout"] == gpu.TEST_SECONDS
    files = {file.rsplit("/", 1)[1] for file in command if file.endswith(".py")}
    assert {"test_cuda.py", "test_cuda_curves.py", "test_devices.py", "test_device_steps.py"} <= files
    assert not files & {"test_transfers.py", "test_golden.py"}


def test_tests_that_hang_end(monkeypatch, capsys):
    monkeypatch.setattr(gpu, "TEST_SECONDS", 0.5)
    hanging = [gpu.sys.executable, "-c", "import time; print('..s', flush=True); time.sleep(30)"]
    run = gpu.subprocess.run
    monkeypatch.setattr(gpu.subprocess, "run", lambda command, **more: run(hanging, **more))
    with pytest.raises(RuntimeError, match="more than 0 s"):
        gpu.tested()
    assert "..s" in capsys.readouterr().err


def test_a_failing_cell_is_named_and_the_others_go_on(tmp_path, monkeypatch, capsys):
    def cells(device, quick):
        yield "bad", lambda: 1 / 0
        yield "good", lambda: {"passed": 1, "skipped": 0, "seconds": 2.0}

    freed = []
    monkeypatch.setattr(gpu, "gpu", lambda: Device(None, lambda: None, lambda: freed.append(1), FACTS))
    monkeypatch.setitem(gpu.PARTS, "tests", cells)
    with pytest.raises(SystemExit) as end:
        gpu.run(tmp_path, True, ["tests"], 1)
    said = capsys.readouterr()
    assert end.value.code == 1 and said.err == "benchmarks gpu: 1 failed: made-up-9000-tests-bad\n"
    assert "FAIL made-up-9000-tests-bad: ZeroDivisionError" in said.out
    assert list(Cells(tmp_path / "gpu.jsonl").all()) == ["made-up-9000-tests-good"] and len(freed) == 2
    assert "| 1 | 0 | 2 |" in (tmp_path / "gpu.md").read_text()


def test_no_cell_is_begun_when_the_time_is_over(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gpu, "gpu", lambda: Device(None, lambda: None, lambda: None, FACTS))
    monkeypatch.setitem(gpu.PARTS, "tests", lambda device, quick: iter([("a", lambda: 1 / 0)]))
    gpu.run(tmp_path, True, ["tests"], 1, seconds=-1.0)
    assert "no time for tests/a" in capsys.readouterr().out


def test_algorithms_share_their_patterns():
    assert gpu_iteration.problem(np, 50) is gpu_iteration.problem(np, 50)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nets(device, dtype):
    cell = gpu_nets.measure(device, 40, 3, 4, dtype, repeats=1)
    seconds = cell["seconds"]
    assert cell["ratio"]["mix"] == pytest.approx(seconds["made, mix"] / seconds["stored, mix"])
    heads, (row,) = gpu_tables.TABLES["nets"][1]([cell])
    assert len(heads) == len(row) and row[0] == f"40 x 3 -> 4 {dtype}"


def test_versions_in_words():
    assert version_text(12040) == "12.4" and version_text(13000) == "13.0"


def test_no_figures_without_a_run():
    """The README says that the GPU path has not run as long as there are no results of one."""
    root = RESULTS.parent
    said = "has not been run on a GPU" in (root.parent / "README.md").read_text()
    assert said == (not (root / "results" / "gpu.md").exists())


def test_every_contender_is_compared():
    assert len(list(gpu.PARTS["agreement"](None, True))) == len(LEARNERS)
