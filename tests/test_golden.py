"""The golden trace: OWO-BP as the group's own program printed it (golden/twod-owo-bp/README.md in the data folder)."""

from __future__ import annotations

import numpy as np
import pytest

import pwl


@pytest.fixture(scope="module")
def golden(data_home):
    """The trace as an array with named columns, and the record of the same run."""
    folder = data_home / "golden" / "twod-owo-bp"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: the golden trace is not part of the package")
    trace = np.genfromtxt(folder / "trace.csv", delimiter=",", names=True)
    W = np.loadtxt(folder / "initial_weights.csv", delimiter=",")
    numbers = np.array((data_home / "ipnnl" / "Twod.tra").read_text().split(), dtype=float).reshape(-1, 15)
    x, t = numbers[:, :8] - numbers[:, :8].mean(axis=0), numbers[:, 8:]
    assert x.shape == (1768, 8) and W.shape == (20, 9)
    algorithm = pwl.OWOBP("heuristic", ridge=1e-3, ols=pwl.OLS(relative=False))
    _, record = pwl.train(pwl.Network.mlp(8, 20, 7, W=W), (x, t), algorithm, iterations=50)
    return trace, record


def test_the_objective_starts_as_printed(golden):
    trace, record = golden
    assert abs(record["objective"][0] - 0.465987) < 1e-6
    assert abs(record["error"][0] - 0.434841) < 1e-6  # without the penalty
    assert trace["training_error"][0] == 0.465987


@pytest.mark.parametrize("iteration", range(1, 11))
def test_the_first_ten_objectives_are_those_printed(golden, iteration):
    trace, record = golden
    assert abs(record["objective"][iteration] - trace["training_error"][iteration]) < 1e-6


def test_the_fiftieth_objective_is_the_one_printed(golden):
    trace, record = golden
    assert trace["iteration"][50] == 50
    assert abs(record["objective"][50] - trace["training_error"][50]) < 1e-4


def test_the_same_steps_are_rejected(golden):
    trace, record = golden
    assert np.array_equal(np.array(record["rejected"][1:11], dtype=float), trace["step_rejected_before"][1:11])
    assert np.array_equal(np.array(record["rejected"][1:], dtype=float), trace["step_rejected_before"][1:])
    assert 0 < sum(record["rejected"][1:]) < 50


def test_the_first_step_of_the_rule_is_the_one_printed(golden):
    trace, record = golden
    assert np.allclose(record["z"][1:], trace["step_z"][1:], atol=6e-7)  # printed with six decimals


def test_the_gradients_are_those_printed(golden):
    trace, record = golden
    energy = np.array(record["gradient_norm"][1:11]) ** 2
    assert np.allclose(energy, trace["gradient_energy"][1:11], rtol=6e-3)  # printed with three digits
