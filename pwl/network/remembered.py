"""The last pass through the layers over one block, kept so that the next pass starts where parameters have changed.

When all patterns lie in one block, the reductions of an iteration walk over the same block one after another. OWO changes
only the output weights, and a curve step only the ordinates, so that most layers would compute again what they gave before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pwl.layers.layer import Arrays, Layer
from pwl.runtime.backend import Array, in_double


@dataclass(slots=True)
class Given:
    """The arguments and the results of one layer's `forward`."""

    layer: Layer
    p: Arrays
    b: Arrays
    x: Array
    output: Array
    saved: Any


class Direct:
    """The inputs as the outputs see them past the body. They and their products do not change in a run."""

    def __init__(self, layer: Layer, b: Arrays, x: Array) -> None:
        self.layer, self.b, self.x = layer, b, x
        self.saved = layer.direct_saved(b, x)
        double = in_double(x)
        self.in_double = self.saved if double is x else layer.direct_saved(b, double)
        self._gram: tuple[Array | None, Array] | None = None

    def gram(self, w: Array | None) -> Array:
        """D'D in float64 with pattern weights w."""
        if self._gram is None or self._gram[0] is not w:
            self._gram = w, self.layer.direct_gram(self.b, self.in_double, w)
        return self._gram[1]


class Remembered:
    """What each layer last gave for one block of patterns, on the CPU.

    A layer's results are used again if the layer, its input, its parameters and its buffers are the same.
    """

    def __init__(self) -> None:
        self._given: dict[int, Given] = {}
        self._direct: Direct | None = None

    def direct(self, layer: Layer, b: Arrays, x: Array) -> Direct:
        """The inputs x as the outputs see them, by the first layer and its buffers."""
        known = self._direct
        if known is None or known.x is not x or known.layer is not layer or not _equal(known.b, b):
            known = self._direct = Direct(layer, b, x)
        return known

    def forward(self, index: int, layer: Layer, p: Arrays, b: Arrays, x: Array) -> tuple[Array, Any]:
        """`layer.forward(p, b, x)` of layer `index`, computed only if it is not known."""
        given = self._given.get(index)
        if given is None or given.x is not x or given.layer is not layer or not _equal(given.b, b):
            given = self._given[index] = Given(layer, p, b, x, *layer.forward(p, b, x))
        elif not _equal(given.p, p):
            given.output, given.saved = layer.again(p, b, x, given.saved)
        given.p, given.b = p, b  # the next comparison is then of these very arrays
        return given.output, given.saved


def _equal(p: Arrays, q: Arrays) -> bool:
    """Whether two dictionaries of the same names hold equal arrays."""
    if p is not q:
        for name, a in p.items():
            if a is not q[name] and a.tobytes() != q[name].tobytes():
                return False
    return True
