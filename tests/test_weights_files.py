"""Files of weights that are hostile, damaged, or of another kind: a sentence says what came, and no small file fills the memory."""

from __future__ import annotations

import gzip
import io
import json
import os
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

import pwl
from pwl.files.torch_file import read_torch
from pwl.files.weights import HEADER, read_weights
from pwl.models import load_pretrained
from tests.test_torch_files import NUMBERS, archive, tensor

pytestmark = pytest.mark.usefixtures("empty_folder")
ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def safetensors(header, numbers=b""):
    """A file by hand: the length of its header, the header, and the numbers."""
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(header).to_bytes(8, "little") + header + numbers


def zipped(members, method=zipfile.ZIP_STORED):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as file:
        for name, part in members:
            file.writestr(name, part)
    return content.getvalue()


def saved(a):
    content = io.BytesIO()
    np.save(content, a)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "damaged, because it is empty"),
        (b"\x00" * 40, "neither safetensors nor .npz nor by torch.save"),
        (gzip.compress(zipped([("a.npy", saved(NUMBERS))])), "compressed by gzip: unpack it first"),
        (saved(NUMBERS), "one array without a name.*numpy.savez"),
        (b"\x89HDF\r\n\x1a\n" + bytes(40), "in HDF5.*h5py"),
        (b"GGUF\x03\x00\x00\x00" + bytes(40), "in GGUF"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "a pointer of Git LFS.*git lfs pull"),
        (b"\n<!DOCTYPE html><html>", "in HTML or XML"),
        (b'{\n "weight_map": {}}', "in JSON, such as the index of weights in several files"),
        (b'12345678{"a": 1}', "damaged or not in safetensors: its header would have"),
        (safetensors({}), "holds no arrays"),
        (safetensors({"__metadata__": {"format": "pt"}}), "holds no arrays"),
        (safetensors(b"{" + b" " * HEADER + b"}"), f"a header at most {HEADER}"),
        (safetensors(b"{words}"), "damaged"),
        (safetensors({"a": ENTRY, "b": ENTRY | {"data_offsets": [4, 12]}}, bytes(12)), "damaged.*invalid offset"),
        (safetensors({"a": ENTRY, "b": ENTRY | {"data_offsets": [12, 20]}}, bytes(20)), "damaged.*invalid offset"),
        (safetensors({"a": ENTRY}, bytes(7)), "damaged"),
        (safetensors({"a": ENTRY}, bytes(9)), "damaged"),
        (safetensors({"a": ENTRY | {"shape": [2**62, 4]}}, bytes(8)), "damaged.*overflow"),
        (safetensors({"a": ENTRY | {"shape": [1] * 99 + [2]}}, bytes(8)), "damaged"),
        (zipped([]), "holds no arrays"),
        (zipped([("a.npy", b"words")]), "its part 'a' is no array"),
        (zipped([("letter.txt", b"none"), ("b", b"")]), "holds no data.pkl as torch.save writes it, but letter.txt, b"),
        (zipped([("a.npy", saved(NUMBERS))])[:-20], "damaged.*not a zip file"),
    ],
)
def test_other_files_are_said(content, said):
    Path("w").write_bytes(content)
    with pytest.raises(pwl.InputError, match=f"^w .*{said}"):
        read_weights(Path("w"))


def test_archives_with_flipped_bytes():
    """What is compressed, encrypted or no header any more raises other kinds of exceptions than a wrong archive does."""
    content = io.BytesIO()
    np.savez_compressed(content, a=np.arange(9.0), b=np.ones((2, 2)))
    whole = {"npz": content.getvalue(), "pth": archive(tensor(), {"0": NUMBERS.tobytes()}).read_bytes()}
    for name, content in whole.items():
        for place in range(len(content)):
            for flip in (1, 255):
                Path(name).write_bytes(content[:place] + bytes([content[place] ^ flip]) + content[place + 1 :])
                try:
                    found = read_weights(Path(name))
                except pwl.InputError:
                    continue
                assert all(isinstance(a, np.ndarray) for a in found.values())


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_parts_of_one_name_are_refused():
    Path("w").write_bytes(zipped([("a.npy", saved(NUMBERS)), ("a.npy", saved(2 * NUMBERS))]))
    with pytest.raises(pwl.InputError, match="several parts of one name"):
        read_weights(Path("w"))


def test_archives_that_would_fill_the_memory_are_refused():
    with zipfile.ZipFile("w", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file, file.open("a.npy", "w") as part:
        for _ in range(300):
            part.write(bytes(1 << 20))
    with pytest.raises(pwl.InputError, match="would unpack to 314572800 bytes, over 100 times its own size"):
        read_weights(Path("w"))
    np.savez_compressed("b.npz", a=np.zeros(10**6))
    assert read_weights(Path("b.npz"))["a"].shape == (10**6,), "a small one may be as regular as it likes"


def test_numbers_of_safetensors_stay_in_the_file_until_they_are_used():
    size = 4 << 20
    entry = {"dtype": "F32", "shape": [size], "data_offsets": [0, 4 * size]}
    Path("w").write_bytes(safetensors({"a": entry}, np.arange(size, dtype="<f4").tobytes()))
    tracemalloc.start()
    a = read_weights(Path("w"))["a"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size and a[3] == 3 and a[-1] == size - 1


def test_a_network_does_not_change_with_the_file_of_its_weights():
    from safetensors.numpy import save_file

    layers = [pwl.layers.Conv2d(1, 1, bias=False), pwl.layers.BatchNorm2d(), pwl.layers.Flatten(), pwl.layers.Dense(2)]
    start = pwl.Network.from_layers(layers, (1, 1, 1), dtype=np.float32)
    shapes = {"a.weight": (1, 1, 1, 1), "c.weight": (2, 1), "c.bias": (2,)}
    shapes |= {f"b.{word}": (1,) for word in ("weight", "bias", "running_mean", "running_var")}
    save_file({name: np.full(shape, 2, np.float32) for name, shape in shapes.items()}, "w")
    net = load_pretrained(start, "w", names=["a", "b", "c"])
    with open("w", "r+b") as file:
        file.write(bytes(Path("w").stat().st_size))
    assert np.all(net.theta == 2) and all(np.all(a == 2) for a in net.buffers.values())


def test_tensors_that_repeat_a_storage_in_bfloat16_take_no_memory():
    """Each of 50 tensors has a million numbers, all of one storage of six."""
    brain = (NUMBERS.view(np.uint32) >> 16).astype("<u2").tobytes()
    one = tensor(kind="BFloat16Storage", shape=(1000, 1000), strides=(0, 0))[
        3:-2
    ]  # key and value, without { before and s. after
    path = archive(
        b"\x80\x02}(" + b"".join(one.replace(b"w", b"%c" % n, 1) for n in range(40, 90)) + b"u.", {"0": brain}
    )
    tracemalloc.start()
    found = read_torch(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 50 and all(a.shape == (1000, 1000) and a.dtype == np.float32 for a in found.values())
    assert peak < 10**6


NESTED = b")" + b"\x85" * 3 * 10**5  # twice what ends Python where hash() goes down to it: ((((...),),),), which Python can't hash


@pytest.mark.parametrize(
    ("pickled", "said"),
    [
        (b"}" + NESTED + b"K\x01s.", "a key that is neither a text nor a number, but tuple"),
        (b"ccollections\nOrderedDict\n]]" + NESTED + b"aK\x01aa\x85R.", "a key that is neither a text nor a number"),
        (
            b"ccollections\nOrderedDict\n(K\x01K\x02\x86t\x85R.",
            "damaged",
        ),  # a tuple, which could be copied over and over
        (b"ctorch\nSize\n(" + b"K\x01" * 65 + b"t\x85R.", "a shape has 65 axes"),
        (b"X\x01\x00\x00\x00a)\x93.", "a name is not a text"),
        (tensor(shape=65 * (1,), strides=65 * (1,))[2:], "a tensor has 65 axes"),
    ],
)
def test_pickles_that_would_end_python_or_fill_its_memory(pickled, said):
    with pytest.raises(pwl.InputError, match=said):
        read_torch(archive(b"\x80\x02" + pickled, {"0": NUMBERS.tobytes()}))


def test_dictionaries_in_the_form_of_python_2():
    """It gives OrderedDict a list of lists of two. Keys may be tuples of plain values."""
    pairs = b"ccollections\nOrderedDict\n](](X\x01\x00\x00\x00wK\x01e](K\x02K\x03\x86K\x02ee\x85R"
    whole = b"\x80\x02}(X\x01\x00\x00\x00k" + pairs + tensor()[3:-2] + b"u."
    assert np.array_equal(read_torch(archive(whole, {"0": NUMBERS.tobytes()}))["w"], NUMBERS.reshape(2, 3))


def test_parts_of_an_archive_that_overlap():
    """The directory of the archive says that data.pkl goes on to the end of the file, over the storages behind it."""
    path = archive(tensor(), {str(n): bytes(1000) for n in range(3)})
    content = bytearray(path.read_bytes())
    at = content.index(b"a/data/1", content.index(b"PK\x01\x02")) - 46
    content[at + 20 : at + 28] = (2000).to_bytes(4, "little") * 2
    path.write_bytes(content)
    with pytest.raises(pwl.InputError, match="its parts overlap"):
        read_torch(path)


def plain():
    """A network of two dense layers, and weights for it that are all 1."""
    net = pwl.Network.from_layers([pwl.layers.Dense(3), "relu", pwl.layers.Dense(2)], (2,), dtype=np.float32)
    shapes = {"a.weight": (3, 2), "a.bias": (3,), "b.weight": (2, 3), "b.bias": (2,)}
    return net, {name: np.ones(shape, np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({3: np.ones(2)}, "names of arrays must be texts.*not 3"),
        ({"b.bias": [[1], [1, 2]]}, "b.bias can't be made an array"),
        ({"b.bias": np.array([1e300, 1])}, r"b.bias holds 1e\+300, which is too large for float32: use.*float64"),
        ({"\x1b[2J": np.ones(2)}, r"'\\x1b\[2J' has no place"),
    ],
)
def test_arrays_that_do_not_do(change, said):
    net, arrays = plain()
    with pytest.raises(pwl.InputError, match=said):
        load_pretrained(net, arrays | change, names=["a", "b"])


def test_negative_variances_are_refused():
    net = pwl.Network.from_layers(
        [pwl.layers.Conv2d(1, 1, bias=False), pwl.layers.BatchNorm2d(), pwl.layers.Flatten(), pwl.layers.Dense(2)],
        (1, 1, 1),
    )
    ones = {
        "b.weight": np.ones(1),
        "b.bias": np.ones(1),
        "b.running_mean": np.ones(1),
        "b.running_var": np.full(1, -1.0),
    }
    arrays = ones | {"a.weight": np.ones((1, 1, 1, 1)), "c.weight": np.ones((2, 1)), "c.bias": np.ones(2)}
    with pytest.raises(pwl.InputError, match="b.running_var holds negative variances"):
        load_pretrained(net, arrays, names=["a", "b", "c"])


def test_a_source_of_which_nothing_fits_is_refused():
    """partial=True leaves out what does not fit, but a network without any of the weights is none that was wanted."""
    net, arrays = plain()
    with pytest.raises(
        pwl.InputError, match="no layer of the source fits.* wants x.weight, x.bias.* but a.weight, .* came"
    ):
        load_pretrained(net, arrays, names=["x", "y"], partial=True)


def test_sources_that_are_no_files():
    net, _ = plain()
    os.mkfifo("pipe")
    Path("folder").mkdir()
    for source, said in (
        ("pipe", "a pipe or a device"), ("/dev/null", "a pipe or a device"), ("folder", "a folder"), ("none", "not there"),
        ("a" * 5000, "not there"), ("a\0b", "not there"),
    ):  # fmt: skip
        with pytest.raises(pwl.InputError, match=said):
            load_pretrained(net, source, names=["a", "b"])


def test_a_model_of_pytorch_is_asked_for_its_arrays():
    torch = pytest.importorskip("torch", reason="PyTorch makes the model")
    net, arrays = plain()
    with pytest.raises(pwl.InputError, match=r"not Linear: give its state_dict\(\)"):
        load_pretrained(net, torch.nn.Linear(2, 2), names=["a", "b"])
    with pytest.raises(pwl.InputError, match="b.bias can't be made an array.*to_dense"):
        load_pretrained(net, arrays | {"b.bias": torch.ones(2).to_sparse()}, names=["a", "b"])
