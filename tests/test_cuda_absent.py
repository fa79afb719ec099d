"""A network for the GPU where there is none: one sentence at the door, and the CPU goes on."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from toys import random_network

from pwl.errors import InputError


def failing(failure: Exception):
    def fail(*_):
        raise failure

    return fail


def cupy_with(devices, ones=np.ones) -> ModuleType:
    """A package that calls itself CuPy, with so many devices."""
    cupy = ModuleType("cupy")
    cupy.cuda = SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=devices))
    cupy.ones, cupy.sum = ones, np.sum
    return cupy


class WithoutCublas(np.ndarray):
    """Products of single numbers are sums in CuPy. All others ask for cuBLAS."""

    def __matmul__(self, other):
        if self.size > 1:
            raise ImportError("libcublas.so.13 was not found")
        return np.asarray(self) @ np.asarray(other)


ABSENT = {
    "CuPy": (None, "cupy"),
    "device": (cupy_with(lambda: 0), "no GPU was found"),
    "driver": (cupy_with(failing(RuntimeError("the driver is too old\nmore about it"))), "the driver is too old"),
    "reason": (cupy_with(failing(OSError())), "OSError"),
    "library": (cupy_with(lambda: 1, failing(ImportError("libcublas.so was not found"))), "libcublas.so was not found"),
    "cuBLAS": (cupy_with(lambda: 1, lambda shape: np.ones(shape).view(WithoutCublas)), "libcublas.so.13 was not found"),
}


@pytest.mark.parametrize("what", ABSENT)
def test_one_sentence_says_what_is_missing(what, monkeypatch):
    cupy, reason = ABSENT[what]
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    net, x = random_network("tanh"), np.zeros((2, 3))
    with pytest.raises(InputError, match=reason) as failure:
        net.to("cuda")
    assert "\n" not in str(failure.value)
    assert "stay on the CPU" in str(failure.value)
    np.testing.assert_array_equal(net.to("cpu").predict(x), net.predict(x))


def test_a_working_device_is_taken(monkeypatch):
    moved = []

    def asarray(a, *given, **more):
        moved.append(a)
        return np.asarray(a)

    cupy = cupy_with(lambda: 1)
    cupy.asarray = asarray
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    net = random_network("tanh")
    np.testing.assert_array_equal(net.to("cuda").theta, net.theta)
    assert any(a is net.theta for a in moved)


def test_an_unknown_device_is_named():
    with pytest.raises(InputError, match='unknown device \'tpu\': use "cpu", "cuda" or "auto"'):
        random_network("tanh").to("tpu")


def test_the_package_does_not_import_cupy_by_itself():
    script = (
        "import sys, numpy, pwl\n"
        "from pwl.network import passes\n"
        "net = pwl.Network.mlp(2, 3, 1, pwl.PiecewiseLinear())\n"
        "passes.features(net, numpy.zeros((1, 2)))\n"
        "assert 'cupy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
