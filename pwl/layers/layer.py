"""The contract of a layer, and the defaults of everything in it that is optional.

A layer is a frozen value: the structure of a step of the forward pass, without its arrays. Its parameters `p` and
buffers `b` come as dictionaries of arrays by the layer's own names ("W", "A", "ns"). Networks keep all parameters in
one flat vector and give layers views of it. Rows are patterns.

`kind` is one of three words. A "map" has weights W with a row per unit and the threshold first. An "activation" acts on
each unit by itself. A "shape" has no parameters: it pools, rearranges or joins signals.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np

from pwl.errors import InputError
from pwl.layers import forms
from pwl.runtime.backend import Array, array_namespace, product

Shape = tuple[int, ...]
Arrays = dict[str, Array]
Deviation = Callable[[float, float], float]


class Activated(NamedTuple):
    """What an activation saves: nets n and slopes do/dn, both (Nv, ..., units). slope is None if nothing passes through."""

    n: Array
    slope: Array | None


@runtime_checkable
class Layer(Protocol):
    """A layer of a network. Derive from this class: what has a body here is optional.

    Every layer is a frozen dataclass, and has `kind`, `output_shape`, `apply`, `forward`, `keep`, `backward` and `tangent`. One
    with parameters has `shapes`, `start_parameters`, `gradient` and `columns`, too.
    """

    kind: ClassVar[str]
    linear: ClassVar[bool] = False  # of activations: the output is linear in the parameters
    span: Any = None  # of activations: "nets" if the hinges follow the nets when a network is initialised
    bias: bool = True  # of maps: the first column of W holds thresholds

    @property
    def together(self) -> int:
        """Blocks of patterns begin at multiples of so many."""
        return 1

    @property
    def reaches_back(self) -> int:
        """A layer that joins two signals reads the one that went into so many layers before it; others 0."""
        return 0

    # ---- structure

    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of one pattern's output. Raises InputError for an input that does not fit."""
        ...

    def shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """Shapes of the parameters by name; each has a row per unit."""
        return {}

    def buffers(self, input_shape: Shape) -> dict[str, np.ndarray]:
        """Arrays that belong to the layer and are not trained, by name."""
        return {}

    def start_parameters(self, input_shape: Shape, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Parameters to begin with, by name."""
        return {}

    def scaled_start(self, p: Arrays, input_shape: Shape, deviation: Deviation) -> Arrays:
        """Starting parameters for a network without net control. deviation(n_in, n_out) is the standard deviation wanted."""
        return p

    def to_dict(self) -> dict[str, Any]:
        """The layer in plain words and numbers: "name" is its class, the rest are the arguments that make it again."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        plain = {name: value.to_dict() if isinstance(value, Layer) else value for name, value in values.items()}
        return {"name": type(self).__name__, **plain}

    # ---- passes

    def apply(self, p: Arrays, b: Arrays, x: Array) -> Array:
        """The output alone."""
        ...

    def forward(self, p: Arrays, b: Arrays, x: Array) -> tuple[Array, Any]:
        """The output, and what the calls below want to have saved."""
        ...

    def keep(self, p: Arrays, b: Arrays, x: Array) -> Any:
        """What is saved alone, and only as much as `gradient` and a tangent along the layer's own parameters need."""
        ...

    def backward(self, p: Arrays, b: Arrays, saved: Any, g: Array) -> Array:
        """Signals g at the output carried back to the input, Eq. (18). May overwrite g."""
        ...

    def gradient(self, p: Arrays, b: Arrays, saved: Any, g: Array) -> Arrays:
        """Signals g at the output summed over patterns for each parameter, Eqs. (16), (17)."""
        return {}

    def columns(self, p: Arrays, b: Arrays, saved: Any, g: Array) -> Arrays:
        """Each pattern's own share of `gradient`, patterns along the last axis: rows of the Jacobian."""
        return {}

    def tangent(self, p: Arrays, b: Arrays, saved: Any, d: Arrays, dx: Array | None) -> Array | None:
        """Change of the output along directions d of the parameters and dx of the input (None: zero). May overwrite dx."""
        ...

    # ---- the last layer: outputs sum its units with weights W (M, units)

    def sums(self, p: Arrays, b: Arrays, x: Array, W: Array) -> Array:
        """The units summed for each output, o W' (Nv, M), Eq. (9)."""
        return _rows(self.apply(p, b, x)) @ W.T

    def sums_forward(self, p: Arrays, b: Arrays, x: Array, W: Array) -> tuple[Array, Any]:
        """`sums`, and what the calls below want to have saved."""
        o, saved = self.forward(p, b, x)
        return _rows(o) @ W.T, saved

    def through(self, p: Arrays, b: Arrays, x: Array) -> Any:
        """What `sums_forward` saves, without the sums."""
        return self.forward(p, b, x)[1]

    def sums_backward(self, p: Arrays, b: Arrays, saved: Any, v: Array, W: Array, shape: Shape) -> Array:
        """v (Nv, M) at the outputs carried back to the layer's input, Eq. (18). shape: of a pattern's units."""
        return self.backward(p, b, saved, signals(v, W, shape))

    def sums_gradient(self, p: Arrays, b: Arrays, saved: Any, v: Array, W: Array, shape: Shape) -> Arrays:
        """v (Nv, M) at the outputs as gradients of the layer's parameters, Eq. (17)."""
        return self.gradient(p, b, saved, signals(v, W, shape))

    def sums_tangent(self, p: Arrays, b: Arrays, saved: Any, d: Arrays, dx: Array | None, W: Array) -> Array:
        """Change of the outputs (Nv, M) along directions d of the parameters and dx of the input."""
        return _rows(self.tangent(p, b, saved, d, dx)) @ W.T

    # ---- two signals joined (`reaches_back` > 0)

    def joined_shape(self, shape: Shape, earlier: Shape) -> Shape:
        """Shape of the output for a signal and an earlier one."""
        raise TypeError(f"{type(self).__name__} joins no signals")

    def joined(self, x: Array, earlier: Array) -> Array:
        """The output for a signal and an earlier one."""
        raise TypeError(f"{type(self).__name__} joins no signals")

    def shares(self, g: Array) -> tuple[Array | None, Array]:
        """What comes back to the signal and to the earlier one, an array for each."""
        raise TypeError(f"{type(self).__name__} joins no signals")

    def changed(self, dx: Array | None, earlier: Array | None) -> Array | None:
        """Change of the output, an array of its own, from the changes of the two signals (None: zero)."""
        raise TypeError(f"{type(self).__name__} joins no signals")

    # ---- what algorithms ask

    def follow(self, low: np.ndarray, high: np.ndarray) -> tuple[Arrays, Arrays]:
        """Buffers and parameters for inputs that range from low to high (units,): of layers whose `span` is "nets"."""
        raise TypeError(f"{type(self).__name__} has no span")

    def penalty(self, name: str, l2: float, curves: float) -> forms.Form:
        """The penalty on a parameter. l2: weight for hidden weights, Eq. (27). curves: for a curve's roughness, Eq. (26)."""
        return forms.whole(0.0)

    def curve_direction(self, G: Array, knots: int) -> Array:
        """Direction of a curve step from the gradient of a parameter."""
        return G

    def inputs(self, x: Array) -> Array:
        """What each unit sees, as rows [1, x]: for autocorrelations, Eq. (23). InputError if units see different inputs."""
        raise InputError(
            f"the HWO direction needs one autocorrelation of inputs, which {type(self).__name__} does not have: "
            'use direction="gradient"'
        )

    def multiplies(self, W: Shape, output_shape: Shape) -> int:
        """Multiplies of one pattern's products with weights of shape W; work element by element does not count."""
        return 0

    def pieces(self, p: Arrays, b: Arrays, saved: Any) -> tuple[Array, ...]:
        """In which of the layer's smooth pieces each input lies, as whole numbers or truth values; empty if there is one."""
        return ()

    # ---- as first-order methods train it

    def training(self, key: tuple[int, ...]) -> Layer:
        """The layer as first-order methods train it, with the same parameters and buffers.

        What it draws depends only on the key and on a pattern's place in the batch.
        """
        return self

    def at_pattern(self, first: int) -> Layer:
        """The layer for a block that begins at pattern `first` of its batch."""
        return self


def signals(v: Array, W: Array, shape: Shape) -> Array:
    """v (Nv, M) at outputs that sum units with weights W (M, units), carried back to the units, (Nv, *shape)."""
    return array_namespace(v).reshape(product(v, W), (v.shape[0], *shape))


def image_shape(layer: str, shape: Shape) -> tuple[int, int, int]:
    """Height, width and channels. Raises InputError if the input is not an image."""
    if len(shape) != 3:
        raise InputError(f"{layer} takes images (height, width, channels), but its input has shape {shape}")
    return shape[0], shape[1], shape[2]


def _rows(o: Array) -> Array:
    return o if o.ndim == 2 else array_namespace(o).reshape(o, (o.shape[0], -1))
