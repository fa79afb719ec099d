"""Tables of the user's own, as text, .npy or .npz: read into inputs and targets, and later into inputs alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from pwl.data.arrays import is_array_file, read_array_inputs, read_array_table
from pwl.data.columns import check_path, choose_columns, find_column
from pwl.data.delimited import Codes, Layout, Parser, read_blocks, sniff
from pwl.data.schema import Column, Schema
from pwl.data.scratch import rows_a_block
from pwl.data.store import Store
from pwl.errors import InputError
from pwl.validate import one_of

STREAM_BYTES = 64 * 2**20  # larger text files are read into a temporary memory-mapped array
MAX_CATEGORIES = 100  # of a column of text: each becomes an input of the network
MAX_CLASSES = 1000
MIN_ROWS = 3

Task = Literal["auto", "regression", "classification"]


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
    """

    x: np.ndarray
    t: np.ndarray
    schema: Schema

    @property
    def input_names(self) -> tuple[str, ...]:
        """A name per column of x."""
        return self.schema.input_names

    @property
    def target_names(self) -> tuple[str, ...]:
        """A name per target column."""
        return tuple(column.name for column in self.schema.targets)

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The classes in the order of their numbers, or None for regression."""
        return self.schema.targets[0].categories if self.t.ndim == 1 else None


def read_table(
    path: str | Path,
    targets: Sequence[str | int] | str | int | None = None,
    *,
    task: Task = "auto",
    drop: Sequence[str | int] = (),
    header: bool | None = None,
    delimiter: str | None = None,
) -> Table:
    """Read a table of patterns.

    A column of text becomes one input per category. A text file over 64 MiB is streamed into a temporary memory-mapped
    array, in the folder that TMPDIR names.

    Parameters
    ----------
    path : str or Path
        Delimited text, .npy (memory-mapped, not copied), or .npz with arrays x and t, or with one array.
    targets : str, int or sequence of them, optional
        Names of columns, or their numbers counted from 1. By default the last column is the target.
    task : str
        "auto": a target of text is classes, a target of numbers is regression. "classification": whole numbers are
        classes, too. "regression": text is refused.
    drop : sequence of str or int
        Columns to leave out.
    header : bool, optional
        Whether the first line names the columns. By default it does if it holds no number.
    delimiter : str, optional
        The character between columns. By default it is guessed from semicolon, tab, comma and blank.

    Returns
    -------
    Table

    Raises
    ------
    InputError
        If the file is not a full table of finite numbers and categories, has less than 3 rows, or has a constant
        target. The message names line and column if it can.
    """
    path = check_path(path)
    one_of("task", task, ("auto", "regression", "classification"))
    if is_array_file(path):
        x, t, schema = read_array_table(path, targets, drop)
    else:
        x, t, schema = _read_text(path, sniff(path, delimiter=delimiter, header=header), targets, drop)
    if len(x) < MIN_ROWS:
        rows = "1 row" if len(x) == 1 else f"{len(x)} rows"
        raise InputError(f"{path} has {rows} of data, wanted at least {MIN_ROWS}: add patterns")
    t, columns = _as_task(path, t, schema.targets, task)
    for column, low, high in zip(columns, np.atleast_1d(t.min(axis=0)), np.atleast_1d(t.max(axis=0)), strict=True):
        if low == high:
            raise InputError(
                f"{path}: the target {column.name!r} has one value in all rows, so there is nothing to learn: "
                "choose another target"
            )
    return Table(x, t, replace(schema, targets=columns))


def read_inputs(path: str | Path, schema: Schema, *, delimiter: str | None = None) -> np.ndarray:
    """Read inputs from a file of the kind that a schema describes.

    Columns are found by their names, and others are ignored. A file without names must have all columns of the schema's
    file, or its inputs alone, in their order.

    Parameters
    ----------
    path : str or Path
        Delimited text, .npy or .npz.
    schema : Schema
        Of the table that the network was trained on.
    delimiter : str, optional
        The character between columns; by default it is guessed.

    Returns
    -------
    float array (Nv, N)

    Raises
    ------
    InputError
        For a missing column (with the nearest name), an unknown category, and the faults that `read_table` refuses.
    """
    path = check_path(path)
    if is_array_file(path):
        return read_array_inputs(path, schema)
    layout = sniff(path, delimiter=delimiter, header=schema.header)
    if not schema.header and len(layout.names) == len(schema.inputs):
        layout = replace(layout, names=tuple(column.name for column in schema.inputs))
    elif not schema.header and len(layout.names) != schema.width:
        raise InputError(
            f"{path} has {len(layout.names)} columns, "
            f"wanted the {len(schema.inputs)} inputs or all {schema.width} columns of the table that was trained on"
        )
    places = [find_column(path, layout.names, column.name) for column in schema.inputs]
    parsers: list[Parser | None] = [_ignore] * len(layout.names)
    for place, column in zip(places, schema.inputs, strict=True):
        parsers[place] = None if column.categories is None else Codes(column.categories).__getitem__
    store = Store(len(places), path.stat().st_size > STREAM_BYTES)
    for block in read_blocks(layout, parsers):
        store.append(block[:, places])
    if store.rows == 0:
        raise InputError(f"{path} has no rows of data, wanted one or more")
    return _expand(store.array(), schema.inputs)


def _read_text(
    path: Path, layout: Layout, targets: Sequence[str | int] | str | int | None, drop: Sequence[str | int]
) -> tuple[np.ndarray, np.ndarray, Schema]:
    """Inputs, targets (Nv, M) with classes as sorted numbers, and the schema."""
    if not layout.sample:
        only = "a line of column names only" if layout.header else "one line only"
        raise InputError(f"{path} has {only}, wanted at least {MIN_ROWS} rows of data: add patterns")
    if len(layout.names) == 1:
        raise InputError(
            f"{path} has one column between {layout.delimiter!r}, wanted one input and one target or more: "
            "--delimiter names another delimiter"
        )
    inputs, chosen = choose_columns(path, layout.names, targets, drop)
    codes = {
        i: Codes(limit=MAX_CLASSES if i in chosen else MAX_CATEGORIES) for i in inputs + chosen if layout.is_text(i)
    }
    parsers: list[Parser | None] = [_ignore] * len(layout.names)
    for place in inputs + chosen:
        parsers[place] = codes[place].__getitem__ if place in codes else None
    large = path.stat().st_size > STREAM_BYTES
    x_store, t_store = Store(len(inputs), large), Store(len(chosen), large)
    for block in read_blocks(layout, parsers):
        x_store.append(block[:, inputs])
        t_store.append(block[:, chosen])
    x_met, t_met = ([_column(layout, codes, place) for place in places] for places in (inputs, chosen))
    x, t = _expand(x_store.array(), x_met), _sort_classes(t_store.array(), t_met)
    columns, classes = (tuple(_sorted(column) for column in met) for met in (x_met, t_met))
    return x, t, Schema(columns, classes, layout.header, len(layout.names))


def _ignore(cell: str) -> float:
    return 0.0


def _column(layout: Layout, codes: dict[int, Codes], place: int) -> Column:
    return Column(layout.names[place], tuple(codes[place].names) if place in codes else None)


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
        store.append(_one_hot(raw[start : start + rows], columns))
    return store.array()


def _one_hot(block: np.ndarray, columns: Sequence[Column]) -> np.ndarray:
    pieces = []
    for values, column in zip(block.T, columns, strict=True):
        if column.categories is None:
            pieces.append(values[:, None])
        else:
            order = np.argsort(np.array(column.categories))
            pieces.append(values[:, None] == order)
    return np.concatenate(pieces, axis=1, dtype=np.float64)


def _sort_classes(t: np.ndarray, columns: Sequence[Column]) -> np.ndarray:
    """Class numbers in the order of the classes' names, from numbers in the order in which the classes came."""
    if columns[0].categories is None or len(columns) > 1:
        return t
    rank = np.argsort(np.argsort(np.array(columns[0].categories)))
    return rank[t.astype(np.int64)]


def _as_task(
    path: Path, t: np.ndarray, columns: tuple[Column, ...], task: Task
) -> tuple[np.ndarray, tuple[Column, ...]]:
    """Targets (Nv, M), or class numbers (Nv,), as the task has them, and the target columns with their classes."""
    texts = [column.name for column in columns if column.categories is not None]
    if task == "regression" and texts:
        raise InputError(
            f"{path}: the target {texts[0]!r} is text, but regression needs numbers: choose another column"
        )
    if len(columns) > 1 and (texts or task == "classification"):
        raise InputError(f"{path}: {len(columns)} targets came, but a target of classes must be alone: choose one")
    if texts:
        return t.reshape(len(t)).astype(np.int64), columns
    if task != "classification":
        return t, columns
    values, numbers = np.unique(t, return_inverse=True)
    fractions = values[values != np.round(values)]
    if fractions.size:
        raise InputError(
            f"{path}: the target {columns[0].name!r} holds {fractions[0]}, but classes are whole numbers or texts: "
            "choose regression"
        )
    if len(values) > MAX_CLASSES:
        raise InputError(
            f"{path}: the target {columns[0].name!r} has {len(values)} different numbers, but classes are at most "
            f"{MAX_CLASSES}: choose regression"
        )
    classes = tuple(str(int(value)) for value in values)
    return numbers.reshape(len(t)).astype(np.int64), (replace(columns[0], categories=classes),)
