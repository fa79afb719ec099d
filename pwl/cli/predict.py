"""`pwl predict`: outputs of a saved network for a table."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from pathlib import Path

import numpy as np

from pwl import data
from pwl.cli import device
from pwl.cli.source import add_delimiter, named
from pwl.data.sets import DATA_SETS
from pwl.errors import InputError
from pwl.files.write import check_apart, check_writable, write_atomic
from pwl.network.save import Saved
from pwl.plots.classes import class_names
from pwl.runtime.backend import host
from pwl.training.saved import load
from pwl.validate import nearest

HELP = "predict with a saved network: from a table to a table, in raw units"
DESCRIPTION = """Reads a table that has the columns of the network's training, in any order, since they are found by name.
Writes one line of predictions per line of the table: values in the targets' raw units, or class names."""
EXAMPLES = """examples:
  pwl predict houses.safetensors new.csv --out prices.csv
  pwl predict flowers.safetensors new.csv --probabilities
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("net", help="a network that pwl train has saved")
    parser.add_argument("data", help="a table (CSV, .npy, .npz), or a named set from pwl data")
    parser.add_argument("--probabilities", action="store_true", help="a column per class instead of the class")
    add_delimiter(parser)
    device.add_arguments(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="CSV file (default: standard output)")


def run(options: argparse.Namespace) -> int:
    device.settle(options)
    if options.out is not None:
        check_apart(options.out, [options.net, options.data])
        check_writable(options.out)
    saved = load(options.net)
    saved = saved._replace(net=saved.net.to(options.device))
    if saved.schema is None:
        raise InputError(
            f"{options.net} does not know the columns of a table, as it was saved from Python: use net.predict(x) there"
        )
    if options.probabilities and not saved.net.loss.classes:
        raise InputError(f"--probabilities is for classes, but {options.net} predicts numbers: leave it out")
    heads, values = predictions(saved, inputs(saved.schema, options), options.probabilities)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows(values.tolist())
    if options.out is None:
        sys.stdout.write(text.getvalue())
    else:
        write_atomic(options.out, text.getvalue())
    return 0


def inputs(schema: data.Schema, options: argparse.Namespace) -> np.ndarray:
    """Inputs (Nv, N) in the network's order, from a table or a named set."""
    if options.data not in DATA_SETS:
        return data.read_inputs(options.data, schema, delimiter=options.delimiter)
    if options.delimiter is not None:
        raise InputError(f"--delimiter is for tables, but {options.data} is a named set: leave it out")
    table = named(options.data)
    known = table.schema.input_names
    for name in schema.input_names:
        if name not in known:
            raise InputError(f"{options.data} has no input {name!r}{nearest(name, known)}, but {options.net} needs it")
    return table.x[:, [known.index(name) for name in schema.input_names]]


def predictions(saved: Saved, x: np.ndarray, probabilities: bool) -> tuple[list[str], np.ndarray]:
    """The names of the columns, and rows (Nv, columns) of predictions for raw inputs x."""
    assert saved.schema is not None
    x = x.reshape(len(x), *saved.net.input_shape)
    names = [column.name for column in saved.schema.targets]
    if probabilities:
        p = host(saved.net.predict_proba(x))
        return [f"{names[0]}={label}" for label in class_names(saved.net)], p
    y = host(saved.net.predict(x))
    return names, y[:, None] if y.ndim == 1 else y
