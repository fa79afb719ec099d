"""Runs as files of networks, algorithm state, counters and record. A resumed run gives the same bits."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pwl import validate
from pwl.algorithms.algorithm import Stop
from pwl.errors import InputError
from pwl.files.tensors import Tensors, read_tensors, taken_apart, write_tensors
from pwl.network.network import Network
from pwl.network.structure import own_layers, rebuild, structure, tensors
from pwl.reductions.gradients import error
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.runtime.backend import finfo, host, is_numpy_array, like
from pwl.training.limits import GO_ON
from pwl.training.record import Record
from pwl.training.run import Job, Run
from pwl.training.settings import differing
from pwl.training.states import check, flattened, restored
from pwl.validate import is_number

FORMAT = "pwl checkpoint"
FORMAT_VERSION = 2
PARTS = ("validation", "test")
WORDS = {"patterns": "number of patterns"}
ROUNDING = 1e5  # roundings by which E may differ between versions, devices and numbers of threads


class _Another(Exception):
    """A checkpoint of another run."""


@dataclass
class Checkpoint:
    """Tells `train` where and how often to save a run. It also saves the run when it ends.

    The file is replaced as a whole, so a kill at any instant loses at most the time since the last save.

    Parameters
    ----------
    path : str or path
        The file.
    seconds : float
        Time between saves, in seconds. 0 means after every iteration.

    Raises
    ------
    InputError
        If `seconds` is negative, or `path` is not a path.
    """

    path: str | os.PathLike[str]
    seconds: float = 30.0

    def __post_init__(self) -> None:
        _check_path("checkpoint", self.path)
        if not is_number(self.seconds) or not self.seconds >= 0:
            raise InputError(f"the seconds between saves of a checkpoint must be 0 or more, not {self.seconds!r}")
        self._last = time.monotonic()

    def maybe(self, run: Run) -> None:
        """Saves the run if it is time. If the file can't be written, as on a full disk, a warning says so."""
        if time.monotonic() - self._last >= self.seconds:
            self.try_to_write(run)

    def try_to_write(self, run: Run) -> None:
        """Saves the run. If the file can't be written, a warning says so, and an earlier file stays as it is."""
        try:
            self.write(run)
        except InputError as failure:
            self._last = time.monotonic()
            with contextlib.suppress(Warning):  # where warnings are errors, the run is not to be lost either
                warnings.warn(f"the checkpoint is not up to date: {failure}", stacklevel=4)

    def write(self, run: Run) -> None:
        """Saves the run."""
        arrays = {f"net.{key}": a for key, a in tensors(run.net).items()}
        arrays |= {f"best.{key}": a for key, a in tensors(run.best).items()}
        arrays["spent"] = np.asarray(run.spent if run.spent is not None else ())
        numbers = {}
        for key, value in flattened(run.state):
            if hasattr(value, "shape"):
                where = "state" if type(value) is type(run.net.theta) else "host"
                arrays[f"{where}.{key}"] = host(value)
            elif value is not None:
                numbers[key] = value
        # Python's JSON can write infinities and NaN, and every float is read back exactly, so the record keeps its bits.
        header = {
            "structure": structure(run.net),
            "record": json.dumps(run.record.to_dict()),
            "state": json.dumps(numbers),
            # Files sort arrays by name, but the last bits of sums over parts depend on their order.
            "order": list(arrays),
        }
        write_tensors(Path(self.path), FORMAT, FORMAT_VERSION, arrays, header)
        self._last = time.monotonic()


def resumed(path: str | os.PathLike[str], net: Network, job: Job) -> tuple[Job, Run]:
    """The run in a checkpoint, with arrays of `net`'s kind, and the job with its clock and its passes as they were then.

    Raises InputError if the file is not a checkpoint, or if the network, algorithm, seed or data differ.
    """
    run = _read(path, net, job)
    _check_error(path, run, job.measured, "")
    record = run.record
    for name in PARTS:
        if (f"{name}_error" in record) != (name in job.others):
            was, now = ("with", "without") if f"{name}_error" in record else ("without", "with")
            raise InputError(f"{path} is a checkpoint of a run {was} {name} data, but this run is {now}: give the same data")
    for name, patterns in job.others.items():
        _check_error(path, run, patterns, f"{name} ")
    read = round(record["passes"][-1] * job.patterns.count()) - job.patterns.reads.patterns
    return dataclasses.replace(job, begin=job.begin - record["seconds"][-1], read=read), run


def _check_error(path: Any, run: Run, patterns: Patterns, part: str) -> None:
    """Raises InputError if patterns give another error than the record has. part: "", "validation " or "test "."""
    E, recorded = float(reduce(error(), patterns.suited(run.net), patterns)[0]), run.record[f"{part}error".replace(" ", "_")][-1]
    if recorded != E and not abs(E - recorded) <= ROUNDING * float(finfo(run.net.theta).eps) * abs(recorded):
        raise InputError(
            f"{path} is a checkpoint of a run on other {part}data: its last {part}error is {recorded!r}, but these data give {E!r}"
        )


def _check_path(name: str, path: Any) -> None:
    validate.path(name, path)


def _read(path: str | os.PathLike[str], net: Network, job: Job) -> Run:
    _check_path("resume", path)
    comm = job.patterns.comm
    arrays, header = comm.same(read_tensors(Path(path), FORMAT, FORMAT_VERSION) if comm.rank == 0 else None)
    try:
        with taken_apart(path, "its parts do not fit", "run without it, or use another copy"):
            return _run(path, arrays, header, net, job)
    except _Another as wrong:
        raise InputError(str(wrong)) from None


def _run(path: str | os.PathLike[str], arrays: Tensors, header: dict[str, Any], net: Network, job: Job) -> Run:
    """The run from the parts of a checkpoint, whose own form is checked here."""
    order = header.get("order", list(arrays))
    if sorted(order) != sorted(arrays):
        raise ValueError("its arrays are not those of its list")
    arrays = {key: arrays[key] for key in order}
    record = Record.from_dict(json.loads(header["record"]))
    for name, value in job.settings(net).items():
        if differing(record.settings.get(name), value):
            was, what = record.settings.get(name), WORDS.get(name, name)
            raise _Another(f"{path} is a checkpoint of another run: its {what} is {was!r}, but this run has {value!r}")

    def native(a: np.ndarray) -> Any:
        return a if is_numpy_array(net.theta) else like(a, net.theta)

    def network(which: str) -> Network:
        own = {key.removeprefix(which): a for key, a in arrays.items() if key.startswith(which)}
        found = rebuild(header["structure"], own, own_layers(net))
        buffers = {key: native(host(b)) for key, b in found.buffers.items()}
        theta = native(host(found.theta))
        return dataclasses.replace(found, theta=theta, buffers=buffers, preparation=net.preparation, loss=net.loss)

    state = json.loads(header["state"])
    for key, a in arrays.items():
        if a.dtype not in (np.float32, np.float64):
            raise ValueError(f"{key} holds {a.dtype}")
        if np.isnan(a).any():
            raise ValueError("NaN among its numbers")
        if key != "spent" and not key.startswith(("net.", "best.", "state.", "host.")):
            raise ValueError(f"{key} is not part of a run")
    if not all(isinstance(value, (int, float)) and value == value for value in state.values()):
        raise ValueError("its state holds something else than numbers")
    if not {"error", "seconds", "passes"} <= record.series.keys():
        raise ValueError("its record is not complete")
    if not all(value is None or is_number(value) for value in record.series.get(job.watched, ())):
        raise ValueError(f"the series {job.watched!r} holds something else than numbers")
    state |= {key.removeprefix("state."): native(a) for key, a in arrays.items() if key.startswith("state.")}
    state |= {key.removeprefix("host."): a for key, a in arrays.items() if key.startswith("host.")}
    spent = (float(arrays["spent"][0]), float(arrays["spent"][1])) if len(arrays["spent"]) else None
    at, held = network("net."), restored(job.algorithm.State, state)
    check(held, job.algorithm.shapes(at))
    return Run(
        net=at,
        best=network("best."),
        best_iteration=record.best_iteration,
        state=held,
        record=record,
        rows=len(record),
        spent=spent,
        stop=None if record.stop_code in GO_ON else Stop(record.stop_code, record.stop_reason),
    )
