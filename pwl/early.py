"""Ctrl-C while the command `pwl` still imports what it needs: the process ends in a sentence, since there is nothing to undo.

This module is imported first, and imports next to nothing. Programs that import pwl are left alone.
"""

from __future__ import annotations

import os
import signal
import sys


def leave(number: int, frame: object) -> None:
    """The handler until `pwl.cli.ends` takes over, and after it has given back."""
    if sys.stderr is not None:
        os.write(2, b"pwl: interrupted\n")
    os._exit(128 + number)


def is_command() -> bool:
    """Whether this process is the command `pwl` or `python -m pwl`, and none of its workers."""
    if not sys.argv or "--multiprocessing-fork" in sys.orig_argv:
        return False
    name = os.path.basename(sys.argv[0])
    return name in ("pwl", "pwl.exe") or (name == "-m" and "pwl" in sys.orig_argv)


if is_command() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, leave)
