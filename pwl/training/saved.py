"""Networks in files together with the records of their training."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from pwl.files.tensors import taken_apart
from pwl.network import save
from pwl.network.network import Network
from pwl.network.save import Net, Saved
from pwl.training.record import Record


def load(path: str | os.PathLike[str], layers: Iterable[Any] = ()) -> Saved[Network]:
    """The contents of a file by `Network.save`, with the record as a `Record` or None. Raises InputError as `save.load` does."""
    return with_record(path, save.load(path, layers))


def with_record(path: str | os.PathLike[str], saved: Saved[Net]) -> Saved[Net]:
    """The contents of the file `path` with the record as a `Record` or None. Raises InputError if it can't be one."""
    with taken_apart(path, "its record can't be read"):
        return saved._replace(record=None if saved.record is None else Record.from_dict(saved.record))
