"""Layers: the structure of a network's body, without its arrays.

A layer is a frozen value. Its parameters `p` and buffers `b` come as dictionaries of views, so that one flat vector
can hold the parameters of the whole network. Every layer answers the same calls; rows are patterns:

- `output_shape(input_shape)`, `shapes(input_shape)`, `buffers(input_shape)`, `start_parameters(input_shape, rng)`
- `apply(p, b, x)`             output alone
- `forward(p, b, x)`           output and what is saved for the calls below
- `keep(p, b, x)`              what is saved alone, and only as much as `gradient` and the layer's own tangent need
- `backward(p, b, saved, g)`   g at the output -> g at the input, Eq. (18); may overwrite g
- `gradient(p, b, saved, g)`   g at the output, summed over patterns for each parameter, Eqs. (16), (17)
- `columns(p, b, saved, g)`    each pattern's own share of `gradient`, patterns along the last axis: rows of the Jacobian
- `tangent(p, b, saved, d, dx)`  change of the output along parameter directions d and input change dx (None: zero); may
  overwrite dx

`kind` is "map" for layers with weights W, a row a unit with the threshold first, "activation" for those that act on each unit
by itself, "shape" for those without parameters that pool, rearrange or join.

A layer that acts otherwise while first-order methods train it has one more, and Network calls it:

- `training(key)`              the layer as it trains: a value with the calls from `output_shape` on that a gradient needs
  and the same parameters and buffers. What it draws depends on the key and a pattern's place in the batch alone

In training form a layer that draws has `at_pattern(first)`, the layer for a block that begins at that pattern of the batch, and
one that couples patterns has `together`: blocks begin at multiples of so many patterns. `elementwise` says of a map that W
multiplies each channel by itself: it is not drawn, and costs no matrix product. Layers that join two signals (`skip.py`)
answer to Network in other calls.
"""

from pwl.layers.batch_norm import BatchNorm2d
from pwl.layers.conv2d import Conv2d
from pwl.layers.dense import Dense
from pwl.layers.dropout import Dropout
from pwl.layers.flatten import Flatten
from pwl.layers.pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from pwl.layers.skip import Add, From

__all__ = [
    "Add", "AvgPool2d", "BatchNorm2d", "Conv2d", "Dense", "Dropout", "Flatten", "From", "GlobalAvgPool2d", "MaxPool2d",
]  # fmt: skip
