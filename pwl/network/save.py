"""Networks as files: safetensors with a versioned header that holds structure, preparation, schema and record."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pwl import layers
from pwl.activations import APL, FIXED, PLU, PiecewiseLinear, ScaledActivation, Spline
from pwl.data.preparation import Preparation
from pwl.data.schema import Schema
from pwl.errors import InputError
from pwl.files.write import write_atomic
from pwl.losses import LOSSES
from pwl.network.network import Network
from pwl.runtime.backend import host
from pwl.training.record import Record, plain
from pwl.version import VERSION

FORMAT = "pwl network"
FORMAT_VERSION = 1

ACTIVATIONS = {made.__name__: made for made in (APL, PLU, Spline)}  # by what their to_dict gives

Tensors = dict[str, np.ndarray]


class Saved(NamedTuple):
    """What a file holds. versions: of pwl, Python and NumPy that wrote it."""

    net: Network
    record: Record | None
    schema: Schema | None
    versions: dict[str, str]


def save(net: Network, path: str | Path, record: Record | None = None, schema: Schema | None = None) -> None:
    """Writes a network, with its preparation and, if given, its training record and the columns of its table.

    The file is written whole or not at all. Raises InputError where it can't be written, or where curves start from a
    function, which has no name to write down.
    """
    header = {
        "network": structure(net),
        "preparation": None if net.preparation is None else net.preparation.to_dict(),
        "record": None if record is None else record.to_dict(),
        "schema": None if schema is None else schema.to_dict(),
        "versions": {"pwl": VERSION, "python": platform.python_version(), "numpy": np.__version__},
    }
    write_tensors(Path(path), FORMAT, FORMAT_VERSION, tensors(net), header)


def load(path: str | Path) -> Saved:
    """Reads a file that `save` wrote, onto the CPU. Raises InputError for one that isn't ours, is damaged or newer."""
    arrays, header = read_tensors(Path(path), FORMAT, FORMAT_VERSION)
    try:
        net = rebuild(header["network"], arrays)
        if header["preparation"] is not None:
            net = net.with_preparation(Preparation.from_dict(header["preparation"]))
        record = None if header["record"] is None else Record.from_dict(header["record"])
        schema = None if header["schema"] is None else Schema.from_dict(header["schema"])
        return Saved(net, record, schema, header["versions"])
    except (KeyError, TypeError, ValueError, IndexError) as wrong:
        raise InputError(
            f"{path} is damaged: its header and its arrays do not fit ({wrong}); use another copy"
        ) from None


def tensors(net: Network) -> Tensors:
    """The arrays of a network by name, in host memory."""
    return {"theta": host(net.theta), **{f"buffer.{key}": host(b) for key, b in net.buffers.items()}}


def structure(net: Network) -> dict[str, Any]:
    """A network without its arrays, in terms that JSON knows."""
    return {
        "layers": [layer.to_dict() for layer in net.layers],
        "input_shape": list(net.input_shape),
        "n_outputs": net.n_outputs,
        "bypass": net.bypass,
        "loss": net.loss.name,
        "initialised": net.initialised,
        "net_control": net.net_control,
    }


def rebuild(d: dict[str, Any], arrays: Tensors) -> Network:
    """The network of `structure` and `tensors`."""
    net = Network(
        layers=tuple(layer_from_dict(layer) for layer in d["layers"]),
        input_shape=tuple(d["input_shape"]),
        n_outputs=d["n_outputs"],
        bypass=d["bypass"],
        loss=LOSSES[d["loss"]],
        theta=arrays["theta"],
        buffers={key.removeprefix("buffer."): b for key, b in arrays.items() if key.startswith("buffer.")},
        initialised=d["initialised"],
        net_control=d["net_control"],
    )
    if net.theta.shape != (net.layout.size,):
        raise ValueError(f"{net.layout.size} parameters were wanted, {net.theta.shape} came")
    return net


def layer_from_dict(d: dict[str, Any]) -> Any:
    """The layer that its `to_dict` describes."""
    if d["name"] in layers.__all__:
        options = {name: _tuples(value) for name, value in d.items() if name != "name"}
        return getattr(layers, d["name"])(**options)
    if d["name"] == "PiecewiseLinear":
        span = tuple(d["span"]) if isinstance(d["span"], list) else d["span"]
        return PiecewiseLinear(d["start"], d["hinges"], span=span, outside=d["outside"])
    if d["name"] == "ScaledActivation":
        return ScaledActivation(layer_from_dict(d["activation"]), d["s"])
    if d["name"] in ACTIVATIONS:
        return ACTIVATIONS[d["name"]](**{name: _tuples(value) for name, value in d.items() if name != "name"})
    return FIXED[d["name"]]


def _tuples(value: Any) -> Any:
    """JSON's lists as the tuples they were."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def write_tensors(path: Path, kind: str, version: int, arrays: Tensors, header: dict[str, Any]) -> None:
    """A safetensors file whose metadata names its kind and version and holds the header as JSON."""
    from safetensors.numpy import save as to_bytes

    metadata = {"format": kind, "format_version": str(version), "header": json.dumps(plain(header), allow_nan=False)}
    write_atomic(path, to_bytes({name: np.ascontiguousarray(a) for name, a in arrays.items()}, metadata))


def read_tensors(path: Path, kind: str, version: int) -> tuple[Tensors, dict[str, Any]]:
    """Arrays and header of a file that `write_tensors` wrote; InputError says what is wrong with another."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise InputError(f"{path} is not there" if not path.exists() else f"{path} is not a file")
    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != kind:
                raise InputError(f"{path} is not a {kind} file: it was written by another program or command")
            found = int(metadata["format_version"])
            if found > version:
                raise InputError(
                    f"{path} has version {found} of the {kind} format, this pwl {VERSION} reads up to {version}: upgrade pwl"
                )
            return {name: file.get_tensor(name) for name in file.keys()}, json.loads(metadata["header"])  # noqa: SIM118
    except InputError:
        raise
    except (SafetensorError, OSError, ValueError, KeyError) as wrong:
        raise InputError(f"{path} is not a {kind} file, or is damaged or cut short ({wrong})") from None
