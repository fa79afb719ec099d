"""Files that torch.save wrote, without PyTorch: what they hold, and hostile, damaged and foreign ones, of which nothing is run."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

import pwl
from pwl.files.torch_file import read_torch

pytestmark = pytest.mark.usefixtures("empty_folder")


def archive(pickled, storages=(), method=zipfile.ZIP_STORED, order=b"little"):
    """A file as torch.save writes it: a pickle and a member for each storage."""
    path = Path("a.pth")
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("a/data.pkl", pickled)
        file.writestr("a/byteorder", order)
        for name, content in dict(storages).items():
            file.writestr(f"a/data/{name}", content)
    return path


def tensor(count=6, offset=0, shape=(2, 3), strides=(3, 1), kind="FloatStorage", name="0"):
    """The pickle of {"w": tensor}, by hand."""

    def numbers(values):
        return b"(" + b"".join(b"J" + int(v).to_bytes(4, "little", signed=True) for v in values) + b"t"

    def text(word):
        return b"X" + len(word).to_bytes(4, "little") + word.encode()

    storage = (
        b"("
        + text("storage")
        + f"ctorch\n{kind}\n".encode()
        + text(name)
        + text("cpu")
        + numbers([count])[1:-1]
        + b"tQ"
    )
    view = (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + numbers([offset])[1:-1] + numbers(shape) + numbers(strides)
    )
    return b"\x80\x02}" + text("w") + view + b"\x89ccollections\nOrderedDict\n)RtRs."


NUMBERS = np.arange(6, dtype=np.float32)


def test_a_tensor_by_hand():
    assert np.array_equal(read_torch(archive(tensor(), {"0": NUMBERS.tobytes()}))["w"], [[0, 1, 2], [3, 4, 5]])
    turned = tensor(offset=1, shape=(2, 2), strides=(1, 2))
    assert np.array_equal(read_torch(archive(turned, {"0": NUMBERS.tobytes()}))["w"], [[1, 3], [2, 4]])
    repeated = tensor(shape=(4, 6), strides=(0, 1))
    assert read_torch(archive(repeated, {"0": NUMBERS.tobytes()}))["w"].tolist() == 4 * [NUMBERS.tolist()]
    big = archive(tensor(), {"0": NUMBERS.astype(">f4").tobytes()}, order=b"big")
    assert np.array_equal(read_torch(big)["w"], [[0, 1, 2], [3, 4, 5]])
    brain = (NUMBERS.view(np.uint32) >> 16).astype("<u2").tobytes()
    assert np.array_equal(
        read_torch(archive(tensor(kind="BFloat16Storage"), {"0": brain}))["w"], [[0, 1, 2], [3, 4, 5]]
    )
    assert read_torch(archive(tensor(shape=(0, 3)), {"0": NUMBERS.tobytes()}))["w"].shape == (0, 3)


class Ran:
    """Would leave a mark if a pickle of it were run."""

    def __reduce__(self):
        return Path.touch, (Path("ran"),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_no_pickle_is_run(protocol):
    hostile = pickle.dumps({"w": Ran()}, protocol)
    for path in (archive(hostile), Path("row.pth")):
        if path.name == "row.pth":
            path.write_bytes(hostile)
        with pytest.raises(pwl.InputError, match=r"refers to|instruction|not written by torch.save"):
            read_torch(path)
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("pickled", "said"),
    [
        (b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00echo\x85R.", "refers to 'os.system'"),
        (b"\x80\x02cbuiltins\neval\n.", "refers to 'builtins.eval'"),
        (b"\x80\x02ctorch\nFloatStorage\n)R.", "calls something"),
        (b"\x80\x02X\x01\x00\x00\x00a)R.", "calls something"),
        (b"\x80\x02ccollections\nOrderedDict\n)\x81.", "the instruction NEWOBJ"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "refers to 'os.system'.*nothing of it was run"),
        (b"\x80\x02]}b.", "not a plain container"),
        (b"\x80\x02K\x01Q.", "damaged"),
        (b"\x80\x02r\xff\xff\xff\x7f.", "damaged"),  # a place in the memory of the machine that would be large
        (b"\x80\x02X\xff\xff\xff\x7fa.", "damaged"),
        (b"\x80\x02]]s.", "damaged"),
        (b"\x80\x02}(K\x01u.", "damaged"),
        (b"\x80\x02t.", "damaged"),
        (b"\x80\x02", "damaged"),
        (b"", "damaged"),
        (b"\x80\x02}.", "no tensors with names"),
        (b"\x80\x02].", "no tensors with names"),
        (tensor(kind="QInt8Storage"), "refers to 'torch.QInt8Storage'"),
        (tensor(count=7), "damaged"),
        (tensor(shape=(2, 4), strides=(3, 1)), "damaged"),
        (tensor(shape=(2, 3), strides=(4, 1)), "damaged"),
        (tensor(shape=(2000000000, 2000000000), strides=(0, 0)), "a tensor of 4000000000000000000 numbers repeats a storage of 6"),
        (tensor(shape=(1024, 1025), strides=(0, 0)), "of 1049600 numbers repeats a storage of 6, and at most 1048576 are taken"),
        (tensor(offset=-1), "damaged"),
        (tensor(offset=1), "damaged"),
        (tensor(strides=(-3, 1)), "damaged"),
        (tensor(name="1"), "damaged"),
        (tensor(name="../0"), "damaged"),
    ],
)
def test_hostile_pickles_are_said(pickled, said):
    with pytest.raises(pwl.InputError, match=said):
        read_torch(archive(pickled, {"0": NUMBERS.tobytes()}))


def test_a_small_file_cannot_become_a_large_one():
    with pytest.raises(pwl.InputError, match="compressed"):
        read_torch(archive(tensor(), {"0": NUMBERS.tobytes()}, zipfile.ZIP_DEFLATED))


def test_foreign_files_are_said():
    for name, content in (("a.pth", b""), ("b.pth", b"\x89PNG\r\n"), ("c.pth", b"\x80\x02K\x01.")):
        Path(name).write_bytes(content)
        with pytest.raises(pwl.InputError, match=r"not written by torch.save|is not taken"):
            read_torch(Path(name))
    with zipfile.ZipFile("d.pth", "w") as file:
        file.writestr("other", b"")
    with pytest.raises(pwl.InputError, match=r"holds no data.pkl"):
        read_torch(Path("d.pth"))
    with pytest.raises(pwl.InputError, match="not written by torch.save"):
        read_torch(Path("folder").parent)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("new", [True, False])
def test_files_of_every_protocol_of_pickle(new, protocol):
    torch = pytest.importorskip("torch", reason="PyTorch writes the files")
    state = torch.nn.Linear(2, 3).state_dict()
    beside = {"epoch": 3, "size": torch.Size([2, 3]), "names": ("a", [1, 2.5, None, True, -7, 10**12, 2**80]), "raw": {"k": {}}}
    torch.save({"state_dict": state} | beside, "a.pth", pickle_protocol=protocol, _use_new_zipfile_serialization=new)
    found = read_torch(Path("a.pth"))
    assert list(found) == ["weight", "bias"] and all(np.array_equal(found[key], state[key].numpy()) for key in found)
    torch.save({"w": Ran()}, "b.pth", pickle_protocol=protocol, _use_new_zipfile_serialization=new)
    with pytest.raises(pwl.InputError, match="nothing of it was run"):
        read_torch(Path("b.pth"))


@pytest.mark.parametrize("new", [True, False])
def test_files_that_pytorch_writes_whole_and_cut_short(new):
    torch = pytest.importorskip("torch", reason="PyTorch writes the files")
    torch.manual_seed(0)
    state = {
        "w": torch.randn(2, 3), "b": nn_parameter(torch), "n": torch.tensor(3), "half": torch.randn(4, 4).half()[::2].t(),
        "brain": torch.randn(3, 2).bfloat16(), "none": torch.zeros(0, 3), "truth": torch.tensor([True, False]),
        "double": torch.randn(2).double(), "repeated": torch.randn(3, 1).expand(3, 5), "epoch": 3,
        "names": ["a", (1, 2.5, None, True)],
    }  # fmt: skip
    torch.save(state, "whole.pth", _use_new_zipfile_serialization=new)
    found = read_torch(Path("whole.pth"))
    assert list(found) == [key for key, value in state.items() if isinstance(value, torch.Tensor)]
    for key, a in found.items():
        assert np.array_equal(
            a, state[key].detach().float().numpy() if key == "brain" else state[key].detach().numpy()
        ), key
    content = Path("whole.pth").read_bytes()
    for length in range(0, len(content) - 1, max(1, len(content) // 60)):
        Path("cut.pth").write_bytes(content[:length])
        with pytest.raises(pwl.InputError):
            read_torch(Path("cut.pth"))
    torch.save(torch.nn.Linear(2, 3), "module.pth", _use_new_zipfile_serialization=new)
    with pytest.raises(pwl.InputError, match=r"refers to 'torch.nn.modules.linear.Linear'.*save model.float\(\).state_dict"):
        read_torch(Path("module.pth"))


def nn_parameter(torch):
    return torch.nn.Parameter(torch.zeros(2))
