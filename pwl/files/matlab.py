"""MATLAB's files as plain values: struct to dict, cell array to list of lists, char to str, numbers to 2-D arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pwl.errors import InputError


def read_mat(path: Path) -> dict[str, Any]:
    """The variables of a .mat file by name. Files of version 7.3 need h5py.

    Raises InputError if it can't be read.
    """
    from scipy.io import loadmat

    try:
        found = loadmat(path, struct_as_record=True)
        return {name: _plain(value) for name, value in found.items() if not name.startswith("__")}
    except NotImplementedError:
        return _read_hdf(path)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except Exception as fault:  # SciPy raises kinds of its own for damaged files
        raise InputError(f"{path} can't be read as a file of MATLAB ({type(fault).__name__}: {fault})") from None


def _plain(value: Any) -> Any:
    """A value of `scipy.io.loadmat` without its wrappings."""
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.names:  # a struct, or an array of them
        each = [{name: _plain(one[name]) for name in value.dtype.names} for one in value.reshape(-1)]
        return each[0] if len(each) == 1 else each
    if value.dtype == object:
        return [[_plain(cell) for cell in row] for row in np.atleast_2d(value)]
    if value.dtype.kind == "U":
        return str(value.reshape(-1)[0]) if value.size else ""
    return value


def _read_hdf(path: Path) -> dict[str, Any]:
    """A file of version 7.3, which is HDF5. Arrays are stored by columns, and cells as references."""
    try:
        import h5py
    except ModuleNotFoundError:
        raise InputError(
            f"{path} is a MATLAB file of version 7.3, which needs h5py: pip install 'pwl[matlab]', or save it with '-v7'"
        ) from None
    with h5py.File(path, "r") as file:

        def plain(item: Any) -> Any:
            if isinstance(item, h5py.Group):
                return {name: plain(member) for name, member in item.items()}
            kind = item.attrs.get("MATLAB_class", b"double").decode()
            if item.attrs.get("MATLAB_empty", 0):  # the data are the sizes
                sizes = tuple(int(n) for n in item[()])
                return "" if kind == "char" else [[] for _ in range(sizes[0])] if kind == "cell" else np.zeros(sizes)
            if kind == "cell":
                return [[plain(file[reference]) for reference in row] for row in item[()].T]
            if kind == "char":
                return "".join(chr(c) for c in item[()].T.reshape(-1))
            return np.atleast_2d(item[()]).T

        return {name: plain(item) for name, item in file.items() if not name.startswith("#")}
