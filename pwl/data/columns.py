"""Checks of the path and the column names that a user typed. Errors suggest the nearest right name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pwl import validate
from pwl.errors import InputError
from pwl.validate import nearest

STANDARD_INPUT = "-"


def check_path(path: str | Path, *, folder: bool = False) -> Path:
    """The path of a file that exists and is not empty. folder: whether it may be a folder. Raises InputError otherwise."""
    path = validate.path("path", path)
    if str(path) == STANDARD_INPUT or (path.exists() and not path.is_file() and not path.is_dir()):
        return path  # a pipe
    if path.is_dir() and folder:
        return path
    if path.is_dir():
        raise InputError(f"{path} is a folder, wanted a file: give the path of a table")
    if not path.exists():
        raise InputError(f"{path} does not exist: give the path of a table (the current folder is {Path.cwd()})")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty, wanted a table with a line of column names and a line per pattern")
    return path


def find_column(title: str, names: Sequence[str], wanted: str | int) -> int:
    """Place of a column, given its name or its number counted from 1. Raises InputError with the nearest name."""
    if not isinstance(wanted, (str, int, np.integer)):
        raise InputError(f"a column is named by a text or by its number, counted from 1, not by {validate.shown(wanted)}")
    if wanted not in names and str(wanted).isdecimal() and len(str(wanted)) < 10 and 1 <= int(wanted) <= len(names):
        return int(wanted) - 1
    return named_column(title, names, wanted)


def named_column(title: str, names: Sequence[str], wanted: str | int) -> int:
    """Place of the column of exactly this name. Raises InputError with the nearest name."""
    if wanted in names:
        return names.index(str(wanted))
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    near = nearest(str(wanted), names) or f": it has {shown}"
    raise InputError(f"{title} has no column {wanted if isinstance(wanted, int) else wanted[:80]!r} among its {len(names)}{near}")


def apart(names: Sequence[str], words: Sequence[str | int]) -> list[str | int]:
    """Columns that were named. "a,b" means two, unless a column has exactly that name."""
    if validate.listed(words) is None:
        raise InputError(f"columns are named by a text, a number counted from 1, or a list of them, not by {validate.shown(words)}")
    known, found = set(names), list[str | int]()
    for word in words:
        several = isinstance(word, str) and "," in word and word not in known
        found += [part.strip() for part in str(word).split(",")] if several else [word]
    return found


def choose_columns(
    title: str, names: Sequence[str], targets: Sequence[str | int] | str | int | None, drop: Sequence[str | int]
) -> tuple[list[int], list[int]]:
    """Places of the inputs, in the order of the file, and of the targets, in the order given."""
    asked = apart(names, [targets] if isinstance(targets, str | int) else () if targets is None else targets)
    dropped = {find_column(title, names, column) for column in apart(names, drop)}
    left = [place for place in range(len(names)) if place not in dropped]
    chosen = [find_column(title, names, target) for target in asked] if asked else left[-1:]
    if len(set(chosen)) < len(chosen) or dropped & set(chosen):
        raise InputError(f"the targets came as {asked}: name each column once, and none that is dropped or "
            "holds weights or groups")
    taken = set(chosen)
    inputs = [place for place in left if place not in taken]
    if not inputs or not chosen:
        raise InputError(
            f"{title} has {len(left)} usable column{'s' * (len(left) != 1)}, {len(chosen)} of them targets: a table needs an input "
            "as well"
        )
    return inputs, chosen
