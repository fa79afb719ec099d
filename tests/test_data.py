"""Named data sets: known numbers, the cache, downloads from a local server, damaged files; folds."""

import gzip
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pwl.data import catalogue, data_home, describe, folds, load
from pwl.data.sets import DATA_SETS
from pwl.errors import InputError


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return gzip.compress(head + array.tobytes(), compresslevel=1)


# Sets that need no file


def test_concrete_is_shipped(home):
    x, t = load("concrete")
    assert x.shape == (1030, 8)
    assert t.shape == (1030, 1)
    assert x.dtype == t.dtype == np.float64
    np.testing.assert_array_equal(x[0], [540, 0, 0, 162, 2.5, 1040, 676, 28])
    assert t[0, 0] == 79.99
    assert t.max() == 82.6
    assert describe("concrete").inputs[-1] == "age"
    assert "MPa" in describe("concrete").description


def test_mattrn_holds_inverses():
    x, t = load("mattrn")
    assert x.shape == t.shape == (2000, 4)
    np.testing.assert_allclose(
        x.reshape(-1, 2, 2) @ t.reshape(-1, 2, 2), np.broadcast_to(np.eye(2), (2000, 2, 2)), atol=1e-14
    )
    determinant = x[:, 0] * x[:, 3] - x[:, 1] * x[:, 2]
    assert determinant.min() >= 0.3
    assert determinant.max() <= 2
    assert x.min() >= 0
    assert x.max() < 1
    np.testing.assert_array_equal(load("mattrn")[0], x)


def test_fm_follows_its_formula():
    x, t = load("fm")
    assert x.shape == (1024, 5)
    assert t.shape == (1024, 1)
    for n in (1, 2, 1024):
        r = [
            0.5 * np.cos(2 * np.pi * m * 0.1012878 + 5 * np.sin(2 * np.pi * m * 0.01106328))
            for m in range(n - 2, n + 3)
        ]
        np.testing.assert_allclose(x[n - 1], r, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(t[n - 1, 0], np.cos(2 * np.pi * n * 0.01106328), rtol=1e-12)


# Names, parts, the list


def test_unknown_names_and_parts():
    with pytest.raises(InputError, match="did you mean 'concrete'"):
        load("Concret")
    with pytest.raises(InputError, match="concrete has no part 'test', only the part 'train': pwl.data.folds"):
        load("concrete", part="test")
    with pytest.raises(InputError, match='the part of mnist must be "train" or "test", not \'both\''):
        load("mnist", part="both")


def test_catalogue_tells_what_is_there(home):
    rows = {row.name: row for row in catalogue()}
    assert list(rows) == list(DATA_SETS)
    assert (rows["concrete"].inputs, rows["concrete"].outputs, rows["concrete"].present) == ("8", "1", True)
    assert (rows["cifar-10"].inputs, rows["cifar-10"].outputs, rows["cifar-10"].present) == (
        "32x32x3",
        "10 classes",
        False,
    )
    assert rows["mnist"].can_fetch
    assert not rows["abalone"].can_fetch
    assert all(row.licence and row.description for row in rows.values())
    put(home / "uci" / "abalone.csv", "x")
    assert {row.name for row in catalogue() if row.present} == {"concrete", "mattrn", "fm", "abalone"}


def test_cache_folder(home, monkeypatch):
    assert data_home() == home
    monkeypatch.delenv("PWL_DATA_HOME")
    assert data_home().name == "pwl"


def test_import_is_light():
    code = "import sys, pwl.data, pwl.data.preparation; print({'pooch', 'platformdirs', 'requests'} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "set()"
    )


# Files that are there, damaged or missing


def test_both_layouts_of_wine_files(home):
    rng = np.random.default_rng(0)
    values = np.column_stack([rng.random((1599, 11)), rng.integers(3, 9, 1599)])
    path = home / "uci" / "winequality-red.csv"
    put(path, "\n".join(",".join(map(repr, row)) for row in values.tolist()))
    x, t = load("red-wine")
    np.testing.assert_array_equal(np.column_stack([x, t]), values)
    names = ";".join(f'"{name}"' for name in (*describe("red-wine").inputs, "quality"))
    put(path, names + "\n" + "\n".join(";".join(map(repr, row)) for row in values.tolist()))
    np.testing.assert_array_equal(load("red-wine")[0], x)


def test_short_and_broken_tables(home):
    path = put(home / "uci" / "abalone.csv", "M,1,2,3,4,5,6,7,8\n" * 2 + "F,1,2,3,4,5,6,7,9\n")
    with pytest.raises(InputError) as error:
        load("abalone")
    assert all(word in str(error.value) for word in (str(path), "3 patterns", "4177", "archive.ics.uci.edu"))
    put(path, "M,1,2\nF,3\n")
    with pytest.raises(InputError, match=r"damaged.*line 2 has 2 fields"):
        load("abalone")


def test_missing_file_without_a_download(home):
    with pytest.raises(InputError) as error:
        load("white-wine")
    words = (str(home / "uci" / "winequality-white.csv"), "missing", "https://archive.ics.uci.edu", "PWL_DATA_HOME")
    assert all(word in str(error.value) for word in words)


def test_twod_is_one_stream_of_numbers(home):
    values = np.arange(1000 * 15.0).reshape(-1, 15)
    put(
        home / "ipnnl" / "Twod.tst",
        "\n ".join("  ".join(map(str, row)) for row in values.reshape(-1, 4)[:3750].tolist()),
    )
    x, t = load("twod", part="test")
    np.testing.assert_array_equal(np.column_stack([x, t]), values)
    put(home / "ipnnl" / "Twod.tst", "1 2 3")
    with pytest.raises(InputError, match="15 per pattern"):
        load("twod", part="test")


# The real files, where PWL_DATA_HOME holds them


@pytest.mark.parametrize(
    ("name", "shape", "row", "targets"),
    [
        ("white-wine", (4898, 11), [7, 0.27, 0.36, 20.7], [6]),
        ("red-wine", (1599, 11), [7.4, 0.7, 0, 1.9], [5]),
        ("abalone", (4177, 10), [0, 0, 1, 0.455], [15]),
        ("airfoil", (1503, 5), [800, 0, 0.3048, 71.3], [126.201]),
        ("california", (20640, 8), [-122.23, 37.88, 41, 880], [452600]),
        ("parkinsons", (5875, 19), [72, 0, 5.6431, 0.00662], [28.199, 34.398]),
        ("twod", (1768, 8), [-13.2727, -13.4448, -15.8596, -17.163], [3.23014, 0.0854847]),
    ],
)
def test_real_tables(name, shape, row, targets):
    skip_unless_present(name)
    x, t = load(name)
    data_set = describe(name)
    assert x.shape == shape == (data_set.patterns, len(data_set.inputs))
    assert t.shape == (
        shape[0],
        len(data_set.targets),
    )
    np.testing.assert_array_equal(x[0, :4], row)
    np.testing.assert_array_equal(t[0, : len(targets)], targets)
    assert np.isfinite(x).all()
    assert np.isfinite(t).all()


def test_real_fashion_mnist():
    skip_unless_present("fashion-mnist")
    x, t = load("fashion-mnist")
    assert x.shape == (60_000, 28, 28, 1)
    assert t[:5].tolist() == [9, 0, 0, 3, 0]
    assert np.bincount(t).tolist() == [6000] * 10
    assert abs(x.mean() / 255 - 0.2860) < 1e-4  # the published mean


def test_real_cifar_10():
    skip_unless_present("cifar-10")
    x, t = load("cifar-10")
    assert x.shape == (50_000, 32, 32, 3)
    assert np.bincount(t).tolist() == [5000] * 10
    np.testing.assert_allclose(x[::10].mean(axis=(0, 1, 2)) / 255, [0.4914, 0.4822, 0.4465], atol=5e-3)
    assert describe("cifar-10").classes[t[0]] == "frog"


def skip_unless_present(name):
    if not {row.name: row.present for row in catalogue()}[name]:
        pytest.skip(f"the files of {name} are not in {data_home()}; set PWL_DATA_HOME to a folder that holds them")


# Folds


@settings(max_examples=80, deadline=None)
@given(st.integers(3, 12), st.integers(0, 60), st.integers(0, 5), st.booleans())
def test_folds_divide_the_patterns(k, more, seed, stratified):
    n = k + more
    labels = np.arange(n) % 3 if stratified else None
    parts = folds(n, k, seed, labels)
    assert len(parts) == k
    for fold in parts:
        np.testing.assert_array_equal(np.sort(np.concatenate(fold)), np.arange(n))
        assert all((np.diff(part) > 0).all() for part in fold)
    np.testing.assert_array_equal(np.sort(np.concatenate([fold.test for fold in parts])), np.arange(n))
    for fold, following in zip(parts, parts[1:] + parts[:1], strict=True):
        np.testing.assert_array_equal(fold.validation, following.test)
    sizes = [len(fold.test) for fold in parts]
    assert max(sizes) - min(sizes) <= 1
    if labels is not None:
        counts = np.array([np.bincount(labels[fold.test], minlength=3) for fold in parts])
        assert (np.ptp(counts, axis=0) <= 1).all()


def test_folds_of_ten_are_eight_one_one_and_seeded():
    first, again, other = (folds(1000, seed=seed)[0] for seed in (0, 0, 1))
    assert [len(part) for part in first] == [800, 100, 100]
    np.testing.assert_array_equal(first.test, again.test)
    assert not np.array_equal(first.test, other.test)
    assert not np.array_equal(first.test, np.arange(100))  # shuffled


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": 10, "k": 2}, "k must be a whole number, 3 or more .*a training, a validation and a test part.*, not 2"),
        ({"n": 4, "k": 5}, "k <= 4"),
        ({"n": 5, "k": 3, "labels": [1, 2]}, r"\(2,\).*\(5,\)"),
        ({"n": 10, "k": "a"}, "k must be a whole number.* not 'a'"),
        ({"n": 10.5, "k": 3}, "n must be a whole number, 1 or more, not 10.5"),
        ({"n": 10, "k": 3, "seed": -1}, "seed must be a whole number, 0 or more, not -1"),
        ({"n": 3, "k": 3, "labels": np.array([1, "a", 2], object)}, "several kinds"),
        ({"n": 3, "k": 3, "labels": np.array([1, "a", None], object)}, "labels hold 1 missing values"),
    ],
)
def test_folds_say_what_is_wrong(arguments, words):
    with pytest.raises(InputError, match=words):
        folds(**arguments)
