"""Networks of MATLAB's feedforwardnet, fitnet, patternnet and cascadeforwardnet of one hidden layer, from .mat files."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, NamedTuple

import numpy as np

from pwl import validate
from pwl.activations.fixed import MATLAB
from pwl.data.preparation import Preparation
from pwl.data.scaling import Scaling
from pwl.errors import InputError
from pwl.files.matlab import read_mat
from pwl.layers import Dense
from pwl.network.layout import HEAD
from pwl.network.network import Network

EXPORT = """s.IW = net.IW; s.LW = net.LW; s.b = net.b;
s.transferFcn = cellfun(@(l) l.transferFcn, net.layers, 'UniformOutput', false);
s.inputFcns = net.inputs{1}.processFcns; s.inputSettings = net.inputs{1}.processSettings;
s.outputFcns = net.outputs{end}.processFcns; s.outputSettings = net.outputs{end}.processSettings;
save('net.mat', '-struct', 's');"""
WANTED = ("IW", "LW", "b", "transferFcn", "inputFcns", "inputSettings", "outputFcns", "outputSettings")


class Line(NamedTuple):
    """What a chain of processing functions does to n columns: the kept ones become (a - offset) / scale, in their order.

    kept: whether a column is kept, (n,). offset, scale: (n,); of a column that is not kept, its constant value and 1.
    """

    kept: np.ndarray
    offset: np.ndarray
    scale: np.ndarray


def load_matlab(path: str | PathLike[str]) -> Network:
    """Reads a network that MATLAB trained. It predicts what sim(net, x') gives, in raw units, patterns in rows.

    MATLAB's own file of a network object can't be read elsewhere, so it has to be saved as a plain structure, by these lines:

        s.IW = net.IW; s.LW = net.LW; s.b = net.b;
        s.transferFcn = cellfun(@(l) l.transferFcn, net.layers, 'UniformOutput', false);
        s.inputFcns = net.inputs{1}.processFcns; s.inputSettings = net.inputs{1}.processSettings;
        s.outputFcns = net.outputs{end}.processFcns; s.outputSettings = net.outputs{end}.processSettings;
        save('net.mat', '-struct', 's');

    Parameters
    ----------
    path : path
        Of a .mat file of any version. Version 7.3 needs h5py, the extra pwl[matlab].

    Returns
    -------
    Network
        In float64, with a preparation that holds mapminmax, mapstd and removeconstantrows of inputs and targets. With softmax
        outputs it is a network for the classes 0, 1, ..., and `predict_proba` gives MATLAB's outputs.

    Raises
    ------
    InputError
        If the file lacks one of these, if a layer has another transfer function than tansig, logsig, purelin or poslin, for other
        processing functions, and for connections other than a chain of layers and direct connections from input to output.
    """
    where = validate.path("path", path)
    found = read_mat(where)
    structs = [value for value in found.values() if isinstance(value, dict) and "IW" in value]
    if "IW" not in found and len(structs) == 1:
        found = structs[0]  # saved by save('net.mat', 's')
    if missing := [name for name in WANTED if name not in found]:
        raise InputError(f"{where} has no {missing[0]}: save the network in MATLAB by the lines\n{EXPORT}")
    names = [str(name) for name in _flat(found["transferFcn"])]
    *hidden, last = names
    if last not in ("purelin", "softmax") or not hidden or any(name not in MATLAB for name in hidden):
        raise InputError(
            f"{where} has layers {', '.join(names)}, wanted one or more of {', '.join(MATLAB)}, and purelin or softmax at the end"
        )
    inputs = _chain(where, found["inputFcns"], found["inputSettings"], len(np.atleast_2d(_flat(found["IW"])[0])[0]))
    bodies, head, bypass = _weights(where, found, len(names), inputs)
    outputs = _chain(where, found["outputFcns"], found["outputSettings"], len(head))
    if last == "softmax" and not _is_identity(outputs):
        raise InputError(
            f"{where} scales softmax outputs, which are probabilities: set net.outputs{{end}}.processFcns = {{}} before training"
        )
    layers = [part for W, name in zip(bodies, hidden, strict=True) for part in (Dense(len(W)), MATLAB[name])]
    wide = np.zeros((len(outputs.kept), head.shape[1]))
    wide[outputs.kept] = head
    net = Network.from_layers(
        [*layers, Dense(len(wide))], (len(inputs.kept),), bypass=bypass, dtype=np.float64,
        loss="cross_entropy" if last == "softmax" else "squared_error",
    )  # fmt: skip
    net = net.with_parts({**{f"{2 * i}.W": W for i, W in enumerate(bodies)}, HEAD: wide})
    classes = tuple(range(len(wide))) if last == "softmax" else None
    targets = None if classes else Scaling("minmax", outputs.offset, outputs.scale)
    return net.with_preparation(Preparation(Scaling("minmax", inputs.offset, inputs.scale), targets, classes))


def _weights(where: Any, found: dict[str, Any], count: int, inputs: Line) -> tuple[list[np.ndarray], np.ndarray, bool]:
    """[thresholds, weights] of each hidden layer and of the outputs, and whether these have direct connections."""
    IW, LW, b = [_flat(found["IW"]), found["LW"], [np.reshape(one, (-1, 1)) for one in _flat(found["b"])]]
    for i in range(count):
        for j in range(count):
            if j != i - 1 and np.size(LW[i][j]):
                raise InputError(
                    f"{where} has connections from layer {j + 1} to layer {i + 1}, wanted a chain of layers"
                )
        if np.size(IW[i]) and 0 < i < count - 1:
            raise InputError(
                f"{where} has connections from the input to layer {i + 1}, wanted them to the first and the last layer only"
            )
    if any(not len(one) for one in b):
        raise InputError(f"{where} has a layer without thresholds b, wanted net.biasConnect to be 1 for all layers")

    def wide(W: np.ndarray) -> np.ndarray:
        """Weights from all inputs, 0 from those that are not kept."""
        every = np.zeros((len(W), len(inputs.kept)))
        every[:, inputs.kept] = W
        return every

    bodies = [np.hstack([b[0], wide(IW[0])]), *(np.hstack([b[i], LW[i][i - 1]]) for i in range(1, count - 1))]
    bypass = bool(np.size(IW[-1]))
    past = [wide(IW[-1])] if bypass else []
    return bodies, np.hstack([b[-1], *past, LW[-1][count - 2]]), bypass


def _chain(where: Any, functions: Any, settings: Any, left: int) -> Line:
    """The processing functions in their order as one line. left: number of columns behind them."""
    steps = list(zip([str(name) for name in _flat(functions)], _flat(settings), strict=False))
    n = int(np.ravel(steps[0][1]["xrows"])[0]) if steps and "xrows" in steps[0][1] else left
    line = Line(np.ones(n, dtype=bool), np.zeros(n), np.ones(n))
    for name, own in steps:
        at = np.flatnonzero(line.kept)
        if name == "removeconstantrows":
            gone = at[np.ravel(own["remove"]).astype(int) - 1] if np.size(own.get("remove", ())) else at[:0]
            line.kept[gone] = False
            line.offset[gone] = np.ravel(own["value"]) if np.size(own.get("value", ())) else 0.0
        elif name in ("mapminmax", "mapstd"):
            offset, scale = _linear(name, own)
            line.offset[at] += offset * line.scale[at]
            line.scale[at] *= scale
        else:
            raise InputError(
                f"{where} processes by {name}, wanted mapminmax, mapstd or removeconstantrows: train without it"
            )
    return line


def _linear(name: str, own: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """offset and scale with (a - offset) / scale = (a - xoffset) gain + ymin, or (a - xmean) ystd / xstd + ymean."""
    number = {key: np.ravel(value).astype(float) for key, value in own.items() if isinstance(value, np.ndarray)}
    if name == "mapminmax":
        gain = (
            number["gain"]
            if "gain" in number
            else (number["ymax"] - number["ymin"]) / (number["xmax"] - number["xmin"])
        )
        start, low = number.get("xoffset", number.get("xmin")), number["ymin"]
    else:
        gain, start, low = number["ystd"] / number["xstd"], number["xmean"], number["ymean"]
    return start - low / gain, 1 / gain


def _is_identity(line: Line) -> bool:
    return bool(line.kept.all() and np.all(line.offset == 0) and np.all(line.scale == 1))


def _flat(cells: Any) -> list[Any]:
    """The members of a cell array of one row or one column."""
    if not isinstance(cells, Sequence) or isinstance(cells, str):
        return [] if np.size(cells) == 0 else [cells]
    return [cell for row in cells for cell in (row if isinstance(row, list) else [row])]
