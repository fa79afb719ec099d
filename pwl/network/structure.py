"""The structure of a network as plain words and numbers, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from pwl import activations, layers
from pwl.activations import FIXED
from pwl.activations.parameterless import Parameterless
from pwl.errors import InputError
from pwl.files.tensors import Tensors
from pwl.layers.layer import Layer
from pwl.losses import LOSSES
from pwl.network.layout import HEAD, address
from pwl.network.network import Network
from pwl.network.posterior import Posterior
from pwl.runtime.backend import host
from pwl.validate import shown, truth, whole

BUFFER = "buffer."
POSTERIOR = "posterior."


def tensors(net: Network) -> Tensors:
    """The arrays of a network by name, in host memory."""
    found = {"theta": host(net.theta), **{BUFFER + key: host(b) for key, b in net.buffers.items()}}
    if net.posterior is not None:
        found |= {POSTERIOR + name: a for name, a in net.posterior.arrays().items()}
    return found


def structure(net: Network) -> dict[str, Any]:
    """The structure of a network, without its arrays."""
    return {
        "layers": [layer.to_dict() for layer in net.layers],
        "input_shape": list(net.input_shape),
        "n_outputs": net.n_outputs,
        "bypass": net.bypass,
        "loss": net.loss.name,
        "initialised": net.initialised,
        "net_control": net.net_control,
        "posterior": None if net.posterior is None else net.posterior.to_dict(),
    }


def rebuild(d: Mapping[str, Any], arrays: Tensors, own: Iterable[Any] = ()) -> Network:
    """The network from `structure` and `tensors`. own: layers that are not part of pwl, as `known` takes them."""
    makers = known(own)
    for name in ("bypass", "initialised", "net_control"):
        truth(name, d[name])
    sizes = [whole("input_shape", size) for size in d["input_shape"]]
    net = Network(
        layers=tuple(layer_from_dict(layer, makers) for layer in d["layers"]),
        input_shape=tuple(sizes),
        n_outputs=whole("n_outputs", d["n_outputs"]),
        bypass=d["bypass"],
        loss=LOSSES[d["loss"]],
        theta=arrays["theta"],
        buffers={key.removeprefix(BUFFER): b for key, b in arrays.items() if key.startswith(BUFFER)},
        initialised=d["initialised"],
        net_control=d["net_control"],
        posterior=_posterior(d.get("posterior"), arrays),  # files of 0.1.0 have none
    )
    if net.theta.shape != (net.layout.size,):
        raise ValueError(f"{net.layout.size} parameters were wanted, but {net.theta.shape} came")
    _check_arrays(net)
    if surplus := sorted(arrays.keys() - tensors(net).keys()):
        raise ValueError(f"{surplus[0]} is not an array of such a network")
    if net.posterior is not None:
        _check_posterior(net, net.posterior)
    return net


def _check_posterior(net: Network, posterior: Posterior) -> None:
    """Raises ValueError unless the posterior belongs to weights of the network."""
    possible = ((), (HEAD,), net.keys("map", "head"), net.keys("map", "activation", "head"))
    if not net.loss.quadratic or posterior.keys not in possible:
        raise ValueError(f"a network with {net.loss.name} has no posterior of {posterior.keys}")
    n = net.n_basis if posterior.keys == (HEAD,) else net.layout.size_of(posterior.keys)
    own = (net.n_outputs, n, n) if posterior.keys == (HEAD,) else (n, n)
    if posterior.factor.shape not in ((n, n), own) or posterior.noise.shape != (net.n_outputs,):
        raise ValueError(f"a posterior of {n} weights and {net.n_outputs} outputs was wanted")
    numbers = (posterior.factor, posterior.noise, np.asarray(posterior.Nv))
    if not all(np.all(np.isfinite(a)) for a in numbers) or np.any(posterior.noise < 0) or not posterior.Nv > 0:
        raise ValueError("its posterior holds impossible numbers")
    if np.any(np.diagonal(posterior.factor, axis1=-2, axis2=-1) <= 0) or any(a.dtype.kind != "f" for a in numbers):
        raise ValueError("its posterior holds impossible numbers")


def _posterior(d: Mapping[str, Any] | None, arrays: Tensors) -> Posterior | None:
    if d is None:
        return None
    own = {key.removeprefix(POSTERIOR): host(a) for key, a in arrays.items() if key.startswith(POSTERIOR)}
    return Posterior.from_dict(d, own)


def _check_arrays(net: Network) -> None:
    """Raises ValueError unless all arrays are finite numbers of one float type, and the buffers those of the layers."""
    wanted = {
        address(index, name): b
        for index, layer in enumerate(net.layers)
        for name, b in layer.buffers(net.layout.shapes[index]).items()
    }
    if set(wanted) != set(net.buffers):
        raise ValueError(f"the buffers {sorted(wanted)} were wanted, but {sorted(net.buffers)} came")
    for key, b in net.buffers.items():
        own = np.shape(wanted[key])  # of all units together, or one row for each
        if b.ndim == 0 or own not in (b.shape, b.shape[1:]) or (own != b.shape and len(b) != _units(net, key)):
            raise ValueError(f"the buffer {key} has the shape {b.shape}")
    for a in (net.theta, *net.buffers.values()):
        if a.dtype not in (np.float32, np.float64) or a.dtype != net.theta.dtype:
            raise ValueError(f"numbers of {net.theta.dtype} and {a.dtype} came, wanted float32 or float64 throughout")
    filled = (np.isfinite(b) == np.isfinite(wanted[key]) for key, b in net.buffers.items())  # some rows are filled with infinity
    if not np.all(np.isfinite(net.theta)) or not all(np.all(same) for same in filled):
        raise InputError("it holds weights that are not finite numbers")


def _units(net: Network, key: str) -> int:
    """Number of units or channels that a layer with the buffer `key` acts on."""
    return next(net.layout.shapes[i][-1] for i in range(len(net.layers)) if key.startswith(address(i, "")))


def known(own: Iterable[Any] = ()) -> dict[str, Any]:
    """Layers by the name in their `to_dict`, as classes or as fixed activations. own: layers to add."""
    classes = (maker for module in (layers, activations) for maker in vars(module).values() if isinstance(maker, type))
    found: dict[str, Any] = {made.__name__: made for made in classes if Layer in made.__mro__}
    return found | FIXED | {named(layer): layer for layer in own}


def own_ones(layers: Any) -> list[Any]:
    """Layers of the caller's own, as `known` takes them. Raises InputError for anything else."""
    found = list(layers) if isinstance(layers, (list, tuple)) else [layers]
    for layer in found:
        made = isinstance(layer, type) and Layer in layer.__mro__
        if not made and not isinstance(layer, Layer):
            raise InputError(f"layers must be a list of layers of your own or of their classes, not {shown(layers)}")
    return found


def named(layer: Any) -> str:
    """The name in a layer's `to_dict`, from its class or from a fixed activation itself."""
    return layer.__name__ if isinstance(layer, type) else layer.to_dict()["name"]


def own_layers(net: Network) -> list[Any]:
    """The layers of a network in the form that `known` takes."""
    return [layer if isinstance(layer, Parameterless) else type(layer) for layer in net.layers]


def layer_from_dict(d: Mapping[str, Any], makers: Mapping[str, Any]) -> Layer:
    """The layer that a `to_dict` describes. Raises InputError if its name is unknown."""
    if d["name"] not in makers:
        raise InputError(
            f"it has a layer {d['name']!r} that is not part of pwl. If the layer is your own, name it: "
            "pwl.Network.load(path, layers=[...])"
        )
    maker = makers[d["name"]]
    if isinstance(maker, type):
        return maker(**{name: _value(value, makers) for name, value in d.items() if name != "name"})
    return maker


def _value(value: Any, makers: Mapping[str, Any]) -> Any:
    """An argument of a layer. A list in JSON stands for a tuple, and a dictionary for a layer."""
    if isinstance(value, dict):
        return layer_from_dict(value, makers)
    return tuple(_value(v, makers) for v in value) if isinstance(value, list) else value
