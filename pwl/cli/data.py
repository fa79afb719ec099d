"""`pwl data`: the named data sets."""

from __future__ import annotations

import argparse

from pwl import data
from pwl.files.text_table import aligned

HELP = "list the named data sets: sizes, licences, which are here, which can be fetched"
DESCRIPTION = """Lists the data sets that commands and pwl.data.load know by name. Their files are kept in the folder that the
environment variable PWL_DATA_HOME names, or else in the user's cache folder. A set that can be fetched is downloaded when it
is first used, and its checksum is tested."""
EXAMPLES = """examples:
  pwl data
  pwl compare airfoil
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser  # this command has no options


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
