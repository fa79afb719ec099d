"""`pwl predict`: outputs of a saved network for a table."""

from __future__ import annotations

import argparse
import contextlib
import csv
import functools
import io
import itertools
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import NormalDist
from typing import Any, TextIO

import numpy as np

from pwl import data
from pwl.cli import device, paths
from pwl.cli.columns import places
from pwl.cli.scores import Scores
from pwl.cli.source import named, shared
from pwl.cli.tables import add_rules, check_used, rules, said
from pwl.data.image_folder import images_of, is_image, is_image_folder, read_image
from pwl.data.inputs import Inputs, Rows, open_inputs
from pwl.data.schema import column_names
from pwl.data.sets import DATA_SETS
from pwl.errors import InputError
from pwl.files.write import check_apart, check_writable, writing
from pwl.learners.ensemble import Ensemble
from pwl.learners.ensemble_file import load
from pwl.network.save import Saved
from pwl.plots.classes import class_names
from pwl.runtime.backend import host
from pwl.runtime.ranks import Communicator, ranks, share_of, summed

HELP = "predict with a saved network: from a table to a table, in raw units"
DESCRIPTION = """Reads a table that has the columns of the network's training, in any order, since they are found by name.
Writes one line of predictions per line of the table: values in the targets' raw units, or class names. Columns that the
network does not use, such as ids, come first as they are written. If the table holds the targets, standard error reports how
good the predictions are. A row that can't be read, or whose prediction is not finite, has empty cells, and standard error
counts such rows; with --strict the first of them is an error. The table is never in memory whole."""
EXAMPLES = """examples:
  pwl predict houses.safetensors new.csv --out prices.csv
  pwl predict flowers.safetensors new.csv --probabilities
  pwl predict birds.safetensors photos/ --out birds.csv
  zcat new.csv.gz | pwl predict flowers.safetensors -
"""
IMAGES = 256  # that are read at a time
ROWS = 2**14  # rows that are predicted and written at a time


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("net", help="a network or an ensemble that pwl train or save has written")
    parser.add_argument(
        "data", help="a table (CSV, .gz, Parquet, .npy, .npz; -: standard input), a folder of images or one PNG or JPEG, or a "
        "named set from pwl data"
    )
    parser.add_argument("--probabilities", action="store_true", help="a column per class instead of the class")
    parser.add_argument(
        "--interval", type=float, metavar="PERCENT",
        help="two more columns per target, between which this percentage of new targets should lie",
    )  # fmt: skip
    parser.add_argument("--strict", action="store_true", help="end with an error at the first row that gets no answer")
    add_rules(parser.add_argument_group("tables"))
    device.add_arguments(parser)
    parser.add_argument("--out", type=paths.path, metavar="FILE", help="CSV file (default: standard output)")


def run(options: argparse.Namespace) -> int:
    device.settle(options)
    comm = ranks()
    if options.out is not None and comm.rank == 0:
        check_apart(options.out, [options.net, options.data])
        check_writable(options.out)
    saved = load(options.net)
    if options.probabilities and not saved.net.loss.probabilities:
        kind = f"gives classes by {saved.net.loss.name}, without probabilities" if saved.net.loss.classes else "predicts numbers"
        raise InputError(f"--probabilities is for classes by cross-entropy, but {options.net} {kind}: leave it out")
    check_interval(options, saved)
    schema = saved.schema or implied(saved)
    saved = saved._replace(net=saved.net.to(options.device), schema=schema)
    shape = saved.net.first.input_shape
    inputs = images(shape, schema, options, comm) if of_images(options.data) else opened(schema, options, comm)
    scores = Scores(schema)
    with contextlib.ExitStack() as stack:
        file: TextIO = sys.stdout
        if options.out is not None and comm.rank == 0:
            file = stack.enter_context(writing(options.out))
        for text in in_order(comm, texts(saved, inputs, scores, options, comm)):
            file.write(text)
    scores = functools.reduce(Scores.plus, comm.allgather(scores))
    for line in scores.lines():
        print(f"pwl: {line}", file=sys.stderr)
    return 0


def check_interval(options: argparse.Namespace, saved: Saved[Ensemble]) -> None:
    """Raises InputError for an impossible interval."""
    if options.interval is None:
        return
    if not 1 <= options.interval < 100:
        raise InputError(f"--interval must be a percentage from 1 to below 100, such as 90, not {options.interval:g}")
    if any(net.posterior is None for net in saved.net.nets):
        raise InputError(
            f"--interval needs deviations, which {options.net} does not keep: pwl train keeps them for numbers, and in Python "
            "pwl.with_posterior"
        )


def implied(saved: Saved[Ensemble]) -> data.Schema:
    """The columns of a network that was saved from Python: its inputs in their order, and after them perhaps its targets."""
    net = saved.net.first
    n = int(np.prod(net.input_shape))
    classes = tuple(class_names(net)) if net.loss.classes else None
    names = column_names(n + net.n_outputs)
    inputs = tuple(map(data.Column, names[:n]))
    targets = (data.Column(names[n], classes),) if classes else tuple(map(data.Column, names[n:]))
    return data.Schema(inputs, targets, False, n + len(targets))


def opened(schema: data.Schema, options: argparse.Namespace, comm: Communicator) -> Inputs:
    """The rows of a table or a named set, or this rank's share of them, in the network's order of inputs."""
    if options.data not in DATA_SETS:
        check_used(options.data, options)
        return open_inputs(options.data, schema, rules(options), strict=options.strict, comm=comm)
    if given := said(options):
        raise InputError(f"--{given[0]} is for tables, but {options.data} is a named set: leave it out")
    table = shared(named(options.data), comm)
    x = table.x[:, places(schema, table.schema.input_names, options.data, options.net)]
    same = table.schema.targets == schema.targets
    t = table.t.reshape(len(x), -1).astype(np.float64) if same else None
    return Inputs((), (Rows(x[i : i + ROWS], None if t is None else t[i : i + ROWS], [], {}) for i in range(0, len(x), ROWS)))


def of_images(name: str) -> bool:
    """Whether the data are a folder of images, or one image."""
    return is_image_folder(Path(name)) or (is_image(Path(name)) and Path(name).is_file())


def images(shape: tuple[int, ...], schema: data.Schema, options: argparse.Namespace, comm: Communicator) -> Inputs:
    """The images of a folder, of its folders, or one image, in the size and channels of the network, with their files' names.

    The name of the folder in which an image lies is its class, if it is one of the network's.
    """
    if given := said(options):
        raise InputError(f"--{given[0]} is for tables, but {options.data} holds images: leave it out")
    if len(shape) != 3 or shape[2] not in (1, 3):
        raise InputError(
            f"{options.net} takes inputs of shape {shape}, wanted a network for images of 1 or 3 channels, such as "
            "pwl train makes by --network vgg1"
        )
    folder = Path(options.data)
    files = [folder] if folder.is_file() else images_of(folder)
    files = files[slice(*share_of(len(files), comm.rank, comm.size))]
    classes = {name: number for number, name in enumerate(schema.targets[0].categories or ())}

    def rows() -> Iterator[Rows]:
        for first in range(0, len(files), IMAGES):
            own = files[first : first + IMAGES]
            x, unread = np.full((len(own), *shape), np.nan), {}
            for place, path in enumerate(own):
                try:
                    x[place] = read_image(path, shape[:2], shape[2])
                except InputError as wrong:
                    if options.strict:
                        raise
                    unread[place] = str(wrong)
            t = np.array([[classes.get(path.parent.name, np.nan)] for path in own], dtype=np.float64)
            cells = [[str(path if folder.is_file() else path.relative_to(folder))] for path in own]
            yield Rows(x.reshape(len(own), -1), t if np.isfinite(t).any() else None, cells, unread)

    return Inputs(("file",), rows())


def texts(
    saved: Saved[Ensemble], inputs: Inputs, scores: Scores, options: argparse.Namespace, comm: Communicator
) -> Iterator[str]:
    """The names of the columns, from rank 0, and a line of predictions per row, block after block."""
    assert saved.schema is not None
    names = list(saved.schema.target_names)
    if options.probabilities:
        names = [f"{names[0]}={label}" for label in class_names(saved.net.first)]
    if options.interval is not None:
        names = [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
    blocks = iter(inputs.rows)
    first = next(blocks, None)
    if not summed(comm, first is not None)[0]:
        raise InputError(f"{options.data} has no rows of data, wanted one or more")
    if comm.rank == 0:
        yield as_lines([[*inputs.others, *names]])
    for block in itertools.chain([] if first is None else [first], blocks):
        for part in pieces(block):
            yield as_lines(answers(saved, part, scores, options, len(names)))


def as_lines(rows: list[list[Any]]) -> str:
    """Rows as lines of CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def in_order(comm: Communicator, own: Iterator[str]) -> Iterator[str]:
    """On rank 0 the texts of all ranks, in the order of the ranks. The other ranks keep theirs in a file until it is their turn."""
    if comm.rank == 0:
        yield from own
    if comm.size == 1:
        return
    with tempfile.TemporaryFile() as kept:
        lengths = [kept.write(text.encode()) for text in own]
        kept.seek(0)
        for rank, theirs in enumerate(comm.allgather(lengths)):
            for length in theirs:
                text = kept.read(length).decode() if rank == comm.rank else ""
                came = comm.alltoall([text if to == 0 else "" for to in range(comm.size)])
                if comm.rank == 0:
                    yield came[rank]


def pieces(block: Rows) -> Iterator[Rows]:
    """A block in pieces of at most ROWS rows."""
    for first in range(0, len(block.x), ROWS):
        last = first + ROWS
        unread = {place - first: why for place, why in block.unread.items() if first <= place < last}
        yield Rows(block.x[first:last], None if block.t is None else block.t[first:last], block.cells[first:last], unread)


def answers(saved: Saved[Ensemble], rows: Rows, scores: Scores, options: argparse.Namespace, width: int) -> list[list[Any]]:
    """The lines of some rows. A row without an answer has empty cells."""
    net = saved.net
    read = np.array([place for place in range(len(rows.x)) if place not in rows.unread], dtype=np.int64)
    y = net.answers(rows.x[read].reshape(len(read), *net.input_shape), options.probabilities)
    found, finite = host(y.values), host(y.finite)
    if options.strict and not finite.all():
        share = "" if ranks().size == 1 else "its share of the "
        row = scores.rows + int(read[np.flatnonzero(~finite)[0]]) + 1
        raise InputError(
            f"{options.data}: the prediction of row {row} of {share}data is not finite, as its inputs lie too far outside the data "
            "of the training"
        )
    good = read[finite]
    scores.add(rows, good, found[finite], options.probabilities, len(read) - len(good))
    values = found[finite] if options.interval is None else with_ends(net, rows.x[good], found[finite], options.interval)
    lines: list[list[Any]] = [[""] * width for _ in range(len(rows.x))]
    for place, line in zip(good.tolist(), values.tolist(), strict=True):
        lines[place] = line if isinstance(line, list) else [line]
    return [[*cells, *line] for cells, line in zip(rows.cells, lines, strict=True)] if rows.cells else lines


def with_ends(net: Ensemble, x: np.ndarray, y: np.ndarray, percent: float) -> np.ndarray:
    """Predictions y (n, M), each followed by the ends of its interval, (n, 3 M)."""
    deviations = host(net.predict(x.reshape(len(x), *net.input_shape), return_std=True)[1])
    width = NormalDist().inv_cdf(0.5 + percent / 200) * deviations
    return np.stack([y, y - width, y + width], axis=2).reshape(len(y), -1)
