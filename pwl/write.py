"""Files are written whole or not at all: a new file beside the old one, then moved into its place."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pwl.errors import InputError


def write_atomic(path: Path, content: str | bytes) -> None:
    """Writes a file, its folders made as needed. An earlier file stays as it was if anything fails.

    Raises InputError where the place can't be written, with the reason.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o666 & ~_umask())
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as failure:
        raise InputError(f"{path} can't be written: {failure.strerror or failure}") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
