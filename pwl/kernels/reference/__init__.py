"""The specification of every kernel in plain Array API code. It is slow and short, and the other engines must equal it."""

from pwl.kernels.reference.activated import convolve_value, convolve_value_slope
from pwl.kernels.reference.activations import activation, activation_slope
from pwl.kernels.reference.convolution import convolve, input_gradient, weight_gradient
from pwl.kernels.reference.curves import back, back_scatter, mix, nets, scatter, times_slope, value, value_slope
from pwl.kernels.reference.input_curves import (
    add_input_curves,
    input_ordinates,
    input_pairs,
    input_places,
    input_products,
    input_rises,
    input_scatter,
    input_tails,
)
from pwl.kernels.reference.pooling import max_pool, max_unpool
from pwl.kernels.reference.softmax import cross_entropy, cross_entropy_errors
from pwl.kernels.reference.staging import staging
from pwl.kernels.reference.sums import column_products, column_sums, group_products, group_sums
from pwl.kernels.reference.updates import adam_step, momentum_step

FUSED = False  # whether a convolution and the activation of its nets are one kernel

__all__ = [
    "activation", "activation_slope", "adam_step", "add_input_curves", "back", "back_scatter", "column_products",
    "column_sums", "convolve", "convolve_value", "convolve_value_slope", "cross_entropy", "cross_entropy_errors",
    "group_products", "group_sums", "input_gradient", "input_ordinates", "input_pairs", "input_places", "input_products",
    "input_rises", "input_scatter", "input_tails", "max_pool", "max_unpool", "mix", "momentum_step", "nets", "scatter",
    "staging", "times_slope", "value", "value_slope", "weight_gradient",
]  # fmt: skip
