"""Sums over patterns: the data, the one loop over them, and what is summed."""
