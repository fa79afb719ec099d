"""One policy for threads: BLAS on one while blocks run, order kept, errors passed on, limits given back."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest
import threadpoolctl
from toys import curve_network, reduce, waves

import pwl
from pwl.reductions.statistic import Statistic
from pwl.runtime import threads

pytestmark = pytest.mark.filterwarnings("error")


def blas_threads():
    return [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]


@pytest.fixture(autouse=True)
def two_blas_threads():
    """BLAS on two threads, whatever the machine has, so that a limit of one shows."""
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        if not blas_threads() or max(blas_threads()) < 2:
            pytest.skip("this BLAS can't be given two threads")
        yield
        assert max(blas_threads()) == 2, "a test left BLAS limited"


# ---- BLAS


def test_blas_is_limited_inside_and_restored_after():
    with threads.single_threaded_blas():
        assert set(blas_threads()) == {1}
        with threads.single_threaded_blas():
            assert set(blas_threads()) == {1}
        assert set(blas_threads()) == {1}
    assert max(blas_threads()) == 2


@pytest.mark.parametrize("block_bytes", [1000, 2**28])
def test_blas_is_limited_inside_a_reduction(block_bytes):
    data, seen = waves(50), []

    def compute(net, x, t, w):
        seen.extend(blas_threads())
        return (np.sum(x),)

    net = pwl.initialise(curve_network(), data)
    reduce(pwl.Patterns(*data, block_bytes=block_bytes), Statistic(compute), net)
    assert set(seen) == {1}
    assert max(blas_threads()) == 2


def test_blas_is_restored_after_an_error(two_cores):
    def wrong(item):
        raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 0"):
        list(threads.ordered_map(wrong, range(5), 5))
    assert max(blas_threads()) == 2


def test_blas_is_restored_when_the_one_who_asked_goes_away(two_cores):
    results = threads.ordered_map(lambda item: item, range(50), 50)
    assert next(results) == 0
    assert set(blas_threads()) == {1}
    results.close()
    assert max(blas_threads()) == 2


def test_overlapping_limits_do_not_outlive_each_other():
    # The first to come goes first: the other must neither lose the limit nor keep it.
    entered, leave = threading.Event(), threading.Event()

    def other():
        with threads.single_threaded_blas():
            entered.set()
            leave.wait(30)

    with threads.single_threaded_blas():
        thread = threading.Thread(target=other)
        thread.start()
        assert entered.wait(30)
    assert set(blas_threads()) == {1}
    leave.set()
    thread.join(30)
    assert max(blas_threads()) == 2


def test_runs_side_by_side_give_the_bits_of_one_alone():
    data = waves(100)
    alone, _ = pwl.train(curve_network(), data, pwl.AdAct(), iterations=3)
    found = [None] * 4

    def run(number):
        found[number] = pwl.train(curve_network(), pwl.Patterns(*data), pwl.AdAct(), iterations=3)[0].theta

    runs = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in runs:
        thread.start()
    for thread in runs:
        thread.join(60)
    for theta in found:
        assert np.allclose(theta, alone.theta, rtol=1e-9, atol=1e-12)


# ---- the map


@pytest.mark.parametrize("count", [0, 1, 2, 7, 40])
def test_results_come_in_order(two_cores, count):
    def slow_at_first(item):
        time.sleep(0.002 * (count - item) / max(count, 1))
        return item * item

    assert list(threads.ordered_map(slow_at_first, range(count), count)) == [i * i for i in range(count)]


def test_two_items_run_at_the_same_time_and_no_more(two_cores):
    meeting, lock, running, most = threading.Barrier(2, timeout=30), threading.Lock(), [0], [0]

    def meet(item):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        meeting.wait()  # passes only if two are here
        with lock:
            running[0] -= 1
        return item

    assert list(threads.ordered_map(meet, range(8), 8)) == list(range(8))
    assert most[0] <= 3  # the next may come in before the last has gone out


def test_no_more_items_are_taken_than_are_needed(two_cores):
    taken = []

    def items():
        for item in range(100):
            taken.append(item)
            yield item

    results = threads.ordered_map(lambda item: item, items(), 100)
    next(results)
    assert len(taken) <= 4  # their results would fill the memory
    results.close()


@pytest.mark.parametrize("count", [1, 9])
def test_an_error_comes_out_as_it_is(two_cores, count):
    def wrong(item):
        if item == count - 1:
            raise pwl.InputError(f"item {item}")
        return item

    results, error = [], None
    try:
        for value in threads.ordered_map(wrong, range(count), count):
            results.append(value)
    except pwl.InputError as caught:
        error = str(caught)
    assert error == f"item {count - 1}"
    assert results == list(range(count - 1))


# ---- how many


@pytest.mark.parametrize(
    ("limit", "wanted"),
    [(None, 4), ("1", 1), ("3", 3), ("64", 4), ("", 4), ("0", 4), ("-2", 4), ("many", 4), ("2,1", 2)],
)
def test_omp_num_threads_is_respected(monkeypatch, limit, wanted):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if limit is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", limit)
    assert threads.workers() == wanted


def test_one_worker_stays_in_its_own_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    where = set(threads.ordered_map(lambda item: threading.get_ident(), range(9), 9))
    assert where == {threading.get_ident()}
