"""Images of another size, and ImageNet's preparation."""

from __future__ import annotations

import numpy as np
import pytest

import pwl
from pwl.data import resized
from pwl.data.resize import weights
from pwl.models import imagenet_preparation


def test_weights_by_hand():
    np.testing.assert_allclose(weights(2, 4), [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])
    np.testing.assert_allclose(weights(4, 2), np.array([[3, 3, 1, 0], [0, 1, 3, 3]]) / 7)
    assert np.array_equal(weights(5, 5), np.eye(5))


@pytest.mark.parametrize("size", [(64, 64), (17, 40), (10, 10), (32, 30), (1, 1)])
def test_sizes_are_pytorchs_and_pillows(size):
    torch = pytest.importorskip("torch", reason="PyTorch's interpolation is compared with")
    image = pytest.importorskip("PIL.Image")
    x = np.random.default_rng(0).integers(0, 256, (3, 32, 30, 3)).astype(np.uint8)
    first = torch.from_numpy(np.moveaxis(x, 3, 1).astype(np.float32))
    y = torch.nn.functional.interpolate(first, size=size, mode="bilinear", antialias=True).numpy()
    np.testing.assert_allclose(resized(x.astype(np.float32), size), np.moveaxis(y, 1, 3), rtol=0, atol=1e-3)
    p = [np.asarray(image.fromarray(a).resize(size[::-1], image.Resampling.BILINEAR)) for a in x]
    assert np.abs(resized(x, size).astype(int) - np.stack(p)).max() <= 1 and resized(x, size).dtype == np.uint8


def test_what_is_no_image_is_said():
    for wrong, said in (
        (np.zeros((3, 4)), "images"),
        (np.zeros((0, 4, 4, 1)), "images"),
        (np.zeros((1, 4, 4, 1), "U1"), "images"),
    ):
        with pytest.raises(pwl.InputError, match=said):
            resized(wrong, 8)
    with pytest.raises(pwl.InputError, match="the size of images must be"):
        resized(np.zeros((1, 4, 4, 1)), 0)


def test_the_preparation_of_imagenet():
    prep = imagenet_preparation(["a", "b"])
    x = np.array([[[[0.0] * 3, [255.0] * 3]]])
    np.testing.assert_allclose(prep.transform(x)[0, 0, 0], [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225])
    np.testing.assert_allclose(prep.transform(x)[0, 0, 1], [0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225])
    assert prep.classes == ("a", "b")
