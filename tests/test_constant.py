"""The network that knows no inputs, which has a share where patterns are in groups."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import pwl
from pwl.cli.main import main
from pwl.learners.constant import CONSTANT, constant, outputs_without
from pwl.learners.learn import learn
from pwl.learners.plan import plan


def test_the_mean_and_the_variance_of_known_targets():
    t = np.array([[1.0, 5.0], [2.0, np.nan], [6.0, 7.0]])
    patterns = pwl.Patterns(np.arange(6.0).reshape(3, 2), t, [1.0, 2.0, 1.0])
    net = constant(patterns, 2, "squared_error")
    y, std = net.predict(np.array([[9.0, -9.0]]), return_std=True)
    np.testing.assert_allclose(y, [[(1 + 4 + 6) / 4, 6.0]])
    np.testing.assert_allclose(std**2, [[(1 + 2 * 4 + 36) / 4 - 2.75**2, 1.0]])


def test_each_group_as_if_left_out():
    t = np.array([[1.0, 5.0], [2.0, np.nan], [6.0, 7.0], [4.0, np.nan]])
    patterns = pwl.Patterns(np.zeros((4, 1)), t, [1.0, 2.0, 1.0, 1.0])
    found = outputs_without(np.array([0, 0, 1, 2]), patterns, 2, "squared_error")
    np.testing.assert_allclose(found, [[5.0, 7.0], [5.0, 7.0], [(1 + 4 + 4) / 4, 5.0], [(1 + 4 + 6) / 4, 6.0]])


def test_classes_have_their_shares():
    patterns = pwl.Patterns(np.zeros((5, 1)), np.array([0, 0, 1, 1, 2]), [1.0, 1.0, 2.0, 1.0, 1.0])
    net = constant(patterns, 3, "cross_entropy")
    np.testing.assert_allclose(net.predict_proba(np.ones((1, 1))), [[2 / 6, 3 / 6, 1 / 6]])
    found = np.exp(outputs_without(np.array([0, 0, 0, 1, 2]), patterns, 3, "cross_entropy"))
    np.testing.assert_allclose(found[[0, 3, 4]], [[1e-6, 0.5, 0.5], [0.4, 0.4, 0.2], [0.4, 0.6, 1e-6]])


def nothing_but_groups(count=30, each=6):
    """Inputs that tell the groups apart, and nothing else."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(count), each)
    return rng.normal(size=(count, 3))[group], rng.normal(size=count)[group] + 0.1 * rng.normal(size=count * each), group


def learned(classes):
    """By networks with straight inputs, as many as the learner wants, whatever the time."""
    x, t, group = nothing_but_groups()
    target = (t > 0).astype(int) if classes else t[:, None]
    preparation = pwl.Preparation.fit(x, target, classes=["down", "up"] if classes else None)
    chosen = plan(len(x), 3, 2 if classes else 1, classes=classes, hidden=(4,), seconds=1000.0, groups=30)
    patterns = pwl.Patterns(*preparation.transform(x, target))
    return learn(patterns, preparation, dataclasses.replace(chosen, forms=chosen.forms[:1]), groups=group)


@pytest.mark.parametrize("classes", [False, True])
def test_inputs_that_tell_nothing_of_new_groups_have_a_small_share(classes):
    found = learned(classes)
    assert str(CONSTANT) == "no inputs" and "with no inputs" in found.record.settings["forms"]
    assert found.net.weights[-1] > 0.5
    new = np.random.default_rng(1).normal(size=(500, 3))
    y = found.net.predict_proba(new)[:, 1] if classes else found.net.predict(new)
    assert np.std(y) < (0.25 if classes else 0.6)  # of 0.5 and 1 for the targets


def test_where_nothing_judges_it_has_no_share(monkeypatch):
    monkeypatch.setattr("pwl.learners.plan.FIRST_ORDER", 100)
    x, t, group = nothing_but_groups()
    model = pwl.PWLRegressor(4, max_seconds=1).fit(x, t, groups=group)
    assert len(model.net_.nets) == 1 and "by batches" in model.record_.settings["forms"]


def test_files_and_commands_take_it(tmp_path, monkeypatch, capsys):
    x, net = nothing_but_groups()[0], learned(False).net
    monkeypatch.chdir(tmp_path)
    net.save("net.safetensors")
    again = pwl.Ensemble.load("net.safetensors")
    for ours, theirs in zip(net.predict(x, return_std=True), again.predict(x, return_std=True), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert main(["info", "net.safetensors"]) == 0 and main(["export", "net.safetensors", "--to", "c"]) == 0
    assert "standard deviations of predictions, from the variance of errors alone" in capsys.readouterr().out
