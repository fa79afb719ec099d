"""What a notebook shows: representations that fit a screen, progress bars, and a Ctrl-C that is said."""

from __future__ import annotations

import sys
import types
import warnings
from html.parser import HTMLParser

import numpy as np
import pytest

import pwl
import pwl.estimators.base as base
from pwl.training.limits import Interrupted

RNG = np.random.default_rng(0)
X = RNG.normal(size=(500, 3))
T = np.sin(X[:, :1])


@pytest.fixture(scope="module")
def run():
    net = pwl.Network.mlp(3, 20, 1, pwl.PiecewiseLinear("relu", 13), seed=0)
    return pwl.train(net, (X, T), pwl.AdAct(), iterations=3)


@pytest.fixture
def table(tmp_path):
    lines = [f"{i},{i * i % 7},{'xyz'[i % 3]}" for i in range(300)]
    (tmp_path / "t.csv").write_text("a,<b>,c\n" + "\n".join(lines) + "\n")
    return pwl.data.read_table(tmp_path / "t.csv")


def test_representations_fit_a_screen(run, table):
    net, record = run
    info = pwl.molf_step(net, (X, T))[1]
    shown = [net, net.with_preparation(pwl.Preparation.fit(X, T)), pwl.Patterns(X, T), record, table, info, *pwl.data.folds(500, 5)]
    shown += [pwl.AdAct(), pwl.Ensemble([net]), pwl.evaluate(net, (X, T))]
    for value in shown:
        assert len(repr(value)) < 600 and len(repr(value).splitlines()) == 1, repr(value)
    assert repr(pwl.Patterns(X, T, np.ones(500))) == "Patterns(500 patterns, inputs (3,), targets (1,), weights)"
    assert repr(pwl.data.folds(100, 5)[0]) == "Fold(train: 60 patterns, validation: 20 patterns, test: 20 patterns)"
    assert "H_molf: array (20, 20)" in repr(info) and "G: {'0.W': array (20, 4)}" in repr(info)
    assert repr(table) == "Table(300 patterns, 2 inputs (a, <b>), 3 classes of c)"


def test_tables_in_html_escape_and_close_their_tags(run, table):
    for value, words in ((run[1], "validation"), (table, "300 patterns")):
        text = value._repr_html_()
        opened = []
        parser = HTMLParser()
        parser.handle_starttag = lambda tag, _, opened=opened: opened.append(tag)
        parser.handle_endtag = lambda tag, opened=opened: opened.remove(tag)
        parser.feed(text)
        assert opened == [] and "<b>" not in text
        assert words in text or words == "validation"
    assert f"<td>{run[1]['error'][0]:.6g}</td>" in run[1]._repr_html_()
    assert "Record(empty)" in pwl.Record()._repr_html_()


def test_figures_display_themselves(run):
    assert pwl.plots.errors(run[1])._repr_png_().startswith(b"\x89PNG")
    assert "<script" in pwl.plots.animate([run[0], run[0]])._repr_html_()


def test_bars_show_in_notebooks_and_not_in_files(monkeypatch, capsys):
    net = pwl.Network.mlp(3, 2, 1, "tanh")
    pwl.train(net, (X, T), pwl.CG(), iterations=2, progress=True)
    assert capsys.readouterr().err == ""
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    pwl.train(net, (X, T), pwl.CG(), iterations=2, progress=True)
    assert "/2 [" in capsys.readouterr().err
    pwl.train(net, (X, T), pwl.CG(), iterations=2)
    assert capsys.readouterr().err == ""


def test_the_default_learner_shows_a_bar_of_its_networks(monkeypatch, capsys):
    pytest.importorskip("sklearn")
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    pwl.PWLRegressor(hidden=2, max_seconds=1, verbose=True).fit(X, T)
    assert "network/s" in capsys.readouterr().err
    pwl.PWLRegressor(hidden=2, max_seconds=1).fit(X, T)
    said = capsys.readouterr()
    assert said.err == said.out == ""


def interrupt_at_2(net, record):
    if record.iterations == 2:
        raise KeyboardInterrupt


def test_an_interrupted_fit_says_so_and_a_loop_of_fits_can_end():
    start, done = pwl.Network.mlp(3, 2, 1, "tanh"), []

    def loop():
        for _ in range(3):
            net, record = pwl.train(start, (X, T), pwl.CG(), iterations=5, callback=interrupt_at_2)
            done.append(net)
            if record.stop_code == "interrupted":
                break

    with pytest.warns(Interrupted, match=r"interrupted from the keyboard \(after iteration 2\): the best network"):
        loop()
    assert len(done) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the network is not lost
        _, record = pwl.train(start, (X, T), pwl.CG(), iterations=5, callback=interrupt_at_2)
    assert record.stop_code == "interrupted"


@pytest.mark.filterwarnings("ignore::pwl.training.limits.Interrupted")
def test_an_interrupted_fit_of_an_estimator_raises(monkeypatch):
    estimator = pwl.PWLRegressor(hidden=(2,), iterations=5, algorithm="cg")
    real = base.train
    monkeypatch.setattr(base, "train", lambda *a, **k: real(*a, **{**k, "callback": interrupt_at_2}))
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X, T[:, 0])
