"""Schedules of learning rates: numbers worked by hand, the same as PyTorch's, and that runs know them again."""

from __future__ import annotations

import inspect
import math
import warnings

import numpy as np
import pytest
from toys import curve_network, waves

import pwl
from pwl.training.schedules import Cosine, Exponential, Linear, Steps, named


def rates(schedule, count):
    return [schedule(step) for step in range(count)]


# ---- by hand


def test_cosine_by_hand():
    half = math.sqrt(0.5) / 2
    assert np.allclose(rates(Cosine(2.0, 4), 7), [2, 1 + 2 * half, 1, 1 - 2 * half, 0, 0, 0], rtol=1e-14, atol=1e-16)
    assert np.allclose(rates(Cosine(2.0, 2, floor=0.1), 4), [2, 1.1, 0.2, 0.2], rtol=1e-14)
    assert np.allclose(rates(Cosine(1.0, 5, warmup=3), 7), [0.25, 0.5, 0.75, 1, 0.5, 0, 0], rtol=1e-14, atol=1e-16)


def test_linear_by_hand():
    assert np.allclose(rates(Linear(2.0, 4), 6), [2, 1.5, 1, 0.5, 0, 0], rtol=1e-14)
    assert np.allclose(rates(Linear(1.0, 3, warmup=1, floor=0.5), 5), [0.5, 1, 0.75, 0.5, 0.5], rtol=1e-14)


def test_steps_by_hand():
    assert np.allclose(rates(Steps(1.0, at=(2, 3)), 5), [1, 1, 0.1, 0.01, 0.01], rtol=1e-14)
    assert rates(Steps(1.0, at=[1], factor=0.5), 3) == [1, 0.5, 0.5]


def test_exponential_by_hand():
    assert np.allclose(rates(Exponential(3.0, 0.25, every=2), 5), [3, 1.5, 0.75, 0.375, 0.1875], rtol=1e-14)
    assert rates(Exponential(1.0, 0.5), 3) == [1, 0.5, 0.25]


@pytest.mark.parametrize("schedule", [Cosine(0.3, 10, 2, 0.25), Linear(0.3, 10, 2, 0.25)], ids=["cosine", "linear"])
def test_it_stays_at_its_end_value(schedule):
    assert schedule(10) == schedule(11) == schedule(10**9) == pytest.approx(0.075, rel=1e-14)
    assert max(rates(schedule, 20)) == schedule(2) == 0.3


# ---- PyTorch


def torch_rates(make, count, rate=0.1):
    """The learning rates of a scheduler `make(torch's schedulers, optimizer)`."""
    torch = pytest.importorskip("torch", reason="PyTorch, whose schedules these are compared with, is not installed")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=rate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SequentialLR warns of how it uses its own parts
        scheduler, found = make(torch.optim.lr_scheduler, optimizer), []
        for _ in range(count):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    return found


def after_warmup(kind, optimizer, warmup, then):
    up = kind.LinearLR(optimizer, 1 / (warmup + 1), total_iters=warmup)
    return kind.SequentialLR(optimizer, [up, then], milestones=[warmup])


@pytest.mark.parametrize(
    ("schedule", "make", "count"),
    [
        (Cosine(0.1, 20), lambda k, o: k.CosineAnnealingLR(o, 20), 21),  # PyTorch's rises again from then on
        (Cosine(0.1, 20, floor=0.2), lambda k, o: k.CosineAnnealingLR(o, 20, eta_min=0.02), 21),
        (Cosine(0.1, 25, warmup=5), lambda k, o: after_warmup(k, o, 5, k.CosineAnnealingLR(o, 20)), 26),
        (Linear(0.1, 20), lambda k, o: k.LinearLR(o, 1.0, 0.0, total_iters=20), 30),
        (Linear(0.1, 20, floor=0.3), lambda k, o: k.LinearLR(o, 1.0, 0.3, total_iters=20), 30),
        (Linear(0.1, 24, warmup=4), lambda k, o: after_warmup(k, o, 4, k.LinearLR(o, 1.0, 0.0, total_iters=20)), 30),
        (Steps(0.1, at=(3, 7, 8), factor=0.3), lambda k, o: k.MultiStepLR(o, [3, 7, 8], gamma=0.3), 12),
        (Exponential(0.1, 0.9), lambda k, o: k.ExponentialLR(o, 0.9), 30),
        (Exponential(0.1, 0.5, every=4), lambda k, o: k.ExponentialLR(o, 0.5**0.25), 30),
    ],
    ids=lambda value: None if inspect.isfunction(value) else str(value),
)
def test_pytorch_has_the_same_rates(schedule, make, count):
    np.testing.assert_allclose(rates(schedule, count), torch_rates(make, count), rtol=1e-9, atol=1e-15)


# ---- by name


def test_names():
    assert named("constant", 0.1, 50) == 0.1
    assert named("cosine", 0.1, 50) == Cosine(0.1, 50)
    assert named("linear", 0.1, 50) == Linear(0.1, 50)
    assert named("one_cycle", 0.1, 50) == Cosine(0.1, 50, warmup=15)
    assert named("one_cycle", 0.1, 1) == Cosine(0.1, 1)
    with pytest.raises(pwl.InputError, match="unknown schedule 'cosin' .did you mean 'cosine'.*one_cycle"):
        named("cosin", 0.1, 50)


# ---- what can't be


@pytest.mark.parametrize("rate", [-0.1, math.nan, math.inf, "fast", None, True])
@pytest.mark.parametrize(
    "make",
    [lambda r: Cosine(r, 9), lambda r: Linear(r, 9), lambda r: Steps(r, (3,)), lambda r: Exponential(r, 0.9)],
    ids=["Cosine", "Linear", "Steps", "Exponential"],
)
def test_rates_that_cannot_be(make, rate):
    with pytest.raises(pwl.InputError, match="the rate of .* must be 0 or a positive number, not"):
        make(rate)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Cosine(0.1, 0), "steps of Cosine must be a whole number, 1 or more, not 0"),
        (lambda: Cosine(0.1, 10.0), "steps of Cosine must be a whole number.*not 10.0"),
        (lambda: Cosine(0.1, 10, warmup=-1), "warmup of Cosine must be a whole number, 0 or more, not -1"),
        (lambda: Linear(0.1, 10, warmup=10), "a warmup of 10 steps leaves Linear none of its 10: make it smaller"),
        (lambda: Linear(0.1, 10, floor=1.5), r"floor of Linear must be a share of the rate in \[0, 1\], not 1.5"),
        (lambda: Cosine(0.1, 10, floor="low"), "floor of Cosine must be a share"),
        (lambda: Steps(0.1, ()), "increasing order"),
        (lambda: Steps(0.1, 30), r"such as \(300, 400\), not 30"),
        (lambda: Steps(0.1, (4, 3)), "increasing order"),
        (lambda: Steps(0.1, (3, 3)), "increasing order"),
        (lambda: Steps(0.1, (0, 3)), "1 or more"),
        (lambda: Steps(0.1, (3,), factor=0), "factor of Steps must be a positive number, not 0"),
        (lambda: Exponential(0.1, -0.9), "factor of Exponential must be a positive number, not -0.9"),
        (lambda: Exponential(0.1, 0.9, every=0), "every of Exponential must be a whole number, 1 or more, not 0"),
    ],
)
def test_settings_that_cannot_be(make, words):
    with pytest.raises(pwl.InputError, match=words):
        make()


# ---- in a run


def test_equal_schedules_have_the_same_repr():
    assert repr(Cosine(np.float32(0.5), np.int64(8))) == repr(Cosine(0.5, 8)) == (
        "Cosine(rate=0.5, steps=8, warmup=0, floor=0.0)"
    )  # fmt: skip
    assert repr(Steps(1, [2, 3])) == repr(Steps(1.0, np.array([2, 3]))) == "Steps(rate=1.0, at=(2, 3), factor=0.1)"


def test_a_rate_of_0_moves_nothing():
    net = pwl.initialise(curve_network(), waves())
    stopped, _ = pwl.train(net, waves(), pwl.SGD(Steps(0.0, (1,))), batch_size=60, iterations=2)
    assert np.array_equal(stopped.theta, net.theta)


@pytest.mark.parametrize("kind", [pwl.SGD, pwl.Adam])
def test_runs_with_schedules_resume_to_the_same_bits(tmp_path, kind):
    """Weights and curves each by their own schedule, the checkpoint within the warm-up of one of them."""
    algorithm = kind(Cosine(0.01, 18, warmup=12), curve_rate=Exponential(0.02, 0.5, every=9))
    settings = {"batch_size": 40, "checkpoint": tmp_path / "run"}
    whole, record = pwl.train(curve_network(), waves(), algorithm, iterations=6, batch_size=40)
    pwl.train(curve_network(), waves(), algorithm, iterations=3, **settings)
    again = kind(Cosine(0.01, 18, warmup=12), curve_rate=Exponential(0.02, 0.5, every=9))
    resumed, more = pwl.train(curve_network(), waves(), again, iterations=6, resume=tmp_path / "run", **settings)
    assert np.array_equal(resumed.theta, whole.theta) and more["error"] == record["error"]
    other = kind(Cosine(0.01, 19, warmup=12), curve_rate=Exponential(0.02, 0.5, every=9))
    with pytest.raises(pwl.InputError, match="another run: its algorithm is .*steps=18"):
        pwl.train(curve_network(), waves(), other, batch_size=40, resume=tmp_path / "run")
