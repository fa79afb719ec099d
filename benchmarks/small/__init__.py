"""Small problems, beside the programs that a student would write."""
