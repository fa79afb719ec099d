"""The one loop that drives every algorithm, its record, and the start of a network on data."""
