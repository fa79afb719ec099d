"""Two-dimensional convolution over images (Nv, height, width, channels): nets n (Nv, height, width, filters)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pwl.errors import InputError
from pwl.kernels import engine
from pwl.kernels.hinges import Rule
from pwl.kernels.reference.convolution import patches
from pwl.kernels.window import Window, padded, pair
from pwl.layers import forms
from pwl.layers.layer import Deviation, Layer, image_shape
from pwl.runtime.backend import Array, array_namespace
from pwl.validate import whole


@dataclass(frozen=True)
class Conv2d(Layer):
    """Convolves images: n[p, i, j, f] = W[f, 0] + sum of W[f, a, b, c] x[p, i stride + a, j stride + b, c], Eq. (53).

    Images are (Nv, height, width, channels), and nets are (Nv, height, width, filters). W is
    (filters, [1 +] size[0] size[1] channels / groups), with the threshold first. The sum runs over a window.

    Parameters
    ----------
    filters : int
        Output channels.
    size, stride, dilation : int or (vertical, horizontal)
        Size of the window, its steps over the image, and the distance of its pixels, all in pixels.
    padding : {"valid", "same"}, int or (vertical, horizontal)
        Pixels of zeros around the images. "valid" is none; with "same" and stride 1, outputs are as large as inputs.
    groups : int
        Number of groups of input and output channels that do not see each other.
    bias : bool
        Whether each filter has a threshold.

    Raises
    ------
    InputError
        If a size is below 1, the groups do not divide the channels, or later the window does not fit the images.
    """

    filters: int
    size: Any
    stride: Any = 1
    padding: Any = "valid"
    dilation: Any = 1
    groups: int = 1
    bias: bool = True
    kind: ClassVar[str] = "map"

    def __post_init__(self) -> None:
        for name, least in (("size", 1), ("stride", 1), ("dilation", 1)):
            object.__setattr__(self, name, pair(f"Conv2d's {name}", getattr(self, name), least))
        padded(self.padding, self.size, self.dilation)
        if not isinstance(self.padding, str):
            object.__setattr__(self, "padding", pair("Conv2d's padding", self.padding, 0))
        for name in ("filters", "groups"):
            object.__setattr__(self, name, whole(f"Conv2d's {name}", getattr(self, name)))
        if self.filters % self.groups:
            raise InputError(f"{self.filters} filters can't be shared out among {self.groups} groups")

    @property
    def window(self) -> Window:
        return Window(self.size, self.stride, padded(self.padding, self.size, self.dilation), self.dilation)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        height, width, _ = image_shape("Conv2d", input_shape)
        found = self.window.output(height, width)
        if min(found) < 1:
            raise InputError(
                f"Conv2d's window of {self.window.reach()} pixels does not fit images of {(height, width)}: "
                "take larger images or fewer layers"
            )
        return (*found, self.filters)

    def shapes(self, input_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        channels = image_shape("Conv2d", input_shape)[2]
        if channels % self.groups:
            raise InputError(f"{channels} channels can't be shared out among {self.groups} groups")
        return {"W": (self.filters, self.bias + self.size[0] * self.size[1] * channels // self.groups)}

    def start_parameters(self, input_shape: tuple[int, ...], rng: np.random.Generator) -> dict[str, np.ndarray]:
        """W ~ N(0, 1), scaled later."""
        return {"W": rng.standard_normal(self.shapes(input_shape)["W"])}

    def scaled_start(self, p: dict, input_shape: tuple[int, ...], deviation: Deviation) -> dict[str, Array]:
        places = self.size[0] * self.size[1]
        n_in, n_out = places * input_shape[2] // self.groups, places * self.filters / self.groups
        W = p["W"] * deviation(n_in, n_out)
        W[:, : int(self.bias)] = 0
        return {"W": W}

    def apply(self, p: dict, b: dict, x: Array) -> Array:
        return self._convolved(x, p["W"], p["W"][:, 0] if self.bias else None)

    def forward(self, p: dict, b: dict, x: Array) -> tuple[Array, Array]:
        return self.apply(p, b, x), x

    def keep(self, p: dict, b: dict, x: Array) -> Array:
        return x

    @property
    def puts_activations(self) -> bool:
        return self.groups == 1

    def activated(self, p: dict, b: dict, x: Array, rule: Rule) -> Array:
        return engine(x).convolve_value(x, *self._whole(p["W"], x), rule)

    def activated_forward(self, p: dict, b: dict, x: Array, rule: Rule) -> tuple[Array, Array, Array]:
        return engine(x).convolve_value_slope(x, *self._whole(p["W"], x), rule)

    def backward(self, p: dict, b: dict, x: Array, g: Array) -> Array:
        kernels, kernel = engine(g), self.kernel(p["W"], x.shape[3])

        def part(own: slice, out: slice) -> Array:
            return kernels.input_gradient(g[..., out], kernel[out, ...], self.window, *x.shape[1:3])

        return self._by_groups(part, x.shape[3], axis=3)

    def gradient(self, p: dict, b: dict, x: Array, g: Array) -> dict[str, Array]:
        xp, kernels = array_namespace(g), engine(g)

        def part(own: slice, out: slice) -> Array:
            return kernels.weight_gradient(x[..., own], g[..., out], self.window)

        G = xp.reshape(self._by_groups(part, x.shape[3], axis=0), (self.filters, -1))
        return {"W": xp.concat([kernels.column_sums(g)[:, None], G], axis=1) if self.bias else G}

    def columns(self, p: dict, b: dict, x: Array, g: Array) -> dict[str, Array]:
        """Each pattern's own share of the gradient: W (filters, inputs, Nv)."""
        each = [self.gradient(p, b, x[q : q + 1, ...], g[q : q + 1, ...])["W"] for q in range(x.shape[0])]
        return {"W": array_namespace(g).stack(each, axis=2)}

    def tangent(self, p: dict, b: dict, x: Array, d: dict, dx: Array | None) -> Array | None:
        dn = self.apply(d, b, x) if "W" in d else None
        if dx is None:
            return dn
        through = self._convolved(dx, p["W"], None)
        return through if dn is None else dn + through

    def inputs(self, b: dict, x: Array) -> Array:
        """The inputs of a filter at every place as rows [1, patch], for autocorrelations, Eq. (23)."""
        xp = array_namespace(x)
        if self.groups > 1:
            raise InputError(
                "the HWO direction needs one autocorrelation of inputs, but filters in groups see different inputs"
            )
        rows = patches(x, self.window)
        rows = xp.reshape(rows, (-1, rows.shape[3]))
        return xp.concat([xp.ones((rows.shape[0], 1), dtype=x.dtype), rows], axis=1) if self.bias else rows

    def kernel(self, W: Array, channels: int) -> Array:
        """Weights (filters, window height, window width, channels / groups)."""
        return array_namespace(W).reshape(W[:, int(self.bias) :], (self.filters, *self.size, channels // self.groups))

    def _whole(self, W: Array, x: Array) -> tuple[Array, Window, Array | None]:
        """Weights of all filters, the window, and thresholds."""
        return self.kernel(W, x.shape[3]), self.window, W[:, 0] if self.bias else None

    def _convolved(self, x: Array, W: Array, threshold: Array | None) -> Array:
        kernels, kernel = engine(x), self.kernel(W, x.shape[3])

        def part(own: slice, out: slice) -> Array:
            return kernels.convolve(
                x[..., own], kernel[out, ...], self.window, None if threshold is None else threshold[out]
            )

        return self._by_groups(part, x.shape[3], axis=3)

    def _by_groups(self, part: Callable[[slice, slice], Array], channels: int, axis: int) -> Array:
        """part(channels, filters) of each group, two slices, with the results side by side along an axis."""
        if self.groups == 1:
            return part(slice(None), slice(None))
        inputs, filters = channels // self.groups, self.filters // self.groups
        found = [
            part(slice(group * inputs, (group + 1) * inputs), slice(group * filters, (group + 1) * filters))
            for group in range(self.groups)
        ]
        return array_namespace(found[0]).concat(found, axis=axis)

    def penalty(self, name: str, l2: float, curves: float) -> forms.Form:
        return forms.without_threshold(l2) if self.bias else forms.whole(l2)

    def multiplies(self, W: tuple[int, ...], output_shape: tuple[int, ...]) -> int:
        return output_shape[0] * output_shape[1] * W[0] * (W[1] - int(self.bias))
