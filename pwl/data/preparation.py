"""Preparation: shift and scale inputs and targets, number the classes. It is fitted to training data only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pwl.data.decorrelation import METHOD, Decorrelation
from pwl.data.scaling import METHODS, Scaling
from pwl.data.targets import known
from pwl.data.weights import checked_weights
from pwl.errors import InputError
from pwl.runtime.backend import Array, array_namespace, as_array, beside, host
from pwl.runtime.ranks import Communicator, ranks_given
from pwl.validate import one_of, shown

Class = int | str | bool


@dataclass(frozen=True, eq=False)
class Preparation:
    """The way from raw data to the data that a network trains on, and back. `Preparation.fit` makes one.

    Arrays of any library (NumPy, CuPy) are prepared on the device that they are on.

    Parameters
    ----------
    inputs : Scaling or Decorrelation
        Of the N input columns, or of the channels of images.
    targets : Scaling or None
        Of the M target columns; None for classification.
    classes : tuple of int, str or bool, or None
        The labels in the order of their numbers 0..M-1; None for regression.
    """

    inputs: Scaling | Decorrelation
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
        weights: Any = None,
        comm: Communicator | None = None,
    ) -> Preparation:
        """Fits a preparation to training data.

        Memory-mapped arrays are read block by block. Constant columns are kept and prepare to 0.

        Parameters
        ----------
        x : array (Nv, N) or (Nv, height, width, channels)
            Raw inputs.
        t : array (Nv, M) or (Nv,)
            Raw targets (Nv, M), or labels (Nv,), which are whole numbers or texts. A one-dimensional t of floats is one
            column of targets.
        inputs, targets : str
            "standardise" (mean 0, standard deviation 1), "centre" (mean 0), "minmax" (to [-1, 1]), "common" (mean 0 and
            one scale for all columns, so that errors summed over targets keep their raw proportions), or "none". Inputs can
            also be "decorrelate" (standardised, and without correlations), for columns that nearly repeat others, Eq. (88).
        classes : sequence, optional
            The labels in the order of their numbers, or the names of the classes 0..M-1. Without it, the classes are
            the labels found, sorted.
        weights : array (Nv,), optional
            Weights of the patterns, 0 or more. A pattern of weight 0 counts as absent, and one of weight 2 as two. A pattern
            whose targets are all NaN is absent, too, and each target's scale is that of the values that are not NaN.
        comm : Communicator, optional
            The ranks that share the data, `pwl.ranks()`. All get the same preparation.

        Returns
        -------
        Preparation

        Raises
        ------
        InputError
            For shapes that do not fit, no data, NaN, Inf, targets so large or small that their squared errors overflow
            or underflow, labels of several kinds, and labels that are not in `classes`.
        """
        one_of("the preparation of x", inputs, (*METHODS, METHOD))
        x, t = as_array(x, "inputs x"), as_array(t, "targets t")
        _check_lengths(x, t)
        comm = ranks_given(comm)
        w = None if weights is None else checked_weights(weights, x.shape[0], least=comm.size == 1)
        rows, in_part = known(t)
        if rows is not None:
            w = np.bincount(rows, None if w is None else w[rows], x.shape[0]).astype(np.float64)
        if inputs == METHOD:
            x_scaling: Scaling | Decorrelation = Decorrelation.fit(x, "x", weights=w, comm=comm)
        else:
            x_scaling = Scaling.fit(x, inputs, "x", weights=w, comm=comm)
        if not _are_labels(t):
            if classes is not None:
                raise InputError(
                    f"classes came with targets of shape {t.shape}, wanted one-dimensional integer labels or texts"
                )
            if any(comm.allgather(in_part)):
                return cls(x_scaling, Scaling.fit_known(_as_columns(t), targets, w, comm))
            return cls(x_scaling, Scaling.fit(_as_columns(t), targets, "t", squares=True, weights=w, comm=comm))
        labels = host(t[:]) if w is None else host(t[:])[w > 0]
        if classes is None and comm.size > 1:
            labels = np.concatenate(comm.allgather(_distinct(labels)[0]))
        found = tuple(_distinct(labels)[0].tolist()) if classes is None else _named(classes)
        if len(found) < 2 or len(set(found)) < len(found):
            raise InputError(f"the classes came as {list(found)}, wanted two or more, each of them once")
        _numbers(labels, found)
        return cls(x_scaling, None, found)

    @property
    def target_scale(self) -> np.ndarray:
        """(M,) raw units in one prepared unit; ones for classification.

        The raw squared error of output i is target_scale[i]**2 times the prepared one.
        """
        return np.ones(len(self.classes or ())) if self.targets is None else self.targets.scale

    def transform(self, x: Any, t: Any = None) -> Any:
        """Prepares inputs, or inputs and targets.

        Parameters
        ----------
        x : array (Nv, N) or (Nv, height, width, channels)
            Raw inputs.
        t : array (Nv, M) or (Nv,), optional
            Raw targets or labels.

        Returns
        -------
        array or (array, array)
            Inputs of the shape of x; with t also the targets (Nv, M), or int64 class numbers (Nv,).

        Raises
        ------
        InputError
            For another number of columns or patterns, Inf, NaN in x, or an unknown label. Targets that are NaN stay so.
        """
        if t is None:
            return self.transform_inputs(x)
        x, t = as_array(x, "inputs x"), as_array(t, "targets t")
        _check_lengths(x, t)
        return self.transform_inputs(x), self.transform_targets(t)

    def transform_inputs(self, x: Any) -> Array:
        """Prepared inputs of the shape of x. Floats keep their precision, and integers become float64."""
        return self.inputs.apply(as_array(x, "inputs x"), "x")

    def transform_targets(self, t: Any) -> Array:
        """Prepared targets (Nv, M), or the int64 numbers (Nv,) of labels."""
        t = as_array(t, "targets t")
        if self.targets is not None:
            return self.targets.apply(_as_columns(t), "t")
        assert self.classes is not None
        if not _are_labels(t):
            raise InputError(
                f"t came as {t.dtype} of shape {tuple(t.shape)}, wanted (Nv,) labels, as the preparation was fitted to"
            )
        if isinstance(t, np.ndarray):
            return _numbers(np.asarray(t), self.classes)
        return _numbers_on_device(t, self.classes)

    def inverse_targets(self, y: Any) -> Array:
        """Outputs in raw units.

        Parameters
        ----------
        y : array (Nv, M) or (Nv,)
            Outputs (Nv, M), or class numbers (Nv,).

        Returns
        -------
        array
            For regression the outputs (Nv, M) in the targets' units. For classification the labels (Nv,) of class
            numbers, while outputs (Nv, M) stay as they are. Labels that are texts are a NumPy array.
        """
        if self.targets is not None:
            return self.targets.invert(y)
        y = as_array(y, "outputs y")
        if y.ndim != 1:
            return y
        labels = np.asarray(self.classes)
        if isinstance(y, np.ndarray) or labels.dtype.kind == "U":
            numbers = host(y)
            if numbers.size and (numbers.dtype.kind not in "iu" or numbers.min() < 0 or numbers.max() >= len(labels)):
                raise InputError(f"class numbers must be whole numbers from 0 to {len(labels) - 1}, not {shown(numbers)}")
            return labels[numbers]
        return array_namespace(y).take(beside(labels, y), y)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and words, to be saved with a network. JSON gives every float back exactly."""
        return {
            "inputs": self.inputs.to_dict(),
            "targets": None if self.targets is None else self.targets.to_dict(),
            "classes": None if self.classes is None else list(self.classes),
        }

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Preparation:
        """The Preparation that `to_dict` wrote."""
        targets = None if d["targets"] is None else Scaling.from_dict(d["targets"])
        inputs = (Decorrelation if d["inputs"]["method"] == METHOD else Scaling).from_dict(d["inputs"])
        return cls(inputs, targets, None if d["classes"] is None else tuple(d["classes"]))


def _numbers(labels: np.ndarray, classes: tuple[Class, ...]) -> np.ndarray:
    """Labels (Nv,) to their int64 numbers in `classes`. Labels that are class numbers already stay as they are."""
    if labels.dtype.kind in "iu" and _numbered(classes):
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


def _numbers_on_device(labels: Array, classes: tuple[Class, ...]) -> Array:
    """The same for labels (Nv,) of another library. Class numbers are checked on their device, with one number read."""
    xp = array_namespace(labels)
    if not xp.isdtype(labels.dtype, "integral") or not _numbered(classes):
        return beside(_numbers(host(labels), classes), labels)
    numbers = xp.astype(labels, xp.int64, copy=False)
    if bool(xp.any((numbers < 0) | (numbers >= len(classes)))):
        _numbers(host(labels), classes)  # names the label
    return numbers


def _named(classes: Any) -> tuple[Class, ...]:
    """The classes that were named. Raises InputError unless they are a sequence of labels or names."""
    try:
        found = () if isinstance(classes, str) else tuple(_plain(c) for c in classes)
        hash(found)
    except TypeError:
        found = ()
    if not found:
        raise InputError(f"classes must be a list of labels or names, not {shown(classes)}")
    return found


def _distinct(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The labels found, sorted, and the place of each label among them."""
    try:
        return np.unique(labels, return_inverse=True)
    except TypeError:
        kinds = ", ".join(sorted({type(label).__name__ for label in labels.tolist()}))
        raise InputError(
            f"the labels are of several kinds ({kinds}), wanted whole numbers or texts throughout"
        ) from None


def _numbered(classes: tuple[Class, ...]) -> bool:
    """True if whole numbers are class numbers already: the classes are 0..M-1, or have texts as names."""
    return isinstance(classes[0], str) or classes == tuple(range(len(classes)))


def _are_labels(t: Array) -> bool:
    """True for whole numbers, truth values and texts (Nv,). `t` may be rows of a file or lie on a device."""
    if isinstance(t.dtype, np.dtype):
        return t.ndim == 1 and t.dtype.kind in "iubUSO"
    return t.ndim == 1 and any(word in str(t.dtype) for word in ("int", "bool"))


def _as_columns(t: Array) -> Array:
    return t[:, None] if t.ndim == 1 else t


def _plain(label: Any) -> Class:
    return label.item() if isinstance(label, np.generic) else label


def _check_lengths(x: Array, t: Array) -> None:
    if x.ndim < 2 or t.ndim == 0 or x.shape[0] != t.shape[0]:
        raise InputError(
            f"x came with shape {tuple(x.shape)} and t with {tuple(t.shape)}, wanted (Nv, N) and (Nv, M) or (Nv,): "
            "give one target row for each input row"
        )
