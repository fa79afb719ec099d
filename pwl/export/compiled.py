"""Runs an exported header from Python, so that it can be compared with the network: compiled by the machine's C compiler."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pwl import validate
from pwl.errors import InputError

FLAGS = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-O2")
WRAPPER = """#include "{path}"
void run(const {name}_real *x, {name}_real *y, int *numbers, long rows)
{{
    static {name}_real work[{upper}_WORK];
    for (long p = 0; p < rows; p++)
        {assign}{name}_predict(x + p * {upper}_INPUTS, y + p * {upper}_OUTPUTS, work);
    (void)numbers;
}}
"""


class Compiled:
    """A header in a library, whose function can be called with arrays.

    Parameters
    ----------
    path : str or path
        A header that `to_c` wrote.
    flags : sequence of str
        Flags for the compiler, which is `cc` or what the variable CC names.

    Attributes
    ----------
    name, dtype, inputs, outputs, classes : str, dtype, int, int, bool
        As the header says, and whether it predicts classes.

    Raises
    ------
    InputError
        If there is no compiler, if it refuses the header, or if the file is no such header.
    """

    def __init__(self, path: str | os.PathLike[str], flags: Sequence[str] = FLAGS) -> None:
        where = validate.path("path", path).resolve()
        text = where.read_text(encoding="utf-8") if where.is_file() else ""
        found = re.search(r"^typedef (float|double) (\w+)_real;$", text, re.MULTILINE)
        sizes = dict(re.findall(r"^#define \w+_(INPUTS|OUTPUTS) (\d+)$", text, re.MULTILINE))
        if found is None or len(sizes) < 2:
            raise InputError(f"{where} is not a header that pwl wrote")
        self.name, self.dtype = found[2], np.dtype(np.float32 if found[1] == "float" else np.float64)
        self.inputs, self.outputs = int(sizes["INPUTS"]), int(sizes["OUTPUTS"])
        self.classes = f"static inline int {self.name}_predict(" in text
        assign = "numbers[p] = " if self.classes else ""
        self._library = _library(
            WRAPPER.format(path=where, name=self.name, upper=self.name.upper(), assign=assign), flags
        )

    def predict(self, x: Any) -> tuple[np.ndarray, np.ndarray]:
        """The outputs y (Nv, M), and the numbers of the classes (Nv,), for raw inputs x (Nv, ...)."""
        rows = np.ascontiguousarray(np.asarray(x).reshape(len(x), self.inputs), dtype=self.dtype)
        y, numbers = np.empty((len(rows), self.outputs), self.dtype), np.zeros(len(rows), np.intc)
        pointers = (ctypes.c_void_p(a.ctypes.data) for a in (rows, y, numbers))
        self._library.run(*pointers, ctypes.c_long(len(rows)))
        return y, numbers


def compiler() -> str:
    """The C compiler of this machine. Raises InputError if there is none."""
    found = shutil.which(os.environ.get("CC", "cc"))
    if found is None:
        raise InputError("no C compiler was found: install one, or name it in the variable CC")
    return found


def _library(code: str, flags: Sequence[str]) -> ctypes.CDLL:
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "net.c"), Path(folder, "net.so")
        source.write_text(code, encoding="utf-8")
        command = [compiler(), *flags, "-fPIC", "-shared", str(source), "-o", str(library), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise InputError(f"the compiler refused the header: {' '.join(done.stderr.split())[:500]}")
        return ctypes.CDLL(str(library))
