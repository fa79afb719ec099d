"""Named data sets as arrays, and the list of them."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pwl.data.cache import damaged, data_home, find
from pwl.data.generated import fm_demodulation, matrix_inverses
from pwl.data.images import read_cifar_binary, read_cifar_pickle, read_idx
from pwl.data.sets import DATA_SETS, DataSet, File
from pwl.data.table import read_table
from pwl.errors import InputError
from pwl.validate import nearest, one_of, shown

Arrays = tuple[np.ndarray, np.ndarray]


class CatalogueRow(NamedTuple):
    """One line of the list of data sets.

    Parameters
    ----------
    name : str
    patterns : int
        In the training part.
    inputs : str
        Of one pattern, such as "8" or "28x28x1".
    outputs : str
        Number of targets, or of classes.
    present : bool
        Whether the files of the training part are in the cache folder.
    can_fetch : bool
        Whether the files can be downloaded.
    megabytes : float
        Size of the files, approximately.
    licence, description : str
    """

    name: str
    patterns: int
    inputs: str
    outputs: str
    present: bool
    can_fetch: bool
    megabytes: float
    licence: str
    description: str


def load(name: str, part: str = "train") -> Arrays:
    """Loads the inputs and targets of a named data set.

    Files are kept in the folder that the environment variable PWL_DATA_HOME names, or else in the user's cache folder.
    Missing ones are downloaded if that is possible.

    Parameters
    ----------
    name : str
        A name from `catalogue()`.
    part : str
        "train", or "test" if the data set has a test part.

    Returns
    -------
    x : float64 array (Nv, N) or uint8 array (Nv, height, width, channels)
        Inputs or images.
    t : float64 array (Nv, M) or int64 array (Nv,)
        Targets in the units that the description names, or labels.

    Raises
    ------
    InputError
        For an unknown name or part. For a file that is missing or damaged, the message says where to get it.
    """
    data_set = describe(name)
    if not data_set.test and part != "train":
        raise InputError(
            f"{name} has no part {part!r}, only the part 'train': pwl.data.folds divides it into training and test"
        )
    one_of(f"the part of {name}", part, ("train", "test"))
    if name == "mattrn":
        return matrix_inverses()
    if name == "fm":
        return fm_demodulation()
    if name == "concrete":
        with as_file(files("pwl.data") / "concrete.csv") as path:
            table = read_table(path)
        return table.x, table.t
    wanted = data_set.test if part == "test" else data_set.train
    if name == "cifar-10":
        return _cifar(wanted)
    if data_set.classes:
        return _idx_pair(wanted, data_set)
    return _numbers(wanted[0], data_set) if name == "twod" else _table(wanted[0], data_set)


def describe(name: str) -> DataSet:
    """Columns, classes, units and licence of a named data set.

    Parameters
    ----------
    name : str
        A name from `catalogue()`.

    Returns
    -------
    DataSet

    Raises
    ------
    InputError
        For an unknown name.
    """
    if not isinstance(name, str) or name not in DATA_SETS:
        raise InputError(
            f"there is no data set {shown(name)}{nearest(str(name), DATA_SETS)}: there are {', '.join(DATA_SETS)}"
        )
    return DATA_SETS[name]


def catalogue() -> list[CatalogueRow]:
    """Lists the named data sets.

    Returns
    -------
    list of CatalogueRow
        One row per data set.
    """
    return [
        CatalogueRow(
            s.name,
            s.patterns,
            "x".join(map(str, s.shape)),
            f"{len(s.classes)} classes" if s.classes else str(len(s.targets or ())),
            all((data_home() / f.path).exists() or _python_batch(f).exists() for f in s.train),
            s.can_fetch,
            s.megabytes,
            s.licence,
            s.description,
        )
        for s in DATA_SETS.values()
    ]


def _table(file: File, data_set: DataSet) -> Arrays:
    """A data set of one delimited file, with or without a header. Targets come last, except in parkinsons."""
    path = find(file)
    # UPDRS scores are in columns 5 and 6. Column 1 is the subject's number, which tells nothing about the illness.
    targets, drop = ([5, 6], [1]) if data_set.name == "parkinsons" else (None, [])
    try:
        table = read_table(path, targets, drop=drop)
    except InputError as error:
        raise damaged(file, path, str(error)) from None
    _check_shape(file, path, (table.x, table.t), data_set)
    return table.x, table.t


def _numbers(file: File, data_set: DataSet) -> Arrays:
    """A data set of a stream of numbers, as many per pattern as there are columns, inputs first. Line ends don't count."""
    path = find(file)
    n_inputs, n_targets = data_set.shape[0], len(data_set.targets or ())
    try:
        numbers = np.array(path.read_text(encoding="ascii").split(), dtype=np.float64)
        rows = numbers.reshape(-1, n_inputs + n_targets)
    except ValueError as error:
        raise damaged(file, path, f"wanted numbers, {n_inputs + n_targets} per pattern ({error})") from None
    x, t = rows[:, :n_inputs].copy(), rows[:, n_inputs:].copy()
    if file in data_set.train:
        _check_shape(file, path, (x, t), data_set)
    return x, t


def _idx_pair(wanted: tuple[File, ...], data_set: DataSet) -> Arrays:
    images, labels = (_idx(file, shape) for file, shape in zip(wanted, ((-1, 28, 28), (-1,)), strict=True))
    if len(images) != len(labels):
        raise InputError(
            f"{wanted[0].path} holds {len(images)} images, but {wanted[1].path} {len(labels)} labels: get both again"
        )
    return images[..., None], labels.astype(np.int64)


def _idx(file: File, shape: tuple[int, ...]) -> np.ndarray:
    path = find(file)
    try:
        return read_idx(path, shape)
    except ValueError as error:
        raise damaged(file, path, str(error)) from None


def _cifar(wanted: tuple[File, ...]) -> Arrays:
    batches = [_cifar_batch(file) for file in wanted]
    return np.concatenate([x for x, _ in batches]), np.concatenate([t for _, t in batches])


def _cifar_batch(file: File) -> Arrays:
    """A batch of the binary version, or of the Python version if only that is there."""
    python = _python_batch(file)
    use_python = python.exists() and not (data_home() / file.path).exists()
    path = python if use_python else find(file)
    try:
        return read_cifar_pickle(path) if use_python else read_cifar_binary(path)
    except ValueError as error:
        raise damaged(file, path, str(error)) from None


def _python_batch(file: File) -> Path:
    return data_home() / file.path.replace("-bin/", "-py/").removesuffix(".bin")


def _check_shape(file: File, path: Path, arrays: Arrays, data_set: DataSet) -> None:
    found = (len(arrays[0]), arrays[0].shape[1], arrays[1].shape[1])
    wanted = (data_set.patterns, data_set.shape[0], len(data_set.targets or ()))
    if found != wanted:
        raise damaged(
            file, path, "it holds {} patterns, {} inputs, {} targets, wanted {}, {}, {}".format(*found, *wanted)
        )
