"""Checks of arguments, said once. Each check returns the value that it accepts, and otherwise raises InputError."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from pwl.errors import InputError


def is_whole(value: Any) -> bool:
    """True for whole numbers of Python and NumPy, but not for bools."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))


def is_number(value: Any) -> bool:
    """True for real numbers of Python and NumPy, also NaN and infinities, but not for bools."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def whole(
    name: str, value: Any, least: int = 1, unit: str = "", also: str = "", *, most: int | float = math.inf
) -> int:
    """A whole number, `least` or more. unit: the unit of the number, such as " of units". also: an addition to the message."""
    if not is_whole(value) or not least <= value <= most:
        wanted = f", {least} or more" if most == math.inf else f" from {least} to {most}"
        raise InputError(f"{name} must be a whole number{unit}{wanted}{also}, not {shown(value)}")
    return int(value)


def positive(name: str, value: Any) -> float:
    """A finite number above 0."""
    if not is_number(value) or not 0 < float(value) < math.inf:
        raise InputError(f"{name} must be a positive number, not {shown(value)}")
    return float(value)


def not_negative(name: str, value: Any) -> float:
    """A finite number, 0 or more."""
    if not is_number(value) or not 0 <= float(value) < math.inf:
        raise InputError(f"{name} must be 0 or a positive number, not {shown(value)}")
    return float(value)


def share(name: str, value: Any) -> float:
    """A number from 0 to less than 1."""
    if not is_number(value) or not 0 <= float(value) < 1:
        raise InputError(f"{name} must be 0 or more and less than 1, not {shown(value)}")
    return float(value)


def finite(name: str, value: Any) -> float:
    """A number that is neither NaN nor infinite."""
    if not is_number(value) or not math.isfinite(value):
        raise InputError(f"{name} must be a finite number, not {shown(value)}")
    return float(value)


def truth(name: str, value: Any) -> bool:
    """True or False, Python's or NumPy's."""
    if not isinstance(value, (bool, np.bool_)):
        raise InputError(f"{name} must be True or False, not {shown(value)}")
    return bool(value)


def kind(name: str, value: Any, wanted: type | tuple[type, ...], example: str) -> Any:
    """A value of a class, or of one of several. example: the way to make one, for the message."""
    if not isinstance(value, wanted):
        what = f"{type(value).__name__}, of which .nets[0] is one" if hasattr(value, "nets") else shown(value)
        raise InputError(f"{name} must be {example}, not {what}")
    return value


def path(name: str, value: Any) -> Path:
    """The path of a file or a folder, given as a text or a path."""
    if not isinstance(value, (str, os.PathLike)) or (isinstance(value, os.PathLike) and not isinstance(os.fspath(value), str)):
        raise InputError(f"{name} must be the path of a file, not {shown(value)}")
    if not os.fspath(value):
        raise InputError(f"{name} must be the path of a file, but an empty name came: is a variable of the shell not set?")
    return Path(value)


def listed(value: Any) -> tuple[Any, ...] | None:
    """The items of a list, a tuple or an array of one dimension, or None for anything else."""
    return tuple(value) if isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim == 1) else None


def one_of(name: str, value: Any, choices: Iterable[str]) -> str:
    """One of several words. For any other word the message suggests the nearest."""
    known = list(choices)
    if isinstance(value, str) and value in known:
        return value
    wanted = " or ".join([", ".join(f'"{word}"' for word in known[:-1]), f'"{known[-1]}"'] if known[1:] else known)
    hint = nearest(value, known) if isinstance(value, str) else ""
    raise InputError(f"{name} must be {wanted}, not {shown(value)}{hint}")


def seed(value: Any) -> int:
    """A seed of random numbers: a whole number, 0 or more."""
    return whole("seed", value, 0)


def nearest(wrong: str, names: Iterable[str]) -> str:
    """ " (did you mean 'x'?)", or nothing if no name is near. Capitals count as small letters."""
    lower = {name.lower(): name for name in reversed(list(names))}  # of equals, the first name stays
    found = get_close_matches(wrong.lower(), lower, n=1)
    return f" (did you mean {lower[found[0]]!r}?)" if found else ""


def shown(value: Any) -> str:
    """A value in the form for a message: the shape of an array, or the start of any other repr."""
    is_array = hasattr(value, "shape") and hasattr(value, "dtype") and not isinstance(value, type)
    if is_array and getattr(value, "ndim", 0) > 0:
        return f"an array of shape {tuple(value.shape)}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 200 else f"{text[:200]}..."


def number_of_bytes(name: str, value: Any) -> int:
    """A whole number of bytes, 1 or more, which may be written as 1e9."""
    return whole(name, int(value) if isinstance(value, float) and value.is_integer() else value, unit=" of bytes")
