"""VGG11 and ResNet18 beside PyTorch: outputs and gradients from files that PyTorch and safetensors wrote."""

from __future__ import annotations

import numpy as np
import pytest

import pwl
from pwl.models import load_pretrained, resnet18, vgg11
from pwl.network.passes import outputs
from pwl.reductions.gradients import gradients
from pwl.reductions.reduce import reduce

torch = pytest.importorskip("torch", reason="PyTorch's models are compared with")
nn = torch.nn


def torch_vgg11(batch_norm, units, classes):
    features, channels = [], 3
    for filters in (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"):
        if filters == "M":
            features += [nn.MaxPool2d(2)]
            continue
        norm = [nn.BatchNorm2d(filters)] if batch_norm else []
        features += [nn.Conv2d(channels, filters, 3, padding=1), *norm, nn.ReLU()]
        channels = filters
    ends = [nn.Linear(512 * 49, units), nn.ReLU(), nn.Dropout(), nn.Linear(units, units), nn.ReLU(), nn.Dropout()]
    model = nn.Sequential()
    model.add_module("features", nn.Sequential(*features))
    model.add_module("avgpool", nn.AdaptiveAvgPool2d(7))
    model.add_module("flatten", nn.Flatten())
    model.add_module("classifier", nn.Sequential(*ends, nn.Linear(units, classes)))
    return model


class Block(nn.Module):
    def __init__(self, channels, filters, stride, norm):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, 1, bias=norm is nn.Identity)
        self.bn1, self.bn2 = norm(filters), norm(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=norm is nn.Identity)
        if stride > 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, filters, 1, stride, bias=norm is nn.Identity), norm(filters)
            )

    def forward(self, x):
        out = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(out + (self.downsample(x) if hasattr(self, "downsample") else x))


class ResNet18(nn.Module):
    def __init__(self, batch_norm, classes):
        super().__init__()
        norm = nn.BatchNorm2d if batch_norm else nn.Identity
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=not batch_norm), norm(64)
        for stage, (channels, filters) in enumerate([(64, 64), (64, 128), (128, 256), (256, 512)], 1):
            first = Block(channels, filters, 1 if stage == 1 else 2, norm)
            setattr(self, f"layer{stage}", nn.Sequential(first, Block(filters, filters, 1, norm)))
        self.fc = nn.Linear(512, classes)

    def forward(self, x):
        x = nn.functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
        return self.fc(x.mean(dim=(2, 3)))


def pair(name, batch_norm, dtype):
    """A model with random weights and moments that count, and a network of its shape."""
    torch.manual_seed(0)
    if name == "vgg11":
        model = torch_vgg11(batch_norm, 9, 4)
        net = vgg11(input_shape=(32, 70, 3), units=9, n_classes=4, batch_norm=batch_norm, dtype=dtype)
    else:
        model = ResNet18(batch_norm, 4)
        net = resnet18(input_shape=(40, 33, 3), n_classes=4, batch_norm=batch_norm, dtype=dtype)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
    return model.double().eval() if dtype is np.float64 else model.eval(), net


CASES = [(name, batch_norm) for name in ("vgg11", "resnet18") for batch_norm in (True, False)]


@pytest.mark.parametrize(("name", "batch_norm"), CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-10)])
@pytest.mark.slow
def test_outputs_are_pytorchs_from_files(name, batch_norm, dtype, tolerance, tmp_path):
    from safetensors.torch import save_file

    model, net = pair(name, batch_norm, dtype)
    paths = [tmp_path / word for word in ("new.pth", "old.pth", "w.safetensors")]
    torch.save(model.state_dict(), paths[0])
    torch.save({"epoch": 3, "state_dict": model.state_dict()}, paths[1], _use_new_zipfile_serialization=False)
    save_file(model.state_dict(), paths[2])
    x = np.random.default_rng(0).normal(size=(3, *net.input_shape)).astype(dtype)
    with torch.no_grad():
        y = model(torch.from_numpy(np.moveaxis(x, 3, 1).copy())).numpy()
    loaded = [load_pretrained(net, path) for path in paths]
    assert all(np.array_equal(other.theta, loaded[0].theta) for other in loaded)
    np.testing.assert_allclose(outputs(loaded[0], x), y, rtol=0, atol=tolerance * np.abs(y).max())


@pytest.mark.slow
@pytest.mark.parametrize(("name", "batch_norm"), CASES)
def test_gradients_are_pytorchs(name, batch_norm):
    """PyTorch's gradients are loaded as weights are, so that each is compared in its own place."""
    model, net = pair(name, batch_norm, np.float64)
    net = load_pretrained(net, model.state_dict())
    x, t = np.random.default_rng(0).normal(size=(3, *net.input_shape)), np.array([0, 3, 1])
    loss = nn.functional.cross_entropy(model(torch.from_numpy(np.moveaxis(x, 3, 1).copy())), torch.from_numpy(t))
    loss.backward()
    downhill = model.state_dict() | {key: -a.grad for key, a in model.named_parameters()}
    wanted = load_pretrained(net, downhill)
    found = reduce(gradients(tuple(net.parts)), net, pwl.Patterns(x, t)).G
    assert pwl.evaluate(net, (x, t)).error == pytest.approx(float(loss.detach()), rel=1e-10)
    for key, G in found.items():
        np.testing.assert_allclose(
            G, wanted.parts[key], rtol=0, atol=1e-10 * np.abs(wanted.parts[key]).max(), err_msg=key
        )


def test_a_dictionary_of_brain_floats():
    layer = nn.Linear(2, 3).bfloat16()
    net = pwl.Network.from_layers(["relu", pwl.layers.Dense(3)], (2,))
    found = load_pretrained(net, {f"a.{key}": a for key, a in layer.state_dict().items()}, names=["a"])
    assert np.array_equal(found.W_o, np.c_[layer.bias.detach().float(), layer.weight.detach().float()])
