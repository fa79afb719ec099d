"""Ensembles as safetensors files: the arrays of all networks, each under its number, and what `Network.save` keeps of them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from pwl import validate
from pwl.files.plain import plain
from pwl.files.tensors import Tensors, kind_of, read_tensors, taken_apart, write_tensors
from pwl.learners.ensemble import Ensemble
from pwl.network import save as networks
from pwl.network.save import Saved, Writable
from pwl.network.structure import own_ones, tensors
from pwl.training.saved import with_record

FORMAT = "pwl ensemble"
FORMAT_VERSION = 2  # like that of networks, with checksums


def save(ensemble: Ensemble, path: str | os.PathLike[str], record: Writable | None = None, schema: Any = None) -> None:
    """Writes an ensemble, whole or not at all. record, schema: as in `pwl.network.save.save`, which also raises the same errors."""
    arrays = {f"{number}.{name}": a for number, net in enumerate(ensemble.nets) for name, a in tensors(net).items()}
    header = networks.beside(record, schema) | {
        "networks": [networks.described(net) for net in ensemble.nets],
        "bounds": None if ensemble.bounds is None else plain(ensemble.bounds),
        "weights": plain(ensemble.weights),
        "scale": None if ensemble.scale is None else plain(ensemble.scale),
    }
    write_tensors(validate.path("path", path), FORMAT, FORMAT_VERSION, arrays, header)


def is_one(path: str | os.PathLike[str]) -> bool:
    """Whether a file is one that `save` wrote, and not that of a network."""
    return kind_of(validate.path("path", path)) == FORMAT


def load(path: str | os.PathLike[str], layers: Iterable[Any] = ()) -> Saved[Ensemble]:
    """Reads a file that `save` wrote, or that of one network as an ensemble of one. layers: layers of your own.

    Raises InputError if the file is neither, is damaged or newer, or has an unknown layer.
    """
    where, own = validate.path("path", path), own_ones(layers)
    if not is_one(where):
        one = networks.load(where, own)
        return with_record(path, Saved(Ensemble([one.net]), *one[1:]))
    arrays, header = read_tensors(where, FORMAT, FORMAT_VERSION)
    with taken_apart(path):
        parts: dict[str, Tensors] = {str(number): {} for number in range(len(header["networks"]))}
        for name, a in arrays.items():
            number, _, inside = name.partition(".")
            parts[number][inside] = a
        nets = [networks.rebuilt(d, mine, own) for d, mine in zip(header["networks"], parts.values(), strict=True)]
        ensemble = Ensemble(nets, _bounds(header["bounds"]), header["weights"], header.get("scale"))
        saved = Saved(ensemble, *networks.found_beside(header, nets[0]))
    return with_record(path, saved)


def _bounds(written: Any) -> np.ndarray | None:
    """Bounds (2, M) from a file, which has None where there is none, above or below."""
    if written is None:
        return None
    found = np.asarray(written, dtype=np.float64)
    return np.where(np.isnan(found), [[-np.inf], [np.inf]], found)
