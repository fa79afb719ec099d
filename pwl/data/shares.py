"""A file that several ranks read: text by ranges of bytes that end with a line, arrays by rows, folders by whole files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from pwl.data.columns import STANDARD_INPUT
from pwl.data.text import AS_CSV, CHUNK, Text, is_packed, mixed, part_of, seen, text_of
from pwl.errors import InputError
from pwl.runtime.ranks import Communicator, check_alike, checksum, folded, share_of


class Found(NamedTuple):
    """What a rank has found in its range of bytes. letters: whether it holds letters in UTF-8."""

    encoding: str
    letters: bool
    lines: int
    quotes: int


def shared_text(path: Path, comm: Communicator) -> Text:
    """The text at a path with the range of bytes that is this rank's. All ranks look through their ranges together.

    Ranges end with a line. Where a quoted cell holds the end of the line, they end after its record: the quotes of all ranges
    before tell whether a range begins inside a cell.
    """
    text = text_of(path) if is_packed(path) else Text(str(path), path, "utf-8-sig")
    size = text.size
    with text.file.open("rb") as file:
        check_alike(comm, {"file (bytes, checksum of its beginning)": (size, checksum(np.frombuffer(file.read(CHUNK), np.uint8)))})
        first, last = (_line_end(file, share_of(size, rank, comm.size)[0]) for rank in (comm.rank, comm.rank + 1))
        everywhere = comm.allgather(_found(text.name, lambda: part_of(text.file, first, last)))
        before = everywhere[: comm.rank]
        skipped = 0
        if sum(found.quotes for found in before) % 2:
            first, skipped = _record_end(file, first)
    starts = [*comm.allgather(first), size]
    line = 1 + sum(found.lines for found in before) + skipped
    return replace(text, encoding=_encoding(text.name, everywhere), first=first, last=starts[comm.rank + 1], line=line)


def _line_end(file: IO[bytes], place: int) -> int:
    """The first place from here on where a line begins."""
    if place == 0:
        return 0
    file.seek(place - 1)
    file.readline()
    return file.tell()


def _record_end(file: IO[bytes], place: int) -> tuple[int, int]:
    """Where the quoted cell that is open at a place has ended with its line, and the number of lines until there."""
    file.seek(place)
    lines = 0
    for line in iter(file.readline, b""):
        lines += 1
        if line.count(b'"') % 2:
            break
    return file.tell(), lines


def _found(name: str, opened: Callable[[], IO[bytes]]) -> Found:
    lines = quotes = 0
    with opened() as file:
        while piece := file.read(CHUNK):
            lines, quotes = lines + piece.count(b"\n"), quotes + piece.count(b'"')
    return Found(*seen(name, opened), lines, quotes)


def _encoding(name: str, everywhere: list[Found]) -> str:
    """The encoding of the whole from what was found in its ranges."""
    encodings = {found.encoding for found in everywhere}
    if encodings <= {"utf-8-sig"}:
        return "utf-8-sig"
    if encodings - {"utf-8-sig", "cp1252"}:
        raise InputError(f"{name} is in {everywhere[0].encoding}, whose lines several ranks can't find: {AS_CSV}")
    if any(found.letters for found in everywhere):
        raise mixed(name)
    return "cp1252"


def refuse_pipe(path: Path, comm: Communicator) -> None:
    """Raises InputError for what only one process can read."""
    if comm.size > 1 and (str(path) == STANDARD_INPUT or not path.is_file()):
        raise InputError(f"{path} can be read by one process only, but there are {comm.size} ranks: give the path of a file")


def own_files(paths: list[Path], comm: Communicator) -> list[Path]:
    """The files of this rank: a run of them, of nearly as many bytes as the others'."""
    sizes = np.array([path.stat().st_size for path in paths], dtype=np.float64)
    middle = np.cumsum(sizes) - sizes / 2
    owner = np.minimum(middle * comm.size // max(1.0, sizes.sum()), comm.size - 1)
    return [path for path, rank in zip(paths, owner, strict=True) if rank == comm.rank]


def everywhere(comm: Communicator, a: np.ndarray) -> np.ndarray:
    """The rows of all ranks, in their order."""
    return a if comm.size == 1 else np.concatenate(comm.allgather(a))


def extremes(comm: Communicator, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest value of each column (rows, columns) on all ranks. NaN counts for nothing."""
    if comm.size == 1:
        return np.fmin.reduce(columns, axis=0), np.fmax.reduce(columns, axis=0)
    low = np.fmin.reduce(columns, axis=0) if len(columns) else np.full(columns.shape[1], np.inf)
    high = np.fmax.reduce(columns, axis=0) if len(columns) else np.full(columns.shape[1], -np.inf)
    return folded(comm, low.astype(np.float64), np.fmin), folded(comm, high.astype(np.float64), np.fmax)


def numbered(comm: Communicator, own: int) -> tuple[int, int]:
    """The number of the first of this rank's rows among those of all ranks, and the number of all."""
    counts = comm.allgather(own)
    return sum(counts[: comm.rank]), sum(counts)


def own_rows(comm: Communicator, own: int, rows: np.ndarray) -> np.ndarray:
    """Those of some sorted rows of all ranks that are this rank's, as places among its own."""
    if comm.size == 1:
        return rows
    first = numbered(comm, own)[0]
    return rows[(rows >= first) & (rows < first + own)] - first
