"""The one exception of the package's doors."""


class InputError(ValueError):
    """Input that cannot be used: the message says what came, what was wanted and what to do."""
