"""Nets and checkpoints that version 0.1.0 wrote still load, predict and resume."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import pwl
from pwl.layers import Add, BatchNorm2d, Conv2d, Dense, Dropout, Flatten, MaxPool2d
from pwl.training.saved import load

FOLDER = Path(__file__).parent / "fixtures" / "0.1.0"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())
DATA = np.load(FOLDER / "data.npz")
X, T, LABELS, IMAGES, IMAGE_LABELS = (DATA[name] for name in ("x", "t", "labels", "images", "image_labels"))

ALGORITHMS = {
    "adact": pwl.AdAct(),
    "adact-hwo-unit": pwl.AdAct(direction="hwo", curve_factor="unit", curve_penalty=1e-4),
    "molf": pwl.MOLF(safeguard=True, ridge=1e-4),
    "molf-hwo": pwl.MOLF(direction="hwo"),
    "owo-bp": pwl.OWOBP(),
    "owo-bp-heuristic": pwl.OWOBP(step_rule="heuristic"),
    "cg": pwl.CG(l2=1e-4),
    "scg": pwl.SCG(),
    "lm": pwl.LM(),
    "lm-gain": pwl.LM(solver="cholesky", schedule="gain", scaling="diagonal", mu=0.01),
    "varpro": pwl.VarPro(ridge=1e-5),
    "bayesian-lm": pwl.BayesianLM(),
    "lbfgs": pwl.LBFGS(),
    "sgd": pwl.SGD(0.01, nesterov=True),
    "adam": pwl.Adam(pwl.schedules.Cosine(0.01, 40), weight_decay=0.001),
    "minibatch-adact": pwl.MinibatchAdAct(),
}
BATCHED = ("sgd", "adam", "minibatch-adact")


@pytest.mark.core
@pytest.mark.parametrize("name", [name for name in EXPECTED if name.startswith("net-")])
def test_networks_predict_as_they_did(name):
    net = pwl.Network.load(FOLDER / f"{name}.safetensors")
    x = IMAGES if name == "net-cnn" else X
    predict = net.predict_proba if net.loss.classes else net.predict
    rtol = 1e-4 if name == "net-cnn" else 1e-10
    np.testing.assert_allclose(predict(x[:5]), EXPECTED[name]["outputs"], rtol=rtol, atol=rtol)
    assert load(FOLDER / f"{name}.safetensors").record["error"] == EXPECTED[name]["error"]


def start(name):
    """The network that a run began with."""
    curved = name.startswith(("adact", "minibatch", "adam"))
    activation = pwl.PiecewiseLinear("tanh", "auto" if name == "adact" else 9) if curved else "tanh"
    return pwl.Network.mlp(3, 4, 2, activation, seed=1)


@pytest.mark.core
@pytest.mark.parametrize("name", ALGORITHMS)
def test_runs_go_on_as_they_would_have(name):
    _, record = pwl.train(
        start(name),
        (X[20:], T[20:]),
        ALGORITHMS[name],
        iterations=6,
        resume=FOLDER / f"run-{name}.checkpoint",
        batch_size=16 if name in BATCHED else None,
        validation=(X[:20], T[:20]),
        max_fail=100,
    )
    wanted = EXPECTED[f"run-{name}"]
    assert record.iterations == 6 and record.best_iteration == wanted["best"]
    assert record["error"][:4] == wanted["error"][:4]  # the file's own
    np.testing.assert_allclose(record["error"], wanted["error"], rtol=1e-7)
    np.testing.assert_allclose(record["validation_error"], wanted["validation"], rtol=1e-6)


@pytest.mark.parametrize("name", ["adact", "molf", "lm", "scg"])
def test_runs_on_classes_go_on(name):
    activation = pwl.PiecewiseLinear("tanh", 9) if name == "adact" else "tanh"
    net = pwl.Network.mlp(3, 4, 3, activation, loss="cross_entropy", seed=1)
    path = FOLDER / f"run-classes-{name}.checkpoint"
    _, record = pwl.train(
        net, (X, LABELS), ALGORITHMS[name] if name != "molf" else pwl.MOLF(), iterations=6, resume=path
    )
    np.testing.assert_allclose(record["error"], EXPECTED[f"run-classes-{name}"]["error"], rtol=1e-7)


def test_a_run_on_images_goes_on():
    body = [
        Conv2d(4, 3, padding="same"), BatchNorm2d(), pwl.PiecewiseLinear("relu", 5), Conv2d(4, 3, padding=1, groups=2, bias=False),
        Add(1), MaxPool2d(), Dropout(0.25), Flatten(), Dense(5), "relu", Dense(3),
    ]  # fmt: skip
    _, record = pwl.train(
        pwl.Network.from_layers(body, (6, 6, 2), seed=3),
        (IMAGES, IMAGE_LABELS),
        pwl.SGD(0.01),
        iterations=4,
        batch_size=8,
        augment=pwl.Augmentation(1),
        resume=FOLDER / "run-cnn.checkpoint",
    )
    np.testing.assert_allclose(record["error"], EXPECTED["run-cnn"]["error"], rtol=1e-4)


@pytest.mark.parametrize("other", [pwl.LM(mu=0.002), pwl.LM(ridge=1e-3), pwl.LM(solver="cholesky"), pwl.VarPro()])
def test_a_run_with_other_settings_is_refused(other):
    with pytest.raises(pwl.InputError, match="checkpoint of another run: its algorithm is"):
        pwl.train(
            start("lm"), (X[20:], T[20:]), other, iterations=6, resume=FOLDER / "run-lm.checkpoint", validation=(X[:20], T[:20])
        )  # fmt: skip


def test_a_run_on_other_data_is_refused():
    with pytest.raises(pwl.InputError, match="run on other data: its last error"):
        pwl.train(start("lm"), (X[20:], 1.01 * T[20:]), pwl.LM(), iterations=6, resume=FOLDER / "run-lm.checkpoint")
