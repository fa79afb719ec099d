"""What is exported: networks with the weights of their mean, the type of the numbers, and the checks of both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pwl.data.decorrelation import Decorrelation
from pwl.data.preparation import Preparation
from pwl.errors import InputError
from pwl.network.network import Network
from pwl.runtime.backend import host
from pwl.validate import shown

AMPLIFIED = 1e-5  # error of a prepared input at most, in its standard deviations


class Exported(NamedTuple):
    """One network or several, whose predictions are averaged with weights that sum to 1 and held within bounds (2, M).

    Their numbers are float64 in host memory. dtype: float32 or float64, the type of the export. names: of inputs or channels.
    """

    nets: tuple[Network, ...]
    weights: tuple[float, ...]
    bounds: np.ndarray | None
    dtype: np.dtype
    names: tuple[str, ...]

    @property
    def first(self) -> Network:
        """The first network, for what all of them share."""
        return self.nets[0]

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """Labels of the classes in the order of their numbers, or None if numbers are predicted."""
        if not self.first.loss.classes:
            return None
        prepared = None if self.first.preparation is None else self.first.preparation.classes
        return tuple(range(self.first.n_outputs)) if prepared is None else prepared


def exported(
    nets: Sequence[Network],
    weights: Sequence[float] = (1.0,),
    bounds: np.ndarray | None = None,
    dtype: Any = None,
    names: Sequence[str] | None = None,
) -> Exported:
    """What will be exported, checked.

    Raises InputError for networks that predict nothing yet or whose weights are not finite, for another type than float32 and
    float64, for names that do not fit, and for decorrelated inputs that float32 can't hold.
    """
    found = _type(nets[0].theta.dtype if dtype is None else dtype)
    for net in nets:
        net.check_initialised()
        if not np.all(np.isfinite(host(net.theta))):
            raise InputError(
                "the network holds weights that are not finite numbers, so it can't be exported: train it again"
            )
        if net.preparation is not None:
            _check_precision(net.preparation, found)
    shape = nets[0].input_shape
    count = shape[-1]
    if names is not None and not isinstance(names, (list, tuple)):
        raise InputError(f"names must be {count} texts, one for each input, not {shown(names)}")
    own = [f"input {j + 1}" for j in range(count)] if names is None else names
    if not isinstance(own, (list, tuple)) or len(own) != count or not all(isinstance(name, str) for name in own):
        raise InputError(f"names must be {count} texts, one for each input, not {shown(names)}")
    if bounds is not None:
        most = float(np.finfo(found).max)
        bounds = np.clip(bounds, -most, most)  # infinity is no number in C, and no outputs are beyond the largest one
    wide = (net.to("cpu").in_double() for net in nets)  # what is computed for an export has no rounding of its own
    return Exported(tuple(wide), tuple(float(w) for w in weights), bounds, found, tuple(own))


def size(shape: Sequence[int]) -> int:
    """Number of numbers in an array of this shape."""
    return math.prod(shape)


def narrowed(a: Any, dtype: np.dtype) -> np.ndarray:
    """Numbers in the type of an export. Raises InputError if it can't hold them."""
    wide = np.asarray(host(a), dtype=np.float64)
    with np.errstate(over="ignore", under="ignore"):
        found = wide.astype(dtype)
    if not np.all(np.isfinite(found)) or np.any((found == 0) & (np.abs(wide) > np.finfo(dtype).tiny)):
        raise InputError(f"the network holds numbers that {dtype} can't hold: export it with dtype='float64'")
    return found


def in_parts(offset: np.ndarray, dtype: np.dtype) -> list[np.ndarray]:
    """Offsets as one or two numbers of the type that are subtracted in turn, so that float32 loses no digits of x - offset."""
    first = narrowed(offset, dtype)
    rest = narrowed(offset - first.astype(np.float64), dtype)
    return [a for a in (first, rest) if np.any(a)]


def _type(dtype: Any) -> np.dtype:
    try:
        found = np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError):
        found = np.dtype(object)
    if found not in (np.float32, np.float64):
        raise InputError(f"dtype must be float32 or float64, not {shown(dtype)}")
    return found


def _check_precision(preparation: Preparation, dtype: np.dtype) -> None:
    """Raises InputError if the rounding of float32 inputs would show in decorrelated ones."""
    inputs = preparation.inputs
    if isinstance(inputs, Decorrelation):
        most = float(np.linalg.norm(inputs.matrix, 2))
        if most * float(np.finfo(dtype).eps) > AMPLIFIED:
            raise InputError(
                f"inputs that nearly repeat each other are decorrelated here, which makes their rounding {most:.0f} times as "
                f"large: {dtype} is not enough for that, so export with dtype='float64'"
            )
