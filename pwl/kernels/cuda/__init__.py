"""Kernels for CuPy arrays. The *.cu files are compiled at first use; the Python files share the work out among threads."""

from pwl.kernels.cuda.activations import activation, activation_slope
from pwl.kernels.cuda.convolution import convolve, convolve_value, convolve_value_slope, input_gradient, weight_gradient
from pwl.kernels.cuda.curve_sums import back_scatter, mix, scatter
from pwl.kernels.cuda.curves import back, times_slope, value, value_slope
from pwl.kernels.cuda.input_curves import (
    add_input_curves,
    input_ordinates,
    input_pairs,
    input_places,
    input_rises,
    input_scatter,
)
from pwl.kernels.cuda.net_sums import nets
from pwl.kernels.cuda.pooling import max_pool, max_unpool
from pwl.kernels.cuda.softmax import cross_entropy, cross_entropy_errors
from pwl.kernels.cuda.staging import staging
from pwl.kernels.cuda.sums import column_products, column_sums, group_products, group_sums
from pwl.kernels.cuda.updates import adam_step, momentum_step
from pwl.kernels.reference.input_curves import input_products, input_tails

FUSED = True  # whether a convolution and the activation of its nets are one kernel

__all__ = [
    "activation", "activation_slope", "adam_step", "add_input_curves", "back", "back_scatter", "column_products",
    "column_sums", "convolve", "convolve_value", "convolve_value_slope", "cross_entropy", "cross_entropy_errors",
    "group_products", "group_sums", "input_gradient", "input_ordinates", "input_pairs", "input_places", "input_products",
    "input_rises", "input_scatter", "input_tails", "max_pool", "max_unpool", "mix", "momentum_step", "nets", "scatter",
    "staging", "times_slope", "value", "value_slope", "weight_gradient",
]  # fmt: skip
