"""`pwl predict` and `pwl info` of a file that holds several networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pwl
from pwl.cli import main
from pwl.network.predict import unchecked_outputs


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(t):
    rows = [",".join(map(repr, [*a, b])) for a, b in zip(inputs().tolist(), t, strict=True)]
    return "a,b,t\n" + "\n".join(rows) + "\n"


def inputs():
    return np.random.default_rng(0).normal(size=(30, 2))


def several(t, loss):
    """Two nets of other weights on the same data, in a file e."""
    x, found = inputs(), []
    for seed in (1, 2):
        preparation = pwl.Preparation.fit(x, t)
        net = pwl.Network.mlp(2, 3, 2 if loss == "cross_entropy" else 1, "tanh", loss=loss, seed=seed).with_preparation(
            preparation
        )
        net, record = pwl.train(net, (x, t), pwl.LM(), iterations=3)
        found.append(net if loss == "cross_entropy" else pwl.with_posterior(net, (x, t), pwl.LM(), record))
    ensemble = pwl.Ensemble(found, weights=[1, 3])
    ensemble.save("e", record)
    return ensemble


def test_numbers_and_their_intervals(here, capsys):
    x = inputs()
    t = np.sin(x[:, :1])
    ensemble = several(t, "squared_error")
    (here / "t.csv").write_text(table(t[:, 0].tolist()))
    assert main(["predict", "e", "t.csv", "--interval", "95", "--out", "p.csv"]) == 0
    assert "RMSE" in capsys.readouterr().err
    written = np.loadtxt("p.csv", delimiter=",", skiprows=1)
    y, std = ensemble.predict(x, return_std=True)
    np.testing.assert_allclose(written[:, 0], y[:, 0], rtol=1e-13)
    np.testing.assert_allclose(
        written[:, 0], (ensemble.nets[0].predict(x) + 3 * ensemble.nets[1].predict(x))[:, 0] / 4, rtol=1e-12
    )
    np.testing.assert_allclose(written[:, 2] - written[:, 1], 2 * 1.959964 * std[:, 0], rtol=1e-6)


def test_classes_and_probabilities(here, capsys):
    x = inputs()
    t = (x[:, 0] > 0).astype(int)
    ensemble = several(t, "cross_entropy")
    (here / "t.csv").write_text(table(t.tolist()))
    assert main(["predict", "e", "t.csv", "--probabilities", "--out", "p.csv"]) == 0
    np.testing.assert_allclose(np.loadtxt("p.csv", delimiter=",", skiprows=1), ensemble.predict_proba(x), rtol=1e-13)
    assert main(["predict", "e", "t.csv", "--out", "p.csv"]) == 0
    np.testing.assert_array_equal(np.loadtxt("p.csv", skiprows=1), ensemble.predict(x))


def test_answers_are_marked_where_one_network_has_none():
    x = np.vstack([inputs(), np.full((1, 2), 1.7e308)])
    ensemble = several_in_memory()
    values, finite = ensemble.answers(x)
    assert finite.tolist() == [True] * 30 + [False]
    np.testing.assert_array_equal(values[:30], ensemble.predict(inputs()))
    one = pwl.Ensemble(ensemble.nets[:1])
    np.testing.assert_array_equal(one.answers(x[:30]).values, unchecked_outputs(ensemble.nets[0], x[:30]))


def several_in_memory():
    x = inputs()
    data = (x, np.sin(x[:, :1]))
    return pwl.Ensemble([pwl.initialise(pwl.Network.mlp(2, 3, 1, "relu", seed=seed), data) for seed in (1, 2)])


def test_info_and_commands_for_one_network(here, capsys):
    several(np.sin(inputs()[:, :1]), "squared_error")
    (here / "t.csv").write_text(table(inputs()[:, 0].tolist()))
    assert main(["info", "e"]) == 0
    told = capsys.readouterr().out
    assert "2 networks of 2\n  share in the mean: 1\n" in told
    Path("e").rename("e.safetensors")
    assert main(["check", "e.safetensors", "t.csv"]) == 0
    assert "network 2 of the 2 in e.safetensors" in capsys.readouterr().out
    with pytest.raises(pwl.InputError, match=r"pwl ensemble file: pwl.Ensemble.load reads it, and .nets of the ensemble are its"):
        pwl.Network.load("e.safetensors")
