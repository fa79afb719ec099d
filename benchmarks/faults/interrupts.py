"""Ctrl-C at every line of training, saving and comparing, in the package and in what it calls of its own."""

from __future__ import annotations

import contextlib
import dis
import io
import linecache
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import pwl
from benchmarks.faults.outcome import Tally
from pwl.cli import main
from pwl.runtime.threads import _Limit

PACKAGE = str(Path(pwl.__file__).parent) + os.sep


class CtrlC:
    """Ctrl-C when line number `at` of the package is about to be run. Without `at` it only counts the lines."""

    def __init__(self, at: int | None = None) -> None:
        self.at, self.lines, self.place = at, 0, ""

    def __enter__(self) -> CtrlC:
        sys.settrace(self.called)
        return self

    def __exit__(self, *_: Any) -> None:
        sys.settrace(None)

    def called(self, frame: Any, event: str, arg: Any) -> Any:
        return self.line if frame.f_code.co_filename.startswith(PACKAGE) else None

    def line(self, frame: Any, event: str, arg: Any) -> Any:
        if event == "line" and not _leaves(frame):
            self.lines += 1
            if self.lines == self.at:
                self.place = f"{frame.f_code.co_filename.removeprefix(PACKAGE)}:{frame.f_lineno}"
                sys.settrace(None)
                raise KeyboardInterrupt
        return self.line


def _leaves(frame: Any) -> bool:
    """Whether a `with` is about to call its exit, an instant at which Python handles no signal."""
    if dis.opname[frame.f_code.co_code[frame.f_lasti]] != "LOAD_CONST":
        return False
    return linecache.getline(frame.f_code.co_filename, frame.f_lineno).lstrip().startswith("with ")


def campaign(tally: Tally, tries: int, seed: int) -> None:
    """Most tries interrupt `train` with a checkpoint, others a save, the command and, in a hundredth, a comparison."""
    rng = np.random.default_rng(seed)
    trainings = ((Training(pwl.LM()), 35), (Training(pwl.AdAct(direction="hwo")), 35), (Training(pwl.Adam(), 20), 14))
    for work, share in (*trainings, (Saving(), 10), (Command(), 5), (Comparison(), 1)):
        with CtrlC() as count:
            work.run()
        work.whole = work.result()
        work.clear()
        for at in rng.integers(1, count.lines + 1, max(1, tries * share // 100)).tolist():
            _interrupted(tally, work, at)


def _interrupted(tally: Tally, work: Any, at: int) -> None:
    what, before = f"{type(work).__name__}, line {at} of its run", work.state()
    with CtrlC(at) as interrupt:
        try:
            work.run()
        except KeyboardInterrupt:
            pass
        except BaseException as wrong:
            interrupt.__exit__()
            work.clear()
            return tally.failed(f"{what}, {interrupt.place}", f"became {wrong!r}")
    what = f"{what}, {interrupt.place}"
    fault = work.fault(before) or ("the limit of BLAS was not given back" if _Limit.users else None)
    _Limit.users.clear()
    work.clear()
    if fault:
        return tally.failed(what, fault)
    return tally.passed("interrupted")


def _quietly(f: Callable[[], Any]) -> Any:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return f()


def _commanded(line: tuple[str, ...]) -> None:
    """Runs a command on a small table. It may end as after Ctrl-C."""
    if not Path("t.csv").exists():
        x = np.random.default_rng(0).normal(size=(40, 3))
        Path("t.csv").write_text("a,b,t\n" + "".join(f"{a},{b},{c}\n" for a, b, c in x))
    status = _quietly(lambda: main(list(line)))
    if status not in (0, 130):
        raise AssertionError(f"status {status}")


class Work:
    """Something that is interrupted. whole: its result without an interrupt."""

    whole: Any = None

    def state(self) -> Any:
        """What is there before the run."""
        return None

    def clear(self) -> None:
        """Removes what the run wrote."""
        for path in list(Path().iterdir()):
            if path.is_dir():
                for inner in sorted(path.rglob("*"), reverse=True):
                    inner.rmdir() if inner.is_dir() else inner.unlink()
                path.rmdir()
            elif path.name != "t.csv":
                path.unlink()

    @staticmethod
    def left() -> list[str]:
        """Temporary files."""
        return [str(path) for path in Path().rglob(".*")]


class Training(Work):
    """`train` of a small net, which saves itself after each iteration."""

    def __init__(self, algorithm: Any, batch_size: int | None = None) -> None:
        x = np.random.default_rng(0).normal(size=(60, 3))
        t = np.sin(x[:, :1])
        self.net = pwl.Network.mlp(3, 3, 1, pwl.PiecewiseLinear(hinges=5), seed=1)
        self.given = {
            "data": (x[20:], t[20:]),
            "validation": (x[:20], t[:20]),
            "iterations": 3,
            "batch_size": batch_size,
        }
        self.algorithm, self.found = algorithm, None

    def run(self) -> None:
        self.found = None
        self.found = pwl.train(self.net, algorithm=self.algorithm, checkpoint=pwl.Checkpoint("run", 0), **self.given)

    def result(self) -> Any:
        assert self.found is not None
        return self.found

    def fault(self, before: Any) -> str | None:
        if self.left():
            return f"left behind: {self.left()}"
        net, record = self.whole
        if self.found is not None:
            own, best = self.found[1], self.found[1].best_iteration
            if {len(values) for values in own.series.values()} != {own.iterations + 1}:
                return "series of different length"
            if pwl.evaluate(self.found[0], self.given["validation"]).error != own["validation_error"][best]:
                return "not the best net of its record"
        if not Path("run").exists():
            return None if self.found is None else "no checkpoint"
        again, more = pwl.train(self.net, algorithm=self.algorithm, resume="run", **self.given)
        if not np.array_equal(again.theta, net.theta) or more["error"] != record["error"]:
            return "resumed to other bits"
        return None


class Saving(Work):
    """A net saved in place of an earlier one."""

    def __init__(self) -> None:
        x = np.random.default_rng(0).normal(size=(30, 3))
        start = pwl.Network.mlp(3, 3, 1, seed=1)
        self.nets = [pwl.initialise(start, (x, np.sin(k * x[:, :1]))) for k in (1, 2)]

    def run(self) -> None:
        self.nets[0].save("net")
        self.nets[1].save("net")

    def result(self) -> Any:
        return None

    def fault(self, before: Any) -> str | None:
        if self.left():
            return f"left behind: {self.left()}"
        if not Path("net").exists():
            return None
        theta = pwl.Network.load("net").theta
        return (
            None
            if any(np.array_equal(theta, net.theta) for net in self.nets)
            else "neither the earlier net nor the new one"
        )


class Command(Work):
    """`pwl train`, which resumes to the same net."""

    line = (
        "train",
        "t.csv",
        "--iterations",
        "3",
        "--hidden",
        "3",
        "--checkpoint-seconds",
        "0",
        "--out",
        "n.safetensors",
    )

    def run(self) -> None:
        _commanded(self.line)

    def result(self) -> Any:
        return pwl.Network.load("n.safetensors").theta

    def fault(self, before: Any) -> str | None:
        if self.left():
            return f"left behind: {self.left()}"
        resume = ["--resume"] if Path("n.safetensors.checkpoint").exists() else []
        if _quietly(lambda: main([*self.line, *resume])) != 0:
            return "it can't go on"
        return None if np.array_equal(self.result(), self.whole) else "resumed to another net"


class Comparison(Work):
    """`pwl compare`, which goes on to the same table."""

    line = (
        "compare",
        "t.csv",
        "--iterations",
        "2",
        "--hidden",
        "2",
        "--folds",
        "3",
        "--algorithms",
        "molf,lm",
        "--out",
        "c",
    )

    def run(self) -> None:
        _commanded(self.line)

    def result(self) -> Any:
        rows = [line.split(",") for line in Path("c/table.csv").read_text().splitlines()]
        return [[cell for name, cell in zip(rows[0], row, strict=True) if name != "seconds"] for row in rows]

    def fault(self, before: Any) -> str | None:
        if self.left():
            return f"left behind: {self.left()}"
        resume = ["--resume"] if Path("c/unfinished/comparison.json").exists() else []
        if _quietly(lambda: main([*self.line, *resume])) != 0:
            return "it can't go on"
        return None if self.result() == self.whole else "another table"
