"""Comparisons and checks, and the pages that show them."""
