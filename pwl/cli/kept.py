"""Finished runs of a comparison, kept as files until all are finished, so that an interrupted comparison can go on."""

from __future__ import annotations

import dataclasses
import itertools
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pwl.errors import InputError
from pwl.files.plain import plain
from pwl.files.write import write_atomic
from pwl.learners import ensemble_file
from pwl.learners.outcome import Outcome
from pwl.runtime.ranks import Communicator, Serial, summed
from pwl.study.baselines import CHOICES, DEFAULT
from pwl.study.compare import Settings
from pwl.training.record import Record
from pwl.training.saved import load
from pwl.version import VERSION

FOLDER = "unfinished"
WANTED = {"error", "validation_error", "test_error", "seconds"}  # series of a run of a comparison
ABOUT = "comparison.json"  # the comparison that the runs belong to


def identity(
    data: str,
    x: np.ndarray,
    t: np.ndarray,
    settings: Settings,
    comm: Communicator = Serial(),
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> dict[str, Any]:
    """The facts in which two comparisons must agree so that they can share runs, in terms that JSON knows.

    Of patterns that ranks share, any number of ranks finds the same.
    """
    more = [a for a in (weights, groups) if a is not None]
    if comm.size > 1:
        sums = [int(count) for count in summed(comm, *(np.sum(_bits(a)) for a in (x, t, *more)))]
        return plain({"data": data, **dataclasses.asdict(settings), "version": VERSION, "checksum": sums})
    some = np.ascontiguousarray(x[:: max(1, len(x) // 1000)])
    sums = [zlib.crc32(np.ascontiguousarray(a).tobytes()) for a in (some, t, *more)]
    return plain({"data": data, **dataclasses.asdict(settings), "version": VERSION, "checksum": sums})


def _bits(a: np.ndarray) -> np.ndarray:
    """A whole number per row, whose sum does not depend on the order: of its sum, as far as 2**20 tells values apart."""
    rows = a.reshape(len(a), int(np.prod(a.shape[1:]))).sum(axis=1, dtype=np.float64)
    return np.rint(np.fmod(rows * 2**20, 2**40)).astype(np.int64)


@dataclass(frozen=True)
class Kept:
    """The files of finished runs. folder: for these files alone. about: `identity` of the comparison."""

    folder: Path
    about: dict[str, Any]

    def path(self, name: str, fold: int) -> Path:
        return self.folder / f"{name}-fold{fold}.safetensors"

    def read(self, names: list[str]) -> dict[tuple[str, int], Outcome]:
        """The finished runs of these algorithms. Raises InputError if there are none, or if they are another comparison's."""
        try:
            found = json.loads((self.folder / ABOUT).read_text())
            if not isinstance(found, dict):
                raise ValueError
        except (OSError, ValueError, RecursionError):
            raise InputError(
                f"{self.folder} holds no unfinished comparison: a finished one has nothing left to do, and a new one runs without "
                "--resume"
            ) from None
        for key, value in self.about.items():
            if found.get(key) != value and key == "checksum":
                raise InputError(f"{self.folder} holds runs of another comparison, of other patterns, weights or groups")
            if found.get(key) != value:
                raise InputError(
                    f"{self.folder} holds runs of another comparison: its {key} is {found.get(key)!r}, this one's {value!r}"
                )
        return dict(self._saved(names))

    def _saved(self, names: list[str]) -> Iterator[tuple[tuple[str, int], Outcome]]:
        for name, fold in itertools.product(names, range(self.about["k"])):
            if self.path(name, fold).exists():
                yield (name, fold), self._outcome(name, fold)

    def _outcome(self, name: str, fold: int) -> Outcome:
        path = self.path(name, fold)
        if name == DEFAULT:
            saved = ensemble_file.load(path)
            record = None if saved.record is None else Record.from_dict(saved.record)
            net: Any = saved.net
        else:
            net, record = load(path)[:2]
        if record is None or not record.series.keys() >= WANTED:
            raise InputError(f"{path} is not a run of a comparison: delete it, or run without --resume")
        return Outcome(name, fold, net, record)

    def begin(self) -> None:
        """Starts without runs, and removes those of an earlier comparison."""
        self.clear()
        write_atomic(self.folder / ABOUT, json.dumps(self.about) + "\n")

    def add(self, outcome: Outcome) -> None:
        outcome.net.save(self.path(outcome.name, outcome.fold), outcome.record)

    def clear(self) -> None:
        """Removes the files of the comparison in the folder, and the folder if nothing else is in it."""
        try:
            json.loads((self.folder / ABOUT).read_text())["k"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return  # not ours
        for path in list(self.folder.glob("*-fold*.safetensors")):
            name, _, fold = path.stem.rpartition("-fold")
            if name in CHOICES and fold.isdigit():
                path.unlink(missing_ok=True)
        (self.folder / ABOUT).unlink()
        if not any(self.folder.iterdir()):
            self.folder.rmdir()
