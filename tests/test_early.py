"""Ctrl-C while the command still imports what it needs, and in programs that import pwl."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pwl

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends a signal to itself")
ROOT = Path(pwl.__file__).parents[1]


@pytest.fixture
def interrupted(tmp_path):
    """Runs Python where the import of tqdm, which comes late, is interrupted."""
    (tmp_path / "tqdm.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\ntqdm = None\n")

    def run(*line):
        paths = os.pathsep.join([str(tmp_path), str(ROOT)])
        return subprocess.run(
            [sys.executable, *line], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": paths}
        )

    return run


@pytest.mark.parametrize("line", [["-m", "pwl", "data"], ["pwl", "data"]])
def test_the_command_ends_in_a_sentence(interrupted, tmp_path, line):
    (tmp_path / "pwl").write_text("from pwl.cli import main\nraise SystemExit(main())\n")  # as installers write it
    done = interrupted(*(str(tmp_path / word) if word == "pwl" and line[0] != "-m" else word for word in line))
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "pwl: interrupted\n")


def test_programs_are_interrupted_as_ever(interrupted):
    code = "try:\n import pwl.cli\nexcept KeyboardInterrupt:\n print('their own')"
    done = interrupted("-c", code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "their own\n", "")
