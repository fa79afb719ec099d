"""A network is a value: structure, one flat parameter vector theta, and buffers. Nothing changes in place."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from pwl.data.preparation import Preparation
from pwl.errors import InputError
from pwl.layers.layer import Layer
from pwl.layers.skip import sources
from pwl.losses import Loss
from pwl.network.doors import Doors
from pwl.network.inputs import check_preparation
from pwl.network.layout import HEAD, Layout, buffers_by_layer, lay_out
from pwl.network.posterior import Posterior
from pwl.network.remembered import Remembered
from pwl.runtime.backend import Array, array_namespace, host, namespace_of, read_only


@dataclass(frozen=True, eq=False)
class Network(Doors):
    """Computes outputs from a body of layers and a linear head over the basis [1, x if bypass, o]: y = B W_o', Eq. (9).

    Build one with `Network.mlp` or `Network.from_layers`. A network never changes; `with_theta` and `with_parts` return new ones.

    Attributes
    ----------
    layers, loss : tuple of layers, loss
        The body, and the loss with its `name`.
    input_shape, n_outputs, bypass : tuple of int, int, bool
        Shape of one pattern's inputs, M, and whether the outputs also see the inputs directly.
    theta : array (number of parameters,)
        All parameters in one vector, of which the others are read-only views.
    W, A, W_o : array (Nh, N+1), (Nh, K), (M, Nu)
        Weights and ordinates of the first hidden layer, and the output weights.
    parts, buffers : dict, dict
        Parameters by slot key, such as "0.W", "1.A" or "head.W", and arrays that are not trained, such as the hinges "1.ns".
    initialised, net_control : bool
        Whether `initialise` has started the network on data, and whether it scales the hidden weights to them, Eq. (8).
    preparation, posterior : pwl.Preparation, Posterior, or None
        The preparation of the data, and the posterior of the weights from `pwl.with_posterior`, if the network carries them.
    """

    layers: tuple[Layer, ...]
    input_shape: tuple[int, ...]
    n_outputs: int
    bypass: bool
    loss: Loss
    theta: Array = field(repr=False)
    buffers: Mapping[str, Array] = field(default_factory=dict, repr=False)
    initialised: bool = False
    net_control: bool = True
    preparation: Preparation | None = field(default=None, repr=False)
    posterior: Posterior | None = field(default=None, repr=False)
    remembered: ClassVar[Remembered | None] = None  # set on a network for one block, see `remembering`

    def __post_init__(self) -> None:
        object.__setattr__(self, "theta", read_only(self.theta))

    # ---- building

    @staticmethod
    def mlp(
        n_inputs: int,
        n_hidden: int | Sequence[int],
        n_outputs: int,
        activation: Any = "sigmoid",
        *,
        bypass: bool = True,
        loss: str = "squared_error",
        seed: int = 0,
        dtype: Any = np.float64,
        W: Any = None,
        net_control: bool = True,
        input_hinges: Any = None,
    ) -> Network:
        """Builds a multilayer perceptron. Hidden weights are drawn from N(0, 1), output weights are 0, and `initialise` comes next.

        Parameters
        ----------
        n_inputs, n_outputs : int
            N and M.
        n_hidden : int or sequence of int
            Number of hidden units, or one number per hidden layer.
        activation : str, activation, or a list of these
            The activation of every hidden layer, a name or an object such as pwl.PiecewiseLinear(), or a list of one for each.
        bypass : bool
            Whether the outputs also see the inputs directly.
        loss : {"squared_error", "cross_entropy", "output_reset"}
            "cross_entropy" and "output_reset", Eq. (84), are for integer labels.
        seed : int
            Seed of the starting weights.
        dtype : float32 or float64
            Type of the parameters and of the arithmetic.
        W : array (Nh, N+1), or a list of such arrays for several layers
            Hidden weights to start from, threshold first. Net control also scales these, unless net_control=False.
        net_control : bool
            Whether `initialise` scales the hidden weights to the data, Eq. (8).
        input_hinges : None, "auto", int or positions
            Hinges of a curve for each input, as in pwl.layers.CurvedDense, Eq. (67). None leaves the inputs straight.

        Returns
        -------
        Network
            Not yet initialised.

        Raises
        ------
        InputError
            For sizes below 1, an unknown name, or weights whose shape does not fit.
        """
        from pwl.network.build import mlp

        return mlp(n_inputs, n_hidden, n_outputs, activation, bypass=bypass, loss=loss, seed=seed, dtype=dtype, W=W,
                   net_control=net_control, input_hinges=input_hinges)  # fmt: skip

    @staticmethod
    def from_layers(
        layers: Sequence[Any],
        input_shape: Sequence[int],
        *,
        bypass: bool = False,
        loss: str = "cross_entropy",
        start: str = "glorot",
        seed: int = 0,
        dtype: Any = np.float32,
    ) -> Network:
        """Builds a network of any layers, for vectors or for images (height, width, channels).

        There is no net control, so the network can be trained at once. Only curves on inputs, curves with span "nets" and batch
        normalisation wait for `initialise`, which measures their hinges, spans and moments.

        Parameters
        ----------
        layers : sequence of layers
            Layers of pwl.layers and activations (names or objects), in their order. The last one must be pwl.layers.Dense. It
            gives the outputs.
        input_shape : sequence of int
            Shape of one pattern, such as (28, 28, 1).
        bypass : bool
            Whether the outputs also see the inputs directly.
        loss : {"cross_entropy", "squared_error", "output_reset"}
            As in `mlp`.
        start : {"glorot", "he"}
            Variance of the starting weights, 2 / (n_in + n_out) or 2 / n_in. Thresholds start at 0.
        seed : int
            Seed of the starting weights.
        dtype : float32 or float64
            Type of the parameters and of the arithmetic.

        Returns
        -------
        Network

        Raises
        ------
        InputError
            If a layer does not fit. The message names it, its input, and the input that it wants.
        """
        from pwl.network.build import from_layers

        return from_layers(layers, input_shape, bypass=bypass, loss=loss, start=start, seed=seed, dtype=dtype)

    # ---- parameters

    @cached_property
    def layout(self) -> Layout:
        """Shapes between the layers, and the places of the parameters in theta."""
        return lay_out(self.layers, self.input_shape, self.n_outputs, self.bypass)

    @cached_property
    def parts(self) -> dict[str, Array]:
        """Every parameter as a read-only view of theta, by slot key."""
        return self.layout.split(self.theta)

    def split(self, theta: Array) -> dict[str, Array]:
        """Views of a vector like theta (a direction, a gradient), by slot key."""
        return self.layout.split(theta)

    def join(self, parts: Mapping[str, Array]) -> Array:
        """Vector like theta from parts by slot key, with zeros for missing parameters."""
        return self.layout.join(parts, self.theta)

    def keys(self, *kinds: str) -> tuple[str, ...]:
        """Slot keys of the parameters of layers of these kinds: "map" (weights W), "activation" (curves' A), "head" (W_o)."""
        return self.layout.keys(*kinds)

    @cached_property
    def layer_parameters(self) -> tuple[dict[str, Array], ...]:
        """Parameters as one dictionary per layer, by the layer's own names. The head's comes last."""
        return self.layout.by_layer(self.parts)

    @cached_property
    def layer_buffers(self) -> tuple[dict[str, Array], ...]:
        """Buffers as one dictionary per layer, by the layer's own names. An empty one for the head comes last."""
        return buffers_by_layer(self.buffers, len(self.layers) + 1)

    def layer(self, index: int) -> tuple[Layer, dict[str, Array], dict[str, Array]]:
        """A layer, its parameters and its buffers."""
        return self.layers[index], self.layer_parameters[index], self.layer_buffers[index]

    def layer_of(self, key: str) -> Layer:
        """The layer of the body that a parameter belongs to."""
        return self.layers[self.layout.by_key[key].layer]

    def with_theta(self, theta: Array) -> Network:
        """The same network with other parameters."""
        theta, layout = read_only(theta), self.layout
        parts = layout.split(theta)
        same = self._with(vars(self))  # the layout and everything else that follows from the structure
        vars(same).update(theta=theta, parts=parts, layer_parameters=layout.by_layer(parts), W_oh=layout.on_features(parts[HEAD]))
        vars(same)["posterior"] = None  # it belongs to the parameters that it was made for
        return same

    def with_parts(self, parts: Mapping[str, Array]) -> Network:
        """The same network with some parameters replaced, by slot key."""
        return self.with_theta(self.layout.replaced(parts, self.theta))

    def with_head(self, W_o: Array) -> Network:
        """The same network with other output weights (M, Nu)."""
        return self.with_parts({HEAD: W_o})

    def moved(self, changes: Mapping[str, Array]) -> Network:
        """The network with changes, by slot key, added to its parameters."""
        return self.with_parts({key: self.parts[key] + change for key, change in changes.items()})

    def to(self, where: Any) -> Network:
        """The same network with its arrays on "cpu", on "cuda", or in an Array API namespace such as numpy or cupy."""
        xp = namespace_of(where)
        buffers = {key: xp.asarray(host(b)) for key, b in self.buffers.items()}
        return dataclasses.replace(self, theta=xp.asarray(host(self.theta)), buffers=buffers)

    def in_double(self) -> Network:
        """The same network in float64, on its device."""
        xp = array_namespace(self.theta)
        theta, *buffers = (xp.astype(a, xp.float64, copy=False) for a in (self.theta, *self.buffers.values()))
        return dataclasses.replace(self, theta=theta, buffers=dict(zip(self.buffers, buffers, strict=True)))

    @property
    def n_parameters(self) -> int:
        """Number of parameters, the length of theta."""
        return self.layout.size

    @property
    def W(self) -> Array:
        """Weights (Nh, N+1) of the first hidden layer, threshold first."""
        keys = self.keys("map")
        if not keys:
            raise InputError("no layer of this network has weights: W_o has those of its outputs")
        return self.parts[keys[0]]

    @property
    def A(self) -> Array:
        """Ordinates (Nh, K) of the first hidden layer's curves."""
        keys = self.keys("activation")
        if not keys:
            raise InputError("this network's activations are fixed: it has no curves")
        return self.parts[keys[0]]

    @property
    def W_o(self) -> Array:
        """Output weights (M, Nu) over the basis [1, x if bypass, o]."""
        return self.parts[HEAD]

    @cached_property
    def W_oh(self) -> Array:
        """The columns of W_o that act on the features o."""
        return self.layout.on_features(self.W_o)

    @cached_property
    def n_features(self) -> int:
        """Number of features o that the outputs see."""
        return self.layout.n_features

    @cached_property
    def n_basis(self) -> int:
        """Nu, the number of basis functions."""
        return self.layout.by_key[HEAD].shape[1]

    @cached_property
    def joins(self) -> dict[int, int]:
        """The earlier signal that a layer reads, by index of each layer that joins two. Signal i is the input of layer i."""
        return sources(self.layers)

    # ---- for first-order methods

    def training(self, *key: int) -> Network:
        """The network for training by first-order methods, with each layer in its training form, keyed by (*key, layer)."""
        return self._with_layers([layer.training((*key, index)) for index, layer in enumerate(self.layers)])

    def at_pattern(self, first: int) -> Network:
        """The network for a block that begins at pattern `first` of its batch. Layers draw random numbers from there on."""
        return self._with_layers([layer.at_pattern(first) for layer in self.layers])

    def remembering(self, remembered: Remembered | None) -> Network:
        """The network for the one block of patterns whose last pass `remembered` holds, or for any patterns if it is None."""
        if self.remembered is remembered:
            return self
        for found_once in ("parts", "layer_parameters", "layer_buffers", "W_oh", "n_features", "n_basis", "joins", "group"):
            getattr(self, found_once)
        return self._with({**vars(self), "remembered": remembered})

    def _with(self, attributes: dict[str, Any]) -> Network:
        """A network with these attributes, whose parts are known to fit."""
        same = object.__new__(type(self))
        vars(same).update(attributes)
        return same

    def _with_layers(self, layers: list[Layer]) -> Network:
        for new, old in zip(layers, self.layers, strict=True):
            if new is not old:
                return dataclasses.replace(self, layers=tuple(layers))
        return self

    @cached_property
    def group(self) -> int:
        """Number of patterns that blocks must keep together. The size of every block but the last is a multiple of it."""
        return math.lcm(*(layer.together for layer in self.layers))

    # ---- use

    def check_initialised(self) -> None:
        """Raises InputError if the network has not been initialised on training data."""
        if not self.initialised:
            raise InputError("this network has not been initialised: call pwl.initialise(net, (x, t)) or pwl.train first")

    def with_loss(self, loss: Loss) -> Network:
        """The network with another loss of the same kind of targets."""
        return self if loss is self.loss or loss == self.loss else dataclasses.replace(self, loss=loss)

    def with_preparation(self, preparation: Preparation | None) -> Network:
        """Returns the network with the preparation of its data, which then takes raw units, or raises InputError."""
        if preparation is None:
            return dataclasses.replace(self, preparation=None) if self.preparation else self
        check_preparation(preparation, self.input_shape[-1], self.n_outputs)
        return dataclasses.replace(self, preparation=preparation)
