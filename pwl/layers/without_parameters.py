"""What layers without parameters and buffers answer."""

from __future__ import annotations

from typing import Any

import numpy as np

from pwl.runtime.backend import Array


class WithoutParameters:
    """The part of a layer's protocol that asks for parameters and their gradients: there are none."""

    def shapes(self, input_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        return {}

    def buffers(self, input_shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        return {}

    def start_parameters(self, input_shape: tuple[int, ...], rng: Any) -> dict[str, np.ndarray]:
        return {}

    def gradient(self, p: dict, b: dict, saved: Any, g: Array) -> dict[str, Array]:
        return {}

    def columns(self, p: dict, b: dict, saved: Any, g: Array) -> dict[str, Array]:
        return {}
