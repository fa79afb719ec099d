"""Inputs from a file of the kind that a network was trained on, as a whole or block after block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pwl.data.arrays import array_inputs, is_array_file
from pwl.data.columns import check_path, named_column
from pwl.data.kinds import parser_of
from pwl.data.numerals import MISSING, Numerals
from pwl.data.rules import Rules
from pwl.data.schema import Column, Schema, place_of
from pwl.data.scratch import rows_a_block
from pwl.data.sheet import Parser, Sheet, ignore
from pwl.data.store import Store
from pwl.data.table import STREAM_BYTES, expanded, sheet_of
from pwl.errors import InputError
from pwl.runtime.ranks import Communicator, Serial, share_of
from pwl.validate import kind


class Rows(NamedTuple):
    """Some rows of a file. x: inputs (rows, N). t: targets (rows, M) or class numbers, NaN where there is none, or None.

    cells: of the other columns, a list per row. unread: why a row can't be read, by its place; its inputs are NaN.
    """

    x: np.ndarray
    t: np.ndarray | None
    cells: list[list[str]]
    unread: dict[int, str]


class Inputs(NamedTuple):
    """A file that is being read. others: names of the columns that are neither inputs nor targets. names: of all, if it has any."""

    others: tuple[str, ...]
    rows: Iterator[Rows]
    names: tuple[str, ...] = ()


def read_inputs(path: str | Path, schema: Schema, *, delimiter: str | None = None, rules: Rules | None = None) -> np.ndarray:
    """Reads inputs from a file of the kind that a schema describes.

    Columns are found by their names, and others are ignored. A file without names must have all columns of the schema's
    file, or its inputs alone, in their order.

    Parameters
    ----------
    path : str or Path
        Delimited text, Parquet, .npy or .npz.
    schema : Schema
        Of the table that the network was trained on.
    delimiter : str, optional
        The character between columns; by default it is guessed.
    rules : Rules, optional
        All that can be said of a text table, instead of the delimiter alone.

    Returns
    -------
    float array (Nv, N)

    Raises
    ------
    InputError
        For a missing column (with the nearest name), an unknown category, and the faults that `read_table` refuses.
    """
    kind("schema", schema, Schema, "the pwl.data.Schema of a table")
    path = check_path(path, folder=True)
    if is_array_file(path):
        return array_inputs(path, schema)[0]
    rules = rules or Rules(delimiter=delimiter)
    schema = _as_written(schema, rules)
    sheet = _sheet(path, schema, rules, True)
    store = Store(len(schema.input_names), sheet.size > STREAM_BYTES)
    for rows in _text_rows(sheet, schema, [], True):
        store.append(rows.x)
    if store.rows == 0:
        raise InputError(f"{path} has no rows of data, wanted one or more")
    return store.array()


def open_inputs(
    path: str | Path, schema: Schema, rules: Rules, *, strict: bool = False, learned: bool = False, comm: Communicator = Serial()
) -> Inputs:
    """The rows of a file, block after block, with its targets if it has them and the cells of its other columns.

    strict: whether a row that can't be read raises InputError. learned: whether that holds for targets as well, but for
    missing ones of several. comm: the ranks that share the rows. Raises InputError as `read_inputs` does for what concerns the
    whole file.
    """
    kind("schema", schema, Schema, "the pwl.data.Schema of a table")
    path = check_path(path, folder=True)
    if is_array_file(path):
        return Inputs((), _array_rows(path, schema, strict, comm))
    schema = _as_written(schema, rules)
    sheet = _sheet(path, schema, rules, strict, comm)
    used = {*_places(sheet, schema), *(_target_places(sheet, schema) or ())}
    if schema.header:  # a single one of several targets would come twice beside the predictions
        used |= {place for place, name in enumerate(sheet.names) if name in {column.name for column in schema.targets}}
    others = [place for place in range(len(sheet.names)) if place not in used] if sheet.header else []
    names = tuple(sheet.names) if sheet.header else ()
    return Inputs(tuple(names[place] for place in others), _text_rows(sheet, schema, others, strict, learned), names)


def _as_written(schema: Schema, rules: Rules) -> Schema:
    """The schema with the order in which this file has its dates, if that was said. The days are the same in any order."""
    if rules.dates is None:
        return schema
    order = rules.dates
    inputs, targets = (
        tuple(replace(column, dates=order) if column.dates else column for column in columns)
        for columns in (schema.inputs, schema.targets)
    )
    return replace(schema, inputs=inputs, targets=targets)


def _sheet(path: Path, schema: Schema, rules: Rules, strict: bool, comm: Communicator = Serial()) -> Sheet:
    """The reader of a file. What the file leaves open is as in the table that was trained on."""
    if rules.header is None and schema.header:
        rules = replace(rules, header=True)
    missing = MISSING if schema.missing is None else schema.missing
    known = Numerals(schema.decimal, schema.thousands, missing)
    is_row = None if schema.header else partial(_is_row, schema)
    return sheet_of(path, rules, strict=strict, known=known, is_row=is_row, comm=comm)


def _is_row(schema: Schema, cells: Sequence[str], numerals: Numerals) -> bool:
    """Whether a line of a table without names holds inputs that can be read."""
    places = range(len(cells)) if len(cells) == len(schema.inputs) else [place_of(column) for column in schema.inputs]
    if len(cells) not in (len(schema.inputs), schema.width):
        return False
    try:
        for place, column in zip(places, schema.inputs, strict=True):
            (parser_of(column, numerals) or numerals.to_number)(cells[place])
    except ValueError:
        return False
    return True


def _places(sheet: Sheet, schema: Schema) -> list[int]:
    """The place of each input in the file."""
    width = len(sheet.names)
    if not schema.header:
        if width == len(schema.inputs):
            return list(range(width))
        if width != schema.width:
            raise InputError(
                f"{sheet.title} has {width} columns, "
                f"wanted the {len(schema.inputs)} inputs or all {schema.width} columns of the table that was trained on"
            )
        return [place_of(column) for column in schema.inputs]
    at = {name: place for place, name in enumerate(sheet.names)}
    return [at[c.name] if c.name in at else named_column(sheet.title, sheet.names, c.name) for c in schema.inputs]


def _target_places(sheet: Sheet, schema: Schema) -> list[int] | None:
    """The place of each target in the file, or None if it does not have them all."""
    if not schema.header:
        whole = len(sheet.names) == schema.width != len(schema.inputs)
        return [place_of(column) for column in schema.targets] if whole else None
    at = {name: place for place, name in enumerate(sheet.names)}
    return [at[c.name] for c in schema.targets] if all(c.name in at for c in schema.targets) else None


def _text_rows(sheet: Sheet, schema: Schema, others: Sequence[int], strict: bool, learned: bool = False) -> Iterator[Rows]:
    """The rows of a text or Parquet file. A target that is missing or, unless it is learned, unknown is NaN."""
    places, targets = _places(sheet, schema), _target_places(sheet, schema) or []
    parsers: list[Parser | None] = [ignore] * len(sheet.names)
    for place, column in [*zip(targets, schema.targets, strict=False), *zip(places, schema.inputs, strict=True)]:
        parsers[place] = parser_of(column, sheet.numerals)
    kept = [*others, *targets]
    loose = frozenset() if learned else frozenset(targets)
    gaps = frozenset(targets) if learned and len(targets) > 1 else frozenset()
    for block in sheet.blocks(parsers, kept, loose, strict=strict, gaps=gaps):
        x = _one_hot(block.values[:, places], schema.inputs, block.unread)
        t = block.values[:, targets] if targets else None
        yield Rows(x, t, [cells[: len(others)] for cells in block.cells], block.unread)


def _one_hot(values: np.ndarray, columns: Sequence[Column], unread: dict[int, str]) -> np.ndarray:
    """Inputs, with category numbers as columns of 0 and 1."""
    if all(column.categories is None for column in columns):
        return values
    x = expanded(values, columns)
    x[list(unread)] = np.nan
    return x


def _array_rows(path: Path, schema: Schema, strict: bool, comm: Communicator) -> Iterator[Rows]:
    """The rows of an array file, or this rank's share of them."""
    x, t = array_inputs(path, schema, check=strict)
    t = None if t is None else _class_numbers(path, t, schema, strict)
    begin, end = share_of(len(x), comm.rank, comm.size)
    for first in range(begin, end, rows_a_block(x.shape[1])):
        block = np.array(x[first : min(end, first + rows_a_block(x.shape[1]))], dtype=np.float64)
        bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
        unread = {int(row): f"{path}, pattern {first + row + 1} holds a number that is not finite" for row in bad}
        block[bad] = np.nan
        yield Rows(block, None if t is None else np.array(t[first : first + len(block)], dtype=np.float64), [], unread)


def _class_numbers(path: Path, t: np.ndarray, schema: Schema, strict: bool) -> np.ndarray:
    """The numbers (Nv, 1) of classes in place of labels that are whole numbers, NaN for unknown ones unless `strict`."""
    classes = schema.targets[0].categories
    if classes is None or not all(name.lstrip("-").isdecimal() for name in classes):
        return t
    values = np.array([float(name) for name in classes])
    order = np.argsort(values)
    found = order[np.minimum(np.searchsorted(values[order], t), len(values) - 1)]
    known = values[found] == t
    if strict and not known.all():
        raise InputError(f"{path} has the label {t[~known][0]:g}, wanted one of the classes {', '.join(classes[:8])}")
    return np.where(known, found, np.nan)
