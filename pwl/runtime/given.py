"""Data as users have them: data frames, series and masked arrays become NumPy arrays, or are refused in words."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from pwl.errors import InputError

FILL = "fill them, or leave out their rows"
FLOATS = ("float", "double")  # how the names of types of floats begin, also those of Arrow


def plain_array(a: Any, name: str) -> np.ndarray:
    """Anything that is not yet an array of numbers as a NumPy array. The InputError names the column or the row at fault."""
    if isinstance(a, np.ma.MaskedArray):
        return unmasked(a, name)
    if hasattr(a, "dtypes") and hasattr(a, "columns"):
        return _frame(a, name)
    if hasattr(a, "to_numpy"):
        return _series(a, name)
    if hasattr(a, "toarray"):
        raise InputError(f"{name} came as a sparse matrix ({type(a).__name__}), wanted an array: its method toarray() gives one")
    try:
        found = np.asarray(a)
    except (TypeError, ValueError):
        raise InputError(f"{name} can't be made an array: rows of numbers, all of the same length, were wanted") from None
    mixed = found.dtype.kind in "US" and isinstance(a, (list, tuple))  # where NumPy turns numbers among texts into texts
    return _of_objects(np.asarray(a, dtype=object), name) if mixed else found


def check_numbers(a: Any, name: str) -> None:
    """Raises InputError for masked values, and for text, dates or categories where numbers are wanted. Some may be missing."""
    if isinstance(a, np.ma.MaskedArray):
        unmasked(a, name)
    elif hasattr(a, "iloc") and hasattr(a, "columns"):
        for i, column in enumerate(a.columns):
            _column(a.iloc[:, i].dropna(), column, name)
    elif (what := _no_numbers(a)) is not None:
        own = f" ({a.dtype})" if isinstance(a, np.ndarray) else ""
        raise InputError(f"{name} came as {what}{own}, wanted numbers: convert it")


def _no_numbers(a: Any) -> str | None:
    """What an array, a series or a list holds in place of numbers, if its first item or its type tells."""
    try:
        items = np.asarray(a) if isinstance(a, (list, tuple)) else a
        kind = str(getattr(getattr(items, "dtype", None), "kind", ""))
        first = next(iter(np.asarray(items).flat), None) if kind == "O" else None
    except (TypeError, ValueError):
        return None
    if kind in ("U", "S") or isinstance(first, str):
        return "an array of text"
    return "an array of dates or times" if kind in ("M", "m") or hasattr(first, "isoformat") else None


def whole_numbers(a: Any) -> bool:
    """Whether a series holds whole or truth values by a type of pandas, Arrow or Polars, and not by one of NumPy."""
    own = getattr(a, "dtype", None)
    name = str(own).lower()
    return not isinstance(own, np.dtype) and name.startswith(("int", "uint", "bool")) and not name.startswith("interval")


def missing(a: Any) -> int:
    """How many values of a series, a data frame or an array of floats are missing."""
    if hasattr(a, "isna"):
        return int(np.sum(np.asarray(a.isna())))
    return int(np.sum(np.isnan(a))) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else 0


def unmasked(a: np.ma.MaskedArray, name: str) -> np.ndarray:
    """The data of a masked array in which nothing is masked."""
    if np.ma.is_masked(a):
        raise InputError(f"{name} came with {int(np.ma.count_masked(a))} masked values: {FILL}")
    return np.asarray(a.data)


def _frame(a: Any, name: str) -> np.ndarray:
    """Numbers (rows, columns) of a data frame."""
    columns = [_column(a.iloc[:, i] if hasattr(a, "iloc") else a[column], column, name) for i, column in enumerate(a.columns)]
    return np.column_stack(columns) if columns else np.asarray(a)


def _column(series: Any, column: Any, name: str) -> np.ndarray:
    """The numbers of a data frame's column."""
    kind = str(series.dtype)
    values = _series(series, f"the column {column!r} of {name}")
    if values.dtype.kind not in "fiub":
        what = "categories" if kind == "category" else "dates" if values.dtype.kind in "mM" else "text"
        how = "days since a date" if what == "dates" else "columns of 0 and 1 (pandas.get_dummies)"
        raise InputError(f"the column {column!r} of {name} holds {what} ({kind}), wanted numbers: turn it into {how}, or drop it")
    return values


def _series(a: Any, name: str) -> np.ndarray:
    """The values of a series: numbers, labels or texts. Missing ones among floats are NaN, whatever library holds them."""
    own = hasattr(a, "isna") and not isinstance(a.dtype, np.dtype)  # a type of pandas, beside those of NumPy
    if own and str(a.dtype).lower().startswith(FLOATS):
        return np.asarray(a.to_numpy(dtype=np.float64, na_value=np.nan))
    absent = a.isna() if hasattr(a, "isna") else a.is_null() if hasattr(a, "is_null") else None
    if absent is not None and not str(getattr(a, "dtype", "")).lower().startswith("float"):
        count = int(np.asarray(absent).sum())
        if count:
            raise InputError(f"{name} holds {count} missing values: {FILL}")
    kind = str(getattr(a, "dtype", ""))
    if kind[:3] in ("Int", "UIn") or kind == "boolean":
        return np.asarray(a.to_numpy(dtype=bool if kind == "boolean" else kind.lower()))
    values = np.asarray(a.to_numpy())
    return _of_objects(values, name) if values.dtype.kind == "O" else values


def _of_objects(a: np.ndarray, name: str) -> np.ndarray:
    """Numbers or texts of an array of Python objects. Objects of several kinds stay as they are."""
    objects = a.reshape(-1).tolist()
    for place, value in enumerate(objects):
        if value is None or type(value).__name__ in ("NAType", "NaTType"):
            row = place // max(1, a.size // max(1, len(a)))
            raise InputError(f"{name} holds a missing value ({value}) in row {row}: {FILL}")
    if objects and all(isinstance(value, Real) for value in objects):
        numbers = np.array(objects)
        return (numbers if numbers.dtype.kind in "fiub" else numbers.astype(np.float64)).reshape(a.shape)
    return np.array(objects).reshape(a.shape) if objects and all(isinstance(value, str) for value in objects) else a
