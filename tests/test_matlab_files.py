"""Networks of MATLAB in .mat files, as its lines write them: read, and equal to its arithmetic."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.io import savemat

import pwl
from pwl.errors import InputError
from pwl.models import load_matlab
from pwl.models.matlab import EXPORT

RNG = np.random.default_rng(0)
X = RNG.uniform(-3, 7, (40, 4))  # patterns in rows
X[:, 2] = 5.0  # which removeconstantrows removes
EMPTY = np.zeros((0, 0))


def cell(rows):
    """A cell array, from a list of rows."""
    made = np.empty((len(rows), len(rows[0])), dtype=object)
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            made[i, j] = value
    return made


def minmax(low, high, ymin=-1.0, ymax=1.0):
    low, high = np.asarray(low)[:, None], np.asarray(high)[:, None]
    return {
        "name": "mapminmax", "xrows": float(len(low)), "xmin": low, "xmax": high, "xrange": high - low, "yrows": float(len(low)),
        "ymin": ymin, "ymax": ymax, "yrange": ymax - ymin, "gain": (ymax - ymin) / (high - low), "xoffset": low, "no_change": 0.0,
    }  # fmt: skip


def std(mean, deviation):
    return {"name": "mapstd", "xrows": float(len(mean)), "xmean": np.c_[mean], "xstd": np.c_[deviation], "ymean": 0.0, "ystd": 1.0}


def constant(rows, remove, value):
    keep = [i + 1 for i in range(rows) if i + 1 not in remove]
    return {"xrows": float(rows), "keep": np.array([keep], float), "remove": np.array([remove], float), "value": np.c_[value]}


def structure(hidden=("tansig",), last="purelin", inputs=None, outputs=None, bypass=False, seed=1):
    """The variables that MATLAB's lines save, for 3 inputs that are kept, layers of 5, 4, ... units and 2 outputs."""
    rng = np.random.default_rng(seed)
    sizes = [3, *(5 - i for i in range(len(hidden))), 2]
    L = len(sizes) - 1
    IW, LW = [[EMPTY] for _ in range(L)], [[EMPTY] * L for _ in range(L)]
    IW[0][0] = rng.normal(size=(sizes[1], 3))
    for i in range(1, L):
        LW[i][i - 1] = rng.normal(size=(sizes[i + 1], sizes[i]))
    if bypass:
        IW[-1][0] = rng.normal(size=(2, 3))
    inputs = inputs or {"removeconstantrows": constant(4, [3], [5.0]), "mapminmax": minmax([-3, -2, 0], [7, 6, 5])}
    outputs = {"mapminmax": minmax([0.0, -10], [4.0, 30])} if outputs is None else outputs
    return {
        "IW": cell(IW), "LW": cell(LW), "b": cell([[rng.normal(size=(n, 1))] for n in sizes[1:]]),
        "transferFcn": cell([[name] for name in (*hidden, last)]),
        "inputFcns": cell([list(inputs)]), "inputSettings": cell([list(inputs.values())]),
        "outputFcns": cell([list(outputs)]) if outputs else np.zeros((1, 0), dtype=object),
        "outputSettings": cell([list(outputs.values())]) if outputs else np.zeros((1, 0), dtype=object),
    }  # fmt: skip


TRANSFER = {
    "tansig": lambda n: 2 / (1 + np.exp(-2 * n)) - 1, "logsig": lambda n: 1 / (1 + np.exp(-n)),
    "poslin": lambda n: np.maximum(n, 0), "purelin": lambda n: n,
    "softmax": lambda n: np.exp(n - n.max(0)) / np.exp(n - n.max(0)).sum(0),
}  # fmt: skip


def sim(s, x):
    """MATLAB's sim on columns, by its documented formulas."""
    a = x.T
    for name, own in zip(s["inputFcns"].flat, s["inputSettings"].flat, strict=True):
        if name == "removeconstantrows":
            a = a[own["keep"].astype(int).ravel() - 1]
        elif name == "mapminmax":
            a = (own["ymax"] - own["ymin"]) * (a - own["xmin"]) / (own["xmax"] - own["xmin"]) + own["ymin"]
        else:
            a = (a - own["xmean"]) * own["ystd"] / own["xstd"] + own["ymean"]
    first, signal = a, a
    for i, name in enumerate(s["transferFcn"].flat):
        W = s["IW"][0, 0] if i == 0 else s["LW"][i, i - 1]
        n = W @ signal + s["b"][i, 0]
        if i and s["IW"][i, 0].size:
            n = n + s["IW"][i, 0] @ first
        signal = TRANSFER[name](n)
    for name, own in reversed(list(zip(s["outputFcns"].flat, s["outputSettings"].flat, strict=True))):
        if name == "mapminmax":
            signal = (signal - own["ymin"]) / own["gain"] + own["xoffset"]
        elif name == "removeconstantrows":
            every = np.zeros((int(own["xrows"]), signal.shape[1]))
            every[own["keep"].astype(int).ravel() - 1] = signal
            every[own["remove"].astype(int).ravel() - 1] = own["value"]
            signal = every
        else:
            signal = (signal - own["ymean"]) * own["xstd"] / own["ystd"] + own["xmean"]
    return signal.T


def is_cell(value):
    return isinstance(value, np.ndarray) and value.dtype.kind == "O"


def write_hdf(path, values):
    """A file of version 7.3 as MATLAB lays it out: HDF5, arrays by columns, cells as references, sizes of what is empty."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w", userblock_size=512) as file:
        hidden = file.create_group("#refs#")

        def put(group, name, value):
            if isinstance(value, dict):
                item = group.create_group(name)
                for key, member in value.items():
                    put(item, key, member)
                kind = "struct"
            elif isinstance(value, str):
                item, kind = group.create_dataset(name, data=np.array([[ord(c)] for c in value], dtype=np.uint16)), "char"
            elif is_cell(value) and value.size:
                places = np.empty(value.T.shape, dtype=h5py.ref_dtype)
                for (j, i), _ in np.ndenumerate(places):
                    places[j, i] = put(hidden, str(len(hidden)), value[i, j]).ref
                item, kind = group.create_dataset(name, data=places, dtype=h5py.ref_dtype), "cell"
            else:
                kind = "cell" if is_cell(value) else "double"
                a = np.atleast_2d(np.asarray(value, dtype=float)) if kind == "double" else value
                item = group.create_dataset(name, data=a.T if a.size else np.array(a.shape, dtype=np.uint64))
                if not a.size:
                    item.attrs["MATLAB_empty"] = np.uint8(1)
            item.attrs["MATLAB_class"] = np.bytes_(kind)
            return item

        for name, value in values.items():
            put(file, name, value)
    head = b"MATLAB 7.3 MAT-file".ljust(124) + (0x0200).to_bytes(2, "little") + b"IM"
    with open(path, "r+b") as file:
        file.write(head)


CASES = {
    "feedforwardnet": structure(),
    "two hidden layers": structure(("tansig", "logsig")),
    "poslin": structure(("poslin",)),
    "cascadeforwardnet": structure(bypass=True),
    "mapstd": structure(
        inputs={"removeconstantrows": constant(4, [3], [5.0]), "mapstd": std([1, 2, 3], [2, 3, 4])},
        outputs={"mapstd": std([5, 6], [7, 8])},
    ),
    "minmax after std": structure(
        inputs={
            "removeconstantrows": constant(4, [3], [5.0]), "mapstd": std([1, 2, 3], [2, 3, 4]),
            "mapminmax": minmax([-2, -2, -2], [2, 1, 3]),
        }
    ),
    "a constant target": structure(
        outputs={"removeconstantrows": constant(3, [2], [9.0]), "mapminmax": minmax([0.0, -10], [4.0, 30])}
    ),
    "other limits": structure(
        inputs={"removeconstantrows": constant(4, [3], [5.0]), "mapminmax": minmax([-3, -2, 0], [7, 6, 5], 0.0, 2.0)}
    ),
}  # fmt: skip


@pytest.mark.parametrize("write", [savemat, write_hdf], ids=["v7", "v7.3"])
@pytest.mark.parametrize("name", CASES)
def test_a_network_predicts_what_sim_gives(name, write, tmp_path):
    write(tmp_path / "net.mat", CASES[name])
    net = load_matlab(tmp_path / "net.mat")
    wanted = sim(CASES[name], X)
    np.testing.assert_allclose(net.predict(X), wanted, rtol=1e-12, atol=1e-12 * np.abs(wanted).max())


@pytest.mark.parametrize("write", [savemat, write_hdf], ids=["v7", "v7.3"])
def test_a_patternnet_gives_its_probabilities(write, tmp_path):
    s = structure(last="softmax", outputs={})
    write(tmp_path / "net.mat", s)
    net = load_matlab(tmp_path / "net.mat")
    np.testing.assert_allclose(net.predict_proba(X), sim(s, X), rtol=1e-12)
    np.testing.assert_array_equal(net.predict(X), sim(s, X).argmax(axis=1))


def test_it_trains_on_and_is_saved(tmp_path):
    savemat(tmp_path / "net.mat", {"s": CASES["feedforwardnet"]})  # by save('net.mat', 's')
    net = load_matlab(tmp_path / "net.mat")
    t = sim(structure(seed=2), X)
    better, record = pwl.train(net, (X, t), pwl.LM(), iterations=3)
    assert record["error"][-1] < record["error"][0]
    better.save(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(pwl.Network.load(tmp_path / "net.safetensors").predict(X), better.predict(X))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"IW": None}, "has no IW: save the network in MATLAB by the lines"),
        ({"transferFcn": cell([["radbas"], ["purelin"]])}, "has layers radbas, purelin, wanted one or more of tansig"),
        ({"transferFcn": cell([["tansig"], ["tansig"]])}, "purelin or softmax at the end"),
        ({"inputFcns": cell([["fixunknowns", "mapminmax"]])}, "processes by fixunknowns"),
        ({"b": cell([[EMPTY], [np.zeros((2, 1))]])}, "a layer without thresholds"),
        ({"LW": cell([[np.ones((5, 5)), EMPTY], [np.ones((2, 5)), EMPTY]])}, "connections from layer 1 to layer 1"),
    ],
)
def test_what_is_no_such_network_is_refused_in_a_sentence(change, words, tmp_path):
    s = {name: value for name, value in (CASES["feedforwardnet"] | change).items() if value is not None}
    savemat(tmp_path / "net.mat", s)
    with pytest.raises(InputError, match=re.escape(words)):
        load_matlab(tmp_path / "net.mat")


def test_files_that_are_none_are_refused(tmp_path):
    (tmp_path / "net.mat").write_text("nothing")
    for name in ("net.mat", "none.mat"):
        with pytest.raises(InputError, match=name):
            load_matlab(tmp_path / name)


def test_the_docstring_has_the_lines():
    lines = [line.strip() for line in load_matlab.__doc__.splitlines()]
    assert all(line in lines for line in EXPORT.splitlines())
