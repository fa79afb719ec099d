"""What ranks are made of: folds in the order of the ranks, trees, shares, patterns dealt by number, and the launch."""

from __future__ import annotations

import functools
import sys

import array_api_strict
import numpy as np
import pytest
from fake_ranks import on_comms, on_ranks
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_cases import case, parts

import pwl
from pwl.errors import InputError
from pwl.reductions.standing import dealt, runs
from pwl.runtime import ranks
from pwl.runtime.backend import host
from pwl.runtime.ranks import along_tree, check_alike, checksum, folded, share_of, visible_gpu


@pytest.mark.parametrize("size", [1, 7, 5000, 4096 * 3 + 1])
@pytest.mark.parametrize("fold", [np.add, np.minimum])
def test_sums_are_folded_in_the_order_of_the_ranks(size, fold):
    rng = np.random.default_rng(size)
    arrays = [rng.normal(size=size) * 10.0 ** rng.integers(-9, 9, size) for _ in range(5)]
    wanted = functools.reduce(fold, arrays)
    for found in on_comms(lambda comm: folded(comm, arrays[comm.rank], fold), 5):
        assert np.array_equal(found, wanted)  # to the same bits


def test_slices_cross_instead_of_whole_sums():
    """A rank of 4 sends 3 slices of a quarter, and its own folded slice to 3 others."""
    sent = []

    def fold(comm):
        alltoall, allgather = comm.alltoall_array, comm.allgather_array
        comm.alltoall_array = lambda a: (sent.append(a.nbytes), alltoall(a))[1]
        comm.allgather_array = lambda a: (sent.append(a.nbytes * 4), allgather(a))[1]
        return folded(comm, np.ones((100, 80)), np.add)

    assert all(np.all(found == 4) for found in on_comms(fold, 4))
    assert sent == [64_000] * 8


@pytest.mark.parametrize("size", [2, 3, 4, 5, 7])
def test_the_tree_is_fixed(size):
    """Neighbours first, then pairs of pairs: texts show the order."""
    wanted = {
        2: "(0+1)", 3: "((0+1)+2)", 4: "((0+1)+(2+3))", 5: "(((0+1)+(2+3))+4)", 7: "(((0+1)+(2+3))+((4+5)+6))",
    }  # fmt: skip
    found = on_comms(lambda comm: along_tree(comm, str(comm.rank), lambda a, b: f"({a}+{b})"), size)
    assert found == [wanted[size]] * size


@given(st.integers(0, 100), st.integers(1, 9))
def test_shares_are_all_of_it_and_nearly_equal(n, size):
    shares = [share_of(n, rank, size) for rank in range(size)]
    assert [i for first, last in shares for i in range(first, last)] == list(range(n))
    assert max(b - a for a, b in shares) - min(b - a for a, b in shares) <= 1


@given(st.integers(0, 100), st.integers(1, 9), st.integers(1, 7))
def test_runs_cut_no_group(count, size, together):
    cuts = runs(count, size, together)
    assert cuts[0] == 0 and cuts[-1] == count and np.all(np.diff(cuts) >= 0)
    assert all(cut % together == 0 or cut == count for cut in cuts)


@given(st.lists(st.integers(0, 6), min_size=2, max_size=4), st.integers(1, 4), st.data())
@settings(max_examples=30, deadline=None)
def test_patterns_are_dealt_by_their_numbers(counts, together, data):
    total = sum(counts)
    rows = np.array(data.draw(st.permutations(range(total))), dtype=np.int64)[: data.draw(st.integers(0, total))]
    x = np.arange(2.0 * total).reshape(total, 2)
    borders = np.concatenate([[0], np.cumsum(counts)])

    def deal(comm):
        own = slice(borders[comm.rank], borders[comm.rank + 1])
        return dealt(comm, counts, rows, together, x[own], None)

    found = on_comms(deal, len(counts))
    assert np.array_equal(np.concatenate([arrays[0] for _, arrays in found]), x[rows])
    assert all(arrays[1] is None and lengths == tuple(len(arrays[0]) for _, arrays in found) for lengths, arrays in found)


def test_unequal_facts_are_named_on_all_ranks():
    def check(comm):
        with pytest.raises(InputError, match="rank 2 came with another seed than rank 0, 1 instead of 0"):
            check_alike(comm, {"version": "1", "seed": comm.rank // 2})

    on_comms(check, 3)


def test_a_checksum_sees_every_bit():
    a = np.arange(3.0)
    assert checksum(a, 1) == checksum(a.copy(), 1) != checksum(a, 2)
    assert checksum(np.nextafter(a, 9)) != checksum(a)


def test_ranks_that_drift_apart_are_found():
    net, data, _ = case("numbers")

    class Drifting(pwl.SCG):
        def step(self, net, patterns, state):
            done = super().step(net, patterns, state)
            return done._replace(net=done.net.with_theta(done.net.theta * (1 + 1e-15 * patterns.comm.rank)))

    with pytest.raises(InputError, match="rank 1 came with another network or error"):
        on_ranks(lambda patterns: pwl.train(net, patterns, Drifting(), iterations=3), parts(data, [0, 40]))


def test_sums_cross_by_the_host():
    net, data, _ = case("numbers")
    net = pwl.initialise(net, data)
    alone, _ = pwl.train(net, data, pwl.AdAct(), iterations=1)
    strict = net.to(array_api_strict)
    for other, _ in on_ranks(lambda patterns: pwl.train(strict, patterns, pwl.AdAct(), iterations=1), parts(data, [0, 0, 40])):
        assert type(other.theta) is type(strict.theta)
        assert np.allclose(host(other.theta), alone.theta, rtol=1e-10, atol=1e-12)


def test_the_record_tells_of_the_ranks():
    net, data, _ = case("numbers")
    with pytest.warns(UserWarning, match="1 of 3 ranks have no patterns, such as rank 0"):
        runs_of = on_ranks(lambda patterns: pwl.train(net, patterns, pwl.OWOBP(), iterations=2), parts(data, [0, 0, 40]))
    for _, record in runs_of:
        assert (record.settings["ranks"], record.settings["rows_a_rank"], record.settings["patterns"]) == (3, [0, 40, 50], 90)
        assert record["seconds"] == runs_of[0][1]["seconds"]
        assert 0 < record["sum_seconds"][-1] <= record["seconds"][-1]
        assert record["passes"] == pwl.train(net, data, pwl.OWOBP(), iterations=2)[1]["passes"]
    assert "ranks" not in pwl.train(net, data, pwl.OWOBP(), iterations=1)[1].settings


def test_one_process_goes_on_with_a_run_of_ranks(tmp_path):
    net, data, _ = case("numbers")
    path = tmp_path / "run"
    on_ranks(lambda own: pwl.train(net, own, pwl.SCG(), iterations=2, checkpoint=path), parts(data, [0, 40]))
    _, record = pwl.train(net, data, pwl.SCG(), iterations=4, resume=path)
    _, whole = pwl.train(net, data, pwl.SCG(), iterations=4)
    assert np.allclose(record["error"], whole["error"], rtol=1e-10)
    assert record["sum_seconds"][-1] is None and "ranks" not in record.settings


def test_one_process_is_one_rank(monkeypatch):
    for name in ranks.LAUNCHED:
        monkeypatch.delenv(name, raising=False)
    assert (pwl.ranks().rank, pwl.ranks().size) == (0, 1)
    monkeypatch.setenv("PMI_SIZE", "1")
    assert pwl.ranks().size == 1


def test_a_launch_without_mpi4py(monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "4")
    monkeypatch.setitem(sys.modules, "pwl.runtime.mpi", None)
    with pytest.raises(InputError, match=r"4 ranks need mpi4py, .*: pip install 'pwl\[mpi\]'"):
        pwl.ranks()


def test_only_communicators_join_ranks():
    with pytest.raises(InputError, match="comm must be pwl.ranks"):
        pwl.Patterns(np.ones((3, 1)), np.ones(3), comm=4)


@pytest.mark.parametrize(
    ("place", "visible", "count", "wanted"),
    [
        (1, None, 4, "1"), (5, None, 4, "1"), (1, "3,6", 8, "6"), (2, "3,6", 8, "3"), (3, "7", 8, "7"), (0, None, 0, None),
        (0, "", 4, None),
    ],
)  # fmt: skip
def test_a_gpu_for_each_rank_of_a_machine(place, visible, count, wanted):
    assert visible_gpu(place, visible, count) == wanted
