"""`pwl finetune`: networks by pwl train and PyTorch's models on other data, their options, and what can't be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from refusals import fails
from test_image_folder import folder

import pwl
from pwl.cli import main
from pwl.cli.finetune import factors, frozen
from pwl.training.saved import load

pytest.importorskip("PIL.Image", reason="images are read by Pillow")
pytestmark = pytest.mark.usefixtures("empty_folder")


def trained(capsys):
    """A network for two classes, and a folder of three others."""
    folder(count=10)
    run = ["train", "birds", "--network", "vgg1", "--hinges", "5", "--iterations", "1", "--algorithm", "adam"]
    assert main(run) == 0
    capsys.readouterr()
    return folder("new", count=16)


def test_a_network_learns_other_classes(capsys):
    new = trained(capsys)
    for kind in ("crow", "swan"):
        (new / kind).rename(new / f"{kind}s")
    run = [
        "finetune",
        "net.safetensors",
        new,
        "--frozen",
        "6",
        "--iterations",
        "12",
        "--cache",
        "kept",
        "--flip",
        "--finish",
    ]
    run += ["--curves", "last", "--algorithm", "curved-adam", "--learning-rate", "0.01", "--schedule", "one_cycle"]
    assert main([str(a) for a in run]) == 0
    printed = capsys.readouterr().out
    assert "new: 32 patterns, images of 10x12x3, 2 classes of class; net.safetensors, curved-adam" in printed
    assert "output weights anew: ridge" in printed
    assert "validation error" in printed and len(list(Path("kept").iterdir())) == 3  # images, copies, validation
    saved, start = load("tuned.safetensors"), load("net.safetensors").net
    assert saved.net.preparation.classes == ("crows", "swans") and saved.record.settings["frozen"] == 6
    assert np.array_equal(saved.net.parts["0.W"], start.parts["0.W"])
    assert main(["predict", "tuned.safetensors", str(new), "--out", "found.csv"]) == 0
    right = [line.split(",")[0].split("/")[0] == line.strip().split(",")[1] for line in open("found.csv")][1:]
    assert np.mean(right) > 0.9


def test_it_goes_on_from_its_checkpoint(capsys):
    new = trained(capsys)
    run = [
        "finetune",
        "net.safetensors",
        str(new),
        "--frozen",
        "3",
        "--rate",
        "outputs=0.5",
        "--checkpoint-seconds",
        "0",
    ]
    run += ["--error-sample", "7"]
    assert main([*run, "--iterations", "4", "--out", "whole.safetensors"]) == 0
    assert load("whole.safetensors").record.settings["error_sample"] == 7
    assert main([*run, "--iterations", "2"]) == 0
    assert main([*run, "--iterations", "4", "--resume"]) == 0
    whole, rest = (load(path).net for path in ("whole.safetensors", "tuned.safetensors"))
    assert np.array_equal(whole.theta, rest.theta)


def test_models_of_pytorch_with_their_weights(capsys):
    net = pwl.models.resnet18(input_shape=(32, 32, 3), n_classes=7, batch_norm=False, seed=3)
    arrays = torch_names(net)
    np.savez("resnet.npz", **arrays)
    folder("birds", count=6, shape=(32, 32, 3))
    run = ["finetune", "resnet18_folded", "birds", "--pretrained", "resnet.npz", "--frozen", "conv1*", "layer[1-4]*"]
    assert main([*run, "--iterations", "2", "--image-size", "32"]) == 0
    saved = load("tuned.safetensors")
    assert np.array_equal(saved.net.parts["0.W"], net.parts["0.W"]) and saved.net.n_outputs == 2
    assert saved.record.settings["frozen"] == len(net.layers) - 1
    del arrays["conv1.bias"]
    np.savez("resnet.npz", **arrays)
    capsys.readouterr()
    assert "conv1.bias is missing" in fails(capsys, *run)


def torch_names(net):
    """The weights of a ResNet18 as PyTorch names and shapes them."""
    from pwl.models.resnet18 import names

    found = {}
    maps = [index for index, layer in enumerate(net.layers) if layer.kind == "map"]
    for index, name in zip(maps, names(False), strict=False):
        W, layer = net.parts[f"{index}.W"], net.layers[index]
        found[f"{name}.bias"] = W[:, 0]
        found[f"{name}.weight"] = W[:, 1:].reshape(len(W), *layer.size, -1).transpose(0, 3, 1, 2)
    return found | {"fc.bias": net.W_o[:, 0], "fc.weight": net.W_o[:, 1:]}


def test_what_cannot_be_is_said(capsys):
    new = trained(capsys)
    path = str(new)
    (folder("gulls", count=4) / "crow").rename("gulls/gull")
    cases = [
        (["resnet18", path], "needs weights that others have trained"),
        (["net.safetensors", path, "--pretrained", "x.npz"], "has weights of its own"),
        (["resnet18", "concrete", "--pretrained", "x.npz"], "is for images in colours"),
        (["vgg11", path, "--pretrained", "x.npz"], "x.npz is not there"),
        (["none.safetensors", path], "is not there"),
        (["net.safetensors", "concrete"], "takes 10 x 12 x 3"),
        (["net.safetensors", path, "--image-size", "9"], "takes 10 x 12 x 3"),
        (["net.safetensors", path, "--frozen", "layer9"], "no layer is called 'layer9'"),
        (["net.safetensors", path, "--frozen", "99"], "frozen must be"),
        (["net.safetensors", path, "--rate", "0.1"], "--rate must be a pattern and a factor"),
        (["net.safetensors", path, "--rate", "a=b"], "--rate must be a pattern and a factor"),
        (["net.safetensors", path, "--algorithm", "adan"], "did you mean 'adam'"),
        (["net.safetensors", path, "--iterations", "0"], "--iterations must be"),
        (["net.safetensors", path, "--curves", "first"], "--curves must be all, last, or numbers of layers"),
        (["net.safetensors", path, "--curves", "1,0"], "--curves takes numbers of activations, 1, 3, 7, but layer 0 is none"),
        (["net.safetensors", "gulls", "--keep-outputs"], "gulls has the class 'gull', but the outputs of net.safetensors are for"),
        (["net.safetensors", path, "--rate", "0.*=-1"], "the factor in --rate 0.*=-1 must be 0 or a positive number"),
        (["net.safetensors", path, "--partial"], "--partial says which of the weights in --pretrained"),
        (["net.safetensors", path, "--copies", "2", "--flip"], "without frozen layers next to the inputs images change anew"),
        (["net.safetensors", path, "--copies", "2", "--frozen", "3"], "without augment they do not change"),
        (["net.safetensors", path, "--cache", "kept"], "but none are frozen"),
        (["net.safetensors", path, "--error-sample", "0"], "--error-sample must be a whole number of patterns, 1 or more, not 0"),
        (["net.safetensors", path, "--error-sample", "5", "--algorithm", "lbfgs"], "by batches, but lbfgs has none"),
        (["net.safetensors", path, "--max-fail", "0"], "--max-fail must be"),
        (["net.safetensors", path, "--learning-rate", "-1"], "--learning-rate must be"),
        (["net.safetensors", path, "--shift", "-1"], "--shift must be"),
        (["net.safetensors", path, "--group", "class"], "--group is for tables, but new holds images"),
        (["resnet18", path, "--pretrained", path], "new is a folder, wanted a file of weights"),
        (["net.safetensors", path, "--out", "net.safetensors"], "is read as well as written"),
    ]
    for arguments, said in cases:
        assert said in fails(capsys, "finetune", *arguments), arguments


def test_options_in_words():
    assert frozen(None) == 0 and frozen(["6"]) == 6 and frozen(["6", "a*"]) == ["6", "a*"]
    assert factors([]) is None and factors(["layer4*=0.1", "a=b=2"]) == {"layer4*": 0.1, "a=b": 2.0}


def test_images_are_scaled_to_a_network_of_ones_own(capsys):
    folder("birds", count=10, shape=(16, 16, 3))
    assert main(["train", "birds", "--network", "vgg1", "--hinges", "5", "--iterations", "1", "--algorithm", "adam"]) == 0
    new = folder("new", count=10, shape=(20, 24, 3))
    assert main(["finetune", "net.safetensors", str(new), "--frozen", "6", "--iterations", "1"]) == 0
    assert load("tuned.safetensors").net.input_shape == (16, 16, 3)
    grey = folder("grey", count=10, shape=(12, 12))  # become colours, as for pwl predict
    assert main(["finetune", "net.safetensors", str(grey), "--iterations", "1", "--validation", str(new)]) == 0


def test_images_are_scaled_to_a_network_that_is_not_square(capsys):
    trained(capsys)
    new = folder("larger", count=10, shape=(30, 24, 3))
    assert main(["finetune", "net.safetensors", str(new), "--iterations", "1", "--validation", "new"]) == 0
    assert load("tuned.safetensors").net.input_shape == (10, 12, 3)
