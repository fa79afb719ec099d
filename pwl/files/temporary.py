"""Temporary files beside the files that they will become. The next run removes those of runs that were killed."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import socket
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

OLD = 24 * 3600.0  # seconds after which a temporary file of another machine is nobody's
NAME = re.compile(r"-(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-[a-z0-9_]{8}$")


def prefix(name: str) -> str:
    """The start of a name that says whose it is: `name`, the machine and the process. Eight more characters complete it."""
    return f"{_short(name)}-{_machine()}-{os.getpid()}-"


def temporary(folder: Path, name: str) -> Path:
    """A path in the folder that is new and says whose it is."""
    return folder / (prefix(name) + secrets.token_hex(4))


def sweep(folder: Path, name: str) -> None:
    """Removes what `temporary` named for processes that are gone. Files that can't be removed are left."""
    with contextlib.suppress(OSError):
        for path in list(_left(folder, _short(name))):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    path.unlink()


def _left(folder: Path, name: str) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(f"{name}-"):
                continue
            found = NAME.fullmatch(entry.name, len(name))
            if found and _is_gone(found["machine"], int(found["process"]), entry):
                yield Path(entry.path)


def _is_gone(machine: str, process: int, entry: os.DirEntry[str]) -> bool:
    if machine != _machine() or os.name == "nt":  # whose processes can't be asked for
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > OLD
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def _short(name: str) -> str:
    """The name, or its checksum where no more would fit behind it: systems allow names of 255 bytes."""
    there = os.fsencode(name)
    return name if len(there) <= 200 else f".{zlib.crc32(there):08x}"


def _machine() -> str:
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"
