"""Work in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from benchmarks.peers import rivals
from pwl.runtime.threads import workers
from pwl.study.processes import environment

LONGEST = 600  # seconds that a process may take, whatever its budget


def apart(module: str, arguments: list[str], longest: float = LONGEST, threads: int | None = None) -> Any:
    """The JSON value in the last line that a module prints in a process of its own.

    threads: None for all cores. If the process fails or takes longer than `longest` seconds, raises NotHere with the
    reason.
    """
    command = [sys.executable, "-m", module, *arguments]
    try:
        with environment(threads or workers()):
            done = subprocess.run(command, capture_output=True, text=True, timeout=longest)
    except subprocess.TimeoutExpired:
        raise rivals.NotHere(f"stopped after {longest:g} seconds") from None
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
        raise rivals.NotHere(last[0].removeprefix("benchmarks.peers.rivals.NotHere: "))
    return json.loads(done.stdout.splitlines()[-1])
