"""Benchmarks: `python -m benchmarks NAME [--quick] [--out FOLDER]`."""
