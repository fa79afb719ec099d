"""Whole trainings side by side: results in order, shares of the cores, failures, Ctrl-C, and the same bits."""

import signal
import threading
import time

import numpy as np
import pytest

import pwl
from pwl.runtime import threads
from pwl.runtime.threads import side_by_side, workers


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def test_results_come_in_order_and_jobs_overlap_in_time(two_cores):
    meeting = threading.Barrier(2, timeout=10)

    def work(item, given_up):
        if item < 2:
            meeting.wait()  # which one job alone would never leave
        time.sleep(0.02 * (3 - item))
        return 10 * item, workers(), given_up()

    assert workers() == 2
    assert list(side_by_side(work, range(4))) == [(10 * item, 1, False) for item in range(4)]
    assert workers() == 2


def test_items_are_taken_as_results_are_used(two_cores):
    """Two are under way and one waits, so the fourth is taken when the first result has been used."""
    used, taken = [], []

    def items():
        for item in range(6):
            taken.append((item, len(used)))
            yield item

    for result in side_by_side(lambda item, _: item, items()):
        used.append(result)
    assert used == list(range(6))
    assert taken == [(0, 0), (1, 0), (2, 0), (3, 1), (4, 2), (5, 3)]


def patient(item, given_up):
    """A job that ends when it is given up. Its result says whether that was soon."""
    begin = time.monotonic()
    while not given_up() and time.monotonic() - begin < 20:
        time.sleep(0.001)
    return time.monotonic() - begin < 10


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_failure_ends_the_others(two_cores, failure):
    def work(item, given_up):
        if item == 1:
            raise failure("of item 1")
        return patient(item, given_up)

    jobs = side_by_side(work, range(3))
    assert next(jobs)
    with pytest.raises(failure, match="of item 1"):
        next(jobs)


def ctrl_c_after(seconds):
    main = threading.main_thread().ident
    threading.Timer(seconds, lambda: signal.pthread_kill(main, signal.SIGINT)).start()


def test_ctrl_c_ends_all(two_cores):
    """Ctrl-C comes where results are waited for."""
    soon = []
    jobs = side_by_side(lambda item, given_up: soon.append(patient(item, given_up)), range(2))
    ctrl_c_after(0.3)
    with pytest.raises(KeyboardInterrupt):
        next(jobs)
    assert soon == [True, True]


def problem():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3))
    return x, np.sin(x[:, 0]) + x[:, 1] ** 2 + 0.1 * rng.normal(size=120)


@pytest.mark.slow
def test_the_default_learner_finds_the_same_networks_on_one_core_and_on_two(two_cores, monkeypatch):
    x, t = problem()
    both = pwl.PWLRegressor(hidden=3, random_state=0).fit(x, t)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    one = pwl.PWLRegressor(hidden=3, random_state=0).fit(x, t)
    assert len(both.net_.nets) == len(one.net_.nets) > 2
    for ours, theirs in zip(both.net_.nets, one.net_.nets, strict=True):
        np.testing.assert_array_equal(ours.theta, theirs.theta)
    assert both.record_["passes"] == one.record_["passes"]
    np.testing.assert_array_equal(both.predict(x), one.predict(x))


def test_ctrl_c_ends_the_default_learner(two_cores):
    x, t = problem()
    begin = time.monotonic()
    ctrl_c_after(1.0)
    with pytest.raises(KeyboardInterrupt):
        pwl.PWLRegressor(random_state=0).fit(np.tile(x, (40, 1)), np.tile(t, 40))
    assert time.monotonic() - begin < 30
