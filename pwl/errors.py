"""The one exception of the package's doors."""


class InputError(ValueError):
    """Input that cannot be used: the message says in one line what came, what was wanted and what to do."""

    def __init__(self, message: str = "") -> None:
        super().__init__("\\n".join(message.splitlines()))
