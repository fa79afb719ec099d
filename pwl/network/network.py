"""A network is a value: structure, one flat parameter vector theta, and buffers. Nothing here changes in place."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from pwl.errors import InputError
from pwl.layers.skip import shape_after, sources
from pwl.losses import softmax
from pwl.network.inputs import check_scaled, check_shape
from pwl.runtime.backend import Array, array_namespace, as_array, host, like, namespace_named, product

HEAD = "head.W"  # W_o (M, Nu) over the basis [1, x if bypass, o]


class Slot(NamedTuple):
    """Where a parameter lies in theta. key: "<layer>.<name>", for example "0.W", "1.A" or "head.W"."""

    key: str
    layer: int
    name: str
    start: int
    stop: int
    shape: tuple[int, ...]


class Layout(NamedTuple):
    """What follows from the structure alone: shapes between the layers and the places of the parameters."""

    shapes: tuple[tuple[int, ...], ...]  # input of layer 0, of layer 1, ..., output of the last
    slots: tuple[Slot, ...]
    size: int


class Signals(NamedTuple):
    """One forward pass over a block of patterns: x, what every layer saved, the features o and the outputs y."""

    x: Array
    saved: tuple[Any, ...]
    o: Array
    y: Array


@functools.lru_cache(maxsize=256)
def lay_out(layers: tuple, input_shape: tuple[int, ...], n_outputs: int, bypass: bool) -> Layout:
    shapes, slots, start = [input_shape], [], 0
    for index, layer in enumerate(layers):
        for name, shape in layer.shapes(shapes[-1]).items():
            stop = start + math.prod(shape)
            slots.append(Slot(f"{index}.{name}", index, name, start, stop, shape))
            start = stop
        shapes.append(shape_after(layer, shapes))
    n_basis = 1 + (math.prod(input_shape) if bypass else 0) + math.prod(shapes[-1])
    stop = start + n_outputs * n_basis
    slots.append(Slot(HEAD, len(layers), "W", start, stop, (n_outputs, n_basis)))
    return Layout(tuple(shapes), tuple(slots), stop)


@dataclass(frozen=True, eq=False)
class Network:
    """A body of layers and a linear head over the basis [1, x if bypass, o]: y = B W_o', Eq. (9).

    Build one with `Network.mlp`. Its parameters are views of the flat vector `theta`: `net.W` (hidden weights),
    `net.A` (curves' ordinates), `net.W_o`, or by slot name in `net.parts`. `net.with_theta` gives a new network.
    """

    layers: tuple
    input_shape: tuple[int, ...]
    n_outputs: int
    bypass: bool
    loss: Any
    theta: Array = field(repr=False)
    buffers: Mapping[str, Array] = field(default_factory=dict, repr=False)
    initialised: bool = False
    net_control: bool = True
    preparation: Any = field(default=None, repr=False)

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
    ) -> Network:
        """Multilayer perceptron, not yet initialised: hidden weights drawn from N(0, 1), output weights zero.

        n_hidden: units of the hidden layer, or a sequence of them for several layers.
        activation: a name or an activation object, for every hidden layer.
        bypass: the outputs see the inputs directly, too.
        loss: "squared_error", or "cross_entropy" for integer labels.
        W: hidden weights (Nh, N+1) to start from, threshold first (a list of such arrays for several layers). Net
            control is applied to them as well, unless net_control=False.

        Raises InputError for sizes below 1, an unknown name, or weights whose shape does not fit.
        """
        from pwl.network.build import mlp

        return mlp(
            n_inputs,
            n_hidden,
            n_outputs,
            activation,
            bypass=bypass,
            loss=loss,
            seed=seed,
            dtype=dtype,
            W=W,
            net_control=net_control,
        )

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
        """Network of any layers, for images (height, width, channels) or vectors; the last, pwl.layers.Dense, gives the outputs.

        layers: of pwl.layers and activations (names or objects), in their order; shapes are checked as they are put together.
        bypass: the outputs see the inputs directly, too.
        start: of the weights, drawn with variance 2 / (n_in + n_out) ("glorot") or 2 / n_in ("he"); thresholds begin at 0.

        The network may be trained as it is: there is no net control, and curves with span "nets" take theirs, batch
        normalisation its moments, when it is initialised. Raises InputError naming the layer that does not fit, what it
        wants and what it gets.
        """
        from pwl.network.build import from_layers

        return from_layers(layers, input_shape, bypass=bypass, loss=loss, start=start, seed=seed, dtype=dtype)

    # ---- parameters

    @property
    def layout(self) -> Layout:
        return lay_out(self.layers, self.input_shape, self.n_outputs, self.bypass)

    def split(self, theta: Array) -> dict[str, Array]:
        """Views of a vector like theta (a direction, a gradient), by slot key."""
        xp = array_namespace(theta)
        return {s.key: xp.reshape(theta[s.start : s.stop], s.shape) for s in self.layout.slots}

    def join(self, parts: Mapping[str, Array]) -> Array:
        """Flat vector like theta from parts by slot key; zero where a part is missing."""
        xp = array_namespace(self.theta)
        zero = xp.zeros_like(self.theta)
        return xp.concat(
            [xp.reshape(parts[s.key], (-1,)) if s.key in parts else zero[s.start : s.stop] for s in self.layout.slots]
        )

    @cached_property
    def parts(self) -> dict[str, Array]:
        """Every parameter as a view of theta, by slot key."""
        return self.split(self.theta)

    def keys(self, kind: str) -> tuple[str, ...]:
        """Slot keys of the parameters of the layers of a kind: "map" (weights W) or "activation" (curves' A)."""
        return tuple(s.key for s in self.layout.slots if s.key != HEAD and self.layers[s.layer].kind == kind)

    @cached_property
    def layer_parameters(self) -> tuple[dict[str, Array], ...]:
        return self.by_layer(self.parts)

    @cached_property
    def layer_buffers(self) -> tuple[dict[str, Array], ...]:
        found: tuple[dict[str, Array], ...] = tuple({} for _ in self.layers)
        for key, b in self.buffers.items():
            layer, name = key.split(".")
            found[int(layer)][name] = b
        return found

    def by_layer(self, parts: Mapping[str, Array]) -> tuple[dict[str, Array], ...]:
        """Parts sorted by layer: one dictionary name -> array for each layer of the body."""
        found: tuple[dict[str, Array], ...] = tuple({} for _ in self.layers)
        for s in self.layout.slots:
            if s.key in parts and s.key != HEAD:
                found[s.layer][s.name] = parts[s.key]
        return found

    def with_theta(self, theta: Array) -> Network:
        """The same network with other parameters."""
        return dataclasses.replace(self, theta=theta)

    def with_parts(self, parts: Mapping[str, Array]) -> Network:
        """The same network with some parameters replaced, by slot key."""
        return self.with_theta(self.join({**self.parts, **parts}))

    def moved(self, parts: Mapping[str, Array]) -> Network:
        """The network at theta + the given changes, by slot key."""
        return self.with_parts({key: self.parts[key] + change for key, change in parts.items()})

    def to(self, where: Any) -> Network:
        """The same network with its arrays elsewhere: "cpu", "cuda", or an Array API namespace such as numpy or cupy."""
        xp = namespace_named(where) if isinstance(where, str) else where
        buffers = {key: xp.asarray(host(b)) for key, b in self.buffers.items()}
        return dataclasses.replace(self, theta=xp.asarray(host(self.theta)), buffers=buffers)

    @property
    def n_parameters(self) -> int:
        return self.layout.size

    @property
    def W(self) -> Array:
        """Weights (Nh, N+1) of the first hidden layer, threshold first."""
        return self.parts[self.keys("map")[0]]

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

    @property
    def W_oh(self) -> Array:
        """The columns of W_o that act on the features o."""
        return self.W_o[:, self.n_basis - self.n_features :]

    @property
    def n_features(self) -> int:
        return math.prod(self.layout.shapes[-1])

    @property
    def n_basis(self) -> int:
        """Nu, the number of basis functions."""
        return self.layout.slots[-1].shape[1]

    @property
    def floats_per_pattern(self) -> int:
        """Work numbers a pattern needs in the largest statistic, for the memory bound: of each layer's output about four."""
        return (
            math.prod(self.input_shape)
            + 2 * self.n_basis
            + 6 * self.n_outputs
            + 4 * sum(math.prod(s) for s in self.layout.shapes[1:])
        )

    # ---- as first-order methods train it

    def training(self, *key: int) -> Network:
        """The network as first-order methods train it: layers that act otherwise then replaced, keyed (*key, layer)."""
        if not any(hasattr(layer, "training") for layer in self.layers):
            return self
        layers = tuple(
            layer.training((*key, index)) if hasattr(layer, "training") else layer
            for index, layer in enumerate(self.layers)
        )
        return dataclasses.replace(self, layers=layers)

    def at_pattern(self, first: int) -> Network:
        """The network for a block that begins at pattern `first` of its batch: random layers go on from there."""
        if not self._placed:
            return self
        layers = tuple(layer.at_pattern(first) if hasattr(layer, "at_pattern") else layer for layer in self.layers)
        return dataclasses.replace(self, layers=layers)

    @cached_property
    def _placed(self) -> bool:
        return any(hasattr(layer, "at_pattern") for layer in self.layers)

    @cached_property
    def group(self) -> int:
        """Patterns that blocks must keep together: each block but the last has a whole multiple of so many."""
        return math.lcm(*(getattr(layer, "together", 1) for layer in self.layers))

    # ---- passes

    @cached_property
    def joins(self) -> dict[int, int]:
        """By index of a layer that joins two signals, the earlier one that it reads: signal i is what layer i gets."""
        return sources(self.layers)

    def basis(self, x: Array, o: Array) -> Array:
        """B = [1, x if bypass, o] (Nv, Nu)."""
        return array_namespace(o).concat([self.direct(x), o], axis=1)

    def direct(self, x: Array) -> Array:
        """[1, x if bypass], the part of the basis that needs no layer."""
        xp = array_namespace(x)
        one = xp.ones((x.shape[0], 1), dtype=x.dtype)
        return xp.concat([one, xp.reshape(x, (x.shape[0], -1))], axis=1) if self.bypass else one

    def head(self, W_o: Array, x: Array, o: Array) -> Array:
        """y = B W_o' without forming B, Eq. (9)."""
        return self.completed(o @ W_o[:, self.n_basis - self.n_features :].T, W_o, x)

    def completed(self, y: Array, W_o: Array, x: Array) -> Array:
        """y, what features give, and the inputs' and the thresholds' share, in place."""
        if self.bypass:
            xp, first = array_namespace(y), self.n_basis - self.n_features
            y += xp.reshape(x, (x.shape[0], -1)) @ W_o[:, 1:first].T
        y += W_o[:, 0]
        return y

    def features(self, x: Array) -> Array:
        """Features o (Nv, Nh) alone, nothing saved."""
        x = self.input_of(len(self.layers), x)
        return array_namespace(x).reshape(x, (x.shape[0], -1))

    def outputs(self, x: Array) -> Array:
        """Outputs y (Nv, M) of a block of patterns, nothing saved."""
        return self.head(self.W_o, x, self.features(x))

    def input_of(self, index: int, x: Array) -> Array:
        """What layer `index` gets for a block of patterns; index = number of layers: the body's output."""
        return self._up_to(index, x)[0]

    def _up_to(self, index: int, x: Array) -> tuple[Array, dict[int, Array]]:
        """What layer `index` gets, and the signals before it that joins read."""
        read: dict[int, Array] = {}
        for i in range(index):
            if i in self.joins.values():
                read[i] = x
            if i in self.joins:
                x = self.layers[i].joined(x, read[self.joins[i]])
            else:
                x = self.layers[i].apply(self.layer_parameters[i], self.layer_buffers[i], x)
        return x, read

    def body(self, x: Array, down_to: int = 0) -> tuple[tuple[Any, ...], Array]:
        """What each layer from `down_to` on saves (None below), and the features o (Nv, Nh).

        Nothing will pass through layer `down_to` itself: of an activation there only the nets are saved, not the slopes.
        """
        saved, x = self.saved(x, down_to, len(self.layers))
        return saved, array_namespace(x).reshape(x, (x.shape[0], -1))

    def saved(self, x: Array, down_to: int, end: int) -> tuple[tuple[Any, ...], Array]:
        """What each layer from `down_to` to before `end` saves, as `body` does, and what layer `end` gets."""
        x, read = self._up_to(down_to, x)
        saved: list[Any] = [None] * down_to
        for index in range(down_to, end):
            layer, p, b = self.layers[index], self.layer_parameters[index], self.layer_buffers[index]
            if index in self.joins.values():
                read[index] = x
            if index in self.joins:
                x, kept = layer.joined(x, read[self.joins[index]]), None
            elif index == down_to and layer.kind == "activation":
                x, kept = layer.apply(p, b, x), layer.keep(p, b, x)
            else:
                x, kept = layer.forward(p, b, x)
            saved.append(kept)
        return tuple(saved), x

    def forward(self, x: Array, down_to: int = 0) -> Signals:
        """Forward pass over a block of patterns that keeps the signals of the layers from `down_to` on."""
        saved, o = self.body(x, down_to)
        return Signals(x, saved, o, self.head(self.W_o, x, o))

    def backpropagate(self, saved: tuple[Any, ...], v: Array, wanted: Collection[int]) -> Iterator[tuple[int, Array]]:
        """v (Nv, M) at the outputs carried back to the outputs of the layers wanted, Eq. (18): (layer index, signals) from the
        last to the first. Signals are to be used before the next are asked for: layers overwrite what they are given."""
        g = array_namespace(v).reshape(product(v, self.W_oh), (v.shape[0], *self.layout.shapes[-1]))
        return self.carried(g, len(self.layers), saved, wanted)

    def gradients(
        self, saved: tuple[Any, ...], v: Array, wanted: Collection[int]
    ) -> Iterator[tuple[int, dict[str, Array]]]:
        """v (Nv, M) carried back to the layers wanted: (layer index, sums over the block by parameter's name)."""
        for index, g in self.backpropagate(saved, v, wanted):
            p, b = self.layer_parameters[index], self.layer_buffers[index]
            yield index, self.layers[index].gradient(p, b, saved[index], g)

    def carried(
        self, g: Array, end: int, saved: tuple[Any, ...], wanted: Collection[int]
    ) -> Iterator[tuple[int, Array]]:
        """Signals g at what layer `end` gets, carried back as by `backpropagate`."""
        lowest = min(wanted)
        waiting: dict[int, Array] = {}  # what joins bring back to earlier signals
        for index in range(end - 1, lowest - 1, -1):
            if index + 1 in waiting:
                other = waiting.pop(index + 1)
                g = other if g is None else g + other
            if index in wanted:
                yield index, g
            if index > lowest and index in self.joins:
                g, other = self.layers[index].shares(g)
                source = self.joins[index]
                if source > lowest:
                    waiting[source] = waiting[source] + other if source in waiting else other
            elif index > lowest:
                p, b = self.layer_parameters[index], self.layer_buffers[index]
                g = self.layers[index].backward(p, b, saved[index], g)

    def tangent(self, saved: tuple[Any, ...], direction: Mapping[str, Array]) -> Array:
        """dy (Nv, M), the change of the outputs along parameter directions of the body by slot key."""
        dx: Any = None
        read: dict[int, Any] = {}
        for index, d in enumerate(self.by_layer(direction)):
            if index in self.joins.values():
                read[index] = None if dx is None else +dx  # a copy: layers overwrite what they are given
            if index in self.joins:
                dx = self.layers[index].changed(dx, read[self.joins[index]])
            elif d or dx is not None:
                p, b = self.layer_parameters[index], self.layer_buffers[index]
                dx = self.layers[index].tangent(p, b, saved[index], d, dx)
        xp = array_namespace(self.theta)
        return xp.reshape(dx, (dx.shape[0], -1)) @ self.W_oh.T

    # ---- use

    def predict(self, x: Any) -> Array:
        """Outputs for inputs x (Nv, N): (Nv, M) values, or (Nv,) labels under cross-entropy."""
        y = self._predicted(x)
        if self.loss.classes:
            y = array_namespace(y).argmax(y, axis=1)
        return y if self.preparation is None else self.preparation.inverse_targets(y)

    def predict_proba(self, x: Any) -> Array:
        """Class probabilities (Nv, M); only for cross-entropy nets."""
        if not self.loss.classes:
            raise InputError(
                "predict_proba is for nets with loss='cross_entropy'; this one has squared error: use predict"
            )
        return softmax(self._predicted(x))

    def check_initialised(self) -> None:
        """InputError where the network has not been started on training data."""
        if not self.initialised:
            raise InputError(
                "this network has not been initialised: call pwl.initialise(net, (x, t)) or pwl.train first"
            )

    def with_preparation(self, preparation: Any) -> Network:
        """The same network with the preparation its data went through: `predict` then takes and gives raw units.

        Raises InputError where the preparation has another number of inputs or targets than the network.
        """
        n_inputs, n_outputs = len(preparation.inputs.scale), len(preparation.target_scale)
        if n_inputs != self.input_shape[-1] or n_outputs != self.n_outputs:
            raise InputError(
                f"a preparation for {self.input_shape[-1]} inputs and {self.n_outputs} outputs was wanted, "
                f"one for {n_inputs} and {n_outputs} came"
            )
        return dataclasses.replace(self, preparation=preparation)

    def summary(self) -> str:
        """A table of the layers: output shape, parameters, multiplies a pattern."""
        from pwl.network.summary import summary

        return summary(self)

    def save(self, path: Any, record: Any = None) -> None:
        """Writes the network, its preparation and, if given, its record to a safetensors file; see `pwl.network.save.save`."""
        from pwl.network.save import save

        save(self, path, record)

    @staticmethod
    def load(path: Any) -> Network:
        """The network in a file that `save` wrote; InputError for one that isn't ours, is damaged or newer."""
        from pwl.network.save import load

        return load(path).net

    def _predicted(self, x: Any) -> Array:
        self.check_initialised()
        x = as_array(x, "inputs x")
        check_shape(tuple(x.shape), self.input_shape)
        xp = array_namespace(self.theta)
        Nv, rows = x.shape[0], max(1, (1 << 22) // self.floats_per_pattern)
        starts = range(0, Nv, rows)
        found = [self._block_outputs(x[first : min(first + rows, Nv), ...], first) for first in starts]
        return xp.concat(found, axis=0) if found else xp.zeros((0, self.n_outputs), dtype=self.theta.dtype)

    def _block_outputs(self, x: Any, first: int) -> Array:
        if self.preparation is not None:
            x = self.preparation.transform_inputs(host(x))
        else:
            x = x if type(x) is type(self.theta) else host(x)
            check_scaled(x, self.input_shape)
        check_finite(x, first)
        return self.outputs(like(x, self.theta))


def check_seed(seed: Any) -> None:
    """InputError where no random numbers can be drawn from `seed`."""
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError(f"seed must be a whole number, 0 or more, not {seed!r}")


def check_finite(x: Array, first_row: int, what: str = "input") -> None:
    """InputError naming row and column of the first number that is NaN or infinite."""
    xp = array_namespace(x)
    if not xp.isdtype(x.dtype, ("bool", "integral", "real floating")):
        raise InputError(f"{what}s must be real numbers, but an array of {x.dtype} came")
    if not xp.isdtype(x.dtype, "real floating"):
        return
    if not math.isfinite(float(xp.sum(x, dtype=xp.float64))):  # one cheap pass where x is; the search only where it fails
        x = host(x)
        bad = np.argwhere(~np.isfinite(x))
        if len(bad):
            row, *column = bad[0]
            where = ", ".join(map(str, column))
            raise InputError(
                f"{what} in row {first_row + row}, column {where} is {x[tuple(bad[0])]}: remove or fill such rows first"
            )
