"""Values in terms that JSON knows."""

from __future__ import annotations

from typing import Any

import numpy as np

from pwl.runtime.backend import host


def plain(value: Any) -> Any:
    """`value` as lists, numbers and words. NaN and infinities become None, because JSON has no word for them."""
    if isinstance(value, dict):
        return {str(key): plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (bool, str, int)) or value is None:
        return value
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    if isinstance(value, (np.integer, np.bool_)):
        return value.item()
    if hasattr(value, "shape"):
        return plain(host(value).tolist())
    return str(value)
