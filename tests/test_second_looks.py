"""What patterns that validate, callbacks and unusual networks change in the learners."""

from __future__ import annotations

import numpy as np
import pytest

import pwl
from pwl.cli import main
from pwl.layers import Dense
from pwl.learners import finetune as module
from pwl.learners.forms import RATE, deep
from pwl.learners.learn import learn
from pwl.learners.plan import plan


def columns(Nv=200, M=1, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(Nv, 3))
    return x, np.sin(x[:, :M]) + x[:, 1:2] + 0.2 * rng.normal(size=(Nv, M))


def test_finish_is_judged_by_the_targets_that_are_known():
    x, t = columns(M=2)
    net = pwl.initialise(pwl.Network.mlp(3, 20, 2, "tanh", bypass=False, seed=1), (x, t))
    t_held_out = columns(100, 2, 1)[1]
    holes = t_held_out.copy()
    holes[7, 0] = np.nan
    x_held_out = columns(100, 2, 1)[0]
    assert pwl.finish(net, (x, t), validation=(x_held_out, t_held_out))[1].kept
    assert pwl.finish(net, (x, t), validation=(x_held_out, holes))[1].kept


def test_the_learner_says_that_networks_leave_patterns_out_only_if_they_do():
    x, t = columns(90)
    preparation = pwl.Preparation.fit(x, t)
    patterns, held_out = (pwl.Patterns(*preparation.transform(x[rows], t[rows])) for rows in (slice(60), slice(60, None)))
    chosen = plan(60, 3, 1, hidden=(2,), seconds=0.5)
    for validation, said in ((None, True), (held_out, False)):
        found = learn(patterns, preparation, chosen, validation=validation)
        assert ("leaves a tenth" in found.record.settings["learner"]) is said


def test_one_cycle_spans_all_steps_whoever_validates():
    training = deep(20_000, 8, 1, None, 14, 60.0).training
    for Nv in (18_000, 20_000):  # with a tenth left out, and without
        steps = training.iterations * -(-Nv // training.batch_size)
        rate = training.algorithm_for(Nv).learning_rate
        assert rate(steps - 1) < 1e-5 * RATE < 1e-3 * RATE < rate(steps - steps // 20)


@pytest.mark.parametrize("answer", [True, np.True_])
def test_a_callback_that_returns_true_ends_a_run(answer):
    x, t = columns(80)
    _, record = pwl.train(pwl.Network.mlp(3, 2, 1), (x, t), pwl.CG(), iterations=5, callback=lambda *_: answer)
    assert record.iterations == 1 and record.stop_code == "callback"


def test_a_network_without_layers_is_fine_tuned():
    x, t = columns()
    net = pwl.Network.from_layers([Dense(2)], input_shape=(3,), loss="squared_error")
    tuned, record = pwl.finetune(net, (x, t), pwl.LM(), iterations=2)
    assert tuned.n_outputs == 1 and record["error"][-1] < 0.5
    with pytest.raises(pwl.InputError, match="from 0 to 0, not 1"):
        pwl.finetune(net, (x, t), pwl.LM(), frozen=1)


def test_many_new_output_weights_are_drawn_as_in_a_new_network(monkeypatch):
    """With constants of 0, and by the seed."""
    monkeypatch.setattr(module, "SOLVED", 4)
    x, t = columns()
    net = pwl.initialise(pwl.Network.mlp(3, 6, 1, "tanh", seed=1), (x, t))
    heads = [pwl.finetune(net, (x, t), pwl.SGD(1e-300), iterations=1, seed=seed)[0].W_o for seed in (0, 0, 1)]
    assert np.all(np.abs(heads[0][:, 0]) < 1e-200) and np.all(heads[0][:, 1:] != 0)
    assert np.array_equal(heads[0], heads[1]) and not np.array_equal(heads[0], heads[2])


def test_deviations_of_the_command_are_those_of_the_validation_part(tmp_path, monkeypatch):
    """More than 700 functions have deviations by such a part alone."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    np.savetxt("t.csv", np.c_[x, rng.normal(size=60)], delimiter=",", header="a,b,c,y", comments="")
    how = ["--hidden", "720", "--algorithm", "adam", "--iterations", "2", "--validation", "0.3"]
    assert main(["train", "t.csv", *how, "--out", "n.safetensors"]) == 0
    std = pwl.Network.load("n.safetensors").predict(x, return_std=True)[1]
    assert std.shape == (60, 1) and np.ptp(std) == 0 and std[0, 0] > 0.5  # the targets are noise of deviation 1


@pytest.mark.parametrize(("loss", "said"), [("cross_entropy", "use predict_proba"), ("output_reset", "predicts classes$")])
def test_classes_have_no_deviations(loss, said):
    x, t = columns()
    net, _ = pwl.train(pwl.Network.mlp(3, 3, 2, loss=loss), (x, (t[:, 0] > 0).astype(int)), pwl.MOLF(), iterations=1)
    for each in (net, pwl.Ensemble([net, net])):
        with pytest.raises(pwl.InputError, match=said):
            each.predict(x, return_std=True)
