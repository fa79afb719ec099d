"""The source of a C header while it is being made: arrays, the functions that are called, and lines of calls."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from importlib import resources
from typing import Any

import numpy as np

from pwl.export.exported import narrowed

WIDTH = 120  # of lines of numbers
BLOCK = re.compile(r"^/\*.*?\*/\n(?:static inline|typedef).*?^\}[^\n]*\n", re.DOTALL | re.MULTILINE)
CALLED = re.compile(r"\bNET_(\w+)")


class Source:
    """Collects the parts of a header. name: the beginning of all its names. dtype: float32 or float64."""

    def __init__(self, name: str, dtype: np.dtype) -> None:
        self.name, self.dtype = name, dtype
        self.arrays: list[str] = []
        self.lines: list[str] = []
        self.numbers = 0  # constants of all arrays
        self._called: set[str] = set()

    def array(self, name: str, a: Any) -> str:
        """Defines an array of constants, and returns its name in C."""
        a = np.asarray(a)
        whole, full = a.dtype.kind in "iu", f"{self.name}_{name}"
        a = a if whole else narrowed(a, self.dtype)
        self.numbers += a.size
        shape = " x ".join(map(str, a.shape))
        kind = "int" if whole else f"{self.name}_real"
        texts = [str(v) for v in a.ravel().tolist()] if whole else [number(v) for v in a.ravel()]
        self.arrays.append(f"static const {kind} {full}[{a.size}] = {{ /* {shape} */\n{wrapped(texts)}\n}};\n")
        return full

    def texts(self, name: str, values: Sequence[Any]) -> str:
        """Defines an array of labels, texts or whole numbers, and returns its name in C."""
        full, words = f"{self.name}_{name}", any(isinstance(v, str) for v in values)
        kind = "char *const" if words else "long long"
        items = [quoted(str(v)) if words else f"{int(v)}LL" for v in values]
        self.arrays.append(f"static const {kind} {full}[{len(items)}] = {{\n{wrapped(items)}\n}};\n")
        return full

    def window(self, name: str, values: dict[str, Any]) -> str:
        """Defines the window of a convolution or a pooling, and returns the expression of its address."""
        self._called.add("window")
        fields = ", ".join(
            f".{key} = {f'{{{v[0]}, {v[1]}}}' if isinstance(v, tuple) else v}" for key, v in values.items()
        )
        self.arrays.append(f"static const {self.name}_window {self.name}_{name} = {{{fields}}};\n")
        return f"&{self.name}_{name}"

    def call(self, function: str, *arguments: Any) -> None:
        """Adds a call of one of the functions. Floats become constants of the header's type."""
        self._called.add(function)
        given = [number(np.asarray(a, self.dtype)[()]) if isinstance(a, float) else str(a) for a in arguments]
        self.lines.append(f"{self.name}_{function}({', '.join(given)});")

    def note(self, words: str) -> None:
        """Adds a comment."""
        self.lines.append(f"/* {commented(words)} */")

    def functions(self) -> str:
        """The functions that are called, and those that they call, in C."""
        every, wanted = blocks(), set(self._called)
        while more := {name for used in wanted for name in CALLED.findall(every[used]) if name in every} - wanted:
            wanted |= more
        text = "\n".join(block for name, block in every.items() if name in wanted)
        if self.dtype == np.float32:
            text = re.sub(r"(?<!NET_)\b(exp|tanh)\(", r"\1f(", text)
        return text.replace("NET_", f"{self.name}_")


@functools.cache
def blocks() -> dict[str, str]:
    """The functions of functions.c by name, with their comments, in their order."""
    text = resources.files("pwl.export").joinpath("functions.c").read_text(encoding="utf-8")
    found = {}
    for block in BLOCK.findall(text.partition("*/\n\n")[2]):
        name = re.search(r"\} NET_(\w+);", block) or re.search(r"^static inline \S+ NET_(\w+)\(", block, re.MULTILINE)
        assert name is not None
        found[name[1]] = block
    return found


def number(v: Any) -> str:
    """A number as C writes it, with all of its digits."""
    if isinstance(v, np.float32):
        return f"{v!s}f" if re.search(r"[.e]", str(v)) else f"{v!s}.0f"
    return repr(float(v))


def wrapped(items: Sequence[str]) -> str:
    """Items with commas between them, in indented lines."""
    lines, line = [], "   "
    for item in items:
        if len(line) + len(item) + 2 > WIDTH and line.strip():
            lines.append(line)
            line = "   "
        line += f" {item},"
    return "\n".join([*lines, line])


def quoted(text: str) -> str:
    """A text in C. Bytes that are not plain letters are written as octal numbers, which no digit after them can join."""
    plain = (
        chr(c) if 32 <= c < 127 and chr(c) not in '"\\?' else f"\\{c:03o}"
        for c in text.encode("utf-8", "surrogatepass")
    )
    return '"' + "".join(plain) + '"'


def commented(words: str) -> str:
    """Words that can stand in a comment."""
    return " ".join(words.split()).replace("*/", "* /").replace("/*", "/ *")
