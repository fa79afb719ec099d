"""Preparation: shift and scale inputs and targets, number the classes; fitted on training data only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pwl.data.scaling import Scaling, to_host
from pwl.errors import InputError

Class = int | str | bool


@dataclass(frozen=True, eq=False)
class Preparation:
    """How raw data become what a network trains on, and back.

    inputs: a Scaling of N columns. targets: a Scaling of M columns, or None for classification.
    classes: the labels in the order of their numbers 0..M-1, or None for regression.
    """

    inputs: Scaling
    targets: Scaling | None
    classes: tuple[Class, ...] | None = None

    @classmethod
    def fit(
        cls,
        x: Any,
        t: Any,
        *,
        inputs: str = "standardise",
        targets: str = "standardise",
        classes: Sequence[Class] | None = None,
    ) -> Preparation:
        """Fit to training data: x (Nv, N), or (Nv, height, width, channels); t (Nv, M) numbers, or (Nv,) labels.

        inputs, targets: "standardise" (mean 0, standard deviation 1), "centre" (mean 0), "minmax" (to [-1, 1]), "none",
        "common" (mean 0 and one scale for all columns: errors summed over targets keep their raw proportions).
        Labels are whole numbers or texts; one-dimensional t of floats counts as one column of numbers. `classes` gives
        the labels' order, or names the classes 0..M-1; without it they are the labels found, sorted.
        Memory-mapped arrays are read block by block. Constant columns are kept and prepare to 0.

        Raises InputError for shapes that do not fit, no data, NaN, Inf, targets so large or small that errors in their
        units would be no numbers, and labels of several kinds or not in `classes`.
        """
        x, t = _as_array(x), _as_array(t)
        _check_lengths(x, t)
        x_scaling = Scaling.fit(x, inputs, "x")
        if not _are_labels(t):
            if classes is not None:
                raise InputError(
                    f"classes came with targets of shape {t.shape}, wanted one-dimensional integer labels or texts"
                )
            return cls(x_scaling, Scaling.fit(_as_columns(t), targets, "t", squares=True))
        labels = np.asarray(to_host(t))
        found = tuple(_distinct(labels)[0].tolist()) if classes is None else tuple(_plain(c) for c in classes)
        if len(found) < 2 or len(set(found)) < len(found):
            raise InputError(f"the classes came as {list(found)}, wanted two or more, each of them once")
        _numbers(labels, found)
        return cls(x_scaling, None, found)

    @property
    def target_scale(self) -> np.ndarray:
        """(M,) raw units in one prepared unit: raw squared error of output i is target_scale[i]**2 times the prepared.

        Ones for classification.
        """
        return np.ones(len(self.classes or ())) if self.targets is None else self.targets.scale

    def transform(self, x: Any, t: Any = None) -> Any:
        """Prepared inputs, or, with targets, the pair (inputs, targets): targets (Nv, M), or (Nv,) int64 class numbers.

        Raises InputError for another number of columns or patterns, NaN, Inf, or an unknown label.
        """
        if t is None:
            return self.transform_inputs(x)
        x, t = _as_array(x), _as_array(t)
        _check_lengths(x, t)
        return self.transform_inputs(x), self.transform_targets(t)

    def transform_inputs(self, x: Any) -> Any:
        """Prepared inputs, of the shape of x; floats keep their precision, integers become float64."""
        return self.inputs.apply(_as_array(x), "x")

    def transform_targets(self, t: Any) -> Any:
        """Prepared targets (Nv, M), or the (Nv,) int64 class numbers of labels."""
        t = _as_array(t)
        if self.targets is not None:
            return self.targets.apply(_as_columns(t), "t")
        assert self.classes is not None
        if not _are_labels(t):
            raise InputError(
                f"t came as {t.dtype} of shape {tuple(t.shape)}, wanted (Nv,) labels, as the preparation was fitted to"
            )
        if _pass_through(t, self.classes) and not isinstance(t, np.ndarray):
            return t
        return _numbers(np.asarray(t), self.classes)

    def inverse_targets(self, y: Any) -> Any:
        """Outputs (Nv, M) in raw units. For classification: (Nv,) class numbers to labels; (Nv, M) outputs stay."""
        if self.targets is not None:
            return self.targets.invert(y)
        y = _as_array(y)
        return np.asarray(self.classes)[np.asarray(to_host(y))] if y.ndim == 1 else y

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and words, to be saved with a network; JSON gives every float back exactly."""
        return {
            "inputs": self.inputs.to_dict(),
            "targets": None if self.targets is None else self.targets.to_dict(),
            "classes": None if self.classes is None else list(self.classes),
        }

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Preparation:
        """The Preparation that `to_dict` wrote."""
        targets = None if d["targets"] is None else Scaling.from_dict(d["targets"])
        return cls(Scaling.from_dict(d["inputs"]), targets, None if d["classes"] is None else tuple(d["classes"]))


def _numbers(labels: np.ndarray, classes: tuple[Class, ...]) -> np.ndarray:
    """(Nv,) labels to their int64 numbers in `classes`; class numbers that came as such pass through."""
    if _pass_through(labels, classes):
        bad = labels[(labels < 0) | (labels >= len(classes))]
        numbers = labels.astype(np.int64)
    else:
        found, place = _distinct(labels)
        known = {label: number for number, label in enumerate(classes)}
        table = np.array([known.get(label, -1) for label in found.tolist()], dtype=np.int64)
        bad = found[table < 0]
        numbers = table[place]
    if bad.size:
        shown = ", ".join(map(repr, classes[:8])) + (", ..." if len(classes) > 8 else "")
        raise InputError(
            f"the label {bad[0]!s} came, wanted one of the classes {shown}: fit with classes= naming all of them"
        )
    return numbers


def _distinct(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The labels found, sorted, and the place among them of each."""
    try:
        return np.unique(labels, return_inverse=True)
    except TypeError:
        kinds = ", ".join(sorted({type(label).__name__ for label in labels.tolist()}))
        raise InputError(
            f"the labels are of several kinds ({kinds}), wanted whole numbers or texts throughout"
        ) from None


def _pass_through(labels: Any, classes: tuple[Class, ...]) -> bool:
    """True where labels are class numbers already: whole numbers, and the classes are 0..M-1 or named by texts."""
    if not isinstance(labels, np.ndarray):
        return True
    return labels.dtype.kind in "iu" and (isinstance(classes[0], str) or classes == tuple(range(len(classes))))


def _are_labels(t: Any) -> bool:
    if not isinstance(t, np.ndarray):
        return t.ndim == 1 and "int" in str(t.dtype)
    return t.ndim == 1 and t.dtype.kind in "iubUSO"


def _as_array(a: Any) -> Any:
    """`a` itself where it is an array of any library, memory-mapped ones included, else NumPy's array of it."""
    return a if hasattr(a, "dtype") and hasattr(a, "ndim") else np.asarray(a)


def _as_columns(t: Any) -> Any:
    return t[:, None] if t.ndim == 1 else t


def _plain(label: Any) -> Class:
    return label.item() if isinstance(label, np.generic) else label


def _check_lengths(x: Any, t: Any) -> None:
    if x.ndim < 2 or t.ndim == 0 or x.shape[0] != t.shape[0]:
        raise InputError(
            f"x came with shape {tuple(x.shape)} and t with {tuple(t.shape)}, wanted (Nv, N) and (Nv, M) or (Nv,): "
            "give one target row for each input row"
        )
