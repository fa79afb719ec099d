"""Everything that is measured on a GPU."""
