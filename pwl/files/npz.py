"""Arrays by name from .npz files."""

from __future__ import annotations

from typing import Any

import numpy as np


def arrays_of(file: Any) -> dict[str, np.ndarray]:
    """The arrays of an open .npz file. Raises ValueError for a part that is none, whose bytes NumPy would give instead."""
    found = {name: file[name] for name in file.files}
    if wrong := [name for name, a in found.items() if not isinstance(a, np.ndarray)]:
        raise ValueError(f"its part {wrong[0]!r} is no array")
    return found
