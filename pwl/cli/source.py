"""The data of a command: a named set, or a table of the user's own."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pwl import data
from pwl.cli.columns import places, unused, with_inputs_of
from pwl.cli.tables import add_rules, check_used, rules, said
from pwl.data.arrays import image_file, read_images
from pwl.data.columns import check_path
from pwl.data.image_folder import is_image_folder, read_folder
from pwl.data.sets import DATA_SETS
from pwl.data.shares import numbered, own_rows
from pwl.data.targets import known
from pwl.errors import InputError
from pwl.runtime.ranks import Communicator, Serial, share_of
from pwl.validate import nearest, whole

DEFAULT, OF_TABLES = "concrete", "mlp"
OF_IMAGES = {"network": "vgg2", "algorithm": "minibatch-adact"}  # for folders of images
SCALES = """Several targets are scaled by one common factor, so that targets with large numbers count most. If targets
matter equally, bring them to similar sizes. The RMSE (in its unit) and R^2 of each single target are printed as well."""
SWALLOWS = {"target": "a column", "drop": "a column", "missing": "a word", "frozen": "layers"}  # options of several words
TABLE_OPTIONS = {"target": None, "drop": None, "task": "auto", "weights": None, "group": None}


class Taken(NamedTuple):
    """What a saved network takes: a table with the inputs of a schema, found by their names, or images of 1 or 3 channels."""

    schema: data.Schema | None = None
    channels: int | None = None


@dataclass(frozen=True, eq=False)
class Source:
    """Data under a name. On several ranks each has its rows, and all have the same columns.

    x: inputs (Nv, N), or images (Nv, height, width, channels). t: targets (Nv, M), or class numbers (Nv,). schema: the
    columns. classes: the names of the classes, or None. weights, groups: of the patterns (Nv,), or
    None. shape: of images, also where x has their pixels in a row. comm: the ranks that share the patterns.
    named: whether it is a named set, since a file may have the name of one.
    """

    name: str
    x: np.ndarray
    t: np.ndarray
    schema: data.Schema
    classes: tuple[str, ...] | None
    weights: np.ndarray | None = None
    groups: np.ndarray | None = None
    shape: tuple[int, ...] = ()
    comm: Communicator = Serial()
    named: bool = False

    @cached_property
    def count(self) -> int:
        """Number of patterns on all ranks."""
        return numbered(self.comm, len(self.x))[1]

    def own(self, rows: np.ndarray) -> np.ndarray:
        """Those of some sorted patterns that are here, as places in x."""
        return own_rows(self.comm, len(self.x), rows)

    def take(self, rows: np.ndarray) -> Source:
        """Some of the patterns."""
        w, g = (None if a is None else a[rows] for a in (self.weights, self.groups))
        return dataclasses.replace(self, x=self.x[rows], t=self.t[rows], weights=w, groups=g)

    def with_inputs(self, known: data.Schema, net: str) -> Source:
        """The inputs that a network knows by name, in its order."""
        if not known.header or known.inputs == self.schema.inputs:
            return self
        x = self.x[:, places(known, self.schema.input_names, self.name, net)]
        return dataclasses.replace(self, x=x, schema=dataclasses.replace(self.schema, inputs=known.inputs))

    @property
    def target_names(self) -> tuple[str, ...]:
        """A name per target column."""
        return self.schema.target_names

    def summary(self) -> str:
        """Patterns, inputs and targets in one line."""
        if self.classes:
            what = f"{len(self.classes)} classes of {self.target_names[0]}"
        else:
            what = f"target{'s' if len(self.target_names) > 1 else ''} {', '.join(self.target_names)}"
        return f"{self.name}: {counted(self.count, 'pattern')}{self.in_groups()}, {self.inputs()}, {what}"

    def in_groups(self) -> str:
        """In how many groups the patterns of all ranks are, if they are in groups."""
        if self.groups is None:
            return ""
        return f" in {counted(len(set().union(*self.comm.allgather(set(self.groups.tolist())))), 'group')}"

    def inputs(self) -> str:
        """The number of inputs, and the numbers of inputs that come from columns of text."""
        if self.x.ndim > 2:
            return f"images of {'x'.join(map(str, self.x.shape[1:]))}"
        words = [c for c in self.schema.inputs if c.categories is not None]
        parts = [f"{len(c.expanded)}{'' if i else ' of them'} from {c.name}" for i, c in enumerate(words)]
        return ", ".join([counted(self.x.shape[1], "input"), *parts])


def counted(n: int, what: str) -> str:
    """A number of things in words, such as "1 input" or "2 inputs"."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data",
        nargs="?",
        help="a table (CSV, .gz, Parquet, .npy, .npz; -: standard input), a folder with a folder of PNG or JPEG files for each "
        f"class, or a named set from pwl data (default: {DEFAULT})",
    )
    parser.add_argument("--data", dest="named", metavar="DATA", help="the same, as an option")
    group = parser.add_argument_group("tables")
    group.add_argument(
        "--target", nargs="+", action="extend", metavar="COLUMN",
        help="names, or numbers from 1, with blanks or commas between them (default: the last column that no other option names)",
    )  # fmt: skip
    group.add_argument("--drop", nargs="+", action="extend", metavar="COLUMN", help="columns to leave out")
    group.add_argument(
        "--task", choices=("auto", "regression", "classification"), default="auto",
        help="auto: text means classes, numbers mean regression; classification: whole numbers mean classes as well "
        "(default: %(default)s)",
    )  # fmt: skip
    add_rules(group)
    parser.add_argument_group("images").add_argument(
        "--image-size", type=int, metavar="PIXELS",
        help="height and width to which the images of a folder are scaled (default: their own, if all are alike)",
    )  # fmt: skip


def add_weights(group: argparse._ActionsContainer) -> None:
    group.add_argument("--weights", metavar="COLUMN", help="weights of the patterns: 0 leaves one out, 2 counts it twice")


def settle(options: argparse.Namespace) -> None:
    """Sets `options.data` to the argument or the option --data. Raises InputError if they differ."""
    if options.data and options.named and options.data != options.named:
        raise InputError(f"{options.data} and --data {options.named} came, wanted one of them: leave out the other")
    options.data = options.data or options.named or DEFAULT
    folder, size = is_image_folder(Path(options.data)), getattr(options, "image_size", None)
    for option, default in OF_IMAGES.items():  # a network for images, and an algorithm that takes batches of them
        if folder and getattr(options, option, "") is None:
            setattr(options, option, default)
    if getattr(options, "network", "") is None:
        options.network = OF_TABLES
    if size is not None:
        whole("--image-size", size, unit=" of pixels")
        if not folder:
            raise InputError(f"--image-size is for folders of images, but {options.data} is none: leave it out")


def open_source(options: argparse.Namespace, comm: Communicator = Serial(), taken: Taken = Taken()) -> Source:
    """The data that the options name, or of several ranks this one's share. Raises InputError for data that can't be used.

    taken: what the network in `options.net` takes, if there is one.
    """
    name = options.data
    if name in DATA_SETS:
        check_named(name, options)
        if comm.rank == 0:
            named(name)  # which may have to be downloaded
        comm.same(None)
        found = named(name)
        return shared(found if taken.schema is None else found.with_inputs(taken.schema, options.net), comm)
    if not Path(name).exists() and not Path(name).suffix and name != "-":
        raise InputError(
            f"{name!r} is neither a file nor a named set{nearest(name, DATA_SETS)}; pwl data lists the named sets"
        )
    if is_image_folder(Path(name)):
        check_named(name, options)
        return shared(of_folder(Path(name), getattr(options, "image_size", None), taken.channels), comm)
    if image_file(check_path(name, folder=True)):
        check_named(name, options)
        return shared(of_images(Path(name)), comm)
    drop = [] if taken.schema is None else unused(taken.schema, options.target, options)
    table = read(name, options, options.target or None, options.task, comm, drop)
    if taken.schema is not None:
        table = with_inputs_of(taken.schema, table, options)
    source = Source(stem(name), table.x, table.t, table.schema, table.class_names, table.weights, table.groups, comm=comm)
    present = np.ones(len(table.t), dtype=bool) if table.weights is None else table.weights > 0
    if (rows := known(table.t).rows) is not None:  # of several targets, all may be missing
        present &= np.bincount(rows, minlength=len(present)) > 0
    return source if present.all() else source.take(np.flatnonzero(present))


def shared(source: Source, comm: Communicator) -> Source:
    """This rank's share of data that all ranks have read."""
    if comm.size == 1:
        return source
    return dataclasses.replace(source.take(np.arange(*share_of(len(source.x), comm.rank, comm.size))), comm=comm)


def stem(name: str) -> str:
    """The name of a file without its folder and endings."""
    return "standard input" if name == "-" else Path(name.removesuffix(".gz")).stem


def read(
    name: str,
    options: argparse.Namespace,
    targets: Sequence[str] | None,
    task: Any,
    comm: Communicator = Serial(),
    drop: Sequence[str] = (),
) -> data.Table:
    """The table at a path, read as the options say. drop: further columns to leave out."""
    check_used(name, options)
    return data.read_table(
        name,
        targets,
        task=task,
        drop=[*(options.drop or ()), *drop],
        weights=getattr(options, "weights", None),
        groups=getattr(options, "group", None),
        comm=comm,
        **dataclasses.asdict(rules(options)),
    )


def fitted_to(shape: tuple[int, ...], schema: data.Schema | None, options: argparse.Namespace) -> Taken:
    """What a network of an input shape takes. Images of a folder are scaled to its size unless --image-size says otherwise."""
    if len(shape) != 3:
        return Taken(schema)
    if is_image_folder(Path(options.data)):
        options.image_size = options.image_size or shape[:2]
    return Taken(channels=shape[2])


def opened(options: argparse.Namespace, comm: Communicator = Serial(), taken: Taken = Taken()) -> Source:
    """`open_source` for the options' network: as many patterns as are wanted, and images in their shape."""
    table = open_source(options, comm, taken)
    if options.patterns is not None and options.patterns < table.count:
        rows = np.sort(np.random.default_rng(options.seed).permutation(table.count)[: options.patterns])
        table = table.take(table.own(rows))
    return table if options.network == "mlp" else with_images(table, options.network)


def with_images(table: Source, network: str) -> Source:
    """Images with x (Nv, height, width, channels), of a named set or a file. Raises InputError for other data."""
    if not table.shape:
        sets = [name for name, about in DATA_SETS.items() if len(about.shape) == 3]
        raise InputError(
            f"--network {network} is for images, but {table.name} has none: choose one of {', '.join(sets)}, an .npz with "
            "x_train and y_train, or a folder of images"
        )
    return dataclasses.replace(table, x=table.x.reshape(-1, *table.shape))


def test_part(name: str) -> tuple[np.ndarray, np.ndarray] | str:
    """The test part of a named set if its files are here, else the reason why there is none."""
    files = DATA_SETS[name].test if name in DATA_SETS else ()
    if not files:
        return f"{name} has no test part"
    missing = [file.path for file in files if not (data.data_home() / file.path).exists()]
    return f"{missing[0]} is not in {data.data_home()}" if missing else data.load(name, "test")


def named_accuracy(table: Source, accuracy: Callable[[np.ndarray, np.ndarray], float]) -> Iterator[str]:
    """A line about the test part of a named set, if it has one. accuracy: a function of raw inputs and class numbers."""
    if not table.named or not DATA_SETS[table.name].test:
        return
    part = test_part(table.name)
    if isinstance(part, str):
        yield f"test accuracy: not measured, {part}"
    else:
        yield f"test accuracy: {accuracy(*part):.2%} of {len(part[1])} patterns"


def check_named(name: str, options: argparse.Namespace) -> None:
    """Raises InputError for options that are for tables only, and if an option has taken the file for a column."""
    for option, what in SWALLOWS.items():
        swallowed = (getattr(options, option, None) or [""])[-1]
        if name == DEFAULT and Path(swallowed).is_file():
            raise InputError(f"--{option} took {swallowed} for {what}: write the file before it, {swallowed} --{option} ...")
    given = [o for o, unset in TABLE_OPTIONS.items() if getattr(options, o, unset) not in (unset, None)]
    kind = "is a named set, whose columns are known" if name in DATA_SETS else "holds images, whose columns are known"
    for option in [*given, *said(options)]:
        raise InputError(f"--{option} is for tables, but {name} {kind}: leave it out")


def of_images(path: Path) -> Source:
    """The images in an .npz with x_train and y_train. Pixels are inputs."""
    x, t, classes, schema = read_images(path)
    return Source(path.stem, x.reshape(len(x), -1), t, schema, classes, shape=x.shape[1:])


def of_folder(path: Path, size: int | tuple[int, int] | None, channels: int | None) -> Source:
    """The images of a folder with a folder for each class. Pixels are inputs."""
    x, t, classes, _ = read_folder(path, size, channels=channels)
    pixels = tuple(data.Column(f"pixel{i + 1}") for i in range(x[0].size))
    schema = data.Schema(pixels, (data.Column("class", classes),), True, len(pixels) + 1)
    return Source(path.resolve().name, x.reshape(len(x), -1), t, schema, classes, shape=x.shape[1:])


def named(name: str) -> Source:
    """A named set with its columns from the list of sets. Pixels are inputs."""
    x, t = data.load(name)
    about = data.describe(name)
    x = x.reshape(len(x), -1)
    inputs = about.inputs or tuple(f"pixel{i + 1}" for i in range(x.shape[1]))
    targets = tuple(data.Column(target) for target in about.targets or ()) or (data.Column("class", about.classes),)
    schema = data.Schema(tuple(map(data.Column, inputs)), targets, header=True, width=len(inputs) + len(targets))
    return Source(name, x, t, schema, about.classes, shape=about.shape if len(about.shape) == 3 else (), named=True)
