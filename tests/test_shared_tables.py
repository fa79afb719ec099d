"""Ranks that share a file have together the table that one process reads, whatever the file and the number of ranks."""

from __future__ import annotations

import numpy as np
import pytest
from fake_ranks import on_comms
from hypothesis import given, settings
from hypothesis import strategies as st

import pwl
from pwl.data.preparation import Preparation
from pwl.data.shares import own_files, shared_text
from pwl.data.table import read_table
from pwl.errors import InputError

RANKS = (2, 3, 7)


def assert_shared(path, ranks, **options):
    """The parts of the ranks, one after the other, are the table of one process."""
    whole = read_table(path, **options)
    parts = on_comms(lambda comm: read_table(path, comm=comm, **options), ranks)
    for name in ("x", "t", "weights", "groups"):
        if getattr(whole, name) is not None:
            assert np.array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(whole, name)), name
    assert all(part.schema == whole.schema for part in parts)
    return parts


def lines(n, seed=0):
    rng = np.random.default_rng(seed)
    return [f"{a:.3f},{rng.choice(['red', 'blue', 'pink'])},{g},{w},{b:.2f}" for a, b, g, w in zip(
        rng.normal(size=n), rng.normal(size=n), rng.integers(0, 9, n), rng.integers(0, 3, n), strict=True)]  # fmt: skip


@pytest.mark.parametrize("ranks", RANKS)
def test_text_with_words_weights_and_groups(write, ranks):
    path = write("size,colour,street,weight,price\n" + "\n".join(lines(97)) + "\n")
    assert_shared(path, ranks, weights="weight", groups="street")
    assert_shared(path, ranks, targets="colour", drop="weight")


@pytest.mark.parametrize("ranks", RANKS)
def test_a_category_that_one_rank_alone_meets(write, ranks):
    rows = [f"{i},{'common' if i < 40 else 'rare'},{i % 7}" for i in range(41)]
    parts = assert_shared(write("a,b,c\n" + "\n".join(rows)), ranks)
    assert parts[0].input_names == ("a", "b=common", "b=rare")


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_the_last_line(write, ranks, end):
    assert_shared(write(end.join(["a,b", *(f"{i},{i * i}" for i in range(50))])), ranks)


CELLS = ["x", "two\nlines", 'a ""quote""', "three\n\nlines", "y,z"]


@given(st.lists(st.sampled_from(CELLS), min_size=8, max_size=40), st.integers(2, 6))
@settings(max_examples=30, deadline=None)
def test_quoted_cells_are_never_cut(tmp_path_factory, cells, ranks):
    path = tmp_path_factory.mktemp("quoted") / "q.csv"
    path.write_text("note,a,b\n" + "".join(f'"{cell}",{i},{i % 5}\n' for i, cell in enumerate(cells)))
    if len(set(cells)) > 1:
        assert_shared(path, ranks)


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_letters(tmp_path, ranks, encoding):
    path = tmp_path / "letters.csv"
    text = "größe,ort,preis\n" + "".join(f"{i},{'Köln' if i % 3 else 'Bonn'},{i % 4}\n" for i in range(60))
    path.write_bytes(text.encode(encoding))
    assert_shared(path, ranks)


def test_letters_of_two_encodings_on_two_ranks(tmp_path):
    path = tmp_path / "letters.csv"
    halves = ["a,b,c\n" + "1,Köln,2\n" * 30, "1,Nîmes,3\n" * 30]
    path.write_bytes(halves[0].encode("utf-8") + halves[1].encode("cp1252"))
    with pytest.raises(InputError, match="in UTF-8 and letters that are not"):
        on_comms(lambda comm: read_table(path, comm=comm), 2)


def test_a_fault_has_its_line(write):
    rows = [f"{i},{i % 5}" for i in range(40)]
    rows[33] = "oh,1"
    path = write("a,b\n" + "\n".join(rows))
    with pytest.raises(InputError, match="line 35, column 'a'"):
        on_comms(lambda comm: read_table(path, comm=comm), 3)


def test_files_that_differ_between_ranks(write):
    paths = [write(f"a,b\n1,{i}\n2,3\n4,5\n", f"{i}.csv") for i in range(2)]
    with pytest.raises(InputError, match="rank 1 came with another file"):
        on_comms(lambda comm: shared_text(paths[comm.rank], comm), 2)


@pytest.mark.parametrize("ranks", RANKS)
def test_arrays_by_rows(tmp_path, ranks):
    a = np.random.default_rng(0).normal(size=(61, 4))
    np.save(tmp_path / "a.npy", a)
    assert_shared(tmp_path / "a.npy", ranks, targets=[1])
    np.savez(tmp_path / "b.npz", x=a, t=(a[:, 0] > 0).astype(int))
    assert_shared(tmp_path / "b.npz", ranks, task="classification")


@pytest.mark.parametrize("ranks", RANKS)
def test_parquet_by_row_groups(tmp_path, ranks):
    pa = pytest.importorskip("pyarrow", reason="pyarrow is missing: pip install 'pwl[parquet]'")
    import pyarrow.parquet

    n = np.arange(50)
    table = pa.table({"a": n * 1.5, "b": ["x" if i % 3 else "y" for i in n], "t": n % 7})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet", row_group_size=9)
    parts = assert_shared(tmp_path / "a.parquet", ranks)
    assert all(len(part.x) % 9 == 0 or part is parts[-1] for part in parts)


@pytest.mark.parametrize("ranks", RANKS)
def test_folders_by_files(tmp_path, ranks):
    for i in range(5):
        (tmp_path / f"part{i}.csv").write_text("size,colour,street,weight,price\n" + "\n".join(lines(10 + 7 * i, i)) + "\n")
    parts = assert_shared(tmp_path, ranks, weights="weight")
    assert len(parts[0].x) + len(parts[1].x) > 0
    whole = np.concatenate([read_table(tmp_path / f"part{i}.csv", weights="weight").t for i in range(5)])
    assert np.array_equal(read_table(tmp_path, weights="weight").t, whole)


def test_a_folder_of_arrays(tmp_path):
    a = np.random.default_rng(0).normal(size=(30, 3))
    for i, part in enumerate(np.split(a, 3)):
        np.save(tmp_path / f"{i}.npy", part)
    table = read_table(tmp_path)
    assert np.array_equal(table.x, a[:, :2]) and np.array_equal(table.t[:, 0], a[:, 2])
    assert_shared(tmp_path, 2)


def test_folders_that_are_none(tmp_path):
    with pytest.raises(InputError, match="holds no files"):
        read_table(tmp_path)
    (tmp_path / "a.csv").write_text("a,b\n1,2\n3,4\n5,6\n")
    (tmp_path / "b.csv").write_text("a,c\n1,2\n3,4\n5,6\n")
    with pytest.raises(InputError, match="b.csv has the columns a, c, but the first file of the folder has a, b"):
        read_table(tmp_path)


def test_files_are_dealt_by_their_bytes(tmp_path):
    paths = [tmp_path / name for name in "abcd"]
    for path, size in zip(paths, (10, 10, 10, 30), strict=True):
        path.write_bytes(b"x" * size)
    assert [[path.name for path in part] for part in on_comms(lambda comm: own_files(paths, comm), 2)] == [["a", "b", "c"], ["d"]]


@pytest.mark.parametrize("inputs", ["standardise", "centre", "minmax", "common", "none", "decorrelate"])
@pytest.mark.parametrize("weighted", [False, True])
def test_preparations_are_alike(inputs, weighted):
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(50, 3)) * [1, 10, 0.1] + 5, rng.normal(size=(50, 2))
    w = rng.integers(0, 3, 50).astype(float) if weighted else None
    cuts = [slice(0, 0), slice(0, 20), slice(20, 50)]
    whole = Preparation.fit(x, t, inputs=inputs, weights=w)

    def fit(comm):
        own = cuts[comm.rank]
        return Preparation.fit(x[own], t[own], inputs=inputs, weights=None if w is None else w[own], comm=comm)

    for found in on_comms(fit, 3):
        assert np.allclose(found.transform_inputs(x), whole.transform_inputs(x), rtol=1e-12, atol=1e-12)
        assert np.allclose(found.targets.scale, whole.targets.scale, rtol=1e-12)


def test_classes_are_those_of_all_ranks():
    t = [np.array(["a", "b"]), np.array(["c", "a"])]
    for found in on_comms(lambda comm: pwl.Preparation.fit(np.ones((2, 1)), t[comm.rank], comm=comm), 2):
        assert found.classes == ("a", "b", "c")
