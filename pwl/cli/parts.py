"""The parts of the data that train, validate and test: drawn, in order, by groups, or files of their own."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pwl import data
from pwl.cli.source import Source
from pwl.cli.tables import rules
from pwl.data.arrays import image_file, read_images
from pwl.data.columns import check_path
from pwl.data.image_folder import is_image_folder, read_folder
from pwl.data.inputs import Inputs, open_inputs
from pwl.data.inputs import Rows as Block
from pwl.data.numerals import MISSING, Numerals
from pwl.data.preparation import Preparation
from pwl.data.rows import Rows
from pwl.data.shares import everywhere, numbered
from pwl.data.targets import known
from pwl.data.weights import checked_weights
from pwl.errors import InputError
from pwl.reductions.patterns import Patterns
from pwl.runtime.ranks import Communicator, Serial, share_of
from pwl.validate import share

SHARE = "0.1"  # of the patterns that validates, unless another one is given


class HeldOut(NamedTuple):
    """Patterns that do not train, in raw units, read when they are needed. weights: of the patterns, or None.

    comm: the ranks that share them.
    """

    x: Rows
    t: Rows
    weights: np.ndarray | None = None
    comm: Communicator = Serial()


class Parts(NamedTuple):
    """train: rows of the table. validation, test: what is held out, or None. words: the validation part in words.

    trains: number of patterns that train, on all ranks.
    """

    train: np.ndarray
    validation: HeldOut | None
    test: HeldOut | None
    words: str
    trains: int


def add_arguments(group: argparse._ActionsContainer, default: str | None = SHARE, words: str = SHARE) -> None:
    """Adds the options. default: of --validation, and in words; None means that the command settles it."""
    group.add_argument(
        "--validation", default=default, metavar="SHARE|FILE",
        help=f"share of the patterns that validates, 0: none; or a file of such patterns (default: {words})",
    )  # fmt: skip
    group.add_argument(
        "--test", default="0", metavar="SHARE|FILE",
        help="share of the patterns that only tests; or a file of such patterns (default: none)",
    )  # fmt: skip
    group.add_argument(
        "--ordered", action="store_true", help="hold out the last patterns, for tables in the order of time"
    )
    group.add_argument("--group", metavar="COLUMN", help="hold out whole groups; the column is not an input")


def settle(options: argparse.Namespace, leaves_groups: bool = False) -> None:
    """Turns shares into numbers. Raises InputError for impossible shares and for choices that exclude each other.

    leaves_groups: whether networks leave groups out in turn, for which no part need be held out.
    """
    for name in ("validation", "test"):
        value = getattr(options, name)
        try:
            number = float(value)
        except ValueError:
            if not is_image_folder(Path(value)):
                check_path(value, folder=True)
            continue
        setattr(options, name, share(f"--{name}", number))
    if options.ordered and options.group:
        raise InputError("--ordered and --group came, wanted one of them: leave out the other")
    if not options.ordered and (not options.group or (leaves_groups and isinstance(options.validation, float))):
        return
    if not any(isinstance(getattr(options, name), float) and getattr(options, name) for name in ("validation", "test")):
        which = "--ordered holds out the last patterns" if options.ordered else "--group holds out whole groups"
        raise InputError(f"{which}, but nothing is held out: give --validation or --test a share, or leave the option out")


def files(options: argparse.Namespace) -> list[str]:
    """The files that are read for parts."""
    return [value for value in (options.validation, options.test) if isinstance(value, str)]


def divide(table: Source, options: argparse.Namespace) -> Parts:
    """The parts of the data. Raises InputError if one of them would be empty."""
    n = table.count
    v, s = (value if isinstance(value, float) else 0.0 for value in (options.validation, options.test))
    for name, part in (("validation", v), ("test", s)):
        if part and not round(part * n):
            raise InputError(f"--{name} {part} of {n} patterns is none: choose a larger share, or 0 for no {name}")
    if n - round(v * n) - round(s * n) < 2:
        name, left = ("validation", v) if v else ("test", s)
        raise InputError(
            f"--{name} {left} leaves {max(0, n - round(v * n) - round(s * n))} of {n} patterns to train: choose a smaller share"
        )
    shares = (1 - v - s, v, s) if options.ordered else (v, s, 1 - v - s)
    labels = None if options.ordered or table.groups is not None or not table.classes else everywhere(table.comm, table.t)
    groups = None if table.groups is None else everywhere(table.comm, table.groups)
    found = data.split(n, shares, options.seed, labels=labels, groups=groups, ordered=options.ordered)
    train, validation, test = found if options.ordered else (found[2], found[0], found[1])
    if len(train) < 2:
        raise InputError(f"the parts leave {len(train)} of {n} patterns to train: choose smaller shares")
    how = f"whole groups of {options.group}" if options.group else "the last ones" if options.ordered else "drawn by the seed"
    words = f"{len(validation)} of {n} patterns, {how}"
    held: list[HeldOut | None] = []
    for name, rows in (("validation", validation), ("test", test)):
        value = getattr(options, name)
        held.append(_own(value, name, table, options) if isinstance(value, str) else _of(table, rows))
    if isinstance(options.validation, str) and held[0] is not None:
        words = f"{numbered(table.comm, len(held[0].x))[1]} patterns of {Path(options.validation).name}"
    return Parts(table.own(train), held[0], held[1], words, len(train))


def held(table: Source, own: np.ndarray) -> HeldOut:
    """Some of this rank's patterns."""
    return HeldOut(Rows(table.x, own), Rows(table.t, own), None if table.weights is None else table.weights[own], table.comm)


def _of(table: Source, rows: np.ndarray) -> HeldOut | None:
    if not len(rows):
        return None
    return held(table, table.own(rows))


def _all(x: np.ndarray, t: np.ndarray, comm: Communicator, weights: np.ndarray | None = None) -> HeldOut:
    own = slice(*share_of(len(x), comm.rank, comm.size))
    return HeldOut(Rows(x, own), Rows(t, own), None if weights is None else weights[own], comm)


def _own(path: str, name: str, table: Source, options: argparse.Namespace) -> HeldOut:
    """The patterns of a file of their own, with the columns and the classes of the table."""
    shape = table.x.shape[1:]
    if table.shape and is_image_folder(Path(path)):
        images = read_folder(Path(path), options.image_size, table.classes, table.shape[2])
        if images.x.shape[1:] != table.shape:
            raise InputError(f"{path} holds images of {images.x.shape[1:]}, wanted {table.shape}: give --image-size")
        return _all(images.x.reshape(-1, *shape), images.t, table.comm)
    if table.shape and image_file(Path(path)):
        x, t, classes, _ = read_images(Path(path), "test" if name == "test" else "train")
        if x.shape[1:] != table.shape or classes != table.classes:
            raise InputError(f"{path} holds images {x.shape[1:]} of {len(classes)} classes, wanted those of {table.name}")
        return _all(x.reshape(-1, *shape), t, table.comm)
    inputs = open_inputs(path, table.schema, rules(options), strict=True, learned=True)
    blocks = list(inputs.rows)
    if not blocks or blocks[0].t is None:
        wanted = ", ".join(table.target_names)
        raise InputError(f"{path} has no rows of data with the target {wanted}, but --{name} needs it")
    x, targets = np.concatenate([b.x for b in blocks]), np.concatenate([b.t for b in blocks if b.t is not None])
    bad = np.flatnonzero((np.isinf(targets) if targets.shape[1] > 1 else ~np.isfinite(targets)).any(axis=1))
    if len(bad):  # in arrays, whose targets are not looked at before
        raise InputError(f"{path}, row {bad[0] + 1} of data: a target is not finite: correct it or drop the row")
    weights = None if table.weights is None else _weights(path, options.weights, inputs, blocks, table.schema)
    present = np.ones(len(x), dtype=bool) if weights is None else weights > 0
    if (rows := known(targets).rows) is not None:  # of several targets, all may be missing
        present &= np.bincount(rows, minlength=len(x)) > 0
    x, targets = x[present], targets[present]
    weights = None if weights is None else weights[present]
    return _all(x.reshape(-1, *shape), targets[:, 0].astype(np.int64) if table.classes else targets, table.comm, weights)


def _weights(path: str, column: str, inputs: Inputs, blocks: Sequence[Block], schema: data.Schema) -> np.ndarray:
    """The weights (Nv,) of the patterns of a file, from the column that has those of the table."""
    if column not in inputs.others:
        raise InputError(f"{path} has no column {column!r}, but --weights is for its patterns as well: add it, or name it as there")
    place, numerals = inputs.others.index(column), Numerals(schema.decimal, schema.thousands, MISSING)
    cells = [row[place] for block in blocks for row in block.cells]
    try:
        return checked_weights(np.array([numerals.to_number(cell) for cell in cells]), len(cells))
    except ValueError as wrong:
        raise InputError(f"{path}, column {column!r} of weights: {wrong}") from None


def patterns(part: HeldOut | None, preparation: Preparation) -> Patterns | None:
    """Prepared patterns of a part. Those of a table on disk stay there."""
    return None if part is None else Patterns.prepared(part.x, part.t, preparation, slice(None), part.weights, part.comm)

