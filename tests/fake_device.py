"""A device where there is none: array_api_strict's second one, which refuses to work with arrays of the host.

It behaves as CuPy's does: new arrays are made on it, and only `get` copies back. Every way across is counted.
"""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

import array_api_strict
import numpy as np
from array_api_strict import Device

HOST, DEVICE = Device("CPU_DEVICE"), Device("device1")
MAKERS = ("arange", "empty", "eye", "full", "linspace", "ones", "zeros")
NUMBERS = ("__bool__", "__float__", "__int__", "__index__")


class Crossings:
    """Bytes of each copy to the device and back, in their order; a number read is a copy of eight bytes."""

    def __init__(self) -> None:
        self.there: list[int] = []
        self.back: list[int] = []

    @property
    def all(self) -> tuple[list[int], list[int]]:
        return self.there, self.back


def install(monkeypatch: Any) -> Crossings:
    """array_api_strict made that device for a test, and what crosses from then on."""
    found, asarray, Array = Crossings(), array_api_strict.asarray, type(array_api_strict.zeros(1))

    def counted_asarray(a, *, dtype=None, device=None, copy=None):
        if isinstance(a, np.ndarray):
            found.there.append(np.asarray(a, None if dtype is None else dtype._np_dtype).nbytes)
        if device is None and not isinstance(a, Array):
            device = DEVICE
        return asarray(a, dtype=dtype, device=device, copy=copy)

    def get(a) -> np.ndarray:
        made = np.array(asarray(a.to_device(HOST)))
        found.back.append(made.nbytes)
        return made

    def on_device(make):
        return lambda *shape, device=None, **options: make(*shape, device=device or DEVICE, **options)

    def counted(read):
        def one(a):
            found.back.append(8)
            return read(a)

        return one

    monkeypatch.setattr(array_api_strict, "asarray", counted_asarray)
    monkeypatch.setattr(Array, "get", get, raising=False)
    for name in MAKERS:
        monkeypatch.setattr(array_api_strict, name, on_device(getattr(array_api_strict, name)))
    for name in NUMBERS:
        monkeypatch.setattr(Array, name, counted(getattr(Array, name)))
    return found


def there(a: Any) -> Any:
    """`a` on the device; None stays None."""
    return None if a is None else array_api_strict.asarray(np.asarray(a), device=DEVICE)


def as_cupy() -> ModuleType:
    """A package to be found under CuPy's name: as much of it as `namespace_named` and `Network.to` ask for."""
    cupy = ModuleType("cupy")
    vars(cupy).update({name: getattr(array_api_strict, name) for name in ("asarray", "ones", "sum")})
    vars(cupy).update(
        ndarray=type("ndarray", (), {}), cuda=SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=lambda: 1))
    )
    return cupy
