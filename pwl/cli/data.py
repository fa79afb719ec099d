"""`pwl data`: the named data sets."""

from __future__ import annotations

import argparse

from pwl import data
from pwl.files.text_table import aligned

HELP = "the named data sets: which are here, which can be fetched, sizes, licences"
DESCRIPTION = """Lists the data sets that commands and pwl.data.load know by name. Files lie in the folder that
PWL_DATA_HOME names, else in the user's cache folder; a set that can be fetched is
downloaded, and its checksum tested, when it is first used."""
EXAMPLES = """examples:
  pwl data
  pwl compare airfoil
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser  # this command has no options of its own


def run(options: argparse.Namespace) -> int:
    rows = data.catalogue()
    lines = [("name", "patterns", "inputs", "outputs", "where", "MB", "licence")]
    lines += [
        (
            row.name,
            str(row.patterns),
            row.inputs,
            row.outputs,
            "here" if row.present else ("can be fetched" if row.can_fetch else "missing"),
            f"{row.megabytes:.1f}",
            row.licence,
        )
        for row in rows
    ]
    print(aligned(lines))
    print(f"folder: {data.data_home()}")
    return 0
