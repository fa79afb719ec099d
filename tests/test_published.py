"""Published results: OWO-MOLF on Twod, with either direction, over several seeds."""

from __future__ import annotations

import numpy as np
import pytest

import pwl

SEEDS = range(10)


@pytest.fixture(scope="module")
def lowest(data_home):
    """Lowest training E by direction, (10,) each: 27 sigmoid units, 300 iterations."""
    numbers = np.array((data_home / "ipnnl" / "Twod.tra").read_text().split(), dtype=float).reshape(-1, 15)
    x, t = numbers[:, :8] - numbers[:, :8].mean(axis=0), numbers[:, 8:]

    def run(direction, seed):
        _, record = pwl.train(
            pwl.Network.mlp(8, 27, 7, "sigmoid", seed=seed), (x, t), pwl.MOLF(direction), iterations=300
        )
        assert record.stop_code == "iterations"
        return min(record["error"])

    return {direction: np.array([run(direction, seed) for seed in SEEDS]) for direction in ("gradient", "hwo")}


@pytest.mark.slow
@pytest.mark.parametrize(("direction", "published"), [("gradient", 0.200), ("hwo", 0.140)])
def test_the_median_is_the_published_error(lowest, direction, published):
    assert abs(np.median(lowest[direction]) / published - 1) < 0.08


@pytest.mark.slow
def test_hwo_is_better_for_every_seed(lowest):
    assert np.all(lowest["hwo"] < lowest["gradient"])
