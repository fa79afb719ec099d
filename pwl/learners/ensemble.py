"""Ensembles: the mean of several networks' predictions, Eq. (91)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import numpy as np

from pwl.errors import InputError
from pwl.network.network import Network
from pwl.network.predict import Answers, in_raw_units, outputs_of, unchecked_outputs
from pwl.runtime.backend import Array, array_namespace, host
from pwl.validate import shown, truth

LIKELY = 1.0  # ranges of the targets: predictions are held within this many of them beyond both ends
LIMIT, LEAST = 0.02, 10  # share and number of the targets that lie at an end, from which it is a limit


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Predicts by the weighted mean of several networks, Eq. (91). It is used and saved like a network.

    Parameters
    ----------
    nets : sequence of Network
        Initialised networks of the same inputs, outputs and loss, with preparations of the same classes, if any.
    bounds : array (2, M), optional
        The lowest and the highest prediction of each target, infinite where there is none. Predictions beyond them are set to them.
    weights : array (networks,), optional
        The share of each network in the mean, 0 or more. None means equal shares.
    scale : array (M,), optional
        The factor of the variance of each target, Eq. (92). None means 1.

    Raises
    ------
    InputError
        If there are no networks, or if they, bounds and weights do not fit together.
    """

    nets: Sequence[Network]
    bounds: Any = field(default=None, repr=False)
    weights: Any = field(default=None, repr=False)
    scale: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        nets = tuple(self.nets) if isinstance(self.nets, (list, tuple)) else ()
        if not nets or not all(isinstance(net, Network) for net in nets):
            raise InputError(f"an ensemble is made of a list of one network or more, not {shown(self.nets)}")
        for number, net in enumerate(nets):
            net.check_initialised()
            if (unlike := _difference(nets[0], net)) is not None:
                raise InputError(f"the networks of an ensemble must fit together, but network {number} has {unlike}")
        object.__setattr__(self, "nets", nets)
        if self.bounds is not None:
            bounds = _numbers(self.bounds)
            if bounds.shape != (2, nets[0].n_outputs) or not np.all(bounds[0] <= bounds[1]):
                wanted = f"bounds of shape (2, {nets[0].n_outputs}), the lower first"
                raise InputError(f"{wanted}, were wanted, not {shown(self.bounds)}")
            object.__setattr__(self, "bounds", bounds)
        w = np.ones(len(nets)) if self.weights is None else _numbers(self.weights)
        if w.shape != (len(nets),) or not np.all(np.isfinite(w)) or np.any(w < 0) or not np.any(w > 0):
            raise InputError(f"a weight per network, {len(nets)} in all, none below 0, was wanted, not {shown(self.weights)}")
        with np.errstate(over="ignore"):
            w = w if np.isfinite(np.sum(w)) else w / np.max(w)
        object.__setattr__(self, "weights", w / np.sum(w))
        if self.scale is not None:
            scale = _numbers(self.scale)
            if scale.shape != (nets[0].n_outputs,) or not np.all(np.isfinite(scale)) or not np.all(scale > 0):
                raise InputError(f"a scale above 0 per target, {nets[0].n_outputs} in all, was wanted, not {shown(self.scale)}")
            object.__setattr__(self, "scale", scale)

    # ---- what all networks share

    @property
    def first(self) -> Network:
        """The first network, for what all of them share."""
        return self.nets[0]

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.first.input_shape

    @property
    def n_outputs(self) -> int:
        return self.first.n_outputs

    @property
    def loss(self) -> Any:
        return self.first.loss

    @property
    def preparation(self) -> Any:
        return self.first.preparation

    def to(self, where: Any) -> Ensemble:
        """The same ensemble with its arrays on "cpu" or "cuda", as `Network.to`."""
        return dataclasses.replace(self, nets=[net.to(where) for net in self.nets])

    # ---- use

    def predict(self, x: Any, return_std: bool = False) -> Any:
        """Computes the mean of the networks' outputs, or for classes the labels, for inputs.

        Parameters
        ----------
        x : array (Nv, N)
            Inputs, in raw units if the networks carry preparations.
        return_std : bool
            Whether to return (outputs, standard deviations of new targets), Eqs. (91), (92). Every network must have a posterior.

        Returns
        -------
        array (Nv, M) or (Nv,)

        Raises
        ------
        InputError
            As `Network.predict`.
        """
        truth("return_std", return_std)
        if self.loss.classes:
            if return_std:
                instead = ": use predict_proba" if self.loss.probabilities else ""
                raise InputError(f"standard deviations are for numbers, but this ensemble predicts classes{instead}")
            return self._labels(self.class_numbers(x))
        if not return_std:
            return self._within(self._mean([net.predict(x) for net in self.nets]))
        found = [net.predict(x, return_std=True) for net in self.nets]
        y = self._within(self._mean([mean for mean, _ in found]))
        own = [self._plausible(std) ** 2 + (self._within(mean) - y) ** 2 for mean, std in found]
        variance = self._mean(own)
        if self.scale is not None:
            variance = variance * array_namespace(y).asarray(self.scale, dtype=y.dtype, device=y.device)
        return y, variance**0.5

    def answers(self, x: Any, probabilities: bool = False) -> Answers:
        """Predictions as by `predict` or `predict_proba`, and for each row whether all networks have a finite one."""
        scored = [unchecked_outputs(net, x) for net in self.nets]
        if len(scored) == 1 and self.bounds is None:
            return in_raw_units(self.first, scored[0], probabilities)
        found = [in_raw_units(net, y, self.loss.probabilities) for net, y in zip(self.nets, scored, strict=True)]
        xp = array_namespace(scored[0])
        finite = xp.all(xp.stack([each.finite for each in found]), axis=0)
        if not self.loss.classes:
            return Answers(self._within(self._mean([each.values for each in found])), finite)
        scores = self._mean([each.values for each in found] if self.loss.probabilities else scored)
        return Answers(scores if probabilities else self._labels(xp.argmax(scores, axis=1)), finite)

    def predict_proba(self, x: Any) -> Array:
        """Computes the mean of the networks' class probabilities (Nv, M). Raises InputError but for cross-entropy."""
        return self._mean([net.predict_proba(x) for net in self.nets])

    def save(self, path: str | PathLike[str], record: Any = None) -> None:
        """Writes the networks and, if given, a record to one safetensors file, whole or not at all, as `Network.save`."""
        from pwl.learners.ensemble_file import save

        save(self, path, record)

    @staticmethod
    def load(path: str | PathLike[str], layers: Sequence[Any] = ()) -> Ensemble:
        """Reads the ensemble in a file that `save` wrote, onto the CPU. A file of one network gives an ensemble of one.

        layers: your own layers, as in `Network.load`. Raises InputError as that does.
        """
        from pwl.learners.ensemble_file import load

        return load(path, layers).net

    def to_onnx(
        self, path: str | PathLike[str] | None = None, *, dtype: Any = None, names: Sequence[str] | None = None
    ) -> Any:
        """Returns the ensemble as one ONNX model, and writes it to a file if a path is given, as `Network.to_onnx`."""
        from pwl.export.exported import exported
        from pwl.export.onnx import to_onnx

        return to_onnx(exported(self.nets, self.weights, self.bounds, dtype, names), path)

    def to_c(
        self,
        path: str | PathLike[str] | None = None,
        *,
        dtype: Any = None,
        name: str | None = None,
        names: Sequence[str] | None = None,
    ) -> str:
        """Returns the ensemble as one header in C99, and writes it to a file if a path is given, as `Network.to_c`."""
        from pwl.export.c import to_c
        from pwl.export.exported import exported

        return to_c(exported(self.nets, self.weights, self.bounds, dtype, names), path, name)

    def class_numbers(self, x: Any) -> Array:
        """Computes the numbers (Nv,) of the classes of the highest mean probability or, without these, mean output."""
        scored = Network.predict_proba if self.loss.probabilities else outputs_of
        scores = self._mean([scored(net, x) for net in self.nets])
        return array_namespace(scores).argmax(scores, axis=1)

    def _labels(self, numbers: Array) -> Array:
        return numbers if self.preparation is None else self.preparation.inverse_targets(numbers)

    def _mean(self, parts: list[Array]) -> Array:
        return sum(w * part for w, part in zip(self.weights.tolist(), parts, strict=True))

    def _plausible(self, std: Array) -> Array:
        """Deviations of one network, at most half the width of the bounds: no targets between these deviate by more.

        Inputs that nearly repeat each other may deviate by thousands of widths where they come apart, Eq. (83).
        """
        if self.bounds is None:
            return std
        xp, (low, high) = array_namespace(std), self.bounds
        return xp.minimum(std, xp.asarray((high - low) / 2, dtype=std.dtype, device=std.device))

    def _within(self, y: Array) -> Array:
        if self.bounds is None:
            return y
        xp = array_namespace(y)
        low, high = (xp.asarray(bound, dtype=y.dtype, device=y.device) for bound in self.bounds)
        return xp.minimum(xp.maximum(y, low), high)


def _numbers(given: Any) -> np.ndarray:
    """What was given as an array of numbers, or an empty one if it is none."""
    try:
        return np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        return np.zeros(0)


def likely(t: Any) -> np.ndarray:
    """The bounds (2, M) of plausible predictions: the range of the targets t (Nv, M), widened by its width at both ends.

    An end at which many targets lie is a limit, such as no sales at all or prices recorded up to a cap, and stays where it is.
    """
    t = host(t)
    low, high = np.fmin.reduce(t, axis=0), np.fmax.reduce(t, axis=0)  # of those that are known
    many = np.maximum(LEAST, LIMIT * np.sum(~np.isnan(t), axis=0))
    below, above = (LIKELY * (high - low) * (np.sum(t == end, axis=0) < many) for end in (low, high))
    return np.stack([low - below, high + above])


def _difference(first: Network, net: Network) -> str | None:
    """What a network has in another way than the first, or None."""
    if net.input_shape != first.input_shape:
        return f"inputs {net.input_shape}, not {first.input_shape}"
    if net.n_outputs != first.n_outputs:
        return f"{net.n_outputs} outputs, not {first.n_outputs}"
    if net.loss.name != first.loss.name:
        return f"loss {net.loss.name!r}, not {first.loss.name!r}"
    if (net.preparation is None) != (first.preparation is None):
        return "a preparation, and others none" if first.preparation is None else "no preparation"
    classes, wanted = (None if n.preparation is None else n.preparation.classes for n in (net, first))
    return None if classes == wanted else f"other classes, {classes}"
