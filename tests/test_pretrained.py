"""VGG11, ResNet18 and weights of PyTorch's models: the same outputs as PyTorch, from files with checksums."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

import pwl
from pwl.layers import BatchNorm2d, Conv2d, Dense, Flatten, GlobalAvgPool2d, MaxPool2d, Pad2d
from pwl.models import load_pretrained, resnet18, vgg11

pytestmark = pytest.mark.usefixtures("empty_folder")


def small():
    """A convolution, its normalisation and a dense layer after Flatten, and weights by PyTorch's names."""
    net = pwl.Network.from_layers(
        [Conv2d(3, (2, 1), bias=False), BatchNorm2d(), "relu", Flatten(), Dense(2)], (3, 2, 1), dtype=np.float64
    )
    rng = np.random.default_rng(0)
    shapes = {"c.weight": (3, 1, 2, 1), "n.weight": (3,), "n.bias": (3,), "n.running_mean": (3,), "n.running_var": (3,),
              "f.weight": (2, 12), "f.bias": (2,)}  # fmt: skip
    return net, {name: rng.uniform(0.5, 1.5, shape) for name, shape in shapes.items()}


NAMES = ["c", "n", "f"]


def test_weights_by_hand():
    """A convolution and a dense layer on channels first, in plain sums."""
    net, a = small()
    x = np.random.default_rng(1).normal(size=(4, 3, 2, 1))
    n = np.einsum("pijc,fca->pfija", x, a["c.weight"][:, :, :, 0])
    n = n[:, :, :-1, :, 0] + n[:, :, 1:, :, 1]  # (patterns, filters, 2, 2)
    scale = a["n.weight"] / np.sqrt(a["n.running_var"] + 1e-5)
    o = np.maximum(0, (n - a["n.running_mean"][:, None, None]) * scale[:, None, None] + a["n.bias"][:, None, None])
    y = o.reshape(4, -1) @ a["f.weight"].T + a["f.bias"]
    loaded = load_pretrained(net, a, names=NAMES)
    p = np.exp(y) / np.exp(y).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(loaded.predict_proba(x), p, rtol=1e-12)


def test_files_and_their_checksums():
    net, a = small()
    from safetensors.numpy import save_file

    save_file(a, "w.safetensors")
    np.savez("w.npz", **a)
    wanted = load_pretrained(net, a, names=NAMES).theta
    for path in ("w.safetensors", Path("w.npz")):
        sha = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        assert np.array_equal(load_pretrained(net, path, names=NAMES, sha256=sha.upper()).theta, wanted)
        with pytest.raises(pwl.InputError, match=f"has the checksum {sha}"):
            load_pretrained(net, path, names=NAMES, sha256="0" * 64)


def test_another_number_of_classes_keeps_the_outputs():
    net, a = small()
    other = pwl.Network.from_layers([*net.layers, Dense(5)], (3, 2, 1), dtype=np.float64)
    loaded = load_pretrained(other, a, names=NAMES)
    assert np.array_equal(loaded.W_o, other.W_o)
    assert np.array_equal(loaded.parts["0.W"], load_pretrained(net, a, names=NAMES).parts["0.W"])
    x, t = np.random.default_rng(0).normal(size=(40, 3, 2, 1)), np.arange(40) % 5
    tuned, record = pwl.finetune(loaded, (x, t), pwl.Adam(), frozen=3, iterations=2)
    assert tuned.n_outputs == 5 and record.iterations == 2
    assert np.array_equal(tuned.parts["0.W"], loaded.parts["0.W"])


def test_what_does_not_fit_is_named():
    net, a = small()
    del a["n.running_var"]
    a["c.weight"], a["more.weight"] = a["c.weight"][:, :, :1], np.zeros(3)
    a["n.num_batches_tracked"] = np.zeros(())
    said = (
        r"c.weight has the shape \(3, 1, 1, 1\), wanted \(3, 1, 2, 1\); n.running_var is missing; "
        r"more.weight has no place in the network"
    )
    with pytest.raises(pwl.InputError, match=said + ". partial=True, or --partial, takes the layers that fit"):
        load_pretrained(net, a, names=NAMES)
    with pytest.warns(UserWarning, match=f"layers 0, 1 keep their own weights .{said}"):
        loaded = load_pretrained(net, a, names=NAMES, partial=True)
    assert np.array_equal(loaded.parts["1.W"], net.parts["1.W"]) and not np.array_equal(loaded.W_o, net.W_o)


def test_a_message_names_a_few_arrays():
    net, a = small()
    with pytest.raises(pwl.InputError, match="e5 has no place in the network; and 14 more"):
        load_pretrained(net, a | {f"e{i}": np.zeros(1) for i in range(20)}, names=NAMES)


def test_what_cannot_be_loaded_is_said():
    net, a = small()
    Path("w.pth").write_bytes(b"x")
    Path("w.npz").write_bytes(b"x")
    Path("w.txt").write_bytes(b"x")
    Path("w.safetensors").write_bytes(b"x")
    cases = [
        (lambda: load_pretrained(net, a), "neither vgg11 nor resnet18"),
        (lambda: load_pretrained(net, a, names=["c", "f"]), "2 names came, but the network has 2 layers"),
        (lambda: load_pretrained(net, a, names=True), "names must be a list of texts"),
        (lambda: load_pretrained(net, a, names=[1, 2, 3]), "names must be a list of texts"),
        (lambda: load_pretrained(net, a, names=NAMES, partial=1), "partial must be True or False"),
        (lambda: vgg11(input_shape=np.ma.masked_array([32, 32, 1], [0, 0, 1])), "input_shape must be sizes"),
        (lambda: load_pretrained(net, "no.npz", names=NAMES), "nothing is downloaded"),
        (lambda: load_pretrained(net, "w.pth", names=NAMES), "w.pth is neither safetensors nor .npz nor by torch.save"),
        (lambda: load_pretrained(net, "w.txt", names=NAMES), "w.txt is neither safetensors nor .npz nor by torch.save"),
        (lambda: resnet18(stages=5), "from 1 to 4"),
        (lambda: vgg11(pooled=0, input_shape=(32, 32, 3)), "AdaptiveAvgPool2d's size"),
        (lambda: load_pretrained(net, "w.npz", names=NAMES), "w.npz is neither safetensors nor .npz nor by torch.save"),
        (lambda: load_pretrained(net, "w.safetensors", names=NAMES), "w.safetensors is neither"),
        (lambda: load_pretrained(net, a, names=NAMES, sha256="0"), "leave it out"),
        (lambda: load_pretrained(net, 3, names=NAMES), "path"),
        (lambda: load_pretrained(pwl.Network.mlp(2, 3, 1), a, names=["c", "f"]), "bypass=False"),
    ]
    for call, said in cases:
        with pytest.raises(pwl.InputError, match=said):
            call()


def test_sizes_are_torchvisions():
    """Numbers of parameters as torchvision counts them, by the layout alone where the network would be large."""
    assert resnet18(input_shape=(32, 32, 3)).n_parameters == 11_689_512
    assert resnet18(input_shape=(32, 32, 3), stages=3).n_parameters == 11_689_512 - 8_393_728 - 256 * 1000  # without layer4
    net = vgg11(input_shape=(32, 32, 3), pooled=None, units=8, n_classes=10)
    convolutions = sum(
        s.stop - s.start for s in net.layout.slots if s.kind == "map" and len(net.layout.shapes[s.layer]) == 3
    )
    assert convolutions == 9_220_480
    assert net.layout.shapes[-7] == (512,) and net.initialised
    assert vgg11(input_shape=(32, 32, 3), units=8, n_classes=10).layout.shapes[-7] == (25_088,)
    normalised = vgg11(input_shape=(32, 32, 3), units=8, n_classes=10, batch_norm=True)
    assert normalised.n_parameters - vgg11(input_shape=(32, 32, 3), units=8, n_classes=10).n_parameters == 2 * 2752


def test_padding_puts_zeros_around():
    net = pwl.Network.from_layers(
        [Pad2d((1, 2)), MaxPool2d(3, 2), GlobalAvgPool2d(), Dense(1)], (3, 4, 2), loss="squared_error"
    )
    x = np.arange(24.0).reshape(1, 3, 4, 2) + 1
    padded = net.layers[0].apply({}, {}, x)
    assert padded.shape == (1, 5, 8, 2) and padded.sum() == x.sum() and np.array_equal(padded[:, 1:4, 2:6], x)
    g = np.random.default_rng(0).normal(size=padded.shape)
    assert np.isclose(np.sum(net.layers[0].backward({}, {}, None, g) * x), np.sum(g * padded)), "the transpose"
    with pytest.raises(pwl.InputError, match="Pad2d's padding"):
        Pad2d(-1)


def test_gradients_pass_through_a_border():
    layers = [
        Conv2d(2, 2),
        pwl.PiecewiseLinear("tanh", 5),
        Pad2d((1, 0)),
        MaxPool2d(2, 1),
        Conv2d(2, 2),
        "tanh",
        Flatten(),
        Dense(2),
    ]
    net = pwl.Network.from_layers(layers, (4, 4, 1), dtype=np.float64)
    x, t = np.random.default_rng(0).normal(size=(12, 4, 4, 1)), np.arange(12) % 2
    rng, step = np.random.default_rng(1), 1e-6
    direction = {key: rng.normal(size=part.shape) for key, part in net.parts.items()}
    stepped, _ = pwl.train(net, (x, t), pwl.SGD(1.0, momentum=0.0), iterations=1)
    G = {key: stepped.parts[key] - net.parts[key] for key in net.parts}  # the negative gradient

    def error(size):
        return pwl.evaluate(net.moved({key: size * d for key, d in direction.items()}), (x, t)).error

    slope = (error(step) - error(-step)) / (2 * step)
    wanted = -sum(float(np.sum(G[key] * direction[key])) for key in G)
    assert slope == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, "x"])
def test_weights_that_are_no_finite_numbers_are_named(wrong):
    net = pwl.Network.from_layers([pwl.layers.Dense(3), "relu", pwl.layers.Dense(2)], (2,))
    arrays = {"a.weight": np.ones((3, 2)), "a.bias": np.ones(3), "b.weight": np.ones((2, 3)), "b.bias": np.full(2, wrong)}
    with pytest.raises(pwl.InputError, match="b.bias holds NaN, infinity or no numbers"):
        load_pretrained(net, arrays, names=["a", "b"])


def plain():
    """A network of two dense layers, and weights for it that are all 1."""
    net = pwl.Network.from_layers([pwl.layers.Dense(3), "relu", pwl.layers.Dense(2)], (2,))
    shapes = {"a.weight": (3, 2), "a.bias": (3,), "b.weight": (2, 3), "b.bias": (2,)}
    return net, {name: np.ones(shape, np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize("ending", [".npz", ".NPZ", ".tar", ".ckpt", ".pth.tar", ""])
def test_files_are_known_by_what_is_in_them(ending):
    from safetensors.numpy import save_file

    net, arrays = plain()
    path = Path(f"w{ending}")
    with path.open("wb") as file:
        np.savez(file, **arrays)
    assert np.all(load_pretrained(net, path, names=["a", "b"]).theta == 1)
    save_file(arrays, path)
    assert np.all(load_pretrained(net, path, names=["a", "b"]).theta == 1)


def test_safetensors_of_every_type_of_numbers():
    """A file by hand: the length of its header, the header, and the numbers. The upper halves of float32 are bfloat16."""
    from pwl.files.weights import TYPES, read_weights

    values, parts, header, at = np.array([0.0, 1.0, 3.0]), [], {}, 0
    for kind, code in TYPES.items():
        part = (values.astype("<f4").view("<u4") >> 16).astype("<u2") if kind == "BF16" else values.astype(code)
        header[kind] = {"dtype": kind, "shape": [3, 1], "data_offsets": [at, at + part.nbytes]}
        parts.append(part.tobytes())
        at += part.nbytes
    words = json.dumps(header).encode()
    Path("w").write_bytes(len(words).to_bytes(8, "little") + words + b"".join(parts))
    for kind, a in read_weights(Path("w")).items():
        assert a.tolist() == ([[False], [True], [True]] if kind == "BOOL" else [[0.0], [1.0], [3.0]]), kind
    words = words.replace(b'"I8"', b'"F8_E4M3"')
    Path("w").write_bytes(len(words).to_bytes(8, "little") + words + b"".join(parts))
    with pytest.raises(pwl.InputError, match="holds F8_E4M3 as F8_E4M3, wanted one of F64, F32.*save it as float32"):
        read_weights(Path("w"))


@pytest.mark.parametrize("length", [0, 1, 8, 9, 20, 60, -1])
def test_weights_cut_short(length):
    from safetensors.numpy import save_file

    net, arrays = plain()
    np.savez("a.npz", **arrays)
    save_file(arrays, "a.safetensors")
    for name in ("a.npz", "a.safetensors"):
        path = Path(name)
        path.write_bytes(path.read_bytes()[:length])
        with pytest.raises(pwl.InputError, match="damaged"):
            load_pretrained(net, path, names=["a", "b"])


def test_archives_of_objects_and_of_other_things_are_refused():
    net, _ = plain()
    np.savez("a.npz", w=np.array([{}], object))
    with zipfile.ZipFile("b.npz", "w") as file:
        file.writestr("letter.txt", "none")
    for name, said in (("a.npz", "holds other things than arrays"), ("b.npz", "holds no data.pkl")):
        with pytest.raises(pwl.InputError, match=said):
            load_pretrained(net, name, names=["a", "b"])
