"""Networks in files together with the records of their training."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from pwl.errors import InputError
from pwl.files.tensors import FAULTS, in_a_line
from pwl.network import save
from pwl.network.save import Saved
from pwl.training.record import Record


def load(path: str | os.PathLike[str], layers: Iterable[Any] = ()) -> Saved:
    """The contents of a file by `Network.save`, with the record as a `Record` or None. Raises InputError as `save.load` does."""
    saved = save.load(path, layers)
    try:
        return saved._replace(record=None if saved.record is None else Record.from_dict(saved.record))
    except FAULTS as wrong:
        raise InputError(
            f"{path} is damaged, because its record can't be read ({in_a_line(wrong)}): use another copy"
        ) from None
