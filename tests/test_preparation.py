"""Preparation: worked numbers, exact round trips, constant columns, blocks, errors."""

import json

import numpy as np
import pytest
from fake_device import DEVICE, install, there
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import pwl.data.scratch as scratch
from pwl.data.preparation import Preparation
from pwl.errors import InputError
from pwl.runtime.backend import host, namespace_named

X = np.array([[1.0, 10.0, 5.0], [2.0, 10.0, 7.0], [3.0, 10.0, 9.0], [6.0, 10.0, 7.0]])
T = np.array([[0.0, 2.0], [4.0, 2.0], [0.0, 6.0], [4.0, 6.0]])


def test_standardise_worked_numbers():
    x, t = Preparation.fit(X, T).transform(X, T)
    # Column 0: mean 3, variance (4 + 1 + 0 + 9) / 4 = 3.5. Column 1 is constant. Column 2: mean 7, variance 2.
    np.testing.assert_allclose(x[:, 0], np.array([-2, -1, 0, 3]) / np.sqrt(3.5), rtol=1e-15, atol=1e-15)
    np.testing.assert_array_equal(x[:, 1], 0.0)
    np.testing.assert_allclose(x[:, 2], np.array([-1, 0, 1, 0]) * np.sqrt(2), rtol=1e-15, atol=1e-15)
    np.testing.assert_array_equal(t, [[-1, -1], [1, -1], [-1, 1], [1, 1]])


def test_minmax_maps_to_minus_one_and_one():
    prep = Preparation.fit(X, T, inputs="minmax", targets="minmax")
    x, t = prep.transform(X, T)
    np.testing.assert_allclose(x[:, 0], [-1, -0.6, -0.2, 1], rtol=1e-15)
    np.testing.assert_array_equal(x[:, 1], 0.0)
    np.testing.assert_array_equal(t, [[-1, -1], [1, -1], [-1, 1], [1, 1]])
    np.testing.assert_array_equal(prep.target_scale, [2, 2])


def test_centre_and_none():
    np.testing.assert_allclose(Preparation.fit(X, T, inputs="centre").transform(X), X - X.mean(axis=0))
    prep = Preparation.fit(X, T, inputs="none", targets="none")
    np.testing.assert_array_equal(prep.transform(X, T)[0], X)
    np.testing.assert_array_equal(prep.inverse_targets(T), T)
    np.testing.assert_array_equal(prep.target_scale, 1.0)


def test_fitted_numbers_are_used_on_other_data():
    x = Preparation.fit(X, T).transform([[3.0, 99.0, 7.0]])
    np.testing.assert_array_equal(x, 0.0)  # the means, and anything in a column that was constant


def test_constant_column_that_rounding_could_blow_up():
    x = np.full((1000, 1), 0.1)
    prep = Preparation.fit(x, x)
    assert not prep.transform(x).any()
    np.testing.assert_array_equal(prep.inverse_targets(np.ones((2, 1))), 0.1)


@pytest.mark.parametrize("factor", [1e-200, 1e-9, 1.0, 1e12, 1e200])
def test_scale_and_offset_cost_no_digits(factor):
    base = np.random.default_rng(0).normal(size=(500, 3))
    wanted = (base - base.mean(axis=0)) / base.std(axis=0)
    np.testing.assert_allclose(
        Preparation.fit(base * factor, base).transform(base * factor), wanted, rtol=1e-11, atol=1e-13
    )
    shifted = base + 1e6
    np.testing.assert_allclose(Preparation.fit(shifted, base).transform(shifted).std(axis=0), 1.0, rtol=1e-12)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("factor", [5e-310, 1e-300, 1e300, 4e307])
def test_inputs_of_any_size_are_prepared_silently(factor):
    x = np.random.default_rng(0).uniform(-1, 1, (3000, 2))
    wanted = 0.0 if factor < 1e-307 else (x - x.mean(axis=0)) / x.std(axis=0)
    preparation = Preparation.fit(x * factor, x)
    np.testing.assert_allclose(preparation.transform(x * factor), wanted, rtol=1e-11, atol=1e-13)
    assert not np.isnan(preparation.transform(1e300 * np.sign(x))).any()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("factor", [5e-310, 1e-300, 1e-80, 1e80, 1e300])
@pytest.mark.parametrize("method", ["standardise", "common", "centre", "minmax"])
def test_targets_whose_errors_would_be_no_numbers_are_refused(factor, method):
    t = np.c_[T[:, 0] * factor, T[:, 1] * factor / 2]
    with pytest.raises(InputError, match="column 1 of the targets .*: change the unit"):
        Preparation.fit(X, t, targets=method)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("factor", [1e-69, 1e69])
def test_common_scale_of_large_and_small_targets(factor):
    prepared = Preparation.fit(X, T * [factor, 1e-4 * factor], targets="common")
    np.testing.assert_allclose(prepared.target_scale, 2 * factor * np.sqrt((1 + 1e-8) / 2), rtol=1e-14)
    beside = Preparation.fit(X, T * [1.0, 1e-300], targets="common")
    np.testing.assert_allclose(beside.target_scale, 2 * np.sqrt(0.5), rtol=1e-14)


def test_raw_error_from_target_scale():
    rng = np.random.default_rng(1)
    t = rng.normal(size=(50, 2)) * [3.0, 700.0] + [10.0, -4.0]
    prep = Preparation.fit(t, t)
    y = rng.normal(size=(50, 2))
    prepared = ((y - prep.transform(t, t)[1]) ** 2).mean(axis=0)
    raw = ((prep.inverse_targets(y) - t) ** 2).mean(axis=0)
    np.testing.assert_allclose(prepared * prep.target_scale**2, raw, rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.float64, st.tuples(st.integers(1, 8), st.integers(1, 4)), elements=st.floats(-1e6, 1e6, width=32)),
    st.sampled_from(["standardise", "centre", "minmax", "none"]),
)
def test_round_trips(t, method):
    prep = Preparation.fit(t, t, inputs=method, targets=method)
    again = Preparation.from_dict(json.loads(json.dumps(prep.to_dict())))
    prepared = prep.transform(t, t)[1]
    assert np.isfinite(prepared).all()
    np.testing.assert_array_equal(again.transform(t, t)[1], prepared)
    np.testing.assert_array_equal(again.target_scale, prep.target_scale)
    np.testing.assert_allclose(prep.inverse_targets(prepared), t, atol=1e-9 * max(1.0, np.abs(t).max()))


def test_blocks_do_not_change_the_result(monkeypatch):
    x = np.random.default_rng(2).normal(size=(101, 7)) + 100.0
    whole = Preparation.fit(x, x)
    monkeypatch.setattr(scratch, "BLOCK", 21)
    parts = Preparation.fit(x, x)
    np.testing.assert_allclose(parts.inputs.offset, whole.inputs.offset, rtol=1e-14)
    np.testing.assert_allclose(parts.inputs.scale, whole.inputs.scale, rtol=1e-13)
    np.testing.assert_array_equal(parts.transform(x), (x - parts.inputs.offset) * (1 / parts.inputs.scale))


def test_memory_mapped_arrays_stay_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch, "BLOCK", 16)
    np.save(tmp_path / "x.npy", X)
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    prepared = Preparation.fit(x, T).transform(x)
    assert isinstance(prepared, np.memmap)
    np.testing.assert_array_equal(prepared, Preparation.fit(X, T).transform(X))


def test_precision_and_images():
    images = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    prep = Preparation.fit(images, np.array([0, 1]))
    x = prep.transform(images)
    assert x.shape == images.shape
    assert x.dtype == np.float64
    np.testing.assert_allclose(x.mean(axis=(0, 1, 2)), 0.0, atol=1e-14)
    np.testing.assert_allclose(x.std(axis=(0, 1, 2)), 1.0)
    assert Preparation.fit(X, T).transform(X.astype(np.float32)).dtype == np.float32


def test_other_array_library_gives_its_own_arrays():
    xp = pytest.importorskip("array_api_strict")
    prep = Preparation.fit(xp.asarray(X), xp.asarray(T))
    x, t = prep.transform(xp.asarray(X), xp.asarray(T))
    assert type(x) is type(xp.asarray(X))
    np.testing.assert_array_equal(np.asarray(x), Preparation.fit(X, T).transform(X))
    np.testing.assert_allclose(np.asarray(prep.inverse_targets(t)), T)


METHODS = ["standardise", "common", "centre", "minmax", "none"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64, np.uint8])
def test_arrays_on_a_device_are_prepared_there_to_the_same_bits(monkeypatch, method, kind):
    prep = Preparation.fit(X, T, inputs=method, targets=method)
    crossings, x, t = install(monkeypatch), there(X.astype(kind)), there(T.astype(kind))
    wanted = prep.transform(X.astype(kind), T.astype(kind))
    del crossings.there[:]
    found = prep.transform(x, t)
    assert crossings.there == [24, 24, 16, 16]  # offset and scale of 3 inputs and 2 targets
    assert all(size == 8 for size in crossings.back) and len(crossings.back) <= 2
    raw = prep.inverse_targets(found[1])
    assert len(crossings.back) <= 2
    for a, b in zip((*found, raw), (*wanted, prep.inverse_targets(wanted[1])), strict=True):
        assert a.device == DEVICE
        np.testing.assert_array_equal(host(a), b, strict=True)


def test_labels_on_a_device_are_numbered_there(monkeypatch):
    crossings, labels = install(monkeypatch), np.array([2, 0, 1, 2], np.int32)
    prep, named = Preparation.fit(X, labels), Preparation.fit(X, labels, classes=["no", "maybe", "yes"])
    t = there(labels)
    for preparation in (prep, named):
        del crossings.back[:]
        numbers = preparation.transform_targets(t)
        assert crossings.back == [8]
        assert numbers.device == DEVICE
        np.testing.assert_array_equal(host(numbers), labels.astype(np.int64), strict=True)
    assert prep.inverse_targets(numbers).device == DEVICE
    np.testing.assert_array_equal(host(prep.inverse_targets(numbers)), labels)
    assert named.inverse_targets(numbers).tolist() == ["yes", "no", "maybe", "yes"]


@pytest.mark.parametrize("labels", [[30, -5, 30, 7], [True, False, True, False]])
def test_other_labels_on_a_device_get_their_numbers(monkeypatch, labels):
    install(monkeypatch)
    prep = Preparation.fit(X, labels)
    numbers = prep.transform_targets(there(labels))
    assert numbers.device == DEVICE
    np.testing.assert_array_equal(host(numbers), prep.transform_targets(labels), strict=True)
    np.testing.assert_array_equal(host(prep.inverse_targets(numbers)), labels, strict=True)


def test_what_is_wrong_on_a_device_is_said(monkeypatch):
    install(monkeypatch)
    prep, classes = Preparation.fit(X, T), Preparation.fit(X, [0, 1, 0, 1])
    for x, t, words in (
        (np.where(X == 9, np.nan, X), T, "x in row 2, column 2 is nan"),
        (X, np.where(T == 6, -np.inf, T), "t in row 2, column 1 is -inf"),
        (X[:, :2], T, r"shape \(4, 2\), wanted \(patterns, 3\)"),
        (X + 0j, T, "wanted real numbers"),
    ):
        with pytest.raises(InputError, match=words):
            prep.transform(there(x), there(t))
    for t, words in (([0, 1, 9, 1], "label 9"), ([0, -1, 0, 1], "label -1"), (T, "labels")):
        with pytest.raises(InputError, match=words):
            classes.transform_targets(there(t))


@pytest.mark.gpu
@pytest.mark.parametrize("kind", [np.float64, np.float32, np.uint8])
def test_a_gpu_prepares_to_the_same_bits(kind):
    try:
        xp = namespace_named("cuda")
    except InputError as reason:
        pytest.skip(str(reason))
    x, t, labels = X.astype(kind), T.astype(kind), np.array([2, 0, 1, 2])
    prep, classes = Preparation.fit(X, T), Preparation.fit(X, labels)
    found, wanted = prep.transform(xp.asarray(x), xp.asarray(t)), prep.transform(x, t)
    numbers = classes.transform_targets(xp.asarray(labels))
    for a, b in (
        *zip(found, wanted, strict=True),
        (prep.inverse_targets(found[1]), prep.inverse_targets(wanted[1])),
        (numbers, labels),
        (classes.inverse_targets(numbers), labels),
    ):
        assert isinstance(a, xp.ndarray)
        np.testing.assert_array_equal(host(a), b, strict=True)
    with pytest.raises(InputError, match="x in row 2, column 2 is nan"):
        prep.transform(xp.asarray(np.where(X == 9, np.nan, X)))
    with pytest.raises(InputError, match="label 9"):
        classes.transform_targets(xp.asarray([0, 9]))


def test_finite_numbers_whose_sum_overflows_are_prepared(monkeypatch):
    x = np.array([[1e308], [1.7e308]])
    prep = Preparation.fit(x, x / 1e300)
    install(monkeypatch)
    np.testing.assert_array_equal(host(prep.transform(there(x))), prep.transform(x))


def test_class_numbers_pass_through():
    t = np.array([2, 0, 1, 2])
    prep = Preparation.fit(X, t)
    assert prep.classes == (0, 1, 2)
    np.testing.assert_array_equal(prep.transform(X, t)[1], t)
    np.testing.assert_array_equal(prep.target_scale, [1, 1, 1])
    named = Preparation.fit(X, t, classes=["no", "maybe", "yes"])
    np.testing.assert_array_equal(named.transform(X, t)[1], t)
    assert named.inverse_targets(t).tolist() == ["yes", "no", "maybe", "yes"]


@pytest.mark.parametrize("labels", [[30, -5, 30, 7], ["b", "a", "b", "c"], [True, False, True, False]])
def test_labels_are_numbered_and_come_back(labels):
    prep = Preparation.fit(X, labels)
    again = Preparation.from_dict(json.loads(json.dumps(prep.to_dict())))
    numbers = again.transform(X, labels)[1]
    assert numbers.dtype == np.int64
    assert numbers.tolist() == [sorted(set(labels)).index(label) for label in labels]
    assert again.inverse_targets(numbers).tolist() == labels
    y = np.zeros((4, 3))
    assert again.inverse_targets(y) is y


@pytest.mark.parametrize(
    ("x", "t", "options", "words"),
    [
        (X, T[:3], {}, "one target row"),
        (X[:, 0], T, {}, "(4,)"),
        (X[:0], T[:0], {}, "(0, 3)"),
        (X, T, {"inputs": "whiten"}, "'whiten'"),
        (X, T, {"classes": [1, 2]}, "classes"),
        (X, [1, 1, 1, 1], {}, "two or more"),
        (X, [0, 1, 2, 3], {"classes": ["a", "b"]}, "label 2"),
        (X, ["a", "b", "c", "a"], {"classes": ["a", "b"]}, "label c"),
        (X, np.array([1, "a", None, "a"], object), {}, "several kinds (NoneType, int, str)"),
        (X, np.array([1, "a", None, "a"], object), {"classes": ["a", "b"]}, "several kinds (NoneType, int, str)"),
        (np.array([[1.6e308], [-1.6e308], [0], [0]]), T, {}, "column 1 of the inputs"),
        (np.where(X == 9, np.nan, X), T, {}, "x in row 2, column 2 is nan"),
        (np.where(X == 9, np.nan, X), T, {"inputs": "none"}, "x in row 2, column 2 is nan"),
        (X, np.where(T == 6, -np.inf, T), {}, "t in row 2, column 1 is -inf"),
    ],
)
def test_fit_says_what_is_wrong(x, t, options, words):
    with pytest.raises(InputError) as error:
        Preparation.fit(x, t, **options)
    assert words in str(error.value)


def test_transform_says_what_is_wrong():
    prep = Preparation.fit(X, T)
    with pytest.raises(InputError, match=r"shape \(4, 2\), wanted \(patterns, 3\)"):
        prep.transform(X[:, :2])
    with pytest.raises(InputError, match="x in row 0, column 1 is inf"):
        prep.transform([[1.0, np.inf, 2.0]])
    with pytest.raises(InputError, match="label 9"):
        Preparation.fit(X, [0, 1, 0, 1]).transform(X, [0, 1, 0, 9])
    with pytest.raises(InputError, match="labels"):
        Preparation.fit(X, [0, 1, 0, 1]).transform(X, T)
