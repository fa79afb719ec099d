"""Closed streams, small disks, little memory, damaged caches, dying processes: one sentence, or no harm at all."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import pwl
from pwl.cli import ends, main
from pwl.data import scratch
from pwl.files.temporary import prefix, sweep, temporary
from pwl.runtime import room


def data(n=60):
    x = np.random.default_rng(0).normal(size=(n, 3))
    return x, np.sin(x[:, :1])


def network():
    return pwl.Network.mlp(3, 4, 1, pwl.PiecewiseLinear(hinges=5))


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x, t = data()
    np.savetxt("t.csv", np.c_[x, t], delimiter=",", header="größe,b,c,€", comments="", encoding="utf-8")
    return "t.csv"


def command(*arguments, redirect="", **environment):
    """Exit status, standard output and error of a process of its own."""
    line = " ".join([f"'{sys.executable}' -m pwl", *map(str, arguments), redirect])
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, env=os.environ | environment, timeout=120, check=False
    )
    return done.returncode, done.stdout, done.stderr


# ---- streams


@pytest.mark.parametrize(
    ("redirect", "status"),
    [(">&-", 0), ("2>&-", 0), (">&- 2>&-", 0), ("<&- >&- 2>&-", 0), ("| true", 0), (">/dev/full", 2)],
)
@pytest.mark.slow
def test_streams_that_are_not_there(table, redirect, status):
    found, _, err = command("train", table, "--iterations 2 --out n.safetensors", redirect=redirect)
    assert found == status and b"Traceback" not in err
    if status == 0 and "|" not in redirect:
        assert pwl.Network.load("n.safetensors").n_outputs == 1


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONWARNINGS": "error"},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.slow
def test_output_in_any_encoding_and_with_warnings_as_errors(table, environment):
    status, out, err = command("train", table, "--iterations 2 --hidden 70 --out n.safetensors", **environment)
    assert status == 0 and b"saved: n.safetensors" in out and b"Traceback" not in err
    assert b"pwl: note:" in err, "fewer patterns than functions"
    assert command("info", "n.safetensors", **environment)[0] == 0


def test_no_bar_where_standard_error_is_closed(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    _, record = pwl.train(network(), data(), pwl.AdAct(), iterations=2, progress=True)
    assert record.iterations == 2


@pytest.mark.parametrize("backend", ["nonsense", "agg", ""])
@pytest.mark.slow
def test_any_mplbackend(backend):
    code = (
        "import pwl.plots.figure as f; f.require_matplotlib(); import matplotlib, os; "
        "print(matplotlib.rcParams._get('backend'), os.environ['MPLBACKEND'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"MPLBACKEND": backend},
        check=True,
    )
    assert done.stdout.split()[-1:] == [backend] if backend else True
    assert backend != "agg" or done.stdout.split()[0] == "agg", "the user's own is kept"


@pytest.mark.slow
def test_damaged_caches_of_compiled_code(tmp_path):
    code = (
        "import numpy as np, pwl; x = np.random.rand(30, 3); net = pwl.Network.mlp(3, 2, 1, pwl.PiecewiseLinear()); "
        "pwl.train(net, (x, x[:, :1]), pwl.AdAct(), iterations=1)"
    )

    def run():
        subprocess.run(
            [sys.executable, "-c", code], check=True, env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}, timeout=300
        )

    run()
    files = sorted(tmp_path.rglob("*.nb?"))
    assert files
    for number, path in enumerate(files):
        path.write_bytes([b"", path.read_bytes()[:50], b"\x80\x04rubbish"][number % 3])
    run()
    assert all(path.stat().st_size for path in tmp_path.rglob("*.nbi")), "compiled anew, and kept"


@pytest.mark.slow
def test_compiled_code_is_that_of_all_files(tmp_path):
    """What one file compiles contains functions of other files, which Numba alone would not watch."""
    shutil.copytree(Path(pwl.__file__).parent, tmp_path / "pwl", ignore=shutil.ignore_patterns("__pycache__"))
    code = (
        "import numpy as np; from pwl.kernels import Hinges, engine; n = np.array([[0.25]]); "
        "print(engine(n).value(n, Hinges(np.array([[0.0, 1.0, 2.0]]), True, False), np.array([[0.0, 1.0, 2.0]]))[0, 0])"
    )

    def value():
        place = os.environ | {"PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "kept")}
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=place, cwd=tmp_path)
        return float(done.stdout)

    assert value() == 0.25
    file = tmp_path / "pwl/kernels/cpu/segments.py"
    before, after = "t = (x - first) * inverse", "t = (x - first + spread(x, 0.5)) * inverse"
    assert file.read_text(encoding="utf-8").count(before) == 1
    file.write_text(file.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")
    assert value() == 0.75


# ---- disks


def test_scratch_space_is_taken_before_it_is_used(monkeypatch):
    def full(number, offset, size):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(pwl.InputError, match="80 MB of temporary space .*No space left on device.*TMPDIR"):
        scratch.scratch_array((1000, 10_000))
    monkeypatch.undo()
    a = scratch.scratch_array((1000, 10))
    assert os.stat(a.filename).st_blocks * 512 >= a.nbytes, "the blocks are there, before anything is written"
    assert not a.any()


def test_a_checkpoint_that_fails_in_a_run_does_not_lose_it(tmp_path, monkeypatch):
    whole, _ = pwl.train(network(), data(), pwl.AdAct(), iterations=6)

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    settings = {"iterations": 6, "checkpoint": pwl.Checkpoint(tmp_path / "c", 0)}
    with pytest.warns(UserWarning, match="checkpoint is not up to date: .*No space left"):
        net, record = pwl.train(network(), data(), pwl.AdAct(), **settings)
    np.testing.assert_array_equal(net.theta, whole.theta)
    assert record.stop_code == "iterations" and not list(tmp_path.iterdir())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net, _ = pwl.train(network(), data(), pwl.AdAct(), **settings)
    np.testing.assert_array_equal(net.theta, whole.theta)


def test_what_killed_runs_left_is_swept_and_nothing_else(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    mine = temporary(tmp_path, ".n")
    killed = Path(str(mine).replace(f"-{os.getpid()}-", f"-{dead.pid}-"))
    others = [tmp_path / ".n-notes-1-abcdefgh", tmp_path / ".n", tmp_path / ".n-12345678-99999999999999999999-abcdefgh"]
    foreign = Path(str(killed).replace(killed.name.split("-")[1], "00000000"))
    folder = tmp_path / f"{killed.name[:-8]}folder12"
    for path in (mine, killed, foreign, *others):
        path.write_text("x")
    folder.mkdir()
    (folder / "f").write_text("x")
    sweep(tmp_path, ".n")
    assert sorted(tmp_path.iterdir()) == sorted([mine, foreign, *others])
    os.utime(foreign, (0, 0))
    sweep(tmp_path, ".n")
    assert foreign not in tmp_path.iterdir(), "another machine's, a day old"
    sweep(tmp_path / "nowhere", ".n")


def test_names_as_long_as_a_disk_allows(tmp_path):
    for name in ("n" * 255, "ü" * 127):
        network().save(tmp_path / name)
        assert [path.name for path in tmp_path.iterdir()] == [name]
        (tmp_path / name).unlink()
    assert len(os.fsencode(prefix("." + "ü" * 127))) < 230


# ---- memory


def test_large_matrices_are_counted_before_they_are_made(monkeypatch):
    monkeypatch.setattr(room, "available", lambda: 1e8)
    x = np.random.default_rng(0).normal(size=(20, 3000))
    wide = pwl.Network.mlp(3000, 4, 1, pwl.PiecewiseLinear(hinges=5))
    for algorithm in (pwl.SCG(), pwl.AdAct(), pwl.Adam(), pwl.LM()):
        with pytest.raises(pwl.InputError, match=r"take about .*are left: use fewer|more than max_bytes"):
            pwl.train(wide, (x, x[:, :1]), algorithm, iterations=1)
    with pytest.raises(pwl.InputError, match="inputs of a layer take about"):
        pwl.train(pwl.Network.mlp(3000, 4, 1, bypass=False), (x, x[:, :1]), pwl.MOLF("hwo"), iterations=1)
    with pytest.raises(pwl.InputError, match="2000 x 2000 learning factors|basis functions"):
        pwl.train(pwl.Network.mlp(3, 2000, 1), (x[:, :3], x[:, :1]), pwl.MOLF(), iterations=1)
    with pytest.raises(pwl.InputError, match="parameters take about"):
        pwl.Network.mlp(10**6, 10**6, 1)
    with pytest.raises(pwl.InputError, match="parameters take about"):
        pwl.Network.mlp(3, 10**21, 1)


def test_the_matrix_of_each_output_is_counted(monkeypatch):
    """With unknown targets each of 200 outputs has a matrix of its own, where known ones share a small one."""
    monkeypatch.setattr(room, "available", lambda: 1e8)
    x, t = np.random.default_rng(0).normal(size=(50, 300)), np.zeros((50, 200))
    net = pwl.Network.mlp(300, 4, 200)
    with pytest.warns(UserWarning, match="fewer than"):
        pwl.train(net, (x, t), pwl.OWOBP(), iterations=1)
    t[::2, 3] = np.nan
    with pytest.raises(pwl.InputError, match="305 x 305 basis functions for each of 200 outputs take about .* are left: use fewer"):
        pwl.train(net, (x, t), pwl.OWOBP(), iterations=1)


def test_lm_is_refused_before_the_first_pass(monkeypatch):
    def passed(*_):
        raise AssertionError("the data were read")

    monkeypatch.setattr("pwl.training.run.start", passed)
    for kind in (pwl.LM, pwl.VarPro, pwl.BayesianLM):
        with pytest.raises(pwl.InputError, match="more than max_bytes"):
            pwl.train(pwl.Network.mlp(3, 300, 1), data(), kind(max_bytes=1e6), iterations=1)


@pytest.mark.parametrize(("module", "options"), [("pwl.cli.train", ["--single"]), ("pwl.learners.learn", [])])
def test_memory_that_runs_out_is_a_sentence(table, monkeypatch, capsys, module, options):
    def out(*_, **__):
        raise MemoryError("Unable to allocate 9.99 GiB")

    monkeypatch.setattr(f"{module}.train", out)
    assert main(["train", table, *options]) == 2
    assert "memory ran out (Unable to allocate 9.99 GiB): use fewer" in capsys.readouterr().err.splitlines()[-1]


# ---- numbers


def test_a_net_whose_validation_error_is_infinite_is_no_best_net(table, capsys):
    x, t = data()
    far = x.copy()
    far[3, 1] = 1e200
    for part in ("validation", "test"):
        with pytest.raises(pwl.InputError, match=f"on the {part} data is inf"):
            pwl.train(network(), (x, t), pwl.AdAct(), iterations=3, **{part: (far, t)})
    lines = Path(table).read_text().splitlines()
    lines[5] = lines[5].replace(lines[5].split(",")[1], "1e200")
    Path("far.csv").write_text("\n".join(lines) + "\n")
    for seed in range(3):
        status = main(["train", "far.csv", "--validation", "0.5", "--seed", str(seed), "--iterations", "3"])
        assert status in (0, 2) and (status == 2 or Path("net.safetensors").exists())
        capsys.readouterr()
    assert main(["compare", "far.csv", "--folds", "3", "--iterations", "2", "--algorithms", "molf"]) == 2


@pytest.mark.parametrize("scale", [1e28, 1e-155, 1e60])
@pytest.mark.parametrize("kind", [pwl.BayesianLM, pwl.VarPro, pwl.LM])
def test_raw_data_of_extreme_scale(kind, scale):
    x, t = data()
    for inputs, targets in ((scale * x, t), (x, t / scale)):
        try:
            net, record = pwl.train(network(), (inputs, targets), kind(), iterations=5)
            assert np.all(np.isfinite(net.theta)) and record.stop_code
        except pwl.InputError:
            pass


# ---- processes


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def started(table, *more):
    """A comparison by two processes that would take long, and the processes that it has started."""
    line = [sys.executable, "-m", "pwl", "compare", table, "--jobs", "2", "--folds", "3", "--iterations", "100000"]
    process = subprocess.Popen(
        [*line, "--algorithms", "adam,sgd", *more], stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    until = time.monotonic() + 60
    while time.monotonic() < until:
        text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        workers = [pid for pid in text if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        if len(workers) == 2 and all(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) > 20000 for pid in workers):
            time.sleep(1)
            return process, text, workers
        time.sleep(0.1)
    process.kill()
    raise AssertionError(process.communicate()[1])


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="processes are listed in /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_parent(table, number):
    process, children, _ = started(table)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode in (-number, 128 + number)
    until = time.monotonic() + 20
    while any(map(alive, children)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(map(alive, children))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="processes are listed in /proc")
def test_a_killed_worker_is_a_sentence(table):
    process, children, workers = started(table)
    os.kill(int(workers[0]), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2 and b"Traceback" not in err
    assert b"a process of the comparison was ended from outside" in err.splitlines()[-1]
    time.sleep(1)
    assert not any(map(alive, children))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.slow
def test_a_request_to_end_ends_in_good_order(table, number):
    """The run is saved as after Ctrl-C, and goes on from there."""
    line = [
        sys.executable,
        "-m",
        "pwl",
        "train",
        table,
        "--out",
        "n.safetensors",
        "--validation",
        "0",
        "--checkpoint-seconds",
        "0",
    ]
    process = subprocess.Popen(
        [*line, "--iterations", "1000000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not Path("n.safetensors.checkpoint").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number and "interrupted from the keyboard" in out and err == ""
    assert sorted(os.listdir()) == ["n.safetensors", "n.safetensors.checkpoint", "t.csv"]


def test_a_signal_while_the_compiler_calls_back_comes_again():
    """The compiler would swallow the exception. A function that seems to be of its file stands for it."""
    code = compile("def called_back():\n    os.kill(os.getpid(), signal.SIGTERM)\n    return True", "/x/llvmlite/y.py", "exec")
    names = {"os": os, "signal": signal}
    exec(code, names)
    came = []

    def run():
        came.append(names["called_back"]())
        time.sleep(10)

    with ends.caught() as ended, pytest.raises(KeyboardInterrupt):
        run()
    assert came == [True] and ended.number == signal.SIGTERM and ended.status(130) == 143
