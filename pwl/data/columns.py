"""Checks of the path and the column names that a user typed. Errors suggest the nearest right name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pwl.errors import InputError
from pwl.validate import nearest


def check_path(path: str | Path) -> Path:
    """The path of a file that exists and is not empty. Raises InputError otherwise."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder, wanted a file: give the path of a table")
    if not path.exists():
        raise InputError(f"{path} does not exist: give the path of a table (the current folder is {Path.cwd()})")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty, wanted a table with a line of column names and a line per pattern")
    return path


def find_column(path: Path, names: Sequence[str], wanted: str | int) -> int:
    """Place of a column, given its name or its number counted from 1. Raises InputError with the nearest name."""
    if wanted in names:
        return names.index(str(wanted))
    if str(wanted).isdecimal() and 1 <= int(wanted) <= len(names):
        return int(wanted) - 1
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    near = nearest(str(wanted), names) or f": it has {shown}"
    raise InputError(f"{path} has no column {wanted!r} among its {len(names)}{near}")


def choose_columns(
    path: Path, names: Sequence[str], targets: Sequence[str | int] | str | int | None, drop: Sequence[str | int]
) -> tuple[list[int], list[int]]:
    """Places of the inputs, in the order of the file, and of the targets, in the order given."""
    asked = [targets] if isinstance(targets, str | int) else targets
    dropped = {find_column(path, names, column) for column in ([drop] if isinstance(drop, str) else drop)}
    left = [place for place in range(len(names)) if place not in dropped]
    chosen = [find_column(path, names, target) for target in asked] if asked else left[-1:]
    if len(set(chosen)) < len(chosen) or dropped & set(chosen):
        raise InputError(f"the targets came as {asked}: name each column once, and none that is dropped")
    inputs = [place for place in left if place not in chosen]
    if not inputs or not chosen:
        raise InputError(
            f"{path} has {len(left)} usable columns, {len(chosen)} of them targets: a table needs an input as well"
        )
    return inputs, chosen
