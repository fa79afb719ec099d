"""The reduction over patterns: blocks, ranks, weights, threads and the memory bound never change what is computed."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import tracemalloc

import numpy as np
import pytest
from fake_ranks import on_ranks
from hypothesis import given
from hypothesis import strategies as st
from toys import basis, block_rows, curve_network, reduce, spirals, waves

import pwl
from pwl import reductions
from pwl.data.preparation import Preparation
from pwl.network.layout import HEAD
from pwl.network.memory import floats_per_pattern
from pwl.reductions import bands, correlations, curvature, gradients, jacobian
from pwl.reductions.blocks import CACHE_BYTES, SHARES, TOGETHER, even_rows
from pwl.reductions.statistic import Statistic, leaves

# ---- every statistic, in parts and whole

NETS = ("regression", "classes", "two layers")
Nv = 73  # with two outputs more rows of J than weights


def problem(kind, weights=None):
    """An initialised net and (x, t) or (x, t, weights)."""
    x, t = spirals(Nv) if kind == "classes" else waves(Nv)
    loss = "cross_entropy" if kind == "classes" else "squared_error"
    net = curve_network(x.shape[1], (4, 3) if kind == "two layers" else 5, 3 if kind == "classes" else 2, loss=loss)
    data = (x, t) if weights is None else (x, t, weights)
    net = pwl.initialise(net, data)
    shift = np.random.default_rng(3).normal(size=net.W_o.shape)  # where OWO ends the gradient of W_o is rounding alone
    return net.moved({HEAD: shift}), data


def directions(net):
    rng = np.random.default_rng(5)
    keys = (*net.keys("map"), *net.keys("activation"))
    return {key: rng.normal(size=net.parts[key].shape) for key in keys}


def rows_factor():
    """R of the rows [B, 1]: a statistic that folds, as Levenberg-Marquardt's does, Eq. (42)."""

    def compute(net, x, t, w):
        rows = np.concatenate([basis(net, x), np.ones((len(x), 1))], axis=1)
        return rows if w is None else rows * np.sqrt(w)[:, None]

    return Statistic(compute, combine="qr")


def all_statistics(net):
    D = directions(net)
    W, keys = {key: D[key] for key in net.keys("map")}, tuple(net.parts)
    centre = np.linspace(-1, 1, net.W.shape[0])
    low, high = correlations.nets_range(0)
    found = {
        "error": gradients.error(),
        "gradients": gradients.gradients((*D, HEAD)),
        "joined_gradients": gradients.joined_gradients((*D, HEAD)),
        "basis_autocorrelation": correlations.basis_autocorrelation(),
        "input_autocorrelation": correlations.input_autocorrelation(len(net.layers) - 2),
        "nets_mean": correlations.nets_mean(0),
        "nets_moments": correlations.nets_moments(0, centre),
        "nets_range low": low,
        "nets_range high": high,
        "curve_bands": bands.curve_bands(net.keys("activation")),
        "line_curvature": curvature.line_curvature(D),
        "block_curvature": curvature.block_curvature(net, W),
        "block_curvature all": curvature.block_curvature(net, D),
        "normal_equations": jacobian.normal_equations(net, keys),
        "triangle": jacobian.triangle(net, keys),
        "rows_factor": rows_factor(),
    }
    if not net.loss.classes:
        found["basis_correlations"] = correlations.basis_correlations()
        found["separate_triangles"] = jacobian.separate_triangles(net, keys)
    return found


def comparable(statistic, values):
    """The arrays of a result, R'R in place of R: the factor's rows have no sign of their own."""
    arrays = list(leaves(values))
    return [R.T @ R for R in arrays] if statistic.combine == "qr" else [np.asarray(a) for a in arrays]


def assert_same(statistic, values, whole, tolerance=1e-12):
    assert type(values) is type(whole)
    for a, b in zip(comparable(statistic, values), comparable(statistic, whole), strict=True):
        assert a.shape == b.shape
        assert np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b)


def test_no_statistic_is_left_out():
    modules = [
        importlib.import_module(f"{reductions.__name__}.{m.name}") for m in pkgutil.iter_modules(reductions.__path__)
    ]
    public = {
        name
        for module in modules
        for name, f in inspect.getmembers(module, lambda f: inspect.isfunction(inspect.unwrap(f)))
        if f.__module__ == module.__name__ and "Statistic" in str(inspect.signature(f).return_annotation)
    }
    tested = {name.split()[0] for name in all_statistics(problem("regression")[0])}
    # tested in test_minibatch_adact.py, test_batch_norm.py, test_raw_units.py, test_known_targets.py and test_outer.py
    elsewhere = {"gradients_and_blocks", "group_moments", "raw_error", "own_correlations", "products"}
    assert public - elsewhere == tested - {"rows_factor"}


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("weighted", [False, True])
def test_blocks_give_the_whole(kind, weighted):
    weights = np.arange(Nv) % 4 if weighted else None
    net, data = problem(kind, weights)
    whole, bytes_of_7 = pwl.Patterns(*data), 7 * SHARES * 8
    assert block_rows(whole, net) >= Nv
    for name, statistic in all_statistics(net).items():
        row = floats_per_pattern(net) + statistic.floats
        for block_bytes, rows in ((1, 1), (bytes_of_7 * row, 7)):
            parts = pwl.Patterns(*data, block_bytes=block_bytes)
            assert block_rows(parts, net, statistic.floats) == rows, name
            assert_same(statistic, reduce(parts, statistic, net), reduce(whole, statistic, net))


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("weighted", [False, True])
def test_ranks_give_the_whole(kind, weighted):
    net, data = problem(kind, 0.5 + np.arange(Nv) % 4 if weighted else None)
    cuts = [slice(0, 10), slice(10, 11), slice(11, Nv)]  # unlike lengths: their shares are not the same
    parts = [tuple(a[cut] for a in data) for cut in cuts]
    found = all_statistics(net)
    per_rank = on_ranks(lambda patterns: {name: reduce(patterns, s, net) for name, s in found.items()}, parts)
    for name, statistic in found.items():
        assert_same(statistic, per_rank[0][name], reduce(pwl.Patterns(*data), statistic, net))
        for other in per_rank[1:]:
            for a, b in zip(leaves(other[name]), leaves(per_rank[0][name]), strict=True):
                assert np.array_equal(a, b), f"{name} differs between ranks"


@pytest.mark.parametrize("block_bytes", [1, 2**28])
def test_a_folded_factor_is_triangular(block_bytes):
    net, data = problem("regression")
    R = reduce(pwl.Patterns(*data, block_bytes=block_bytes), rows_factor(), net)
    assert R.shape == (net.n_basis + 1, net.n_basis + 1)
    assert np.array_equal(R, np.triu(R))


def test_ranks_train_the_serial_net():
    x, t = waves(90)
    serial, record = pwl.train(curve_network(), (x, t), pwl.AdAct(), iterations=3)
    parts = [(x[:20], t[:20]), (x[20:], t[20:])]
    runs = on_ranks(lambda patterns: pwl.train(curve_network(), patterns, pwl.AdAct(), iterations=3), parts)
    assert np.array_equal(runs[0][0].theta, runs[1][0].theta)
    assert np.allclose(runs[0][1]["error"], record["error"], rtol=1e-9)
    assert np.linalg.norm(runs[0][0].theta - serial.theta) <= 1e-7 * np.linalg.norm(serial.theta)


# ---- weights


@pytest.mark.parametrize("kind", NETS)
def test_integer_weights_are_repeated_rows(kind):
    weights = 1 + np.arange(Nv) % 3
    net, (x, t, _) = problem(kind, weights)
    repeated = pwl.Patterns(np.repeat(x, weights, axis=0), np.repeat(t, weights, axis=0))
    for statistic in all_statistics(net).values():
        assert_same(statistic, reduce(pwl.Patterns(x, t, weights), statistic, net), reduce(repeated, statistic, net))


@pytest.mark.parametrize("kind", NETS)
def test_patterns_of_weight_zero_are_absent(kind):
    weights = (np.arange(Nv) % 3 > 0).astype(float)
    weights[:20] = 0  # whole blocks of them, too
    net, (x, t, _) = problem(kind, weights)
    x[weights == 0] *= 50  # extreme, so that a lowest or highest net would show them
    there = weights > 0
    for statistic in all_statistics(net).values():
        counted = reduce(pwl.Patterns(x, t, weights, block_bytes=1), statistic, net)
        assert_same(statistic, counted, reduce(pwl.Patterns(x[there], t[there]), statistic, net))


@pytest.mark.parametrize("span", [None, "nets"])
def test_a_run_with_weights_is_the_run_on_repeated_and_absent_rows(span):
    x, t = waves(80)
    weights = np.arange(80) % 4
    net = pwl.Network.mlp(3, 5, 2, pwl.PiecewiseLinear("relu", hinges=9, span=span))
    weighted, a = pwl.train(net, (x, t, weights), pwl.AdAct(), iterations=5)
    repeated = (np.repeat(x, weights, axis=0), np.repeat(t, weights, axis=0))
    plain, b = pwl.train(net, repeated, pwl.AdAct(), iterations=5)
    assert np.allclose(a["error"], b["error"], rtol=1e-9)
    assert np.linalg.norm(weighted.theta - plain.theta) <= 1e-7 * np.linalg.norm(plain.theta)
    unweighted, _ = pwl.train(net, (x, t), pwl.AdAct(), iterations=5)
    assert np.linalg.norm(unweighted.theta - plain.theta) > 1e-3 * np.linalg.norm(plain.theta)


def test_a_batch_of_weight_zero_makes_no_step():
    x, t = waves(60)
    weights = np.zeros(60)
    weights[:20] = 1  # with batches of 2 most hold nothing that counts
    _, record = pwl.train(
        curve_network(Nh=2), (x, t, weights), pwl.OWOBP(safeguard=True, ridge=0.1), iterations=2, batch_size=2
    )
    assert np.all(np.isfinite(record["error"]))


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (np.ones(9), r"\(10,\).*\(9,\)"),
        (np.ones((10, 1)), r"\(10,\).*\(10, 1\)"),
        (2.0, r"\(10,\).*\(\)"),
        (-np.ones(10), "not negative"),
        (np.zeros(10), "not all zero"),
        (np.full(10, np.nan), "finite"),
        (np.full(10, np.inf), "finite"),
        (["a"] * 10, "finite"),
        ([1, [2]] * 5, "weights"),
    ],
)
def test_weights_that_cannot_be_used(weights, words):
    x, t = waves(10)
    with pytest.raises(pwl.InputError, match=words):
        pwl.Patterns(x, t, weights)


# ---- threads


@pytest.mark.parametrize("kind", NETS)
def test_bits_do_not_depend_on_the_number_of_threads(kind, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)
    net, data = problem(kind)
    found = []
    for threads in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        patterns = pwl.Patterns(*data, block_bytes=60_000)
        assert block_rows(patterns, net) < 30  # several blocks, else nothing is tested
        found.append({name: reduce(patterns, s, net) for name, s in all_statistics(net).items()})
    for name, values in found[0].items():
        for a, b in zip(leaves(values), leaves(found[1][name]), strict=True):
            assert np.array_equal(a, b), name


def test_a_run_has_the_same_bits_on_one_and_two_threads(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)
    thetas = []
    for threads in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        patterns = pwl.Patterns(*waves(200), block_bytes=100_000)
        thetas.append(pwl.train(curve_network(), patterns, pwl.AdAct(), iterations=4)[0].theta)
    assert np.array_equal(*thetas)


# ---- the memory bound


class Disk:
    """Stands for a file: gives slices only, notes the largest, and can't be made an array whole."""

    def __init__(self, a):
        self.a, self.largest = a, 0
        self.shape, self.dtype, self.ndim = a.shape, a.dtype, a.ndim

    def __getitem__(self, rows):
        found = self.a[rows]
        self.largest = max(self.largest, found.size)
        return found

    def __array__(self, *args, **kwargs):
        raise AssertionError("the whole array was asked for")


def test_data_are_read_in_slices_only():
    x, t = waves(40_000, N=60, M=1)
    x_disk, t_disk = Disk(x), Disk(t)
    patterns = pwl.Patterns(x_disk, t_disk, block_bytes=2**22)
    net, _ = pwl.train(curve_network(60, 3, 1), patterns, pwl.AdAct("hwo"), iterations=1, validation=patterns)
    assert 0 < x_disk.largest <= x.size / 2
    assert 0 < t_disk.largest <= t.size / 2
    assert np.array_equal(net.predict(Disk(x)), net.predict(x))


@pytest.mark.slow
def test_a_memory_map_larger_than_the_bound_is_never_in_memory(tmp_path):
    Nv = 300_000
    x_file = np.memmap(tmp_path / "x", np.float64, "w+", shape=(Nv, 12))
    t_file = np.memmap(tmp_path / "t", np.float64, "w+", shape=(Nv, 1))
    x_file[:], t_file[:] = waves(Nv, N=12, M=1)
    x, t = (np.memmap(f.filename, np.float64, "r", shape=f.shape) for f in (x_file, t_file))
    net = curve_network(12, 4, 1)
    pwl.train(net, waves(50, N=12, M=1), pwl.AdAct(), iterations=1)  # what is loaded once is not what is measured
    tracemalloc.start()
    try:
        pwl.train(net, pwl.Patterns(x, t, block_bytes=2**22), pwl.AdAct(), iterations=1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < x.nbytes / 4


@pytest.mark.parametrize("block_bytes", [2**20, 2**23])
def test_work_arrays_stay_within_the_bound(block_bytes):
    x, t = waves(20_000, N=4)
    net = pwl.initialise(curve_network(4, 20), (x, t))
    D = directions(net)
    patterns = pwl.Patterns(x, t, block_bytes=block_bytes)
    several = (gradients.gradients(tuple(D)), correlations.basis_correlations(), curvature.block_curvature(net, D))
    for statistic in several:
        tracemalloc.start()
        try:
            reduce(patterns, statistic, net)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < block_bytes


def test_block_bytes_set_the_rows_until_a_block_fills_the_cache():
    x, t = waves(10)
    net = curve_network()
    row = 8 * floats_per_pattern(net)

    def rows(block_bytes):
        return block_rows(pwl.Patterns(x, t, block_bytes=block_bytes), net)

    assert rows(1) == 1
    assert rows(10 * SHARES * row) == 10
    assert rows(2**40) == 2 * CACHE_BYTES // row  # curves take a block in parts
    plain = pwl.Network.mlp(3, 4, 2)
    assert block_rows(pwl.Patterns(x, t), plain) == CACHE_BYTES // (8 * floats_per_pattern(plain))


@pytest.mark.parametrize(
    ("rows", "count", "group", "even"),
    [(128, 128, 1, 128), (50, 128, 1, 32), (25, 128, 1, 16), (8_000, 10_000, 1, 2_500), (48, 130, 4, 36), (1, 9, 1, 1)],
)
def test_threads_have_equal_shares(rows, count, group, even):
    assert even_rows(rows, count, group) == even


@given(st.integers(1, 60), st.integers(1, 1_000), st.integers(1, 9))
def test_even_blocks(rows, count, group):
    rows *= group
    even = even_rows(rows, count, group)
    blocks = -(-count // even)
    assert even <= rows and even % group == 0
    assert (blocks == 1) == (count <= rows)
    assert blocks < -(-count // rows) + TOGETHER


@pytest.mark.parametrize("block_bytes", [0, -1, float("nan"), float("inf"), "1 GB"])
def test_bounds_that_cannot_be_used(block_bytes):
    with pytest.raises(pwl.InputError, match="block_bytes"):
        pwl.Patterns(*waves(10), block_bytes=block_bytes)


# ---- preparation block by block


def test_raw_numbers_with_a_preparation_are_the_prepared_arrays():
    x, t = waves(90)
    preparation = Preparation.fit(x, t)
    raw = pwl.Patterns(x, t, preparation=preparation, block_bytes=50_000)
    prepared = pwl.Patterns(*preparation.transform(x, t), block_bytes=50_000)
    a, b = (pwl.train(curve_network(), patterns, pwl.AdAct(), iterations=2) for patterns in (raw, prepared))
    assert np.array_equal(a[0].theta, b[0].theta)
    assert a[1]["error"] == b[1]["error"]
    other = pwl.train(curve_network(), (x, t), pwl.AdAct(), iterations=2)[1]["error"]
    assert not np.allclose(other, b[1]["error"], rtol=1e-3)  # preparing does make a difference here


def test_raw_labels_with_a_preparation_are_the_prepared_labels():
    x, numbers = spirals(90)
    t = np.array(["cat", "dog", "eel"])[numbers]
    preparation = Preparation.fit(x, t)
    raw = pwl.Patterns(x, t, preparation=preparation, block_bytes=50_000)
    net = curve_network(2, 4, 3, loss="cross_entropy")
    a, b = (pwl.train(net, data, pwl.AdAct(), iterations=2)[0] for data in (raw, preparation.transform(x, t)))
    assert np.linalg.norm(a.theta - b.theta) <= 1e-9 * np.linalg.norm(b.theta)


def test_batches_keep_the_preparation_and_the_weights():
    x, t = waves(30)
    preparation, weights = Preparation.fit(x, t), np.arange(30.0)
    batch = pwl.Patterns(x, t, weights, preparation=preparation, block_bytes=1234).take([3, 5])
    assert len(batch) == 2 and batch.block_bytes == 1234
    assert batch.weights.tolist() == [3, 5]
    block = batch.block(curve_network(), 0, 2)
    assert np.array_equal(block[0], preparation.transform(x, t)[0][[3, 5]])
    assert np.array_equal(block[1], preparation.transform(x, t)[1][[3, 5]])
