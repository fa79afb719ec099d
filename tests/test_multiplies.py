"""Multiplies: the formulas of the literature, and our own count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from test_train import run
from toys import Steps, short, waves

import pwl
from pwl.algorithms import Algorithm, Step
from pwl.algorithms.multiplies import published

# ---- multiplies


def small():
    """N = 2, Nh = 3, M = 1, Nu = 6, K = 4, Nv = 10: the numbers of the worked case below."""
    return pwl.Network.mlp(2, 3, 1, pwl.PiecewiseLinear(hinges=4)), waves(10, N=2, M=1)


def test_the_literature_s_formulas_in_one_worked_case():
    net, _ = small()
    assert published.ols(6, 1) == pytest.approx(42 * (1 + 13 / 6 + 1.5))  # 196, Eq. (31)
    assert published.owo(net, 10) == pytest.approx(10 * (9 + 13) + 42 * (1 + 5 + 13 / 6 + 1.5))  # 626, Eq. (32)
    assert published.owo_bp(net, 10) == pytest.approx(406 + 10 * (3 * 8 + 13))  # 776, Eq. (33)
    assert published.molf(net, 10) == pytest.approx(12 * (7 / 6 + 2.5) + 30 * (2 + 2 + 2 + 2))  # 284, Eq. (34)
    assert published.hwo(net, 10) == pytest.approx(12 * (3 + 7 / 6 + 5 + 1.5))  # 128, Eq. (35)
    assert published.adact(net, 10) == pytest.approx(10 * (3 * 11 + 2) + 24)  # 374, Eq. (36)


@pytest.mark.parametrize(
    ("algorithm", "a_step"),
    [
        (pwl.OWOBP(), 776),
        (pwl.MOLF(), 776 + 284 + 9),
        (pwl.MOLF("hwo"), 776 + 284 + 9 + 128),
        (pwl.AdAct(), 776 + 284 + 9 + 374),
        (pwl.AdAct("hwo"), 776 + 284 + 9 + 128 + 374),
    ],
    ids=short,
)
def test_multiplies_add_up(algorithm, a_step):
    net, data = small()
    _, record = run(algorithm, net=net, data=data, iterations=3)
    assert record["multiplies"] == pytest.approx([0, a_step, 2 * a_step, 3 * a_step])
    own = np.diff(record["own_multiplies"])
    assert record["own_multiplies"][0] == 0 and own[0] > 0 and np.allclose(own, own[0])


def test_sparing_the_literature_s_sums_shows_in_our_own_count():
    _, record = run(pwl.AdAct(), data=waves(500), iterations=1)
    assert 0 < record["own_multiplies"][1] < record["multiplies"][1]


@dataclass(frozen=True)
class Uncounted(Algorithm):
    """Only what an algorithm must have: its steps halve the output weights."""

    State = Steps

    def init(self, net, patterns, key):
        return Steps()

    def step(self, net, patterns, state):
        return Step(net.with_head(net.W_o / 2), Steps(state.steps + 1), {"z": 0.5})


@pytest.mark.parametrize("batch_size", [None, 50])
def test_without_a_count_there_is_no_such_series(tmp_path, batch_size):
    settings = {"batch_size": batch_size, "validation": waves(seed=1), "max_fail": 9}
    net, record = run(Uncounted(), iterations=4, **settings)
    assert set(record.series) == {"error", "objective", "validation_error", "seconds", "passes", "z"}
    assert record["z"] == [None] + [0.5] * 4 and record.iterations == 4
    assert pwl.evaluate(net, waves(seed=1)).error == min(record["validation_error"])
    run(Uncounted(), iterations=2, checkpoint=tmp_path / "c", **settings)
    _, again = run(Uncounted(), iterations=4, resume=tmp_path / "c", **settings)
    assert again["error"] == record["error"] and "multiplies" not in again and "own_multiplies" not in again
