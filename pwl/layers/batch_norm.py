"""Batch normalisation of images (Nv, height, width, channels): each channel gets mean 0 and variance 1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pwl.kernels import engine
from pwl.layers import forms
from pwl.layers.layer import Layer, image_shape
from pwl.runtime.backend import Array, array_namespace
from pwl.validate import positive, whole


class Normalised(NamedTuple):
    """Images x_hat of mean 0 and variance 1, and their scale 1 / sqrt(variance + epsilon), (c,)."""

    x_hat: Array
    scale: Array


class Grouped(NamedTuple):
    """Images x_hat (Nv, height, width, c), normalised by the mean and variance of their groups, both (groups, c)."""

    x_hat: Array
    mean: Array
    variance: Array


@dataclass(frozen=True)
class BatchNorm2d(Layer):
    """Normalises each channel: n = W[:, 0] + W[:, 1] (x - mean) / sqrt(variance + epsilon), Eq. (58).

    Images are (Nv, height, width, channels). W is (channels, 2), a shift and a scale per channel, which start at 0 and 1.
    The buffers mean and variance (channels,) are measured on the training patterns after each pass over them, Eq. (60).
    First-order methods train with the moments of groups of the batch instead, Eq. (59). Pattern weights do not count in
    the moments.

    Parameters
    ----------
    epsilon : float
        A positive number that is added to the variance.
    group : int
        Patterns per group, 1 or more. A batch that is no larger is normalised as a whole.

    Raises
    ------
    InputError
        If epsilon is not positive or group is below 1, or later if the inputs are not images.
    """

    epsilon: float = 1e-5
    group: int = 32
    kind: ClassVar[str] = "map"

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", positive("BatchNorm2d's epsilon", self.epsilon))
        object.__setattr__(self, "group", whole("BatchNorm2d's group", self.group, unit=" of patterns"))

    def training(self, key: tuple[int, ...]) -> BatchNorm2dTraining:
        return BatchNorm2dTraining(self)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return image_shape("BatchNorm2d", input_shape)

    def shapes(self, input_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        return {"W": (image_shape("BatchNorm2d", input_shape)[2], 2)}

    def buffers(self, input_shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        return {"mean": np.zeros(input_shape[2]), "variance": np.ones(input_shape[2])}

    def start_parameters(self, input_shape: tuple[int, ...], rng: Any) -> dict[str, np.ndarray]:
        return {"W": np.tile([0.0, 1.0], (input_shape[2], 1))}

    def apply(self, p: dict, b: dict, x: Array) -> Array:
        return along(p["W"], self.keep(p, b, x).x_hat)

    def forward(self, p: dict, b: dict, x: Array) -> tuple[Array, Normalised]:
        saved = self.keep(p, b, x)
        return along(p["W"], saved.x_hat), saved

    def keep(self, p: dict, b: dict, x: Array) -> Normalised:
        scale = 1 / array_namespace(x).sqrt(b["variance"] + self.epsilon)
        x_hat = x - b["mean"]
        x_hat *= scale
        return Normalised(x_hat, scale)

    def backward(self, p: dict, b: dict, saved: Normalised, g: Array) -> Array:
        g *= p["W"][:, 1] * saved.scale
        return g

    def gradient(self, p: dict, b: dict, saved: Normalised, g: Array) -> dict[str, Array]:
        return gradient(saved.x_hat, g)

    def columns(self, p: dict, b: dict, saved: Normalised, g: Array) -> dict[str, Array]:
        """Each pattern's own share of the gradient: W (channels, 2, Nv)."""
        xp = array_namespace(g)
        each = xp.stack([xp.sum(g, axis=(1, 2)), xp.sum(g * saved.x_hat, axis=(1, 2))])
        return {"W": xp.permute_dims(each, (2, 0, 1))}

    def tangent(self, p: dict, b: dict, saved: Normalised, d: dict, dx: Array | None) -> Array | None:
        dn = along(d["W"], saved.x_hat) if "W" in d else None
        if dx is None:
            return dn
        dx *= p["W"][:, 1] * saved.scale
        return dx if dn is None else dn + dx

    def penalty(self, name: str, l2: float, curves: float) -> forms.Form:
        return forms.without_threshold(l2)


@dataclass(frozen=True)
class BatchNorm2dTraining(Layer):
    """`layer` in training by first-order methods: moments of groups of patterns, which all passes go through, Eq. (59).

    Blocks of patterns must begin at the border of a group (`together`). There are no `columns`, because patterns are coupled.
    """

    layer: BatchNorm2d
    kind: ClassVar[str] = "map"

    @property
    def together(self) -> int:
        return self.layer.group

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return self.layer.output_shape(input_shape)

    def shapes(self, input_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        return self.layer.shapes(input_shape)

    def apply(self, p: dict, b: dict, x: Array) -> Array:
        return along(p["W"], self.keep(p, b, x).x_hat)

    def forward(self, p: dict, b: dict, x: Array) -> tuple[Array, Grouped]:
        saved = self.keep(p, b, x)
        return along(p["W"], saved.x_hat), saved

    def keep(self, p: dict, b: dict, x: Array) -> Grouped:
        xp, sums = array_namespace(x), engine(x)
        x_hat, means, variances = xp.empty_like(x), [], []
        for rows, size in alike(x.shape[0], self.together):
            part = by_group(x[rows, ...], size)
            mean = sums.group_sums(part) / part.shape[1]
            centred = part - mean[:, None, :]
            variance = sums.group_products(centred, centred) / part.shape[1]
            centred /= xp.sqrt(variance + self.layer.epsilon)[:, None, :]
            x_hat[rows, ...] = xp.reshape(centred, (-1, *x.shape[1:]))
            means.append(mean)
            variances.append(variance)
        return Grouped(x_hat, xp.concat(means), xp.concat(variances))

    def backward(self, p: dict, b: dict, saved: Grouped, g: Array) -> Array:
        g *= p["W"][:, 1]
        return self._through_moments(saved, g)

    def gradient(self, p: dict, b: dict, saved: Grouped, g: Array) -> dict[str, Array]:
        return gradient(saved.x_hat, g)

    def tangent(self, p: dict, b: dict, saved: Grouped, d: dict, dx: Array | None) -> Array | None:
        dn = along(d["W"], saved.x_hat) if "W" in d else None
        if dx is None:
            return dn
        through = self._through_moments(saved, dx)
        through *= p["W"][:, 1]
        return through if dn is None else dn + through

    def _through_moments(self, saved: Grouped, a: Array) -> Array:
        """dx_hat for dx = a, or the signals at x for signals a at x_hat: (a - mean a - x_hat mean(a x_hat)) / std per group."""
        xp, sums = array_namespace(a), engine(a)
        scale, first = 1 / xp.sqrt(saved.variance + self.layer.epsilon)[:, None, :], 0
        for rows, size in alike(a.shape[0], self.together):
            part, x_hat = by_group(a[rows, ...], size), by_group(saved.x_hat[rows, ...], size)
            both = x_hat * (sums.group_products(part, x_hat) / part.shape[1])[:, None, :]
            both += (sums.group_sums(part) / part.shape[1])[:, None, :]
            last = first + part.shape[0]
            a[rows, ...] = xp.reshape((part - both) * scale[first:last, ...], (-1, *a.shape[1:]))
            first = last
        return a


def groups(count: int, size: int) -> Iterator[slice]:
    """Runs of `size` patterns of a block. The last one may be shorter."""
    for first in range(0, count, size):
        yield slice(first, min(first + size, count))


def alike(count: int, size: int) -> Iterator[tuple[slice, int]]:
    """Runs of groups of one size, and that size: all whole groups, then the shorter group if there is one."""
    whole = count // size * size
    if whole:
        yield slice(0, whole), size
    if whole < count:
        yield slice(whole, count), count - whole


def by_group(x: Array, size: int) -> Array:
    """Images (Nv, height, width, c) in groups of `size`, as (groups, patterns x places, c)."""
    return array_namespace(x).reshape(x, (x.shape[0] // size, -1, x.shape[3]))


def sums(saved: Grouped, size: int) -> tuple[Array, Array]:
    """Sums over a block's groups of `size`: means and variances (c,) times the number of patterns in the group, Eq. (60)."""
    xp = array_namespace(saved.mean)
    patterns = [rows.stop - rows.start for rows in groups(saved.x_hat.shape[0], size)]
    weights = xp.asarray(patterns, dtype=saved.mean.dtype, device=saved.mean.device)[:, None]
    return xp.sum(weights * saved.mean, axis=0), xp.sum(weights * saved.variance, axis=0)


def along(W: Array, x_hat: Array) -> Array:
    """W[:, 0] + W[:, 1] x_hat: the outputs, or their change along a direction in place of W."""
    n = x_hat * W[:, 1]
    n += W[:, 0]
    return n


def gradient(x_hat: Array, g: Array) -> dict[str, Array]:
    sums = engine(g)
    return {"W": array_namespace(g).stack([sums.column_sums(g), sums.column_products(g, x_hat)], axis=1)}
