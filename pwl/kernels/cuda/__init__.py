"""Kernels for CuPy's arrays, in CUDA."""
