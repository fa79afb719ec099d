"""`pwl check`: whether gradients, curvatures and steps are right on the user's network and data."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pwl import data
from pwl.activations import FIXED, PiecewiseLinear, resolve
from pwl.cli import device, source
from pwl.cli.columns import unused
from pwl.cli.shape import whole_numbers
from pwl.cli.tables import is_text, rules
from pwl.data.image_folder import is_image_folder
from pwl.data.preparation import Preparation
from pwl.data.sets import DATA_SETS
from pwl.errors import InputError
from pwl.files.text_table import aligned
from pwl.learners import ensemble_file
from pwl.network.network import Network
from pwl.network.save import Saved
from pwl.study.check import Row, check
from pwl.training.saved import load
from pwl.validate import whole

HELP = "check gradients, curvatures and steps against finite differences on a network and data"
DESCRIPTION = """Compares the parts of the algorithms (gradients, tangents, matrices of the factors, the step of the
curves, the output step) with difference quotients and brute force, in double precision, on at most 200 patterns. With
--device cuda the GPU computes the quantities, and the CPU the numbers that they are compared with. The network is a
saved one, with the table that it was trained on, or a new one of the given size; of several in a file it is the one with the
largest share in their mean. A quantity is not checkable if no pattern is left to check it on. The exit status is 0 if all checks
pass, and 1 if one fails or nothing could be checked."""
EXAMPLES = """examples:
  pwl check
  pwl check houses.safetensors houses.csv
  pwl check houses.csv --target price --hidden 20,10 --activation relu
"""
SHAPE = ("hidden", "activation", "hinges")
CURVES = "curves from sigmoid"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "net", nargs="?", metavar="NET.safetensors", help="a saved network or ensemble (default: a new network, see below)"
    )
    source.add_arguments(parser)
    group = parser.add_argument_group("a new network")
    group.add_argument("--hidden", metavar="N[,N...]", help="units of each hidden layer (default: 20)")
    group.add_argument("--activation", metavar="NAME", help=f"one of {', '.join(FIXED)} (default: {CURVES})")
    group.add_argument("--hinges", type=int, metavar="K", help="hinges of each curve (default: 13)")
    device.add_arguments(parser)
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of patterns, directions and weights (default: %(default)s)"
    )


def run(options: argparse.Namespace) -> int:
    source.settle(options)
    device.settle(options)
    whole("--seed", options.seed, 0)
    name = net_name(options)
    net, x, t, title = opened(name, options) if name else built(options)
    rows = check(net, (x, t), options.seed, options.device)
    print(title)
    print(table_text(rows))
    status, line = verdict(rows)
    print(line)
    return status


def net_name(options: argparse.Namespace) -> str | None:
    """The file of the saved network, if one was given. A single word that is not such a file is the data."""
    if options.net is None or options.net.endswith(".safetensors"):
        return options.net
    if options.data != source.DEFAULT:
        raise InputError(f"{options.net} and {options.data} came, wanted a .safetensors file and one table or set")
    options.data = options.net
    return None


Checked = tuple[Network, np.ndarray, np.ndarray, str]


def built(options: argparse.Namespace) -> Checked:
    """A new network and prepared data."""
    if options.activation and options.hinges:
        raise InputError("--hinges is for curves: leave out --activation")
    curves = PiecewiseLinear("sigmoid", 13 if options.hinges is None else options.hinges)
    activation = resolve(options.activation) if options.activation else curves
    hidden = whole_numbers(options.hidden or "20", "--hidden")
    table = source.open_source(options)
    preparation = Preparation.fit(table.x, table.t, targets="common", classes=table.classes)
    x, t = preparation.transform(table.x, table.t)
    net = Network.mlp(
        x.shape[1],
        hidden,
        len(table.classes) if table.classes else t.shape[1],
        activation,
        loss="cross_entropy" if table.classes else "squared_error",
        seed=options.seed,
    )
    units = ", ".join(map(str, hidden))
    return net, x, t, f"{table.summary()}; a new network of {units} hidden units, {options.activation or CURVES}"


def opened(name: str, options: argparse.Namespace) -> Checked:
    """A saved network, and its data as it was prepared for."""
    given = [option for option in SHAPE if getattr(options, option) is not None]
    if given:
        raise InputError(f"--{given[0]} is for a new network, but {name} came: leave out one of them")
    saved, which = one_of_file(name)
    table = as_saved(name, saved, options)
    x = table.x.reshape(len(table.x), *saved.net.input_shape)
    title = f"{table.summary()}; {which}"
    if saved.net.preparation is not None:
        return saved.net, x, table.t, title
    return saved.net, *Preparation.fit(x, table.t, targets="common", classes=table.classes).transform(x, table.t), title


def one_of_file(name: str) -> tuple[Saved[Network], str]:
    """The network of a file, or of an ensemble the one with the largest share in the mean; and which it is, in words."""
    if not ensemble_file.is_one(name):
        return load(name), name
    saved = ensemble_file.load(name)
    nets, number = saved.net.nets, int(saved.net.weights.argmax())
    words = f"network {number + 1} of the {len(nets)} in {name}, which has the largest share in their mean"
    return Saved(nets[number], *saved[1:]), words


def as_saved(name: str, saved: Saved[Network], options: argparse.Namespace) -> source.Source:
    """The data. A table has the columns and classes that the network was trained on, if the network knows them."""
    schema, path = saved.schema, options.data
    if schema is not None and is_image_folder(Path(path)):
        table = source.open_source(options, taken=source.fitted_to(saved.net.input_shape, schema, options))
        if np.prod(table.shape) != np.prod(saved.net.input_shape):
            raise InputError(f"{path} has images of {table.shape}, but {name} takes {saved.net.input_shape}")
        known = schema.targets[0].categories or ()
        return dataclasses.replace(table, t=renumbered(path, table.classes, table.t, known), classes=known)
    if schema is None or path in DATA_SETS:
        table = source.open_source(options)
        fits = table.x[0].size == np.prod(saved.net.input_shape)
        if not fits or (schema and (schema.inputs, schema.targets) != (table.schema.inputs, table.schema.targets)):
            raise InputError(f"{name} does not fit {path}: give the table that this network was trained on")
        return table
    classes = schema.targets[0].categories
    if options.header is None and is_text(path):
        options.header = schema.header
    targets = options.target or list(schema.target_names)
    drop = unused(schema, targets, options)
    read = source.read(path, options, targets, "classification" if classes else "regression", drop=drop)
    x = data.read_inputs(path, schema, rules=rules(options))
    t = read.t if classes is None else renumbered(path, read.class_names, read.t, classes)
    return source.Source(Path(path).stem, x, t, schema, classes)


def renumbered(path: str, found: Sequence[str] | None, t: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """The numbers t (Nv,) of the classes that were found, in the order of the classes that the network knows."""
    unknown = [name for name in found or () if name not in classes]
    if unknown:
        raise InputError(f"{path} has the class {unknown[0]!r}, but the network knows {', '.join(classes)}")
    return np.array([classes.index(name) for name in found or ()])[t]


def table_text(rows: Sequence[Row]) -> str:
    """The rows as an aligned table."""
    heads = ("quantity", "of", "compared with", "difference", "tolerance", "patterns", "result")
    return aligned([heads, *map(cells, rows)], right=(3, 4, 5))


def cells(row: Row) -> tuple[str, ...]:
    """A row in words."""
    difference = "" if row.note else f"{row.difference:.1e}"
    result = f"not checkable: {row.note}" if row.note else "passed" if row.passed else "FAILED"
    return row.quantity, row.where, row.against, difference, f"{row.tolerance:.0e}", str(row.patterns), result


def verdict(rows: Sequence[Row]) -> tuple[int, str]:
    """The exit status and the last line."""
    failed, checked = sum(row.failed for row in rows), sum(not row.note for row in rows)
    rest = f", {len(rows) - checked} not checkable" if checked < len(rows) else ""
    if failed:
        return 1, f"{failed} of {checked} checks failed{rest}"
    return (0, f"all {checked} checks passed{rest}") if checked else (1, f"nothing was checked{rest}")
