"""Ensembles as safetensors files: the arrays of all networks, each under its number, and what `Network.save` keeps of them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from pwl import validate
from pwl.files.plain import plain
from pwl.files.tensors import kind_of, read_tensors, taken_apart, write_tensors
from pwl.learners.ensemble import Ensemble
from pwl.network import save as networks
from pwl.network.save import Writable
from pwl.network.structure import tensors

FORMAT = "pwl ensemble"
FORMAT_VERSION = 2  # as of networks: checksums


class SavedEnsemble(NamedTuple):
    """The contents of a file, as `Saved` has them of a network."""

    net: Ensemble
    record: Any
    schema: Any
    versions: dict[str, str]


def save(ensemble: Ensemble, path: str | os.PathLike[str], record: Writable | None = None, schema: Any = None) -> None:
    """Writes an ensemble, whole or not at all. record, schema: as of `pwl.network.save.save`. Raises InputError as that does."""
    arrays = {f"{number}.{name}": a for number, net in enumerate(ensemble.nets) for name, a in tensors(net).items()}
    header = networks.beside(record, schema) | {
        "networks": [networks.described(net) for net in ensemble.nets],
        "bounds": None if ensemble.bounds is None else plain(ensemble.bounds),
        "weights": plain(ensemble.weights),
        "scale": None if ensemble.scale is None else plain(ensemble.scale),
    }
    write_tensors(validate.path("path", path), FORMAT, FORMAT_VERSION, arrays, header)


def load(path: str | os.PathLike[str], layers: Iterable[Any] = ()) -> SavedEnsemble:
    """Reads a file that `save` wrote, or that of one network as an ensemble of one. layers: layers of your own.

    Raises InputError if the file is neither, is damaged or newer, or has an unknown layer.
    """
    where, own = validate.path("path", path), list(layers)
    if kind_of(where) != FORMAT:
        one = networks.load(where, own)
        return SavedEnsemble(Ensemble([one.net]), *one[1:])
    arrays, header = read_tensors(where, FORMAT, FORMAT_VERSION)
    with taken_apart(path):
        nets = []
        for number, d in enumerate(header["networks"]):
            mine = {name.partition(".")[2]: a for name, a in arrays.items() if name.partition(".")[0] == str(number)}
            nets.append(networks.rebuilt(d, mine, own))
        bounds = None if header["bounds"] is None else np.asarray(header["bounds"], dtype=np.float64)
        ensemble = Ensemble(nets, bounds, header["weights"], header.get("scale"))
        return SavedEnsemble(ensemble, *networks.found_beside(header, nets[0]))
