"""The one loop that drives every algorithm, what it records, and where a network starts."""
