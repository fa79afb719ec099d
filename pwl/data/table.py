"""Tables of the user's own, as text, Parquet, .npy or .npz, read into inputs and targets."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from pwl.data.arrays import MAX_CLASSES, is_array_file, read_array_table
from pwl.data.beside import Groups, checked_weights, places_beside
from pwl.data.columns import check_path, choose_columns
from pwl.data.delimited import TextSheet
from pwl.data.folder import FolderSheet, sheets
from pwl.data.kinds import Codes, Kind, Labels, holds_codes, kind_of, meet, parser_of, refuse_id
from pwl.data.layout import IsRow, sniff
from pwl.data.numerals import Numerals
from pwl.data.parquet import ParquetSheet, is_parquet
from pwl.data.rules import Rules
from pwl.data.schema import Column, Schema
from pwl.data.scratch import rows_a_block
from pwl.data.shares import everywhere, extremes, refuse_pipe, shared_text
from pwl.data.sheet import Parser, Sheet, ignore
from pwl.data.store import Store
from pwl.data.text import text_of
from pwl.errors import InputError
from pwl.files.html_table import html_table
from pwl.runtime.ranks import Communicator, Serial, ranks_given, summed
from pwl.validate import one_of, shown

STREAM_BYTES = 64 * 2**20  # larger text files are read into a temporary memory-mapped array
MIN_ROWS = 3
SHOWN = 8  # rows and columns in notebooks

Task = Literal["auto", "regression", "classification"]
Target = str | int


@dataclass(frozen=True, eq=False)
class Table:
    """Inputs and targets of a table.

    Parameters
    ----------
    x : float array (Nv, N)
        Inputs.
    t : float array (Nv, M) or int64 array (Nv,)
        Targets, or class numbers from 0.
    schema : Schema
        The table's columns.
    weights : float array (Nv,), optional
        Weights of the patterns.
    groups : int64 array (Nv,), optional
        The number of the group that each pattern belongs to.
    """

    x: np.ndarray
    t: np.ndarray
    schema: Schema
    weights: np.ndarray | None = None
    groups: np.ndarray | None = None

    def __repr__(self) -> str:
        """The sizes and the names, because the arrays do not fit a screen."""
        names = ", ".join(self.target_names)
        what = f"target {names}" if self.t.ndim > 1 else f"{len(self.class_names or ())} classes of {names}"
        names = ", ".join(self.input_names[:SHOWN]) + (", ..." if len(self.input_names) > SHOWN else "")
        return f"Table({len(self.x)} patterns, {self.x.shape[1]} inputs ({names}), {what})"

    def _repr_html_(self) -> str:
        """The first rows, for notebooks."""
        shown = list(self.input_names[:SHOWN])
        t = self.t[:SHOWN, None] if self.t.ndim == 1 else self.t[:SHOWN]
        names = np.asarray(self.class_names) if self.t.ndim == 1 else None
        lines = [["row", *shown, *self.target_names]]
        for row in range(min(SHOWN, len(self.x))):
            own = [f"{value:.6g}" for value in self.x[row, : len(shown)]]
            lines.append([str(row), *own, *(f"{value:.6g}" if names is None else str(names[value]) for value in t[row])])
        return html_table(lines, f"{self!r}, the first rows")

    @property
    def input_names(self) -> tuple[str, ...]:
        """A name per column of x."""
        return self.schema.input_names

    @property
    def target_names(self) -> tuple[str, ...]:
        """A name per target column."""
        return self.schema.target_names

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The classes in the order of their numbers, or None for regression."""
        return self.schema.targets[0].categories if self.t.ndim == 1 else None


def read_table(
    path: str | Path,
    targets: Sequence[Target] | Target | None = None,
    *,
    task: Task = "auto",
    drop: Sequence[Target] | Target = (),
    header: bool | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    missing: Sequence[str] | None = None,
    dates: str | None = None,
    weights: Target | None = None,
    groups: Target | None = None,
    comm: Communicator | None = None,
) -> Table:
    """Reads a table of patterns.

    A column of text becomes one input per category. A text file over 64 MiB is streamed into a temporary memory-mapped
    array, in the folder that TMPDIR names. docs/data.md has the rules by which a table is read.

    Parameters
    ----------
    path : str or Path
        Delimited text, also packed by gzip or "-" for standard input; Parquet; .npy (memory-mapped, not copied); .npz with
        arrays x and t, or with one array; or a folder of such files with the same columns, but no .npz with x and t.
    targets : str, int or sequence of them, optional
        Names of columns, or their numbers counted from 1. By default the last column is the target.
    task : str
        "auto": a target of text is classes, a target of numbers is regression. "classification": whole numbers are
        classes, too. "regression": text is refused.
    drop : str, int or sequence of them
        Columns to leave out.
    header, delimiter, decimal, thousands, missing, dates
        How the text is to be read, as in `pwl.data.Rules`. By default it is guessed.
    weights : str or int, optional
        The column of the patterns' weights, which is not an input.
    groups : str or int, optional
        The column of groups whose patterns stay together when a part is held out. It is not an input.
    comm : Communicator, optional
        Ranks that share the file, as `pwl.ranks()` gives them. Each gets a run of the rows, which may be empty, and all get the
        same columns and classes.

    Returns
    -------
    Table

    Raises
    ------
    InputError
        If the file is not a table of finite numbers and categories, full but for some of several targets, which are NaN then;
        if it has less than 3 rows, or has a constant
        target; and if its beginning leaves open what is meant. The message names line and column if it can.
    """
    comm = ranks_given(comm)
    path = check_path(path, folder=True)
    if not isinstance(drop, (str, int, list, tuple)):
        raise InputError(f"drop must be a column or a list of columns, not {shown(drop)}")
    one_of("task", task, ("auto", "regression", "classification"))
    rules = Rules(header, delimiter, decimal, thousands, missing, dates)
    if is_array_file(path):
        if weights is not None or groups is not None:
            raise InputError(f"{path} has no names of columns: give weights and groups in a CSV or a Parquet table")
        x, t, schema = read_array_table(path, targets, [drop] if isinstance(drop, str | int) else drop, comm)
        t, columns = _as_task(str(path), t, schema.targets, task, comm)
        table = Table(x, t, replace(schema, targets=columns))
    else:
        sheet = sheet_of(path, rules, comm=comm)
        table = _read(sheet, rules, targets, task, [drop] if isinstance(drop, str | int) else drop, weights, groups, comm)
    _check_table(str(path), table, comm)
    return table


def sheet_of(
    path: Path, rules: Rules, *, strict: bool = True, known: Numerals | None = None, is_row: IsRow | None = None,
    comm: Communicator = Serial(),
) -> Sheet:  # fmt: skip
    """The reader of a text or Parquet file, or of a folder. strict, known, is_row: as in `sniff`. comm: the ranks that share it."""
    if path.is_dir():
        return FolderSheet(path, sheets(lambda file: sheet_of(file, rules, strict=strict, known=known, is_row=is_row)), comm)
    if is_parquet(path):
        return ParquetSheet(path, None if rules.missing is None else tuple(rules.missing), comm)
    refuse_pipe(path, comm)
    text = text_of(path) if comm.size == 1 else shared_text(path, comm)
    return TextSheet(sniff(text, rules, strict=strict, known=known, is_row=is_row))


def _check_table(title: str, table: Table, comm: Communicator) -> None:
    """Raises InputError if there is too little to learn from."""
    x, t = table.x, table.t
    Nv = int(summed(comm, len(x))[0])
    if Nv < MIN_ROWS:
        rows = "1 row" if Nv == 1 else f"{Nv} rows"
        raise InputError(f"{title} has {rows} of data, wanted at least {MIN_ROWS}: add patterns")
    counted = t if table.weights is None else t[table.weights > 0]
    lows, highs = extremes(comm, counted[:, None] if counted.ndim == 1 else counted)
    for column, low, high in zip(table.schema.targets, lows, highs, strict=True):
        if not low <= high:  # NaN, or on several ranks infinities
            raise InputError(f"{title}: the target {column.name!r} has no value in any row: leave it out")
        if low == high:
            raise InputError(
                f"{title}: the target {column.name!r} has one value in all rows, so there is nothing to learn: "
                "choose another target"
            )


def _read(
    sheet: Sheet,
    rules: Rules,
    targets: Sequence[Target] | Target | None,
    task: Task,
    drop: Sequence[Target],
    weights: Target | None,
    groups: Target | None,
    comm: Communicator,
) -> Table:
    """The table of a sheet. Classes are numbered in their order."""
    if sheet.empty:
        only = "a line of column names only" if sheet.header else "one line only"
        raise InputError(f"{sheet.title} has {only}, wanted at least {MIN_ROWS} rows of data: add patterns")
    if len(sheet.names) == 1:
        raise InputError(
            f"{sheet.title} has one column, {sheet.names[0][:40]!r}, wanted one input and one target or more: --delimiter names "
            "another delimiter"
        )
    aside = places_beside(sheet.title, sheet.names, weights, groups)
    left_out = [*drop, *(place + 1 for place in aside if place is not None)]
    inputs, chosen = choose_columns(sheet.title, sheet.names, targets, left_out)
    kinds = {place: kind_of(sheet, place, rules.dates) for place in inputs}
    kinds |= {place: _target_kind(sheet, place, task, rules.dates, len(chosen)) for place in chosen}
    codes = {place: _codes(sheet, place, place in set(chosen), task) for place, kind in kinds.items() if kind.text}
    parsers: list[Parser | None] = [ignore] * len(sheet.names)
    for place, kind in kinds.items():
        known = Column(sheet.names[place], None, kind.unit, kind.dates)
        parsers[place] = codes[place].__getitem__ if place in codes else parser_of(known, sheet.numerals)
    if aside[0] is not None:
        parsers[aside[0]] = None
    group_codes = Groups(sheet.numerals.missing)
    if aside[1] is not None:
        parsers[aside[1]] = group_codes.__getitem__
    large = sheet.size > STREAM_BYTES
    places = (inputs, chosen, [place for place in aside if place is not None])
    stores = [Store(len(columns), large) for columns in places]
    gaps = frozenset(place for place in chosen if place not in codes) if len(chosen) > 1 else frozenset()
    for block in sheet.blocks(parsers, gaps=gaps):
        for store, part in zip(stores, places, strict=True):
            store.append(block.values[:, part])
    for place, column in codes.items():
        meet(column, sheet.title, sheet.names[place], comm)
        refuse_id(sheet.title, sheet.names[place], column, int(summed(comm, stores[0].rows)[0]), place in chosen)
    x_met, t_met = ([_column(sheet, kinds, codes, place) for place in part] for part in (inputs, chosen))
    _name_codes(sheet, inputs, kinds)
    x, raw, beside = _expand(stores[0].array(), x_met), stores[1].array(), stores[2].array()
    missing = None if rules.missing is None else tuple(rules.missing)
    t, target_columns = _targets(sheet.title, raw, t_met, task, comm)
    columns = tuple(map(_sorted, x_met))
    marks = (sheet.numerals.decimal, sheet.numerals.thousands)
    schema = Schema(columns, target_columns, sheet.header, len(sheet.names), *marks, missing)
    w = None if weights is None else checked_weights(sheet.title, sheet.names[places[2][0]], beside[:, 0], comm)
    return Table(x, t, schema, w, None if groups is None else group_codes.everywhere(beside[:, -1], comm))


def _target_kind(sheet: Sheet, place: int, task: Task, dates: str | None, targets: int) -> Kind:
    """The kind of a target. Whole numbers that are written as codes are classes unless regression was asked for."""
    if task == "classification" and targets == 1:
        return Kind(text=True)
    kind = kind_of(sheet, place, dates)
    if task != "auto" or targets > 1 or kind != Kind() or not sheet.column(place) or not holds_codes(sheet, place):
        return kind
    cells = [cell.strip() for cell in sheet.column(place)]
    if len(set(cells)) <= max(2, len(cells) // 2):
        return Kind(text=True)
    if any(len(cell) >= 16 for cell in cells):
        raise InputError(
            f"{sheet.title}: the target {sheet.names[place]!r} holds whole numbers of 16 digits and more that hardly repeat, such "
            f"as {cells[0][:40]}: choose another target if they are ids, or --task regression"
        )
    return kind


def _codes(sheet: Sheet, place: int, target: bool, task: Task) -> Codes:
    """An empty list of the categories or classes of a column."""
    numerals = sheet.numerals
    if not target:
        return Codes(numerals=numerals)
    as_written = task == "classification" or holds_codes(sheet, place)
    return (Labels if as_written else Codes)(limit=MAX_CLASSES, numerals=numerals)


def _name_codes(sheet: Sheet, inputs: Sequence[int], kinds: dict[int, Kind]) -> None:
    """Warn of inputs that are read as numbers but look like codes."""
    names = [sheet.names[i] for i in inputs if kinds[i] == Kind() and sheet.column(i) and holds_codes(sheet, i)]
    if names:
        warnings.warn(
            f"{', '.join(map(repr, names[:4]))}{', ...' if len(names) > 4 else ''} of {sheet.title} look like codes (007, or 16 "
            "digits and more) and are read as numbers: --drop them if they are ids",
            stacklevel=4,
        )


def _column(sheet: Sheet, kinds: dict[int, Kind], codes: dict[int, Codes], place: int) -> Column:
    categories = tuple(codes[place].names) if place in codes else None
    return Column(sheet.names[place], categories, kinds[place].unit, kinds[place].dates)


def _sorted(column: Column) -> Column:
    return column if column.categories is None else replace(column, categories=tuple(sorted(column.categories)))


def _expand(raw: np.ndarray, columns: Sequence[Column]) -> np.ndarray:
    """Category numbers as columns of 0 and 1, one per category, sorted by name; block by block."""
    if all(column.categories is None for column in columns):
        return raw
    width = sum(len(column.expanded) for column in columns)
    store = Store(width, isinstance(raw, np.memmap))
    rows = rows_a_block(width)
    for start in range(0, len(raw), rows):
        store.append(expanded(raw[start : start + rows], columns))
    return store.array()


def expanded(block: np.ndarray, columns: Sequence[Column]) -> np.ndarray:
    """Rows of numbers, with a column of 0 and 1 for each category instead of the category's number."""
    pieces = []
    for values, column in zip(block.T, columns, strict=True):
        if column.categories is None:
            pieces.append(values[:, None])
        else:
            order = np.argsort(np.array(column.categories))
            pieces.append(values[:, None] == order)
    return np.concatenate(pieces, axis=1, dtype=np.float64)


def _targets(
    title: str, raw: np.ndarray, columns: Sequence[Column], task: Task, comm: Communicator
) -> tuple[np.ndarray, tuple[Column, ...]]:
    """Targets (Nv, M), or class numbers (Nv,) in the order of the classes, and the target columns."""
    texts = [column.name for column in columns if column.categories is not None]
    if not texts:
        return _as_task(title, raw, tuple(columns), task, comm)
    if task == "regression":
        raise InputError(f"{title}: the target {texts[0]!r} is text, but regression needs numbers: choose another column")
    if len(columns) > 1:
        raise InputError(f"{title}: {len(columns)} targets came, but a target of classes must be alone: choose one")
    (column,) = columns
    order = _class_order(title, column.name, column.categories or ())
    rank = np.argsort(np.array(order))
    classes = tuple((column.categories or ())[place] for place in order)
    return rank[raw[:, 0].astype(np.int64)], (replace(column, categories=classes),)


def _class_order(title: str, name: str, classes: tuple[str, ...]) -> list[int]:
    """The places of classes in the order of their numbers, or of their names if one is not a number.

    Raises InputError for fractions, and for one number that is written in two ways.
    """
    places = list(range(len(classes)))
    try:
        numbers = [int(text) if text.lstrip("+-").isdecimal() else float(text) for text in classes]
    except ValueError:
        return sorted(places, key=lambda place: classes[place])
    places.sort(key=lambda place: (numbers[place], classes[place]))
    for place, value in enumerate(numbers):
        if value != value or value in (float("inf"), float("-inf")) or value != round(value):
            raise InputError(
                f"{title}: the target {name!r} holds {classes[place]}, but classes are whole numbers or texts: choose regression"
            )
    for one, other in pairwise(places):
        if numbers[one] == numbers[other] and "." in classes[one] + classes[other]:
            raise InputError(
                f"{title}: the target {name!r} holds {classes[one]!r} and {classes[other]!r}, the same number written in two ways: "
                "write each class in one way"
            )
    return places


def _as_task(
    title: str, t: np.ndarray, columns: tuple[Column, ...], task: Task, comm: Communicator
) -> tuple[np.ndarray, tuple[Column, ...]]:
    """Targets of numbers (Nv, M), or the class numbers (Nv,) that they are if classes were asked for."""
    if task != "classification":
        return t, columns
    if len(columns) > 1:
        raise InputError(f"{title}: {len(columns)} targets came, but a target of classes must be alone: choose one")
    values = np.unique(everywhere(comm, np.unique(t)))
    numbers = np.searchsorted(values, t)
    fractions = values[values != np.round(values)]
    if fractions.size:
        raise InputError(
            f"{title}: the target {columns[0].name!r} holds {fractions[0]}, but classes are whole numbers or texts: "
            "choose regression"
        )
    if len(values) > MAX_CLASSES:
        raise InputError(
            f"{title}: the target {columns[0].name!r} has {len(values)} different numbers, but classes are at most "
            f"{MAX_CLASSES}: choose regression"
        )
    classes = tuple(str(int(value)) for value in values)
    return numbers.reshape(len(t)).astype(np.int64), (replace(columns[0], categories=classes),)
