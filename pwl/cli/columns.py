"""The inputs that a saved network knows, in data of the user's: found by their names, in the network's order and categories."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from pwl import data
from pwl.cli.tables import rules
from pwl.data.columns import STANDARD_INPUT, apart, find_column
from pwl.data.inputs import open_inputs
from pwl.errors import InputError
from pwl.validate import nearest


def unused(known: data.Schema, targets: Sequence[str] | None, options: argparse.Namespace) -> list[str]:
    """Columns of the table at `options.data` that neither a network with these inputs nor an option needs, which may have gaps.

    targets: those of the table, or None for its last column.
    """
    path = Path(options.data)
    once = options.data != STANDARD_INPUT and not path.is_file() and not path.is_dir()  # a pipe, which can be read only once
    if once or not known.header or not (found := open_inputs(options.data, known, rules(options))).others:
        return []
    needed = [*(targets or found.names[-1:]), getattr(options, "weights", None), getattr(options, "group", None)]
    places = {find_column(options.data, found.names, column) for column in apart(found.names, [c for c in needed if c])}
    return [name for name in found.others if found.names.index(name) not in places]


def with_inputs_of(known: data.Schema, table: data.Table, options: argparse.Namespace) -> data.Table:
    """The table at `options.data` with the inputs that the network in `options.net` knows. One without names takes all in order.

    Raises InputError for an input that is missing, is a target as well, or is left out by an option.
    """
    if not known.header or table.schema.inputs == known.inputs:
        return table
    for column in known.inputs:
        if column.name in table.target_names:
            raise InputError(
                f"{column.name!r} is an input of {options.net}, so that it can't be a target as well: choose others by --target"
            )
    x = data.read_inputs(options.data, known, rules=rules(options))
    have = {column.name for column in table.schema.inputs}
    for column in known.inputs:
        if column.name not in have:
            raise InputError(
                f"{options.net} needs the input {column.name!r}: don't leave it out by --drop, --group or --weights"
            )
    return replace(table, x=x, schema=replace(table.schema, inputs=known.inputs))


def places(known: data.Schema, names: Collection[str], title: str, net: str) -> list[int] | slice:
    """The places of a network's inputs among the names of the inputs of a named set. Raises InputError for one that is missing."""
    if not known.header:
        return slice(None)
    place = {name: i for i, name in enumerate(names)}
    for name in known.input_names:
        if name not in place:
            raise InputError(f"{title} has no input {name!r}{nearest(name, place)}, but {net} needs it")
    return [place[name] for name in known.input_names]
