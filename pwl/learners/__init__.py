"""Algorithms by name, with the networks that they start from."""
