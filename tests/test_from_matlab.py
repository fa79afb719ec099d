"""docs/from-matlab.md: every row of its tables is tried. The tests are named by the first cell of the row."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

import pwl
from pwl.models import load_matlab
from pwl.models.matlab import EXPORT

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "from-matlab.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| (.+?) \| (.+) \|$", PAGE, re.MULTILINE))
RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 8))
T = np.sin(X[:, :1]) + 3
LABELS = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)
TRIED: set[str] = set()


def tried(row: str):
    """Marks a test as that of a row."""
    TRIED.add(row)
    return lambda test: test


@pytest.fixture(scope="module")
def example():
    names: dict = {}
    exec(re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1], names)
    return names


@pytest.fixture(scope="module")
def classes():
    net = pwl.Network.mlp(8, 5, 3, "tansig", bypass=False, loss="cross_entropy")
    return pwl.train(net, (X, LABELS), pwl.SCG.matlab(), iterations=5)[0]


def code(row: str) -> list[str]:
    """The pieces of code in the right cell of a row."""
    return re.findall(r"`([^`]+)`", ROWS[row])


# ---- networks: the code of the row makes them


@tried("`feedforwardnet(10)`, `fitnet(10)`")
@tried("`cascadeforwardnet(10)`")
@tried("`patternnet(10)`")
@tried("`feedforwardnet([10 5])`")
@tried("`rng(0)`")
def test_networks():
    def made(row):
        return eval(code(row)[0], {"pwl": pwl})

    net = made("`feedforwardnet(10)`, `fitnet(10)`")
    assert net.layers[0].units == 10 and not net.bypass and net.layers[1].name == "tanh"
    assert made("`cascadeforwardnet(10)`").bypass
    assert made("`patternnet(10)`").loss.name == "cross_entropy"
    assert [layer.units for layer in made("`feedforwardnet([10 5])`").layers[::2]] == [10, 5]
    np.testing.assert_array_equal(made("`rng(0)`").theta, made("`rng(0)`").theta)


@tried("`tansig`, `logsig`, `purelin`, `poslin`")
def test_transfer_functions():
    n = np.linspace(-3, 3, 7)
    formulas = (2 / (1 + np.exp(-2 * n)) - 1, 1 / (1 + np.exp(-n)), n, np.maximum(n, 0))
    for name, wanted in zip(code("`tansig`, `logsig`, `purelin`, `poslin`"), formulas, strict=True):
        net = pwl.Network.from_layers([eval(name), pwl.layers.Dense(1)], (1,), loss="squared_error", dtype=np.float64)
        net = net.with_head(np.array([[0.0, 1.0]]))
        np.testing.assert_allclose(net.predict(n[:, None])[:, 0], wanted, atol=1e-15)


@tried("`init(net)`")
def test_init():
    assert pwl.initialise(pwl.Network.mlp(8, 3, 1, "tansig"), (X, T)).initialised


@tried("`net.IW{1}`, `net.b{1}`")
@tried("`net.LW{2,1}`, `net.b{2}`")
def test_weights_give_the_outputs(example):
    net, x = example["net"], example["x"]
    IW, b1 = (eval(piece, {"net": net}) for piece in code("`net.IW{1}`, `net.b{1}`"))
    LW, b2 = (eval(piece, {"net": net}) for piece in code("`net.LW{2,1}`, `net.b{2}`"))
    y = np.tanh(net.preparation.transform_inputs(x) @ IW.T + b1) @ LW.T + b2
    np.testing.assert_allclose(net.preparation.inverse_targets(y), net.predict(x), rtol=1e-5)


@tried("`save('net.mat', 'net')`, `load`")
@tried("a network that MATLAB trained")
def test_files(example, tmp_path):
    example["net"].save(tmp_path / "net.safetensors", example["tr"])
    again = pwl.Network.load(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(again.predict(X), example["net"].predict(X))
    assert all(line in PAGE for line in EXPORT.splitlines()) and load_matlab  # tests/test_matlab_files.py reads such files


# ---- data


@tried("`dividerand`, `net.divideParam`")
@tried("`divideblock`")
@tried("`divideind`")
@tried("`tr.trainInd`, `tr.valInd`, `tr.testInd`")
def test_parts(example):
    assert sorted(itertools.chain(*example["tr"].rows.values())) == list(range(len(example["x"])))
    assert set(example["tr"].rows) == {"training", "validation", "test"}
    blocks = eval(code("`divideblock`")[0], {"pwl": pwl, "x": X})
    assert [part.tolist() for part in blocks] == [list(range(56)), list(range(56, 68)), list(range(68, 80))]
    parts = eval(code("`divideind`")[0].partition("=")[2])
    _, tr = pwl.train(pwl.Network.mlp(8, 2, 1, "tansig"), (X, T), pwl.CG(), iterations=1, parts=parts)
    assert tuple(tr.rows.values()) == parts


@tried("`mapminmax`")
@tried("`mapstd`")
@tried("`removeconstantrows`")
def test_scaling():
    x = np.c_[X, np.full(80, 7.0)]
    for row, low, high in (("`mapminmax`", -1, 1), ("`mapstd`", None, None)):
        xp, tp = eval(code(row)[0], {"pwl": pwl, "x": x, "t": T}).transform(x, T)
        if low is None:
            np.testing.assert_allclose([xp[:, 0].mean(), xp[:, 0].std(), tp.std()], [0, 1, 1], atol=1e-12)
        else:
            np.testing.assert_allclose([xp[:, 0].min(), xp[:, 0].max(), tp.min(), tp.max()], [low, high] * 2, atol=1e-12)
        assert not xp[:, -1].any()


@tried("error weights `EW` of `train`")
@tried("`NaN` in targets")
@tried("`ind2vec`, `vec2ind`")
def test_weights_missing_targets_and_one_hot_targets(classes):
    t, w = T.copy(), np.ones(80)
    t[::5], w[::5] = np.nan, 0
    start = pwl.Network.mlp(8, 3, 1, "tansig")
    (one, _), (other, _) = (pwl.train(start, data, pwl.LM(), iterations=2) for data in ((X, T, w), (X, t)))
    np.testing.assert_array_equal(one.theta, other.theta)
    assert pwl.evaluate(classes, (X, np.eye(3)[LABELS])) == pwl.evaluate(classes, (X, LABELS))
    two = np.c_[T[:80], T[:80] ** 2]
    two[::4, 1] = np.nan
    net, tr = pwl.train(pwl.Network.mlp(8, 3, 2, "tansig"), (X, two), pwl.LM(), iterations=2)
    squares = (two - net.predict(X)) ** 2  # MATLAB divides by the number of known targets, E by that of patterns
    assert tr["error"][-1] * 80 / np.sum(~np.isnan(two)) == pytest.approx(np.nanmean(squares), rel=1e-10)


# ---- training


@tried("`trainlm`")
@tried("`trainbr`")
@tried("`trainscg`")
@tried("`traincgf`, `traincgp`")
@tried("`trainbfg`, `trainoss`")
@tried("`traingdm`, `traingd`")
@tried("`net.performParam.regularization`")
def test_training_functions():
    rows = ("`trainlm`", "`trainbr`", "`trainscg`", "`traincgf`, `traincgp`", "`trainbfg`, `trainoss`", "`traingdm`, `traingd`")
    for row in (*rows, "`net.performParam.regularization`"):
        for piece in code(row):
            _, tr = pwl.train(pwl.Network.mlp(8, 3, 1, "tansig"), (X, T - 3), eval(piece, {"pwl": pwl}), iterations=3)
            assert tr["objective"][tr.best_iteration] < tr["objective"][0] or "BR" in piece or "Bayes" in piece, piece


@tried("`epochs`, `goal`, `max_fail`, `min_grad`, `time`")
@tried("`showWindow`, `showCommandLine`")
def test_limits():
    names = [piece.rstrip("=") for piece in code("`epochs`, `goal`, `max_fail`, `min_grad`, `time`") if piece.endswith("=")]
    assert names == ["iterations", "goal", "max_fail", "min_grad", "max_seconds"]
    codes = []
    for name, value in zip(names, (2, 1e6, 1, 1e6, 0.0), strict=True):
        given = {"iterations": 50, "validation": (X, np.random.default_rng(7).normal(size=(80, 1)))} | {name: value}
        codes.append(pwl.train(pwl.Network.mlp(8, 3, 1, "tansig"), (X, T), pwl.LM(), progress=True, **given)[1].stop_code)
    assert codes == ["iterations", "goal", "max_fail", "min_grad", "max_seconds"]


@tried("`[net, tr] = train(net, x, t)`")
@tried("`y = net(x)`, `sim(net, x)`")
@tried("`perform(net, t, y)`")
def test_train_sim_and_perform(example, classes):
    names = {"pwl": pwl, **{name: example[name] for name in ("net", "x", "t", "parts")}}
    exec(code("`[net, tr] = train(net, x, t)`")[0], names)
    exec(code("`y = net(x)`, `sim(net, x)`")[0], names)
    mse = eval(code("`perform(net, t, y)`")[0], names)
    assert mse == pytest.approx(np.mean((names["y"] - names["t"]) ** 2), rel=1e-5)
    np.testing.assert_allclose(classes.predict_proba(X).sum(axis=1), 1, rtol=1e-5)


# ---- the record


@tried("`tr.perf`, `tr.vperf`, `tr.tperf`")
@tried("`tr.best_perf`, `tr.best_vperf`")
@tried("`tr.best_epoch`, `tr.num_epochs`")
@pytest.mark.parametrize("outputs", [1, 2])
def test_performance_is_matlabs_mse_in_raw_units(outputs):
    t = np.c_[100 * T, X[:, :1] ** 2][:, :outputs]
    parts = pwl.data.split(80, (0.7, 0.15, 0.15), 0)
    net = pwl.Network.mlp(8, 4, outputs, "tansig", dtype=np.float64)
    net = net.with_preparation(pwl.Preparation.fit(X, t, inputs="minmax", targets="minmax"))
    net, tr = pwl.train(net, (X, t), pwl.LM(), parts=parts, iterations=5)
    series = [re.search(r'"(\w+)"', piece)[1] for piece in code("`tr.perf`, `tr.vperf`, `tr.tperf`")]
    assert series == ["raw_error", "validation_raw_error", "test_raw_error"]
    for name, rows in zip(series, parts, strict=True):
        mse = np.mean((net.predict(X[rows]) - t[rows]) ** 2)
        assert tr[name][tr.best_iteration] / outputs == pytest.approx(mse, rel=1e-10)
    best = [eval(piece, {"tr": tr}) for piece in code("`tr.best_perf`, `tr.best_vperf`")]
    assert best == [tr[name][tr.best_iteration] for name in series[:2]]
    if outputs == 1:  # of several targets, E in the network's units is what is lowest
        assert best[1] == min(tr["validation_raw_error"])
    assert [eval(piece, {"tr": tr}) for piece in code("`tr.best_epoch`, `tr.num_epochs`")] == [tr.best_iteration, 5]


@tried("`tr.gradient`, `tr.mu`, `tr.time`")
@tried("`tr.stop`")
def test_the_state_of_a_run(example):
    for piece in code("`tr.gradient`, `tr.mu`, `tr.time`"):
        assert len(eval(piece, example)) == example["tr"].iterations + 1
    assert all(eval(piece, example) for piece in code("`tr.stop`"))


# ---- pictures


@tried("`plotperform(tr)`")
@tried("`plottrainstate(tr)`")
@tried("`plotregression`")
@tried("`ploterrhist`")
@tried("`plotconfusion`")
@tried("`plotroc`")
def test_pictures(example, classes):
    for row in ("`plotperform(tr)`", "`plottrainstate(tr)`", "`plotregression`", "`ploterrhist`"):
        assert eval(code(row)[0], {**example, "pwl": pwl}).axes
    for row in ("`plotconfusion`", "`plotroc`"):
        assert eval(code(row)[0], {"pwl": pwl, "net": classes, "x": X, "labels": LABELS}).axes


def test_every_row_is_tried():
    rows = {row for row in ROWS if row not in ("MATLAB", "---")}
    assert rows == TRIED and len(rows) > 35
