"""Result cells in files of JSON lines: runs that go on, kills in the middle of a line, repeated keys, files of something else."""

from __future__ import annotations

import ast
import fcntl
import importlib
import json
import multiprocessing
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import pwl

pytest.importorskip("benchmarks.shared.cells", reason="the benchmarks are not part of the installed package")
from benchmarks.__main__ import MODULES, RESULTS
from benchmarks.shared.cells import Cells

ROOT = RESULTS.parent.parent


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "some.jsonl"


def filled(path, **values):
    cells = Cells(path)
    for key, value in values.items():
        cells.cell(key, lambda v=value: {"value": v})
    return cells


def values(path):
    return {key: cell["value"] for key, cell in Cells(path).all().items()}


def never():
    raise AssertionError("a cell that was there has been computed again")


# ---- cells


def test_a_cell_is_computed_once(path, capsys):
    calls = []

    def compute():
        calls.append(1)
        return {"value": float("nan"), "array": np.arange(2)}

    first = Cells(path).cell("a/1", compute)
    assert capsys.readouterr().out == "  a/1\n"
    second = Cells(path).cell("a/1", compute)
    assert first == second and len(calls) == 1 and capsys.readouterr().out == ""
    assert first["value"] is None and first["array"] == [0, 1] and "numpy" in first["machine"]


def test_a_line_is_the_key_and_the_content(path):
    cell = filled(path, a=1, b=0.1 + 0.2).cell("b", never)
    lines = path.read_text().splitlines()
    assert [json.loads(line)["key"] for line in lines] == ["a", "b"]
    assert json.loads(lines[1]) == {"key": "b"} | cell and cell["value"] == 0.1 + 0.2


def test_a_cell_that_fails_leaves_no_line(path):
    filled(path, a=1)
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        Cells(path).cell("b", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    assert path.read_bytes() == before and "b" not in Cells(path)


def test_nothing_is_written_before_the_first_cell(path):
    assert Cells(path).all() == {} and not path.parent.exists()


def test_the_last_line_of_a_key_counts(path):
    filled(path, a=1, b=2)
    path.write_text(path.read_text() + '{"key":"a","value":3}\n')
    assert values(path) == {"a": 3, "b": 2}
    assert Cells(path).cell("a", never)["value"] == 3


def test_a_line_that_is_removed_is_measured_again(path):
    filled(path, a=1, b=2)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    filled(path, a=5, b=6)
    assert values(path) == {"a": 5, "b": 2}


# ---- kills


def test_a_last_line_cut_off_anywhere_loses_no_other_and_is_mended(path):
    filled(path, a=1)
    whole = path.read_bytes()
    filled(path, b=2)
    line = path.read_bytes()[len(whole) :]
    for length in range(1, len(line) - 1):
        path.write_bytes(whole + line[:length])
        assert values(path) == {"a": 1}, length
        filled(path, b=3, c=4)
        assert values(path) == {"a": 1, "b": 3, "c": 4}, length
        assert path.read_bytes().startswith(whole + b'{"key":"b","value":3,')


def test_a_last_line_that_lacks_only_its_line_break_is_a_cell(path):
    filled(path, a=1, b=2)
    path.write_bytes(path.read_bytes()[:-1])
    assert values(path) == {"a": 1, "b": 2}
    filled(path, a=7, b=8, c=3)
    assert values(path) == {"a": 1, "b": 2, "c": 3} and path.read_text().count("\n") == 3


def test_a_process_killed_in_the_middle_of_a_line_is_continued(path):
    """The process writes half of its second line, as a kill within `write` leaves it, and kills itself."""
    program = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        from benchmarks.shared.cells import Cells

        def torn():
            with open(sys.argv[1], "ab") as file:
                file.write(b'{"key":"b","value":[1.0,2.')
                file.flush()
            os.kill(os.getpid(), signal.SIGKILL)

        cells = Cells(Path(sys.argv[1]))
        cells.cell("a", lambda: {"value": 1})
        cells.cell("b", torn)
    """)
    done = subprocess.run([sys.executable, "-c", program, path], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert path.read_bytes().endswith(b"2.")
    cells = filled(path, b=2)
    assert cells.cell("a", never)["value"] == 1 and values(path) == {"a": 1, "b": 2}


# ---- several at once


def append(path, name):
    filled(path, **{f"{name}{i}": i for i in range(20)})


def test_processes_append_to_one_file(path):
    append(path, "first")
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=append, args=(path, name)) for name in ("second", "third")]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert len(values(path)) == 60 and path.read_text().count("\n") == 60


def test_a_line_waits_until_another_process_has_written_its_own(path):
    """The test is that process; without the wait, half of its line would be taken for that of a killed one."""
    filled(path, a=1)
    program = (
        "from benchmarks.shared.cells import *; Cells(Path(sys.argv[1])).cell('c', lambda: print() or {'value': 3})"
    )
    with open(path, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(b'{"key":"b",')
        file.flush()
        other = subprocess.Popen(
            [sys.executable, "-c", f"import sys; {program}", path], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert other.stdout.readline() == "  c\n"
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(1)
        file.write(b'"value":2}\n')
    assert other.wait(60) == 0
    assert values(path) == {"a": 1, "b": 2, "c": 3}


def test_cells_of_another_process_are_seen(path):
    ours, theirs = Cells(path), Cells(path)
    theirs.cell("a", lambda: {"value": 1})
    assert "a" in ours and ours.cell("a", never)["value"] == 1
    ours.cell("b", lambda: {"value": 2})
    assert theirs.all().keys() == {"a", "b"}


def test_half_a_line_of_another_process_is_read_when_it_is_whole(path):
    cells = filled(path, a=1)
    with open(path, "ab") as file:
        for part in (b'{"key":"b",', b'"value":2}\n'):
            assert "b" not in cells
            file.write(part)
            file.flush()
    assert cells.cell("b", never)["value"] == 2


def test_a_file_that_takes_its_place_is_read_from_its_beginning(path):
    cells = filled(path, a=1, b=2)
    path.write_text('{"key":"c","value":3}\n')
    assert "c" in cells and "a" not in cells


# ---- files of something else


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n1,2\n",
        "notes",
        '{"value": 1}\n',
        '{"key": 1}\n',
        "[1, 2]\n",
        "<<<<<<< HEAD\n",
        '{"key":"z","val\n',
        b"\xff\xfe\n",
        b"\x00\x00",
    ],
)
def test_a_file_of_something_else_is_refused_and_stays_as_it_is(path, content):
    filled(path, a=1)
    path.write_bytes(path.read_bytes() + (content if isinstance(content, bytes) else content.encode()))
    before = path.read_bytes()
    with pytest.raises(pwl.InputError, match=r"line 2 of .*some\.jsonl is not a result cell"):
        Cells(path)
    assert path.read_bytes() == before


def test_empty_lines_are_no_cells(path):
    filled(path, a=1)
    path.write_text(path.read_text() + "\n\n")
    filled(path, b=2)
    assert values(path) == {"a": 1, "b": 2}


# ---- the committed files and the modules


@pytest.mark.parametrize("file", sorted(RESULTS.glob("*.jsonl")), ids=lambda file: file.stem)
def test_committed_cells_say_on_what_machine(file):
    lines = file.read_text().splitlines()
    cells = Cells(file).all()
    assert len(cells) == len(lines) > 0
    assert all({"processor", "cores", "python", "pwl"} <= cell["machine"].keys() for cell in cells.values())


def test_results_are_files_of_lines():
    assert list(RESULTS.rglob("*.json")) == []


@pytest.mark.parametrize("name", MODULES)
def test_every_command_runs_and_says_what_it_does(name):
    module = importlib.import_module(f"benchmarks.{MODULES[name]}")
    assert callable(module.run) and module.__doc__.splitlines()[0].endswith(".")


def imports(file):
    """Names of the benchmarks' modules that a file imports, at its top or in a function."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("benchmarks"):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("benchmarks")}
    return found


def circle(graph):
    """Names along a circle of imports, or nothing."""
    done = set()

    def walk(name, trail):
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done:
            return []
        for other in sorted(graph[name] & graph.keys()):
            if found := walk(other, [*trail, name]):
                return found
        done.add(name)
        return []

    return next(filter(None, (walk(name, []) for name in graph)), [])


def test_no_module_imports_itself_by_way_of_others():
    files = sorted((ROOT / "benchmarks").rglob("*.py"))
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files]
    graph = dict(zip(names, map(imports, files), strict=True))
    assert {"benchmarks.shared.cells", "benchmarks.peers.process"} <= graph["benchmarks.peers.lm"] | graph[
        "benchmarks.auto"
    ]
    assert circle(graph) == []
    assert circle(graph | {"benchmarks.peers.process": {"benchmarks.peers.lm"}}) != []
