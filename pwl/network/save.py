"""Networks as safetensors files, with a versioned header for structure, preparation, schema and record."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterable, Mapping
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from pwl import validate
from pwl.data.decorrelation import Decorrelation
from pwl.data.preparation import Preparation
from pwl.data.scaling import METHODS
from pwl.data.schema import Schema
from pwl.errors import InputError
from pwl.files.tensors import Tensors, read_tensors, taken_apart, write_tensors
from pwl.network.network import Network
from pwl.network.structure import own_ones, rebuild, structure, tensors
from pwl.validate import one_of, shown
from pwl.version import VERSION

FORMAT = "pwl network"
FORMAT_VERSION = 2
Net = TypeVar("Net")  # a network, or what is saved like one


class Writable(Protocol):
    """A record, as files see it."""

    def to_dict(self) -> dict[str, Any]:
        """The record as plain lists, numbers and words."""
        ...


class Saved(NamedTuple, Generic[Net]):
    """The contents of a file. record: as `to_dict` returned it. versions: pwl, Python and NumPy that wrote the file."""

    net: Net
    record: Any
    schema: Schema | None
    versions: dict[str, str]


def save(
    net: Network, path: str | os.PathLike[str], record: Writable | None = None, schema: Schema | None = None
) -> None:
    """Writes a network, with its preparation and, if given, its training record and the columns of its table.

    The file is written whole or not at all. Raises InputError if it can't be written, or if curves start from a function of
    your own, because it has no name.
    """
    header = described(net) | beside(record, schema)
    write_tensors(validate.path("path", path), FORMAT, FORMAT_VERSION, tensors(net), header)


def described(net: Network) -> dict[str, Any]:
    """The part of a header that belongs to one network."""
    preparation = None if net.preparation is None else net.preparation.to_dict()
    return {"network": structure(net), "preparation": preparation}


def beside(record: Writable | None, schema: Schema | None) -> dict[str, Any]:
    """The rest of a header. Raises InputError if the record is none."""
    if record is not None and not hasattr(record, "to_dict"):
        raise InputError(f"record must be a pwl.Record, not {shown(record)}")
    return {
        "record": None if record is None else record.to_dict(),
        "schema": None if schema is None else schema.to_dict(),
        "versions": {"pwl": VERSION, "python": platform.python_version(), "numpy": np.__version__},
    }


def load(path: str | os.PathLike[str], layers: Iterable[Any] = ()) -> Saved[Network]:
    """Reads a file that `save` wrote, onto the CPU. layers: layers of your own, as in `Network.load`.

    Raises InputError if the file is not a network of pwl, is damaged or newer, or has an unknown layer.
    """
    own = own_ones(layers)
    arrays, header = read_tensors(validate.path("path", path), FORMAT, FORMAT_VERSION)
    with taken_apart(path):
        net = rebuilt(header, arrays, own)
        return Saved(net, *found_beside(header, net))


def rebuilt(d: Mapping[str, Any], arrays: Tensors, layers: Iterable[Any]) -> Network:
    """The network from `described` and its arrays, with its preparation. To be called in `taken_apart`."""
    net = rebuild(d["network"], arrays, layers)
    return net if d["preparation"] is None else net.with_preparation(_checked(Preparation.from_dict(d["preparation"])))


def found_beside(header: Mapping[str, Any], net: Network) -> tuple[Any, Schema | None, dict[str, str]]:
    """Record, schema and versions from `beside`, for networks like `net`. To be called in `taken_apart`."""
    schema = None if header["schema"] is None else Schema.from_dict(header["schema"])
    if schema is not None:
        _check_fits(net, schema)
    return header["record"], schema, _versions(header["versions"])


def _checked(preparation: Preparation) -> Preparation:
    """The preparation. Raises ValueError if its numbers can't be."""
    inputs = preparation.inputs
    if isinstance(inputs, Decorrelation):
        if inputs.matrix.shape != 2 * inputs.scale.shape or not np.all(np.isfinite(inputs.matrix)):
            raise ValueError("its preparation holds an impossible matrix")
        inputs = inputs.scaling
    for scaling in (inputs, preparation.targets):
        if scaling is None:
            continue
        one_of("method", scaling.method, METHODS)
        offset, scale = scaling.offset, scaling.scale
        if offset.ndim != 1 or offset.shape != scale.shape or not np.all(np.isfinite([offset, scale])) or np.any(scale < 0):
            raise ValueError("its preparation holds impossible numbers")
    classes = preparation.classes
    if classes is not None and (len(set(classes)) < len(classes) or not all(isinstance(c, (int, str, float)) for c in classes)):
        raise ValueError("its preparation holds impossible classes")
    return preparation


def _check_fits(net: Network, schema: Schema) -> None:
    """Raises ValueError if the columns of a table are not those of the network."""
    inputs, targets = len(schema.input_names), schema.targets
    if inputs != math.prod(net.input_shape):
        raise ValueError(f"{inputs} columns for {math.prod(net.input_shape)} inputs")
    categories = targets[0].categories if len(targets) == 1 else None
    if (len(targets) if categories is None else len(categories)) != net.n_outputs:
        raise ValueError(f"targets of its table do not fit {net.n_outputs} outputs")


def _versions(versions: Any) -> dict[str, str]:
    if not isinstance(versions, dict):
        raise TypeError("its versions are not a dictionary")
    return {str(name): str(version) for name, version in versions.items()}
