"""Sets of images: their files, damage, downloads and checksums."""

import gzip
import hashlib
import io
import os
import pickle
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from test_data import idx, put

import pwl.data.images as images
from pwl.data import catalogue, load
from pwl.data.sets import DATA_SETS, File
from pwl.errors import InputError


def test_idx_files(home):
    pictures = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    labels = np.array([3, 1, 4, 1, 5], dtype=np.uint8)
    image_path = put(home / "mnist" / "train-images-idx3-ubyte.gz", idx(pictures))
    label_path = put(home / "mnist" / "train-labels-idx1-ubyte.gz", idx(labels))
    x, t = load("mnist")
    assert x.dtype == np.uint8
    assert t.dtype == np.int64
    assert t.tolist() == [3, 1, 4, 1, 5]
    np.testing.assert_array_equal(x, pictures[..., None])
    whole = image_path.read_bytes()
    for content, reason in [
        (whole[:-20], "gzip"),
        (b"<html>", "gzip"),
        (idx(labels), "00000801"),
        (idx(pictures[:, :9]), r"shape \(5, 9, 28\)"),
        (gzip.compress(gzip.decompress(whole)[:-1]), "3919 bytes of data, wanted 3920"),
        (gzip.compress(gzip.decompress(whole)[:9]), "shape"),
        (whole[:40] + bytes([whole[40] ^ 255]) + whole[41:], "gzip"),
    ]:
        put(image_path, content)
        with pytest.raises(InputError, match=f"train-images-idx3-ubyte.gz is damaged.*{reason}"):
            load("mnist")
    put(image_path, whole)
    put(label_path, idx(labels[:4]))
    with pytest.raises(InputError, match=r"5 images.*4 labels"):
        load("mnist")


@pytest.fixture
def tiny_cifar(monkeypatch):
    """CIFAR-10 with three images a batch, and no checksums."""
    monkeypatch.setattr(images, "BATCH", 3)
    tiny = replace(
        DATA_SETS["cifar-10"],
        train=tuple(replace(file, md5=None, bytes=3 * 3073) for file in DATA_SETS["cifar-10"].train),
        test=tuple(replace(file, bytes=3 * 3073) for file in DATA_SETS["cifar-10"].test),
    )
    monkeypatch.setitem(DATA_SETS, "cifar-10", tiny)
    rng = np.random.default_rng(0)
    return [
        np.column_stack([rng.integers(0, 10, 3), rng.integers(0, 256, (3, 3072))]).astype(np.uint8) for _ in range(5)
    ]


def test_cifar_binary_and_python_versions_agree(home, tiny_cifar):
    for i, rows in enumerate(tiny_cifar, start=1):
        put(home / "cifar-10-batches-bin" / f"data_batch_{i}.bin", rows.tobytes())
    x, t = load("cifar-10")
    assert x.shape == (15, 32, 32, 3)
    assert x.dtype == np.uint8
    assert t.dtype == np.int64
    assert t.tolist() == [label for rows in tiny_cifar for label in rows[:, 0].tolist()]
    assert x[4, 2, 5, 1] == tiny_cifar[1][1, 1 + 1024 + 2 * 32 + 5]  # the green plane, row 2, column 5
    for i, rows in enumerate(tiny_cifar, start=1):
        batch = {b"data": np.ascontiguousarray(rows[:, 1:]), b"labels": rows[:, 0].tolist()}
        put(
            home / "cifar-10-batches-py" / f"data_batch_{i}",
            pickle.dumps(batch, protocol=2).replace(b"numpy._core", b"numpy.core"),
        )
        (home / "cifar-10-batches-bin" / f"data_batch_{i}.bin").unlink()
    np.testing.assert_array_equal(load("cifar-10")[0], x)
    assert {row.name: row.present for row in catalogue()}["cifar-10"]


def test_damaged_cifar(home, tiny_cifar):
    path = home / "cifar-10-batches-bin" / "test_batch.bin"
    put(path, tiny_cifar[0].tobytes()[:-1])
    with pytest.raises(InputError, match=r"test_batch.bin is damaged: it has 9218 bytes, wanted 9219.*cs.toronto.edu"):
        load("cifar-10", part="test")
    put(path, bytes([11]) + tiny_cifar[0].tobytes()[1:])
    with pytest.raises(InputError, match="label 11"):
        load("cifar-10", part="test")
    put(path, tiny_cifar[0].tobytes())
    digest = hashlib.md5(b"another file").hexdigest()
    with pytest.MonkeyPatch.context() as patch:
        files = (replace(DATA_SETS["cifar-10"].test[0], md5=digest),)
        patch.setitem(DATA_SETS, "cifar-10", replace(DATA_SETS["cifar-10"], test=files))
        with pytest.raises(InputError, match=f"md5 is .* wanted {digest}"):
            load("cifar-10", part="test")


class Evil:
    def __reduce__(self):
        return os.mkdir, ("evil",)


def test_a_pickle_cannot_run_code(home, tiny_cifar, monkeypatch):
    monkeypatch.chdir(home)
    for content in (
        pickle.dumps({b"data": Evil(), b"labels": [1]}),
        pickle.dumps({b"data": 1, b"labels": [1]}),
        b"\x80",
    ):
        put(home / "cifar-10-batches-py" / "test_batch", content)
        with pytest.raises(InputError, match="test_batch is damaged"):
            load("cifar-10", part="test")
    assert not (home / "evil").exists()


# Downloads


def served_mnist(monkeypatch, address, hashes):
    files = tuple(
        replace(file, url=address + file.path.rsplit("/")[-1], known_hash=known)
        for file, known in zip(DATA_SETS["mnist"].train, hashes, strict=True)
    )
    monkeypatch.setitem(DATA_SETS, "mnist", replace(DATA_SETS["mnist"], train=files))


def test_download_with_checksum(home, server, monkeypatch):
    folder, address = server
    contents = idx(np.zeros((2, 28, 28), np.uint8)), idx(np.array([1, 2], np.uint8))
    for file, content in zip(DATA_SETS["mnist"].train, contents, strict=True):
        put(folder / file.path.rsplit("/")[-1], content)
    sums = [f"md5:{hashlib.md5(content).hexdigest()}" for content in contents]
    served_mnist(monkeypatch, address, [sums[0], sums[0]])
    with pytest.raises(InputError, match=r"train-labels.* could not be downloaded .*hash"):
        load("mnist")
    assert not (home / "mnist" / "train-labels-idx1-ubyte.gz").exists()
    served_mnist(monkeypatch, address, sums)
    assert load("mnist")[1].tolist() == [1, 2]


def test_download_of_an_archive(home, server, tiny_cifar, monkeypatch):
    folder, address = server
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, rows in (
            ("test_batch", tiny_cifar[0]),
            *((f"data_batch_{i + 1}", r) for i, r in enumerate(tiny_cifar)),
        ):
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            member.size = rows.nbytes
            tar.addfile(member, io.BytesIO(rows.tobytes()))
    put(folder / "cifar.tar.gz", buffer.getvalue())
    known = f"sha256:{hashlib.sha256(buffer.getvalue()).hexdigest()}"

    def served(file: File) -> File:
        return replace(file, url=address + "cifar.tar.gz", known_hash=known)

    tiny = DATA_SETS["cifar-10"]
    patched = replace(tiny, train=tuple(map(served, tiny.train)), test=tuple(map(served, tiny.test)))
    monkeypatch.setitem(DATA_SETS, "cifar-10", patched)
    assert load("cifar-10", part="test")[1].tolist() == tiny_cifar[0][:, 0].tolist()
    (folder / "cifar.tar.gz").unlink()  # the archive is kept: the other batches need no second download
    assert load("cifar-10")[0].shape == (15, 32, 32, 3)


def test_offline_gives_one_clear_error(home, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    served_mnist(monkeypatch, "http://127.0.0.1:9/", ["md5:0", "md5:0"])
    with pytest.raises(InputError) as error:
        load("mnist")
    path = home / "mnist" / "train-images-idx3-ubyte.gz"
    assert all(word in str(error.value) for word in (str(path), "ConnectionError", "http://127.0.0.1:9/train-images"))
    assert len(str(error.value)) < 600
    assert not path.exists()
