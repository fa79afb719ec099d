"""Nets of every kind in files and commands: Output Reset, standard deviations, curves on inputs that are decorrelated."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from refusals import fails
from test_damaged_files import forge

import pwl
from pwl.cli import main
from pwl.files.tensors import read_tensors
from pwl.network.posterior import Posterior
from pwl.runtime import room
from pwl.training.saved import load

pytestmark = pytest.mark.usefixtures("empty_folder")


def collinear(n=80):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 3))
    x[:, 2] = x[:, 1] + 1e-5 * x[:, 2]
    return x, np.sin(2 * x[:, :1]) + x[:, 1:2] + 0.1 * rng.normal(size=(n, 1))


def full():
    """A net with curves on decorrelated inputs and the posterior of all weights, its record, and its data."""
    x, t = collinear()
    net = pwl.Network.mlp(3, 3, 1, pwl.PiecewiseLinear(hinges=5), input_hinges=4)
    net = net.with_preparation(pwl.Preparation.fit(x, t, inputs="decorrelate"))
    algorithm = pwl.BayesianLM(starts=(1.0, 0.1), groups="layers")
    net, record = pwl.train(net, (x, t), algorithm, iterations=4)
    return pwl.with_posterior(net, (x, t), algorithm, record), record, x, t


def table(name, x, last):
    rows = zip(x.tolist(), np.ravel(last).tolist(), strict=True)
    lines = [",".join(map(repr, [*row, own])) for row, own in rows]
    Path(name).write_text("a,b,c,y\n" + "\n".join(lines) + "\n")


# ---- curves, decorrelated inputs and a posterior at once


def test_a_net_with_all_of_it_comes_back_to_the_same_bits():
    net, record, x, _ = full()
    net.save("n.safetensors", record)
    for one, other in zip(
        load("n.safetensors").net.predict(x, return_std=True), net.predict(x, return_std=True), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_commands_take_it(capsys):
    net, record, x, t = full()
    net.save("n.safetensors", record)
    table("t.csv", x, t)
    assert main(["predict", "n.safetensors", "t.csv"]) == 0
    out = capsys.readouterr()
    found = [float(row[-1]) for row in list(csv.reader(io.StringIO(out.out)))[1:]]
    np.testing.assert_array_equal(found, net.predict(x)[:, 0])
    assert "R^2" in out.err
    assert main(["info", "n.safetensors"]) == 0
    told = capsys.readouterr().out
    assert "standard deviations of predictions, from the posterior of 0.W, head.W" in told
    assert f"input 3: offset {x[:, 2].mean():.6g}, scale {x[:, 2].std():.6g}" in told
    assert "inputs are decorrelated after that" in told
    assert main(["check", "n.safetensors", "t.csv"]) == 0
    assert "checks passed" in capsys.readouterr().out


def test_rows_far_outside_get_no_answer_and_spoil_no_other(capsys):
    """The product with the matrix of decorrelation mixes the columns of a row, and no two rows."""
    net, record, x, t = full()
    net.save("n.safetensors", record)
    x = x.copy()
    x[3, 1] = 1.7e308
    table("t.csv", x, t)
    assert main(["predict", "n.safetensors", "t.csv"]) == 0
    out = capsys.readouterr()
    rows = [row[-1] for row in list(csv.reader(io.StringIO(out.out)))[1:]]
    assert [i for i, cell in enumerate(rows) if cell == ""] == [3]
    kept = np.delete(x, 3, axis=0)
    np.testing.assert_allclose([float(cell) for cell in rows if cell], net.predict(kept)[:, 0], rtol=1e-12)
    assert "1 of 80 rows have no finite prediction" in out.err


def test_it_trains_on_without_the_posterior_of_other_weights():
    net, _, x, t = full()
    again, record = pwl.train(net, (x, t), pwl.MOLF.damped(), iterations=2)
    assert record.iterations == 2 and again.posterior is None and isinstance(net.posterior, Posterior)


def test_deviations_of_many_outputs_take_little_memory():
    """Rows differ from output to output, so that the blocks of many outputs are smaller."""
    few, many = (Posterior(("0.W", "head.W"), np.eye(50), np.ones(M), 10.0).floats for M in (1, 40))
    assert many == 40 * few
    assert Posterior(("head.W",), np.eye(50), np.ones(40), 10.0).floats == few


# ---- Output Reset


def classes():
    x, _ = collinear()
    return x, np.digitize(x[:, 0] + x[:, 1] ** 2, [0.3, 1.5])


def test_output_reset_on_the_command_line(capsys):
    x, labels = classes()
    table("c.csv", x, labels)
    line = ["train", "c.csv", "--task", "classification", "--loss", "output_reset"]
    assert main([*line, "--iterations", "3", "--hidden", "3", "--out", "n.safetensors"]) == 0
    capsys.readouterr()
    assert main(["predict", "n.safetensors", "c.csv"]) == 0
    out = capsys.readouterr()
    found = [row[-1] for row in list(csv.reader(io.StringIO(out.out)))[1:]]
    assert set(found) == {"0", "1", "2"} and "rows in the right class" in out.err
    said = fails(capsys, "predict", "n.safetensors", "c.csv", "--probabilities")
    assert "--probabilities" in said and "output_reset, without probabilities" in said
    assert main(["check", "n.safetensors", "c.csv"]) == 0


def test_output_reset_in_the_classifier():
    pytest.importorskip("sklearn")
    from sklearn.base import clone

    from pwl.estimators import PWLClassifier

    x, labels = classes()
    words = np.array(["low", "mid", "high"])[labels]
    e = clone(PWLClassifier(4, iterations=15, loss="output_reset")).fit(x, words)
    assert e.net_.loss.name == "output_reset" and e.score(x, words) > 0.8
    np.testing.assert_array_equal(e.classes_[e.decision_function(x).argmax(axis=1)], e.predict(x))
    assert not hasattr(e, "predict_proba") and not hasattr(e, "predict_log_proba")
    assert hasattr(PWLClassifier(), "predict_proba")
    e.set_params(warm_start=True, loss="cross_entropy")
    with pytest.raises(pwl.InputError, match="warm_start"):
        e.fit(x, words)
    for wrong in ("squared_error", "x", None):
        for fit in (
            PWLClassifier(loss=wrong).fit,
            lambda *a, e=PWLClassifier(loss=wrong): e.partial_fit(*a, classes=words),
        ):
            with pytest.raises(pwl.InputError, match="loss"):
                fit(x, words)


# ---- memory


@pytest.mark.parametrize(
    "algorithm", [pwl.MOLF.damped(), pwl.AdAct.damped(), pwl.AdAct.damped(ridge=1e-3)], ids=["molf", "adact", "ridge"]
)
@pytest.mark.parametrize("hinges", [None, 5])
def test_large_matrices_of_damped_forms_and_input_curves_are_counted(algorithm, hinges, monkeypatch):
    """Of 300 inputs with five hinges each there are 1,500 functions, before the hinges are placed 300."""
    x = np.random.default_rng(0).normal(size=(20, 300))
    units = 3 if hinges else 1500
    net = pwl.Network.mlp(300, units, 1, pwl.PiecewiseLinear(hinges=5), input_hinges=hinges)
    monkeypatch.setattr(room, "available", lambda: 1e8)
    with (
        pytest.raises(pwl.InputError, match="1[58]0[0-9] basis functions take about"),
        pytest.warns(UserWarning, match="fewer than"),
    ):
        pwl.train(net, (x, x[:, :1]), algorithm, iterations=1)
    started = pwl.Network.mlp(300, units, 1, pwl.PiecewiseLinear(hinges=5), input_hinges=hinges)
    with monkeypatch.context() as enough:
        enough.setattr(room, "available", lambda: 1e12)
        with pytest.warns(UserWarning, match="fewer than"):
            started = pwl.initialise(started, (x, x[:, :1]), ridge=1.0)
    monkeypatch.setattr("pwl.algorithms.ridge.reduce", refused)
    with pytest.raises(pwl.InputError, match="take about"):
        pwl.train(started, (x, x[:, :1]), algorithm, iterations=1)


def refused(*_):
    raise AssertionError("a large matrix was made")


# ---- forged files

HEADERS = {
    "no numbers of hinges": lambda h: h["network"]["layers"][0].update(counts=None),
    "numbers of hinges of two inputs": lambda h: h["network"]["layers"][0].update(counts=[4, 7]),
    "numbers of hinges of one input more": lambda h: h["network"]["layers"][0].update(counts=[4, 4, 4, 0]),
    "a number of hinges below 0": lambda h: h["network"]["layers"][0].update(counts=[-4, 4, 4]),
    "numbers of hinges that are texts": lambda h: h["network"]["layers"][0].update(counts="abc"),
    "a number of hinges that no memory holds": lambda h: h["network"]["layers"][0].update(counts=[10**9, 4, 4]),
    "as many rises elsewhere": lambda h: h["network"]["layers"][0].update(counts=[1, 5, 6]),
    "a posterior of some weights": lambda h: h["network"]["posterior"].update(keys=["0.W"]),
    "a posterior in another order": lambda h: h["network"]["posterior"].update(keys=["head.W", "0.W"]),
    "a posterior of unknown weights": lambda h: h["network"]["posterior"].update(keys=["0.X", "head.W"]),
    "a posterior without patterns": lambda h: h["network"]["posterior"].update(Nv=0),
    "a posterior of classes": lambda h: h["network"].update(loss="output_reset", n_outputs=1),
    "a posterior that is a list": lambda h: h["network"].update(posterior=[1]),
    "a matrix of one column": lambda h: h["preparation"]["inputs"].update(matrix=[[1.0]]),
    "a decorrelation without scales": lambda h: h["preparation"]["inputs"].pop("scaling"),
    "decorrelated targets": lambda h: h["preparation"].update(targets=h["preparation"]["inputs"]),
}
ARRAYS = {
    "posterior.factor": (lambda a: None, lambda a: a[:-1], lambda a: 0 * a, lambda a: -a, lambda a: a * np.nan),
    "posterior.noise": (lambda a: None, lambda a: a[:0], lambda a: -a, lambda a: a.astype(np.int64)),
    "buffer.0.scale": (lambda a: None, lambda a: a[:-1], lambda a: a * np.nan, lambda a: np.zeros(())),
    "buffer.0.ns": (lambda a: None, lambda a: a[:, :-1], lambda a: a * np.inf),
    "buffer.0.covariance": (lambda a: None, lambda a: a[:-1], lambda a: a * np.nan),
}


def test_forged_files_are_refused_in_a_sentence():
    net, record, _, _ = full()
    net.save("net", record)
    path = Path("net").absolute()
    arrays, _ = read_tensors(path, "pwl network", 99)
    cases = [(change, {}) for change in HEADERS.values()]
    cases += [(lambda h: None, {name: make(arrays[name])}) for name, makers in ARRAYS.items() for make in makers]
    for change, others in cases:
        with pytest.raises(pwl.InputError, match="forged") as wrong:
            load(forge(path, change, others))
        assert len(str(wrong.value).splitlines()) == 1


# ---- runs that are cut off

RUNS = {
    "molf": pwl.MOLF.damped(),
    "adact": pwl.AdAct.damped(curve_direction="newton"),
    "layers": pwl.BayesianLM(starts=(1.0, 0.1), groups="layers"),
    "rows": pwl.BayesianLM(starts=(1.0, 0.1), groups="inputs", solver="rows"),
}


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
@pytest.mark.parametrize("name", RUNS)
def test_runs_with_input_curves_resume_to_the_same_bits(name, loss):
    x, t = collinear()
    if loss == "cross_entropy":
        t = classes()[1]
    net = pwl.Network.mlp(
        3, 3, t.max() + 1 if t.ndim == 1 else 1, pwl.PiecewiseLinear(hinges=5), loss=loss, input_hinges=4
    )
    net = net.with_preparation(pwl.Preparation.fit(x, t, inputs="decorrelate"))
    whole, record = pwl.train(net, (x, t), RUNS[name], iterations=10)
    for done in (1, 6):
        pwl.train(net, (x, t), RUNS[name], iterations=done, checkpoint="run")
        again, resumed = pwl.train(net, (x, t), RUNS[name], iterations=10, resume="run")
        np.testing.assert_array_equal(again.theta, whole.theta)
        assert resumed["error"] == record["error"] and resumed["objective"] == record["objective"]
