"""Ground: which library an array belongs to, how many threads work, which ranks share the patterns."""
