"""Files written whole or not at all: the new file is written beside the old one, then moved into its place."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TextIO

from pwl.errors import InputError
from pwl.files.temporary import sweep, temporary

ODD = "backslashreplace"  # names of files may hold bytes that are no text, which are written as escapes, as on the terminal


def write_atomic(path: Path, content: str | bytes) -> None:
    """Writes a file, and makes its folders if they are missing. If anything fails, an earlier file stays as it was.

    A link is followed, and the file that it points to is written. Raises InputError, with the reason, if the file can't
    be written. An interrupt leaves the earlier file or the new one, whole, and goes on as an interrupt.
    """
    with writing_bytes(path) as file:
        file.write(content.encode(errors=ODD) if isinstance(content, str) else content)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[TextIO]:
    """A text file to write in pieces, in UTF-8. It takes the place of an earlier one at the end, as in `write_atomic`."""
    with writing_bytes(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors=ODD, newline="")
        yield text
        text.flush()
        text.detach()


@contextlib.contextmanager
def writing_bytes(path: Path) -> Iterator[IO[bytes]]:
    """A file to write in pieces, which takes the place of an earlier one if all went well."""
    with _place(path) as place:
        sweep(place.parent, f".{place.name}")
        name = temporary(place.parent, f".{place.name}")
        try:
            with open(name, "xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o666 & ~_umask())
            os.replace(name, place)
        except BaseException:
            with contextlib.suppress(OSError):  # an interrupt may come when the new file is already in its place
                os.unlink(name)
            raise


def check_writable(path: Path) -> None:
    """Raises InputError now, not after hours of work, if `write_atomic` could not write `path`."""
    with _place(path) as place:
        sweep(place.parent, f".{place.name}")
        with tempfile.TemporaryFile(prefix=f".{place.name}.", dir=place.parent):
            pass


def check_apart(out: Path, inputs: Iterable[str | Path]) -> None:
    """Raises InputError if writing `out` would destroy one of the files that are read."""
    for path in map(Path, inputs):
        if out.exists() and path.exists() and out.samefile(path):
            raise InputError(f"{out} is read as well as written, and would be lost: write to another file")


@contextlib.contextmanager
def _place(path: Path) -> Iterator[Path]:
    """The file that `path` leads to when links are followed, in a folder that exists. Any OSError becomes an InputError."""
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder, a file was wanted")
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is a device or a pipe, a file was wanted")
        for folder in path.parents:
            if folder.exists() and not folder.is_dir():
                raise InputError(f"{path} can't be written: {folder} is a file, a folder was wanted")
        place = Path(os.path.realpath(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        yield place
    except (OSError, ValueError) as failure:
        if isinstance(failure, InputError):
            raise
        reason = failure.strerror or failure if isinstance(failure, OSError) else failure  # ValueError: a byte 0 in the path
        raise InputError(f"{path} can't be written: {reason}") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
