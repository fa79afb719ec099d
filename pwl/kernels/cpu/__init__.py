"""Kernels for NumPy arrays. Numba compiles curves, sigmoid and tanh, convolution, pooling and Adam's step; NumPy does the rest."""

from pwl.kernels.cpu.activations import activation, activation_slope
from pwl.kernels.cpu.convolution import convolve, convolve_value, convolve_value_slope, input_gradient, weight_gradient
from pwl.kernels.cpu.curves import back, back_scatter, mix, scatter, times_slope, value, value_slope
from pwl.kernels.cpu.input_curves import (
    add_input_curves,
    input_ordinates,
    input_pairs,
    input_places,
    input_rises,
    input_scatter,
    input_tails,
)
from pwl.kernels.cpu.input_products import input_products
from pwl.kernels.cpu.pooling import max_pool, max_unpool
from pwl.kernels.cpu.sums import column_products, column_sums
from pwl.kernels.cpu.updates import adam_step
from pwl.kernels.reference.curves import nets
from pwl.kernels.reference.softmax import cross_entropy, cross_entropy_errors
from pwl.kernels.reference.staging import staging
from pwl.kernels.reference.sums import group_products, group_sums
from pwl.kernels.reference.updates import momentum_step

FUSED = False  # whether a convolution and the activation of its nets are one kernel

__all__ = [
    "activation", "activation_slope", "adam_step", "add_input_curves", "back", "back_scatter", "column_products",
    "column_sums", "convolve", "convolve_value", "convolve_value_slope", "cross_entropy", "cross_entropy_errors",
    "group_products", "group_sums", "input_gradient", "input_ordinates", "input_pairs", "input_places", "input_products",
    "input_rises", "input_scatter", "input_tails", "max_pool", "max_unpool", "mix", "momentum_step", "nets", "scatter",
    "staging", "times_slope", "value", "value_slope", "weight_gradient",
]  # fmt: skip
