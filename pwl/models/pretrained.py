"""Weights of PyTorch's models, from files on this machine."""

from __future__ import annotations

import dataclasses
import hashlib
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pwl import validate
from pwl.errors import InputError
from pwl.files.tensors import FAULTS, in_a_line
from pwl.layers import BatchNorm2d, Conv2d, Flatten
from pwl.models.resnet18 import names as resnet18_names
from pwl.models.vgg11 import NAMES
from pwl.network.layout import HEAD, address
from pwl.network.network import Network
from pwl.runtime.backend import like
from pwl.validate import shown

KNOWN = (NAMES, resnet18_names(True), resnet18_names(False))
BUFFERS = {"mean": "running_mean", "variance": "running_var"}


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
        A safetensors or .npz file, or a dictionary of arrays, with PyTorch's names ("features.0.weight", "fc.bias").
    names : sequence of str, optional
        The model's names of the layers with weights ("features.0"), in the order of the network's, the outputs last.
    sha256 : str, optional
        The checksum that the file must have.
    partial : bool
        Whether layers that the source lacks, or has with another shape, keep their weights. A warning names them.

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
    arrays = {name: _array(a) for name, a in _read(source, sha256).items()}
    if net.bypass:
        raise InputError(
            "the outputs of this network see its inputs directly, which no PyTorch model has: use bypass=False"
        )
    own = [index for index, layer in enumerate(net.layers) if layer.kind == "map"]
    prefixes = _prefixes(net, own, names)
    parts, buffers, kept = dict(net.parts), dict(net.buffers), []
    for index, prefix in zip(own, prefixes, strict=False):
        found = _layer(net, index, prefix, arrays)
        if found is None:
            kept.append(f"layer {index} ({prefix})")
            continue
        parts[address(index, "W")] = like(found, net.theta)
        if isinstance(net.layers[index], BatchNorm2d):
            moments = {address(index, name): arrays[f"{prefix}.{word}"] for name, word in BUFFERS.items()}
            buffers |= {key: like(a, net.theta) for key, a in moments.items()}
    if kept and not partial:
        raise InputError(
            f"the source has no weights that fit {', '.join(kept)}: use partial=True to keep those of the network"
        )
    if kept:
        warnings.warn(f"these layers keep their own weights: {', '.join(kept)}", stacklevel=2)
    head = _dense(arrays, prefixes[-1], net, len(net.layers))
    if head is not None and head.shape == net.W_o.shape:
        parts[HEAD] = like(head, net.theta)
    theta = net.layout.join(parts, net.theta)
    return dataclasses.replace(net, theta=theta, buffers=buffers, initialised=True, posterior=None)


def _prefixes(net: Network, own: Sequence[int], names: Sequence[str] | None) -> Sequence[str]:
    """A name for each layer with weights and for the outputs."""
    if names is None:
        fitting = [known for known in KNOWN if len(known) == len(own) + 1]
        if not fitting:
            raise InputError(
                f"a network with {len(own)} layers of weights is neither vgg11 nor resnet18: give names=[...]"
            )
        return fitting[0]
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"names must be a list of texts, one for each layer with weights and one for the outputs, not "
            f"{shown(names)}"
        )
    if len(names) != len(own) + 1:
        raise InputError(f"{len(names)} names came, but the network has {len(own)} layers with weights, and outputs")
    return names


def _layer(net: Network, index: int, prefix: str, arrays: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """The W of a layer, or None if the source does not have it in this shape."""
    layer, wanted = net.layers[index], net.parts[address(index, "W")].shape
    weight, bias = arrays.get(f"{prefix}.weight"), arrays.get(f"{prefix}.bias")
    found: np.ndarray | None
    if isinstance(layer, BatchNorm2d):
        moments = [arrays.get(f"{prefix}.{word}") for word in BUFFERS.values()]
        if weight is None or bias is None or any(a is None or a.shape != wanted[:1] for a in moments):
            return None
        found = np.stack([bias, weight], axis=1) if weight.shape == bias.shape == wanted[:1] else None
    elif isinstance(layer, Conv2d):
        if weight is None or weight.ndim != 4 or (bias is None) == layer.bias:
            return None
        W = np.transpose(weight, (0, 2, 3, 1)).reshape(len(weight), -1)
        found = np.hstack([bias[:, None], W]) if bias is not None else W
        if weight.shape[2:] != layer.size:
            return None
    else:
        found = _dense(arrays, prefix, net, index)
    return found if found is not None and found.shape == wanted else None


def _dense(arrays: Mapping[str, np.ndarray], prefix: str, net: Network, index: int) -> np.ndarray | None:
    """[bias, weight]. After Flatten, PyTorch's inputs are channel by channel, and ours pixel by pixel."""
    weight, bias = arrays.get(f"{prefix}.weight"), arrays.get(f"{prefix}.bias")
    if weight is None or bias is None or weight.ndim != 2 or bias.shape != weight.shape[:1]:
        return None
    if index and isinstance(net.layers[index - 1], Flatten) and len(net.layout.shapes[index - 1]) == 3:
        height, width, channels = net.layout.shapes[index - 1]
        if weight.shape[1] != height * width * channels:
            return None
        weight = weight.reshape(-1, channels, height, width).transpose(0, 2, 3, 1).reshape(len(weight), -1)
    return np.hstack([bias[:, None], weight])


def _read(source: Any, sha256: str | None) -> Mapping[str, Any]:
    """The arrays of a file or a mapping by name."""
    if isinstance(source, Mapping):
        if sha256 is not None:
            raise InputError("sha256 is the checksum of a file, but arrays came: leave it out")
        return source
    path = validate.path("source", source)
    if not path.is_file():
        raise InputError(f"{path} is not there: give a file of this machine, since nothing is downloaded")
    if path.suffix not in (".safetensors", ".npz"):
        raise InputError(
            f"{path} is no safetensors or .npz file: files by torch.save can run any program, so save the weights by "
            "safetensors.torch.save_file(model.state_dict(), path)"
        )
    if sha256 is not None:
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != str(sha256).lower():
            raise InputError(f"{path} has the checksum {found}, not {sha256}: it is another file, or damaged")
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        return load_file(path)
    except (SafetensorError, zipfile.BadZipFile, OSError, *FAULTS) as wrong:
        raise InputError(f"{path} can't be read ({in_a_line(wrong)}): use another copy") from None


def _array(a: Any) -> np.ndarray:
    """A tensor of PyTorch, or an array, as an array."""
    return np.asarray(a.detach().cpu() if hasattr(a, "detach") else a)
