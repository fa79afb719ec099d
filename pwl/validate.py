"""The nearest right name to a wrong one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(wrong: str, names: Iterable[str]) -> str:
    """ " (did you mean 'x'?)", or nothing where no name is near; capitals count as small letters."""
    lower = {name.lower(): name for name in reversed(list(names))}  # of equals, the first name stays
    found = get_close_matches(wrong.lower(), lower, n=1)
    return f" (did you mean {lower[found[0]]!r}?)" if found else ""
