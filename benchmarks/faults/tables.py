"""Tables damaged at random: each is read, or refused in one sentence; what is read is finite and of the right length."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.faults.outcome import Tally
from pwl.data import read_table
from pwl.data.inputs import open_inputs
from pwl.data.rules import Rules

WORDS = ("red", "green", "blue", "NA", "ZA", "north-east", '5" pipe', "a, b", "x;y", "true", "007")
MARKS = "\",;\t|'\n\r \ufeff\u00a0\u2212\u20ac%$-.#=?eDdN0x_/:()\\"
KINDS = (
    lambda r, i: f"{r.gauss(0, 100):.3f}",
    lambda r, i: str(r.randrange(1000)),
    lambda r, i: f"{r.uniform(1000, 1e6):,.2f}",
    lambda r, i: f"{r.gauss(0, 1):.4e}".replace("e", r.choice("eEdD")),
    lambda r, i: f"{r.uniform(0, 9):.2f} km",
    lambda r, i: f"\u20ac{r.uniform(0, 9):.2f}",
    lambda r, i: f"2020-{i % 12 + 1:02}-{i % 28 + 1:02}",
    lambda r, i: r.choice(WORDS),
    lambda r, i: f"{r.randrange(10**18, 10**19)}",
    lambda r, i: r.choice(("01", "02")),
    lambda r, i: f"{r.gauss(0, 10):.2f}".replace("-", "\u2212"),
)


def table(r: random.Random) -> bytes:
    """A table as somebody may have written it."""
    delimiter, rows = r.choice(",;\t| "), r.randrange(3, 60)
    strange = KINDS if r.random() < 0.5 else KINDS[:1]
    kinds = [r.choice(strange), *(r.choice(r.choice((KINDS[:2], strange))) for _ in range(r.randrange(5)))]
    lines = [[kind(r, i) for kind in kinds] for i in range(rows)]
    if r.random() < 0.2:
        lines = [[cell.replace(".", "\0").replace(",", ".").replace("\0", ",") for cell in line] for line in lines]
    if r.random() < 0.7:
        lines.insert(0, [r.choice((*[f"n{i}"] * 20, str(i), str(2000 + i), "", "n")) for i in range(len(kinds))])

    def quoted(cell: str) -> str:
        return '"' + cell.replace('"', '""') + '"' if delimiter in cell or '"' in cell or r.random() < 0.05 else cell

    end = r.choice(("\n", "\n", "\r\n", "\r"))
    text = end.join(delimiter.join(map(quoted, line)) for line in lines) + r.choice(("", end))
    if r.random() < 0.1:
        text = f"sep={delimiter}{end}{text}"
    return text.encode(r.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252")), "ignore")


def damaged(content: bytes, r: random.Random) -> bytes:
    """The table with up to five changes: letters put in or taken out, lines doubled, cut or joined, bytes flipped."""
    for _ in range(r.choice((0, 0, 1, 1, 2, 5))):
        at = r.randrange(len(content) + 1)
        choice = r.randrange(6)
        if choice == 0:
            content = content[:at] + r.choice(MARKS).encode() + content[at:]
        elif choice == 1:
            content = content[:at] + content[at + r.randrange(1, 9) :]
        elif choice == 2:
            content = content[:at] + bytes([r.randrange(256)]) + content[at + 1 :]
        elif choice == 3:
            lines = content.split(b"\n")
            lines.insert(r.randrange(len(lines) + 1), r.choice(lines))
            content = b"\n".join(lines)
        elif choice == 4:
            content = content[:at]
        else:
            line = r.choice(content.split(b"\n"))
            content = content.replace(line, line + r.choice(MARKS).encode(), 1)
    return content


def campaign(tally: Tally, tries: int, seed: int) -> None:
    """Each try writes a table, reads it, and reads its inputs once more as `pwl predict` does."""
    for number in range(tries):
        tally.called(f"table {seed + number}", one(seed + number, Path("t.csv")), fault)


def one(seed: int, path: Path) -> Callable[[], Any]:
    """A function that reads the table of a seed, which gives the table, its path and the task."""
    r = random.Random(seed)
    path.write_bytes(damaged(table(r), r))
    options = {"task": r.choice(("auto", "auto", "classification")), "dates": r.choice((None, "ymd"))}
    return lambda: (read_table(path, **options), path, options["task"])


def fault(found: Any) -> str | None:
    """What is wrong with a table that was read."""
    read, path, task = found
    if not (np.isfinite(read.x).all() and np.isfinite(read.t).all()):
        return "numbers that are not finite"
    if len(read.x) != len(read.t) or read.x.shape[1] != len(read.input_names):
        return "rows or columns that do not fit"
    for column in (*read.schema.inputs, *read.schema.targets):
        digits = [name for name in column.categories or () if sum(map(str.isdigit, name)) > len(name) / 2]
        if len(digits) > max(3, len(read.x) / 2) and task != "classification":
            return f"the numbers of {column.name} have become words"
    rows = list(open_inputs(path, read.schema, Rules()).rows)
    if any(block.unread for block in rows):
        return "rows that were read once can't be read again"
    return (
        None if np.array_equal(np.concatenate([block.x for block in rows]), read.x) else "other numbers when read again"
    )
