"""Kernels for NumPy's arrays, compiled by Numba."""
