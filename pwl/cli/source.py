"""The data that a command works on: a named set, or a table of the user's own."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pwl import data
from pwl.data.sets import DATA_SETS
from pwl.errors import InputError
from pwl.suggest import nearest


@dataclass(frozen=True, eq=False)
class Source:
    """x: (Nv, N). t: (Nv, M) targets or (Nv,) class numbers. schema: the columns. classes: their names, or None."""

    name: str
    x: np.ndarray
    t: np.ndarray
    schema: data.Schema
    classes: tuple[str, ...] | None

    @property
    def target_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.schema.targets)

    def summary(self) -> str:
        """Patterns, inputs and targets in one line."""
        if self.classes:
            what = f"{len(self.classes)} classes of {self.target_names[0]}"
        else:
            what = f"target{'s' if len(self.target_names) > 1 else ''} {', '.join(self.target_names)}"
        return f"{self.name}: {len(self.x)} patterns, {self.x.shape[1]} inputs, {what}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data",
        nargs="?",
        default="concrete",
        help="a table (CSV, .npy, .npz) or a named set, see pwl data (default: %(default)s)",
    )
    group = parser.add_argument_group("tables")
    group.add_argument(
        "--target", nargs="+", action="extend", metavar="COLUMN", help="names or numbers, from 1; default: the last"
    )
    group.add_argument("--drop", nargs="+", action="extend", metavar="COLUMN", default=[], help="columns to leave out")
    group.add_argument(
        "--task", choices=("auto", "regression", "classification"), default="auto",
        help="auto: text is classes, numbers are regression; classification: whole numbers are classes",
    )  # fmt: skip
    group.add_argument("--delimiter", help="between columns, where guessing goes wrong")
    group.add_argument(
        "--header", action=argparse.BooleanOptionalAction, default=None, help="whether the first line names the columns"
    )


def open_source(options: argparse.Namespace) -> Source:
    """The data that the options name; InputError says what is wrong with them."""
    name = options.data
    if name in DATA_SETS:
        if options.target or options.drop:
            raise InputError(f"--target and --drop are for tables; the named set {name} has its targets already")
        return named(name)
    if not Path(name).exists() and not Path(name).suffix:
        raise InputError(
            f"{name!r} is neither a file nor a named set{nearest(name, DATA_SETS)}; pwl data lists the sets"
        )
    table = data.read_table(
        name, options.target, task=options.task, drop=options.drop, header=options.header, delimiter=options.delimiter
    )
    return Source(Path(name).stem, table.x, table.t, table.schema, table.class_names)


def named(name: str) -> Source:
    """A named set, its columns from the list of sets; pixels are inputs."""
    x, t = data.load(name)
    about = data.describe(name)
    x = x.reshape(len(x), -1)
    inputs = about.inputs or tuple(f"pixel{i + 1}" for i in range(x.shape[1]))
    targets = tuple(data.Column(target) for target in about.targets or ()) or (data.Column("class", about.classes),)
    schema = data.Schema(tuple(map(data.Column, inputs)), targets, header=True, width=len(inputs) + len(targets))
    return Source(name, x, t, schema, about.classes)
