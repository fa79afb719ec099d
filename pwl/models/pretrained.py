"""Weights of PyTorch's models, from files on this machine."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from pwl import validate
from pwl.errors import InputError
from pwl.files.tensors import in_a_line, is_file
from pwl.files.weights import read_weights
from pwl.layers import BatchNorm2d, Conv2d, Flatten, Layer
from pwl.models.resnet18 import STAGES
from pwl.models.resnet18 import names as resnet18_names
from pwl.models.vgg11 import CONVOLUTIONS
from pwl.models.vgg11 import names as vgg11_names
from pwl.network.layout import HEAD, address
from pwl.network.network import Network
from pwl.runtime.backend import like
from pwl.validate import shown

KNOWN = tuple(
    names
    for batch_norm in (False, True)
    for names in (vgg11_names(batch_norm), *(resnet18_names(batch_norm, stages) for stages in range(1, STAGES + 1)))
)
BUFFERS = {"mean": "running_mean", "variance": "running_var"}
COUNTER = "num_batches_tracked"  # of steps in training, which nothing here needs
MOST, LONGEST = 6, 80  # names in a message, and letters of one


def load_pretrained(
    net: Network, source: Any, *, names: Sequence[str] | None = None, sha256: str | None = None, partial: bool = False
) -> Network:
    """Returns a network with the weights of a PyTorch model of the same layers, such as torchvision's vgg11 or resnet18.

    Output weights are taken if the number of classes is the same. Otherwise the network keeps its own, and `pwl.finetune` trains
    them. Nothing is downloaded.

    Parameters
    ----------
    net : Network
        From `vgg11`, from `resnet18`, or any other without a bypass if `names` come.
    source : str, path or mapping
        A file that torch.save wrote, a safetensors or .npz file, whatever its name ends in, or a dictionary of arrays, with
        PyTorch's names ("features.0.weight", "fc.bias"). Those of torch.save may hold tensors and plain containers. They are read
        without PyTorch, and nothing in them is run.
    names : sequence of str, optional
        The model's names of the layers with weights ("features.0"), in the order of the network's, the outputs last.
    sha256 : str, optional
        The checksum that the file must have.
    partial : bool
        Whether layers that the source lacks, or has with another shape, keep their weights, and arrays without a place are left
        out. A warning names both.

    Returns
    -------
    Network

    Raises
    ------
    InputError
        If the file can't be read or has another checksum, or the weights do not fit.
    """
    validate.kind("net", net, Network, "a pwl.Network")
    validate.truth("partial", partial)
    arrays = {name: _array(name, a) for name, a in _read(source, sha256).items()}
    if net.bypass:
        raise InputError(
            "the outputs of this network see its inputs directly, which no PyTorch model has: use bypass=False"
        )
    own = [index for index, layer in enumerate(net.layers) if layer.kind == "map"]
    prefixes = _prefixes(net, names)
    wanted = {index: _wanted(net, index, prefix) for index, prefix in zip((*own, len(net.layers)), prefixes, strict=True)}
    wrong = {index: _differences(shapes, arrays) for index, shapes in wanted.items()}
    new_head = bool(wrong.pop(len(net.layers)))
    places = dict.fromkeys(name for shapes in wanted.values() for name in shapes)
    unexpected = [name for name in arrays if name not in places and not name.endswith(COUNTER)]
    taken = [name for index, shapes in wanted.items() if not wrong.get(index, new_head) for name in shapes]
    for name in taken:
        _usable(name, arrays[name], net.theta.dtype)
    if partial and not taken:
        came = f"which wants {_list(places)}, but {_list(arrays)} came"
        raise InputError(f"no layer of the source fits the network, {came}: give weights of such layers, or their names=[...]")
    _say(net, {index: found for index, found in wrong.items() if found}, unexpected, partial)
    parts, buffers = dict(net.parts), dict(net.buffers)
    for index, prefix in zip((*own, len(net.layers)), prefixes, strict=True):
        if wrong.get(index, new_head):
            continue
        key = HEAD if index == len(net.layers) else address(index, "W")
        parts[key] = like(_weights(net, index, prefix, arrays), net.theta)
        if index < len(net.layers) and isinstance(net.layers[index], BatchNorm2d):
            # copies, so that the network does not change with the file or the arrays
            moments = {address(index, name): np.array(arrays[f"{prefix}.{word}"]) for name, word in BUFFERS.items()}
            buffers |= {key: like(a, net.theta) for key, a in moments.items()}
    theta = net.layout.join(parts, net.theta)
    return dataclasses.replace(net, theta=theta, buffers=buffers, initialised=True, posterior=None)


def known_names(net: Network) -> tuple[str, ...] | None:
    """torchvision's names of the layers with weights and of the outputs, or None if the network is none of its models."""
    kinds = "".join("N" if isinstance(own, BatchNorm2d) else "C" if isinstance(own, Conv2d) else "D" for own in _own(net))
    return next((names for names in KNOWN if _kinds(names) == kinds), None)


def _own(net: Network) -> list[Layer]:
    return [layer for layer in net.layers if layer.kind == "map"]


def _kinds(names: Sequence[str]) -> str:
    """A letter for each layer with weights: a convolution, a normalisation, or a dense layer."""
    found = ""
    for name in names[:-1]:
        after = "bn" in name or name.endswith("downsample.1")
        of_vgg = name.startswith("features") and sum(other.startswith("features") for other in names) > CONVOLUTIONS
        found += "D" if name.startswith("classifier") else "N" if after or (of_vgg and found[-1:] == "C") else "C"
    return found


def _prefixes(net: Network, names: Sequence[str] | None) -> Sequence[str]:
    """A name for each layer with weights and for the outputs."""
    own = len(_own(net))
    if names is None:
        if (found := known_names(net)) is None:
            raise InputError(f"a network with {own} layers of weights like these is neither vgg11 nor resnet18: give names=[...]")
        return found
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"names must be a list of texts, one for each layer with weights and one for the outputs, not "
            f"{shown(names)}"
        )
    if len(names) != own + 1:
        raise InputError(f"{len(names)} names came, but the network has {own} layers with weights, and outputs")
    return names


def _wanted(net: Network, index: int, prefix: str) -> dict[str, tuple[int, ...]]:
    """PyTorch's names and shapes of the arrays of a layer, or of the outputs, whose index is after the last layer's."""
    if index == len(net.layers):
        units, inputs = net.W_o.shape[0], net.W_o.shape[1] - 1
        return {f"{prefix}.weight": (units, inputs), f"{prefix}.bias": (units,)}
    layer, (units, columns) = net.layers[index], net.parts[address(index, "W")].shape
    if isinstance(layer, BatchNorm2d):
        return {f"{prefix}.{word}": (units,) for word in ("weight", "bias", *BUFFERS.values())}
    if not isinstance(layer, Conv2d):
        return {f"{prefix}.weight": (units, columns - 1), f"{prefix}.bias": (units,)}
    weights = (units, (columns - layer.bias) // (layer.size[0] * layer.size[1]), *layer.size)
    return {f"{prefix}.weight": weights} | ({f"{prefix}.bias": (units,)} if layer.bias else {})


def _differences(shapes: Mapping[str, tuple[int, ...]], arrays: Mapping[str, np.ndarray]) -> list[str]:
    """Words for each array that is missing or has another shape."""
    return [
        f"{name} is missing" if name not in arrays else f"{name} has the shape {arrays[name].shape}, wanted {shape}"
        for name, shape in shapes.items()
        if name not in arrays or arrays[name].shape != shape
    ]


def _say(net: Network, wrong: Mapping[int, list[str]], unexpected: list[str], partial: bool) -> None:
    """Raises InputError for arrays that do not fit, or warns of them if they may be left out."""
    said = [words for found in wrong.values() for words in found]
    said += [f"{_list([name])} has no place in the network" for name in unexpected]
    if not said:
        return
    text = "; ".join(said[:MOST]) + (f"; and {len(said) - MOST} more" if len(said) > MOST else "")
    if not partial:
        raise InputError(f"the source does not fit the network: {text}. partial=True, or --partial, takes the layers that fit")
    kept = f"layers {', '.join(map(str, wrong))} keep their own weights" if wrong else "every layer has its weights"
    warnings.warn(f"{kept} ({text})", stacklevel=3)


def _weights(net: Network, index: int, prefix: str, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """The W of a layer or of the outputs: the thresholds, then the weights, channels last."""
    weight, bias = arrays[f"{prefix}.weight"], arrays.get(f"{prefix}.bias")
    layer = net.layers[index] if index < len(net.layers) else None
    if isinstance(layer, BatchNorm2d):
        return np.stack([arrays[f"{prefix}.bias"], weight], axis=1)
    if isinstance(layer, Conv2d):
        weight = np.transpose(weight, (0, 2, 3, 1))
        bias = bias if layer.bias else None
    elif index and isinstance(net.layers[index - 1], Flatten) and len(net.layout.shapes[index - 1]) == 3:
        height, width, channels = net.layout.shapes[index - 1]  # PyTorch's inputs are channel by channel, ours pixel by pixel
        weight = weight.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
    weight = weight.reshape(len(weight), -1)
    return weight if bias is None else np.hstack([bias[:, None], weight])


def _read(source: Any, sha256: str | None) -> Mapping[str, Any]:
    """The arrays of a file or a mapping by name."""
    if isinstance(source, Mapping):
        if sha256 is not None:
            raise InputError("sha256 is the checksum of a file, but arrays came: leave it out")
        if odd := [name for name in source if not isinstance(name, str)]:
            raise InputError(f"the names of arrays must be texts, such as 'features.0.weight', not {shown(odd[0])}")
        return source
    if hasattr(source, "state_dict"):
        raise InputError(f"source must be a file or arrays by name, not {type(source).__name__}: give its state_dict()")
    path = validate.path("source", source)
    if not is_file(path):
        if os.path.isdir(path):
            raise InputError(f"{path} is a folder, wanted a file of weights")
        if os.path.exists(path):
            raise InputError(f"{path} is a pipe or a device, wanted a file: save what comes from it as one")
        raise InputError(f"{path} is not there: give a file of this machine, since nothing is downloaded")
    if sha256 is not None:
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != str(sha256).lower():
            raise InputError(f"{path} has the checksum {found}, not {sha256}: it is another file, or damaged")
    return read_weights(path)


def _array(name: str, a: Any) -> np.ndarray:
    """A tensor of PyTorch, or an array, as an array."""
    try:
        if hasattr(a, "detach"):
            a = a.detach().cpu()
            a = a.float() if "bfloat16" in str(a.dtype) else a  # which NumPy does not know
        return np.asarray(a)
    except (TypeError, ValueError, RuntimeError) as wrong:  # PyTorch's own kinds, and lists of several lengths
        raise InputError(f"{name} can't be made an array ({in_a_line(wrong)}): give dense arrays of real numbers") from None


def _usable(name: str, a: np.ndarray, dtype: Any) -> None:
    """Raises InputError for an array that a network can't keep: of other things than finite numbers, or of too large ones."""
    if a.dtype.kind not in "fiub" or not np.all(np.isfinite(a)):
        raise InputError(f"{name} holds NaN, infinity or no numbers: use another copy, or weights of another epoch")
    largest = float(np.max(np.abs(a.astype(np.float64)), initial=0))
    if largest > float(np.finfo(str(dtype)).max):
        raise InputError(f"{name} holds {largest:.3g}, which is too large for {dtype}: use a network with dtype=float64")
    if name.endswith(BUFFERS["variance"]) and np.any(a < 0):
        raise InputError(f"{name} holds negative variances: use another copy, or weights of another epoch")


def _list(names: Iterable[str]) -> str:
    """Some names in a message, the first ones if there are many. Those of hostile files may be long, or no text to be printed."""
    said = [name if name.isprintable() and len(name) < LONGEST else shown(name[:LONGEST]) for name in islice(names, MOST)]
    return ", ".join(said) or "nothing"
