"""Other programs beside pwl, on the same nets, data and starting weights."""
