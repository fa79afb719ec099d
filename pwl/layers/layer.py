"""The contract of a layer, with defaults for everything that is optional.

A layer is a frozen value that describes one step of the forward pass without its arrays. Its parameters `p` and
buffers `b` come as dictionaries of arrays by the layer's own names ("W", "A", "ns"). Networks keep all parameters in
one flat vector and give layers views of it. Rows are patterns.

`kind` is one of three words. A "map" has weights W with a row per unit and the threshold first. An "activation" acts on
each unit by itself. A "shape" has no parameters: it pools, rearranges or joins signals.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np

from pwl.errors import InputError
from pwl.kernels.hinges import Rule
from pwl.layers import forms
from pwl.runtime.backend import Array, array_namespace, gram, product

Shape = tuple[int, ...]
Arrays = dict[str, Array]
Deviation = Callable[[float, float], float]


class Activated(NamedTuple):
    """The saved arrays of an activation: nets n and slopes do/dn, both (Nv, ..., units). slope is None if it is not needed."""

    n: Array
    slope: Array | None


@runtime_checkable
class Layer(Protocol):
    """Base class of the layers of a network. Members that have a body or a value here are optional.

    Every layer is a frozen dataclass with `kind`, `output_shape`, `apply`, `forward`, `keep`, `backward` and `tangent`. A layer
    with parameters also has `shapes`, `start_parameters`, `gradient` and `columns`. In all methods p and b are the layer's
    parameters and buffers by name, and x is its input (Nv, ...).

    Attributes
    ----------
    kind : {"map", "activation", "shape"}
        The kind of the layer, as the module explains.
    linear : bool
        For activations: True if the output is linear in the parameters.
    fused : bool
        True if `sums` adds up the units as it evaluates them, without storing them.
    span : object
        For activations: "nets" if the hinges follow the nets when a network is initialised.
    bias : bool
        For maps: True if the first column of W holds thresholds.
    reads_inputs : bool
        True if the layer can only be the first of a network.
    puts_activations : bool
        For maps: True if `activated` and `activated_forward` are there.
    """

    kind: ClassVar[str]
    linear: ClassVar[bool] = False
    fused: ClassVar[bool] = False
    span: Any = None
    bias: bool = True
    reads_inputs: ClassVar[bool] = False

    @property
    def puts_activations(self) -> bool:
        return False

    @property
    def together(self) -> int:
        """Blocks of patterns begin at multiples of this number."""
        return 1

    @property
    def reaches_back(self) -> int:
        """For a layer that joins two signals, the number of layers that the earlier signal skips; otherwise 0."""
        return 0

    @property
    def rises(self) -> int:
        """Number of rises of curves on inputs, the last columns of W and of `direct`."""
        return 0

    # ---- structure

    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of one pattern's output. Raises InputError if the input does not fit."""
        ...

    def shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """Shapes of the parameters by name. Each parameter has a row per unit."""
        return {}

    def buffers(self, input_shape: Shape) -> dict[str, np.ndarray]:
        """Arrays of the layer that are not trained, by name."""
        return {}

    def start_parameters(self, input_shape: Shape, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """The starting parameters by name."""
        return {}

    def scaled_start(self, p: Arrays, input_shape: Shape, deviation: Deviation) -> Arrays:
        """Starting parameters for a network without net control. deviation(n_in, n_out) is their standard deviation."""
        return p

    def to_dict(self) -> dict[str, Any]:
        """The layer in plain words and numbers. "name" is its class, and the rest are the arguments of the class."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type] # a layer is a dataclass, which a Protocol can't say
        values = {field.name: getattr(self, field.name) for field in fields}
        plain = {name: value.to_dict() if isinstance(value, Layer) else value for name, value in values.items()}
        return {"name": type(self).__name__, **plain}

    # ---- passes

    def apply(self, p: Arrays, b: Arrays, x: Array) -> Array:
        """The output alone."""
        ...

    def forward(self, p: Arrays, b: Arrays, x: Array) -> tuple[Array, Any]:
        """The output, and the arrays saved for the calls below."""
        ...

    def again(self, p: Arrays, b: Arrays, x: Array, saved: Any) -> tuple[Array, Any]:
        """`forward` for the very input of an earlier one, whose saved arrays hold what does not depend on the parameters."""
        return self.forward(p, b, x)

    def keep(self, p: Arrays, b: Arrays, x: Array) -> Any:
        """The saved arrays alone, and only those that `gradient` and a tangent along the layer's own parameters need."""
        ...

    def backward(self, p: Arrays, b: Arrays, saved: Any, g: Array) -> Array:
        """Signals g at the output carried back to the input, Eq. (18). May overwrite g."""
        ...

    def gradient(self, p: Arrays, b: Arrays, saved: Any, g: Array) -> Arrays:
        """Gradient of each parameter from signals g at the output, summed over patterns, Eqs. (16), (17)."""
        return {}

    def columns(self, p: Arrays, b: Arrays, saved: Any, g: Array) -> Arrays:
        """Each pattern's own share of `gradient`, with patterns along the last axis: rows of the Jacobian."""
        return {}

    def tangent(self, p: Arrays, b: Arrays, saved: Any, d: Arrays, dx: Array | None) -> Array | None:
        """Change of the output along directions d of the parameters and dx of the input (None means zero). May overwrite dx."""
        ...

    def for_sums(self, p: Arrays, b: Arrays, x: Array) -> Any:
        """The output for a last layer of which only sums are wanted: an array, or what its kernels make it of."""
        return self.apply(p, b, x)

    # ---- a map and the activation after it in one kernel

    def rule(self, p: Arrays, b: Arrays) -> Rule | None:
        """For activations: what the kernel of the map before needs to know, or None if no kernel has this activation."""
        return None

    def activated(self, p: Arrays, b: Arrays, x: Array, rule: Rule) -> Array:
        """For maps: the output of the activation after the layer."""
        raise TypeError(f"{type(self).__name__} puts no activations")

    def activated_forward(self, p: Arrays, b: Arrays, x: Array, rule: Rule) -> tuple[Array, Array, Array]:
        """For maps: the nets n, the output of the activation after the layer, and do/dn."""
        raise TypeError(f"{type(self).__name__} puts no activations")

    # ---- the last layer, whose units the outputs sum with weights W (M, units)

    def sums(self, p: Arrays, b: Arrays, x: Array, W: Array) -> Array:
        """The sum of the units for each output, o W' (Nv, M), Eq. (9)."""
        return rows_of_units(self.apply(p, b, x)) @ W.T

    def sums_forward(self, p: Arrays, b: Arrays, x: Array, W: Array) -> tuple[Array, Any]:
        """`sums`, and the arrays saved for the calls below."""
        o, saved = self.forward(p, b, x)
        return rows_of_units(o) @ W.T, saved

    def through(self, p: Arrays, b: Arrays, x: Array) -> Any:
        """The arrays that `sums_forward` saves, without the sums."""
        return self.forward(p, b, x)[1]

    def sums_backward(self, p: Arrays, b: Arrays, saved: Any, v: Array, W: Array, shape: Shape) -> Array:
        """v (Nv, M) at the outputs carried back to the layer's input, Eq. (18). shape: the shape of one pattern's units."""
        return self.backward(p, b, saved, signals(v, W, shape))

    def sums_gradient(self, p: Arrays, b: Arrays, saved: Any, v: Array, W: Array, shape: Shape) -> Arrays:
        """Gradients of the layer's parameters from v (Nv, M) at the outputs, Eq. (17)."""
        return self.gradient(p, b, saved, signals(v, W, shape))

    def sums_tangent(self, p: Arrays, b: Arrays, saved: Any, d: Arrays, dx: Array | None, W: Array) -> Array:
        """Change of the outputs (Nv, M) along directions d of the parameters and dx of the input."""
        return rows_of_units(self.tangent(p, b, saved, d, dx)) @ W.T

    # ---- the first layer's input as the outputs see it past the body (`bypass`)

    def direct_width(self, input_shape: Shape) -> int:
        """Number of functions of the inputs that the outputs see, without the constant."""
        return math.prod(input_shape)

    def direct(self, b: Arrays, x: Array) -> Array:
        """These functions, the constant first, D = [1, x] (Nv, width + 1)."""
        xp = array_namespace(x)
        return xp.concat([xp.ones((x.shape[0], 1), dtype=x.dtype), rows_of_units(x)], axis=1)

    def direct_sums(self, b: Arrays, x: Array, W: Array, saved: Any = None) -> Array:
        """Their sums with weights W (M, width), without the constant, (Nv, M). saved: of the layer's pass, if it is known."""
        return rows_of_units(x) @ W.T

    def direct_saved(self, b: Arrays, x: Array) -> Any:
        """What the products of D below are made of."""
        return self.direct(b, x)

    def direct_gradient(self, b: Arrays, saved: Any, v: Array) -> Array:
        """v'D (M, width + 1) for v (Nv, M) at the outputs, from `direct_saved`."""
        return v.T @ saved

    def direct_gram(self, b: Arrays, saved: Any, w: Array | None) -> Array:
        """D'D (width + 1, width + 1) with pattern weights w, from `direct_saved`."""
        return gram(saved, w)

    def direct_across(self, b: Arrays, saved: Any, c: Array) -> Array:
        """D'c for c (Nv, columns), from `direct_saved`."""
        return saved.T @ c

    # ---- two signals joined (`reaches_back` > 0)

    def joined_shape(self, shape: Shape, earlier: Shape) -> Shape:
        """Shape of the output for a signal and an earlier one."""
        raise TypeError(f"{type(self).__name__} joins no signals")

    def joined(self, x: Array, earlier: Array) -> Array:
        """The output for a signal and an earlier one."""
        raise TypeError(f"{type(self).__name__} joins no signals")

    def shares(self, g: Array) -> tuple[Array | None, Array]:
        """The shares of g that go back to the signal and to the earlier one, an array for each."""
        raise TypeError(f"{type(self).__name__} joins no signals")

    def changed(self, dx: Array | None, earlier: Array | None) -> Array | None:
        """Change of the output, as a new array, from the changes of the two signals (None means zero)."""
        raise TypeError(f"{type(self).__name__} joins no signals")

    # ---- for algorithms

    def follow(self, low: np.ndarray, high: np.ndarray) -> tuple[Arrays, Arrays]:
        """Buffers and parameters for inputs from low to high (units,), if the `span` of the layer is "nets"."""
        raise TypeError(f"{type(self).__name__} has no span")

    def penalty(self, name: str, l2: float, curves: float) -> forms.Form:
        """The penalty on a parameter. l2: weight on hidden weights, Eq. (27). curves: weight on roughness, Eq. (26)."""
        return forms.whole(0.0)

    def curve_direction(self, G: Array, knots: int) -> Array:
        """Direction of a curve step from the gradient of a parameter."""
        return G

    def inputs(self, b: Arrays, x: Array) -> Array:
        """The inputs of each unit as rows [1, x], for autocorrelations, Eq. (23). InputError if units see different inputs."""
        raise InputError(
            f"the HWO direction needs one autocorrelation of inputs, which {type(self).__name__} does not have: "
            'use direction="gradient"'
        )

    def multiplies(self, W: Shape, output_shape: Shape) -> int:
        """Multiplies of one pattern's products with weights of shape W. Work element by element does not count."""
        return 0

    def row_multiplies(self, W: Shape) -> int:
        """Multiplies of one unit's net at one place, the threshold's included, for weights of shape W."""
        return W[1]

    def pieces(self, p: Arrays, b: Arrays, saved: Any) -> tuple[Array, ...]:
        """The smooth piece of the layer that each input lies in, as whole numbers or bools. Empty if there is only one piece."""
        return ()

    # ---- for first-order methods

    def training(self, key: tuple[int, ...]) -> Layer:
        """The layer for training by first-order methods, with the same parameters and buffers.

        Its random numbers depend only on the key and on a pattern's place in the batch.
        """
        return self

    def at_pattern(self, first: int) -> Layer:
        """The layer for a block that begins at pattern `first` of its batch."""
        return self


def signals(v: Array, W: Array, shape: Shape) -> Array:
    """v (Nv, M) at outputs that sum units with weights W (M, units), carried back to the units, (Nv, *shape)."""
    g = product(v, W)
    return g if len(shape) == 1 else array_namespace(v).reshape(g, (v.shape[0], *shape))


def image_shape(layer: str, shape: Shape) -> tuple[int, int, int]:
    """Height, width and channels. Raises InputError if the input is not an image."""
    if len(shape) != 3:
        raise InputError(f"{layer} takes images (height, width, channels), but its input has shape {shape}")
    return shape[0], shape[1], shape[2]


def rows_of_units(o: Array) -> Array:
    """Units (Nv, ...) as rows (Nv, units)."""
    return o if o.ndim == 2 else array_namespace(o).reshape(o, (o.shape[0], -1))
