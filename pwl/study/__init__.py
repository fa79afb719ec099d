"""Comparisons and checks, and the pages that show their results."""
