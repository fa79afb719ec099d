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

`kind` is "map" for layers that mix inputs by weights W, "activation" for those that act on each unit by itself, "shape" for
those without parameters that pool or rearrange.
"""

from pwl.layers.conv2d import Conv2d
from pwl.layers.dense import Dense
from pwl.layers.image import Flatten
from pwl.layers.pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d

__all__ = ["AvgPool2d", "Conv2d", "Dense", "Flatten", "GlobalAvgPool2d", "MaxPool2d"]
