"""Tables in NumPy's own files: .npy, memory-mapped and not copied, and .npz."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pwl.data.columns import choose_columns
from pwl.data.schema import Column, Schema, column_names, place_of
from pwl.data.scratch import rows_a_block, scratch_array
from pwl.errors import InputError
from pwl.files.npz import arrays_of
from pwl.files.tensors import in_a_line
from pwl.runtime.ranks import Communicator, share_of

Target = str | int
MAX_CLASSES = 1000


def is_array_file(path: Path) -> bool:
    """True for .npy and .npz."""
    return path.suffix.lower() in (".npy", ".npz")


def read_array_table(
    path: Path, targets: Sequence[Target] | Target | None, drop: Sequence[Target], comm: Communicator
) -> tuple[np.ndarray, np.ndarray, Schema]:
    """Inputs (Nv, N), targets (Nv, M), and columns named c1, c2, ... Neighbouring columns are views of the file.

    Each rank gets a run of the rows.
    """
    loaded = _load(path)
    rows = slice(*share_of(len(loaded[0] if isinstance(loaded, tuple) else loaded), comm.rank, comm.size))
    loaded = (loaded[0][rows], loaded[1][rows]) if isinstance(loaded, tuple) else loaded[rows]
    if isinstance(loaded, tuple):
        if targets or drop:
            raise InputError(f"{path} holds x and t apart, so no columns can be chosen: leave out targets and drop")
        x, t = loaded
        names = column_names(x.shape[1] + t.shape[1])
        inputs, chosen = list(range(x.shape[1])), list(range(x.shape[1], len(names)))
    else:
        names = column_names(loaded.shape[1])
        inputs, chosen = choose_columns(str(path), names, targets, drop)
        x, t = _take(loaded, inputs), _take(loaded, chosen)
    _check(path, x, [names[i] for i in inputs], rows.start)
    _check(path, t, [names[i] for i in chosen], rows.start, gaps=len(chosen) > 1)
    columns, target_columns = (tuple(Column(names[i]) for i in places) for places in (inputs, chosen))
    return x, t if t.dtype.kind == "f" else t.astype(np.float64), Schema(columns, target_columns, False, len(names))


def array_inputs(path: Path, schema: Schema, *, check: bool = True) -> tuple[np.ndarray, np.ndarray | None]:
    """Inputs (Nv, N), from an array of the inputs alone or of all columns of the schema's file, and targets if they are there.

    check: whether numbers that are not finite raise InputError.
    """
    texts = [column.name for column in schema.inputs if column.categories is not None]
    if texts:
        raise InputError(f"{path} holds numbers only, but the input {texts[0]!r} is text: give a text file")
    loaded = _load(path)
    a, t = loaded if isinstance(loaded, tuple) else (loaded, None)
    names = column_names(len(schema.inputs))
    if a.shape[1] == schema.width and not schema.header and a.shape[1] != len(schema.inputs):
        names = tuple(column.name for column in schema.inputs)
        t = _take(a, [place_of(column) for column in schema.targets])
        a = _take(a, [place_of(column) for column in schema.inputs])
    elif a.shape[1] != len(schema.inputs):
        raise InputError(f"{path} has {a.shape[1]} columns, wanted the {len(schema.inputs)} inputs of the network")
    if check:
        _check(path, a, names)
    return a, t if t is None or t.shape[1] == len(schema.targets) else None


def image_file(path: Path) -> bool:
    """Whether a file is an .npz with x_train and y_train, as images are often published."""
    if path.suffix.lower() != ".npz":
        return False
    try:
        with np.load(path, allow_pickle=False) as loaded:
            return {"x_train", "y_train"} <= set(loaded.files)
    except Exception:  # a damaged file, which is named where it is read as a table
        return False


def read_images(path: Path, part: str = "train") -> tuple[np.ndarray, np.ndarray, tuple[str, ...], Schema]:
    """Images (Nv, height, width, channels), class numbers (Nv,), the classes as they are written, and the columns.

    part: "train" or "test". The classes are those of the training part. Raises InputError for other arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as loaded:
            arrays = arrays_of(loaded)
    except Exception as error:
        raise InputError(f"{path} is damaged ({in_a_line(error)}): write it again with numpy.savez") from None
    labels = arrays["y_train"].reshape(-1)
    if f"x_{part}" not in arrays or f"y_{part}" not in arrays:
        raise InputError(f"{path} has no x_{part} and y_{part}")
    x, t = arrays[f"x_{part}"], arrays[f"y_{part}"].reshape(-1)
    x = x[..., None] if x.ndim == 3 else x
    if x.ndim != 4 or x.dtype.kind not in "fiu" or 0 in x.shape or len(x) != len(t) or t.dtype.kind not in "iubU":
        raise InputError(
            f"{path} holds x_{part} {x.dtype} {x.shape} and y_{part} {t.dtype} {t.shape}, wanted images (patterns, height, width) "
            "or (patterns, height, width, channels) and a label for each"
        )
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise InputError(f"{path}: x_{part} holds numbers that are not finite")
    values = np.unique(labels)
    numbers = np.searchsorted(values, t)
    if len(values) < 2 or len(values) > MAX_CLASSES or (values[np.minimum(numbers, len(values) - 1)] != t).any():
        raise InputError(f"{path} has {len(values)} classes in y_train, wanted 2 to {MAX_CLASSES}, and no other ones in y_{part}")
    classes = tuple(map(str, values.tolist()))
    pixels = tuple(Column(f"pixel{i + 1}") for i in range(int(np.prod(x.shape[1:]))))
    return x, numbers.astype(np.int64), classes, Schema(pixels, (Column("class", classes),), True, len(pixels) + 1)


def load_rows(path: Path) -> np.ndarray:
    """The one array (Nv, columns) of a .npy file, memory-mapped."""
    loaded = _load(path)
    if isinstance(loaded, tuple):
        raise InputError(f"{path} holds x and t apart, wanted one array of all columns, as in the other files of its folder")
    return loaded


def _load(path: Path) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """One array (Nv, columns), or x (Nv, N) and t (Nv, M) of an .npz."""
    try:
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            arrays = {"": loaded}
        else:
            with loaded:
                arrays = arrays_of(loaded)
    except (ValueError, OSError, EOFError, KeyError) as error:
        why = in_a_line(error)
        if "pickle" in why:  # NumPy would tell how to load it all the same
            why = "it holds Python objects" if "Object arrays" in why else "it does not begin as such files do"
        raise InputError(f"{path} can't be read as a NumPy file of numbers ({why}): write it again with numpy.save") from None
    except Exception as error:  # zipfile raises kinds of its own
        raise InputError(f"{path} is damaged ({in_a_line(error)}): write it again with numpy.savez") from None
    if {"x", "t"} <= set(arrays):
        x, t = arrays["x"], arrays["t"]
        t = t[:, None] if t.ndim == 1 else t
        _check_shape(path, x)
        _check_shape(path, t)
        if len(x) != len(t):
            raise InputError(f"{path} holds {len(x)} rows in x and {len(t)} rows in t: give the same number in both")
        return x, t
    if len(arrays) != 1:
        held = f"the arrays {', '.join(arrays)}" if arrays else "no array"
        raise InputError(f"{path} holds {held}, wanted x and t, or one array alone")
    (array,) = arrays.values()
    _check_shape(path, array)
    return array


def _check_shape(path: Path, a: np.ndarray) -> None:
    if a.ndim != 2 or 0 in a.shape or a.dtype.kind not in "fiub":
        raise InputError(
            f"{path} holds an array of shape {a.shape} and type {a.dtype}, wanted numbers of shape (patterns, columns)"
        )


def _check(path: Path, a: np.ndarray, names: Sequence[str], before: int = 0, gaps: bool = False) -> None:
    """Raises InputError at the first NaN or Inf, with its pattern and column. The file may be larger than memory.

    before: patterns of earlier ranks. gaps: whether NaN is allowed.
    """
    rows = rows_a_block(a.shape[1])
    for start in range(0, len(a), rows):
        block = np.asarray(a[start : start + rows])
        if not np.isfinite(block).all() and len(bad := np.argwhere(np.isinf(block) if gaps else ~np.isfinite(block))):
            row, column = bad[0]
            raise InputError(
                f"{path}, pattern {before + start + row + 1}, column {names[column]!r} (counted from 1): "
                f"{block[row, column]} is not a finite number, so correct it or drop the row"
            )


def _take(a: np.ndarray, places: list[int]) -> np.ndarray:
    """Some columns: a view of neighbouring ones, else a copy, on disk if the array is there."""
    first = places[0]
    if places == list(range(first, first + len(places))):
        return a[:, first : first + len(places)]
    new = (
        scratch_array((len(a), len(places)), a.dtype)
        if isinstance(a, np.memmap)
        else np.empty((len(a), len(places)), a.dtype)
    )
    rows = rows_a_block(a.shape[1])
    for start in range(0, len(a), rows):
        new[start : start + rows] = a[start : start + rows][:, places]
    return new
