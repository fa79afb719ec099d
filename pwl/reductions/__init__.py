"""Sums over patterns: the data, the one loop over them, and the statistics that are summed."""
