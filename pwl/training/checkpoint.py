"""Runs as files: network, best network, algorithm state, counters and record, so that a run resumes to the same bits."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pwl.errors import InputError
from pwl.network.network import Network
from pwl.network.save import read_tensors, rebuild, structure, tensors, write_tensors
from pwl.runtime.backend import host, is_numpy_array, like
from pwl.training.record import Record

FORMAT = "pwl checkpoint"
FORMAT_VERSION = 1


class Run(NamedTuple):
    """A run between two iterations. spent: multiplies by the literature's and by our own count."""

    net: Network
    best: Network
    state: dict[str, Any]
    record: Record
    spent: np.ndarray


@dataclass
class Checkpoint:
    """Where and how often `train` writes its run down: every `seconds`, and when it ends.

    The file is replaced whole: a kill at any instant loses at most the time since the last one.
    """

    path: str | os.PathLike[str]
    seconds: float = 30.0

    def __post_init__(self) -> None:
        if not self.seconds >= 0:
            raise InputError(f"a checkpoint is written every so many seconds, 0 or more, not {self.seconds!r}")
        self._last = time.monotonic()

    def maybe(self, run: Run) -> None:
        """Writes the run down if it is time."""
        if time.monotonic() - self._last >= self.seconds:
            self.write(run)

    def write(self, run: Run) -> None:
        arrays = {f"net.{key}": a for key, a in tensors(run.net).items()}
        arrays |= {f"best.{key}": a for key, a in tensors(run.best).items()} | {"spent": run.spent}
        numbers = {}
        for key, value in run.state.items():
            if hasattr(value, "shape"):
                where = "state" if type(value) is type(run.net.theta) else "host"
                arrays[f"{where}.{key}"] = host(value)
            else:
                numbers[key] = value
        # Python's JSON writes infinities and NaN, and gives every float back exactly; the record is kept bit by bit.
        header = {
            "structure": structure(run.net),
            "record": json.dumps(run.record.to_dict()),
            "state": json.dumps(numbers),
        }
        write_tensors(Path(self.path), FORMAT, FORMAT_VERSION, arrays, header)
        self._last = time.monotonic()


def read(path: str | os.PathLike[str], net: Network, settings: dict[str, Any]) -> Run:
    """The run in a checkpoint, as arrays of `net`'s kind; what its algorithm keeps on the host stays there.

    Raises InputError where the file is no checkpoint, or is one of another network, algorithm, data size or seed.
    """
    arrays, header = read_tensors(Path(path), FORMAT, FORMAT_VERSION)
    record = Record.from_dict(json.loads(header["record"]))
    for name, value in settings.items():
        if record.settings.get(name) != value:
            raise InputError(
                f"{path} is a checkpoint of another run: its {name} is {record.settings.get(name)!r}, this run's {value!r}"
            )

    def native(a: np.ndarray) -> Any:
        return a if is_numpy_array(net.theta) else like(a, net.theta)

    def network(which: str) -> Network:
        own = {key.removeprefix(which): a for key, a in arrays.items() if key.startswith(which)}
        found = rebuild(header["structure"], own)
        buffers = {key: native(host(b)) for key, b in found.buffers.items()}
        return dataclasses.replace(found, theta=native(host(found.theta)), buffers=buffers, preparation=net.preparation)

    state = json.loads(header["state"])
    state |= {key.removeprefix("state."): native(a) for key, a in arrays.items() if key.startswith("state.")}
    state |= {key.removeprefix("host."): a for key, a in arrays.items() if key.startswith("host.")}
    return Run(network("net."), network("best."), state, record, arrays["spent"])
