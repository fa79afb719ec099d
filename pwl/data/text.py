"""The text of a table: a plain or gzip file, or standard input, and the encoding of its letters."""

from __future__ import annotations

import codecs
import functools
import gzip
import io
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TextIO

from pwl.data.columns import STANDARD_INPUT
from pwl.data.scratch import scratch_folder
from pwl.errors import InputError

CHUNK = 2**20
GZIP = b"\x1f\x8b"

AS_CSV = "save the table as CSV in UTF-8, or as .npy"


@dataclass(frozen=True)
class Text:
    """A table's text. name: as the user knows it. file: where it can be read as often as wanted. folder: of a copy.

    first, last: the bytes of the file that are read by this rank, None: to its end. line: the number of their first line.
    """

    name: str
    file: Path
    encoding: str
    folder: tempfile.TemporaryDirectory[str] | None = None
    first: int = 0
    last: int | None = None
    line: int = 1

    def open(self) -> TextIO:
        """The file from its beginning. Undecodable letters raise UnicodeDecodeError, which `damaged` puts in words."""
        return self.file.open(encoding=self.encoding)

    def part(self) -> TextIO:
        """The part of the file that this rank reads."""
        return self.open() if self.last is None else io.TextIOWrapper(part_of(self.file, self.first, self.last), self.encoding)

    @property
    def size(self) -> int:
        """Bytes of the file, or of its copy."""
        return self.file.stat().st_size

    def damaged(self, why: UnicodeDecodeError) -> InputError:
        """The error about letters that are cut or damaged."""
        return InputError(f"{self.name} is not whole {why.encoding} text ({why.reason}): {AS_CSV}")


def no_text(name: str, why: str) -> InputError:
    """The error about bytes that are not the text of a table."""
    return InputError(f"{name} is not a text file (it holds {why}): {AS_CSV}")


def mixed(name: str) -> InputError:
    """The error about a text that is partly in UTF-8."""
    return InputError(f"{name} holds letters in UTF-8 and letters that are not: {AS_CSV}")


class _Part(io.RawIOBase):
    """The bytes of a file from one place to another."""

    def __init__(self, path: Path, first: int, last: int) -> None:
        self.file, self.left = path.open("rb"), last - first
        self.file.seek(first)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self.file.read(min(len(buffer), self.left))
        buffer[: len(piece)] = piece
        self.left -= len(piece)
        return len(piece)

    def close(self) -> None:
        self.file.close()
        super().close()


def part_of(path: Path, first: int, last: int) -> IO[bytes]:
    """The bytes of a file from one place to another, to be read as a file."""
    return io.BufferedReader(_Part(path, first, last), CHUNK)


def text_of(path: Path) -> Text:
    """The text at a path, or of standard input for "-". What is packed or comes through a pipe is copied to a file first."""
    if str(path) == STANDARD_INPUT:
        return _standard_input(sys.stdin)
    if path.exists() and not path.is_file():  # a pipe such as /dev/stdin or <(command)
        with path.open("rb") as pipe:
            return _copied(str(path), pipe, scratch_folder())
    if is_packed(path):
        with path.open("rb") as file:
            return _copied(str(path), file, scratch_folder())
    return Text(str(path), path, encoding_of(str(path), path))


def is_packed(path: Path) -> bool:
    """Whether a file is gzip's. Raises InputError if it can't be read."""
    try:
        with path.open("rb") as file:
            return file.read(2) == GZIP
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}): give the path of a readable file") from None


@functools.cache
def _standard_input(stream: TextIO | None) -> Text:
    """A copy of standard input, which can be read only once."""
    if stream is None:
        raise InputError("standard input is closed: give the path of a table")
    return _copied("standard input", stream.buffer, scratch_folder())


def _copied(name: str, file: IO[bytes], folder: tempfile.TemporaryDirectory[str]) -> Text:
    """The text with a copy on disk, unpacked if it is gzip's."""
    copy = Path(folder.name) / "table"
    with copy.open("wb") as target:
        shutil.copyfileobj(file, target, CHUNK)
    with copy.open("rb") as start:
        packed = start.read(2) == GZIP
    if packed:
        try:
            with gzip.open(copy) as inside, (Path(folder.name) / "unpacked").open("wb") as target:
                shutil.copyfileobj(inside, target, CHUNK)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{name} is not a whole gzip file ({error}): pack it again") from None
        copy.unlink()
        copy = Path(folder.name) / "unpacked"
    if copy.stat().st_size == 0:
        raise InputError(f"{name} is empty, wanted a table with a line of column names and a line per pattern")
    return Text(name, copy, encoding_of(name, copy), folder)


def encoding_of(name: str, path: Path) -> str:
    """UTF-16 if the file is marked as such, else UTF-8 if it decodes, else Windows-1252. Raises InputError if it is not text."""
    return seen(name, lambda: path.open("rb"))[0]


def seen(name: str, opened: Callable[[], IO[bytes]]) -> tuple[str, bool]:
    """The encoding of some bytes, taken as a whole file, and whether they hold letters in UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with opened() as file:
        start = file.read(CHUNK)
        if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
            return "utf-32", False
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16", False
        _refuse_binary(name, start)
        letters, piece = False, start  # whether letters beyond ASCII have been decoded
        while piece:
            if b"\0" in piece:
                raise no_text(name, "zero bytes")
            try:
                letters |= not decoder.decode(piece).isascii()
            except UnicodeDecodeError as wrong:
                letters |= not piece[: wrong.start].isascii() and not _all_odd(piece[: wrong.start])
                return _one_byte(name, opened, letters), False
            piece = file.read(CHUNK)
    if decoder.getstate()[0]:  # the file ends within a character
        return _one_byte(name, opened, letters), False
    return "utf-8-sig", letters


def _all_odd(piece: bytes) -> bool:
    """Whether no letter beyond ASCII in a piece is UTF-8."""
    return piece.decode("utf-8", "ignore").lstrip("\ufeff").isascii()


def _one_byte(name: str, opened: Callable[[], IO[bytes]], letters: bool) -> str:
    """Windows-1252, for a file that is no UTF-8. letters: whether it holds letters that are UTF-8, so that it is damaged."""
    if letters:
        raise mixed(name)
    with opened() as file:
        while piece := file.read(CHUNK):
            if b"\0" in piece:
                raise no_text(name, "zero bytes")
            try:
                piece.decode("cp1252")
            except UnicodeDecodeError:
                raise InputError(f"{name} is neither UTF-8 nor Windows-1252: {AS_CSV}") from None
    return "cp1252"


def _refuse_binary(name: str, start: bytes) -> None:
    if b"\0" in start[:4096]:
        raise no_text(name, "zero bytes")
    if any(c < 32 and c not in b"\t\n\v\f\r\x1a" for c in start[:4096]):
        raise no_text(name, "control characters")
