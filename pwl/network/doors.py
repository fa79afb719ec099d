"""The doors of a network to what is made of it elsewhere. Each imports what stands higher only when it is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pwl.runtime.backend import Array
from pwl.validate import truth

if TYPE_CHECKING:
    from os import PathLike

    from pwl.network.network import Network


class Doors:
    """The methods of a `Network` that delegate upwards: predictions, files, weights by name, other activations, exports."""

    def predict(self: Any, x: Any, return_std: bool = False) -> Any:
        """Computes the outputs, or for classes the labels, for inputs.

        Parameters
        ----------
        x : array (Nv, N) or (Nv, height, width, channels)
            Inputs, in raw units if the network carries a preparation.
        return_std : bool
            Whether to return (outputs, standard deviations of new targets), after `pwl.with_posterior`, Eqs. (82), (83).

        Returns
        -------
        array (Nv, M) or (Nv,)
            Outputs, in raw units if the network carries a preparation, or the labels of classes.

        Raises
        ------
        InputError
            If the network is not initialised or has no posterior, or for inputs of another shape or that are not finite.
        """
        from pwl.network.predict import predict, predict_with_std

        return predict_with_std(self, x) if truth("return_std", return_std) else predict(self, x)

    def predict_proba(self: Any, x: Any) -> Array:
        """Computes class probabilities (Nv, M) for inputs x as in `predict`. Raises InputError but for cross-entropy."""
        from pwl.network.predict import predict_proba

        return predict_proba(self, x)

    def summary(self: Any) -> str:
        """Returns a table of the layers: output shape, parameters, and multiplies per pattern."""
        from pwl.network.summary import summary

        return summary(self)

    def save(self: Any, path: str | PathLike[str], record: Any = None) -> None:
        """Writes the network, its preparation and, if given, its record to a safetensors file.

        The file is written whole or not at all.

        Raises
        ------
        InputError
            If the file can't be written, or if curves start from a function of your own, because it has no name.
        """
        from pwl.network.save import save

        save(self, path, record)

    @staticmethod
    def load(path: str | PathLike[str], layers: Sequence[Any] = ()) -> Network:
        """Reads the network in a file that `save` wrote, onto the CPU.

        Parameters
        ----------
        path : str or path
        layers : sequence
            Your own layers and activations in the network, as classes, or as objects if they are fixed activations.

        Returns
        -------
        Network

        Raises
        ------
        InputError
            If the file is not a network of pwl, is damaged or newer, or has an unknown layer.
        """
        from pwl.network.save import load

        return load(path, layers).net

    def weights(self: Any) -> dict[str, Array]:
        """Returns the weights as read-only arrays by name, such as "0.weights", "0.thresholds", "1.ordinates", "output.weights".

        The number is that of the layer. Weights have a row per unit; those of convolutions are (filters, height, width,
        channels). "output.constants", "output.inputs" and "output.weights" belong to 1, to the inputs if the outputs see them, and
        to the units of the last layer.
        """
        from pwl.network.weights import weights

        return weights(self)

    def with_weights(self: Any, given: Mapping[str, Any]) -> Network:
        """Returns the network with other weights in place of some, by the names of `weights`.

        Raises
        ------
        InputError
            For an unknown name, another shape, or numbers that are not finite.
        """
        from pwl.network.weights import with_weights

        return with_weights(self, given)

    def replace_activations(self: Any, where: Any, activation: Any, data: Any = None) -> Network:
        """Returns the network with other activations in place of some.

        Curves of `PiecewiseLinear` and `Spline` take the values of the function that they replace at their hinges, whatever
        their own `start`. If that function is straight between and beyond the hinges, as ReLU is with a hinge at 0 and
        outside="linear", the network stays the same function. Other activations start as they do in a new network.

        Parameters
        ----------
        where : "all", "last", int or sequence of int
            Which activations: numbers of layers as in `layers`, or the last one.
        activation : str or activation
            A name or an object, as in `mlp`.
        data : (x, t), (x, t, weights) or pwl.Patterns, optional
            Patterns over whose nets curves with span="nets" lay their hinges.

        Returns
        -------
        Network

        Raises
        ------
        InputError
            If there are no activations at these places, or data are needed and did not come.
        """
        from pwl.training.replace_activations import replace_activations

        return replace_activations(self, where, activation, data)

    def to_onnx(
        self: Any, path: str | PathLike[str] | None = None, *, dtype: Any = None, names: Sequence[str] | None = None
    ) -> Any:
        """Returns the network as an ONNX model of standard operators, and writes it to a file if a path is given.

        The model takes raw inputs "x" (patterns, ...) and gives what `predict` gives: "y" in raw units, or for classes "label",
        with "probabilities" if the loss is cross-entropy and "scores" otherwise. It needs the package onnx.

        Parameters
        ----------
        path : str or path, optional
            The file, whose name usually ends in .onnx.
        dtype : float32 or float64, optional
            Type of inputs, outputs and arithmetic. None is the network's own.
        names : sequence of str, optional
            Names of the inputs or channels, which the model keeps as a note.

        Returns
        -------
        onnx.ModelProto

        Raises
        ------
        InputError
            If the network is not initialised, has layers that are not part of pwl, or needs more digits than `dtype` has; if onnx
            is not installed, or the file can't be written.
        """
        from pwl.export.exported import exported
        from pwl.export.onnx import to_onnx

        return to_onnx(exported([self], dtype=dtype, names=names), path)

    def to_c(
        self: Any,
        path: str | PathLike[str] | None = None,
        *,
        dtype: Any = None,
        name: str | None = None,
        names: Sequence[str] | None = None,
    ) -> str:
        """Returns the network as a header in C99, and writes it to a file if a path is given.

        The header needs math.h alone and allocates no memory. Its function NAME_predict takes raw inputs and gives what `predict`
        gives; the comment at its top says how to call it.

        Parameters
        ----------
        path : str or path, optional
            The file, whose name usually ends in .h.
        dtype : float32 or float64, optional
            float or double. None is the type of the network.
        name : str, optional
            The beginning of all names in the header. None is the name of the file, or "net".
        names : sequence of str, optional
            Names of the inputs or channels, for the comment.

        Returns
        -------
        str
            The text of the header.

        Raises
        ------
        InputError
            As `to_onnx`, or if a name is not a name in C.
        """
        from pwl.export.c import to_c
        from pwl.export.exported import exported

        return to_c(exported([self], dtype=dtype, names=names), path, name)
