"""Tables damaged at random: each is read, or refused in one sentence; what is read is finite and of the right length."""

from __future__ import annotations

import os
import random
import warnings
from pathlib import Path

import numpy as np
import pytest

from pwl.data import read_table
from pwl.data.inputs import open_inputs
from pwl.data.rules import Rules
from pwl.errors import InputError

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


def tried(seed: int, path: Path) -> str:
    """What comes of one table: "read", or the sentence. Anything but an InputError is a failure."""
    r = random.Random(seed)
    path.write_bytes(damaged(table(r), r))
    options = {"task": r.choice(("auto", "auto", "classification")), "dates": r.choice((None, "ymd"))}
    found, words = None, "read"
    try:
        found = read_table(path, **options)
    except InputError as wrong:
        words = str(wrong)
    if found is None:
        assert "\n" not in words and 20 < len(words) < 900, words
        return words
    assert np.isfinite(found.x).all() and np.isfinite(found.t).all()
    assert len(found.x) == len(found.t) and found.x.shape[1] == len(found.input_names)
    for column in (*found.schema.inputs, *found.schema.targets):  # no column of numbers has become one of words
        digits = [name for name in column.categories or () if sum(map(str.isdigit, name)) > len(name) / 2]
        assert len(digits) <= max(3, len(found.x) / 2) or options["task"] == "classification", column
    rows = list(open_inputs(path, found.schema, Rules()).rows)
    assert not any(block.unread for block in rows)
    np.testing.assert_array_equal(np.concatenate([block.x for block in rows]), found.x)
    return "read"


def run(seeds: range, folder: Path) -> dict[str, int]:
    counts = {"read": 0, "refused": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # columns that look like codes
        for seed in seeds:
            try:
                counts["read" if tried(seed, folder / "t.csv") == "read" else "refused"] += 1
            except Exception as failure:
                raise AssertionError(f"seed {seed}: {failure!r}") from failure
    return counts


def test_two_hundred_damaged_tables(tmp_path):
    counts = run(range(200), tmp_path)
    assert min(counts.values()) > 20  # neither all are read nor all refused


@pytest.mark.slow
def test_two_thousand_damaged_tables(tmp_path):
    start = int(os.environ.get("PWL_FUZZ_START", "1000"))
    assert sum(run(range(start, start + 2000), tmp_path).values()) == 2000
