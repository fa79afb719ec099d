"""Tables in .npy and .npz files: mapped where they can be, and what is wrong with them in words."""

import zipfile

import numpy as np
import pytest

import pwl.data.scratch as scratch
from pwl.data import read_inputs, read_table
from pwl.data.arrays import read_images
from pwl.errors import InputError

A = np.arange(20.0).reshape(5, 4) ** 1.5


@pytest.mark.parametrize("targets", [None, [3, 4], [1], ["c4"]])
def test_npy_is_mapped_not_copied(tmp_path, targets):
    np.save(tmp_path / "a.npy", A)
    table = read_table(tmp_path / "a.npy", targets)
    places = {None: [3], "[3, 4]": [2, 3], "[1]": [0], "['c4']": [3]}[targets and str(targets)]
    rest = [i for i in range(4) if i not in places]
    np.testing.assert_array_equal(table.x, A[:, rest])
    np.testing.assert_array_equal(table.t, A[:, places])
    for part in (table.x, table.t):
        assert isinstance(part, np.memmap)
        assert part.strides == (32, 8)


def test_npy_columns_apart_are_gathered_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch, "BLOCK", 8)
    np.save(tmp_path / "a.npy", A)
    table = read_table(tmp_path / "a.npy", 2)
    assert isinstance(table.x, np.memmap)
    np.testing.assert_array_equal(table.x, A[:, [0, 2, 3]])
    np.testing.assert_array_equal(read_inputs(tmp_path / "a.npy", table.schema), A[:, [0, 2, 3]])
    np.save(tmp_path / "x.npy", A[:, :3])
    np.testing.assert_array_equal(read_inputs(tmp_path / "x.npy", table.schema), A[:, :3])


def test_npz_and_integer_arrays(tmp_path):
    np.savez(tmp_path / "a.npz", x=A, t=np.array([3, 5, 3, 5, 5]))
    assert read_table(tmp_path / "a.npz").t.tolist() == [[3], [5], [3], [5], [5]]
    table = read_table(tmp_path / "a.npz", task="classification")
    assert table.t.tolist() == [0, 1, 0, 1, 1]
    assert table.class_names == ("3", "5")
    np.testing.assert_array_equal(table.x, A)
    np.savez(tmp_path / "one.npz", A)
    np.testing.assert_array_equal(read_table(tmp_path / "one.npz").x, A[:, :3])


@pytest.mark.parametrize(
    ("save", "arrays", "words"),
    [
        (np.save, A[0], ["shape (4,)", "(patterns, columns)"]),
        (np.save, A[None], ["shape (1, 5, 4)"]),
        (np.save, A[:0], ["shape (0, 4)"]),
        (np.save, A[:2], ["2 rows"]),
        (np.save, A.astype(str), ["type <U"]),
        (np.save, A.astype(complex), ["complex"]),
        (np.save, A.astype(object), ["numpy.save"]),
        (np.save, np.where(A[3, 1] == A, np.nan, A), ["pattern 4, column 'c2'", "counted from 1", "nan"]),
        (np.save, np.ones((5, 2)), ["target 'c2'", "one value"]),
        (np.savez, {"x": A, "t": A[:3]}, ["5 rows in x and 3 rows in t"]),
        (np.savez, {"x": A, "y": A}, ["arrays x, y", "wanted x and t"]),
        (np.savez, {"x": A, "t": A[None]}, ["shape (1, 5, 4)"]),
    ],
)
def test_broken_arrays(tmp_path, save, arrays, words):
    path = tmp_path / ("a.npz" if save is np.savez else "a.npy")
    save(path, **arrays) if isinstance(arrays, dict) else save(path, arrays)
    with pytest.raises(InputError) as error:
        read_table(path)
    for word in [*words, str(path)]:
        assert word in str(error.value)


def test_broken_arrays_name_the_columns_of_the_file(tmp_path):
    schema = read_table(saved(tmp_path / "a.npy", A), drop=[1]).schema
    with pytest.raises(InputError, match="pattern 4, column 'c2'"):
        read_inputs(saved(tmp_path / "b.npy", np.where(A[3, 1] == A, np.inf, A)), schema)
    np.savez(tmp_path / "c.npz", x=A, t=np.where(A[:, 0] == A[2, 0], np.nan, 1))
    with pytest.raises(InputError, match="pattern 3, column 'c5'"):
        read_table(tmp_path / "c.npz")


def saved(path, array):
    np.save(path, array)
    return path


def test_parts_that_are_no_arrays(tmp_path):
    """NumPy gives their bytes."""
    for names, read in ((("x", "t"), read_table), (("x_train", "y_train"), read_images)):
        np.savez(tmp_path / "a.npz", **dict.fromkeys(names[:1], np.ones((3, 4))))
        with zipfile.ZipFile(tmp_path / "a.npz", "a") as file:
            file.writestr(f"{names[1]}.npy", b"no array")
        with pytest.raises(InputError, match=f"a.npz .*its part '{names[1]}' is no array.*write it again"):
            read(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_damaged_arrays(tmp_path, name):
    np.savez(tmp_path / "whole.npz", A)
    np.save(tmp_path / "whole.npy", A)
    whole = (tmp_path / f"whole{name[1:]}").read_bytes()
    for content in (whole[: len(whole) // 2], b"not an array", b"\x93NUMPY"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="write it again"):
            read_table(tmp_path / name)
