"""The specification of every kernel in plain Array API code: slow, short, and what the other engines must equal."""
