"""The ground floor: array libraries, threads, and the ranks that share the patterns."""
