"""Comparison of the settings of two runs, as text, field by field, whatever version wrote them."""

from __future__ import annotations

import ast
from typing import Any

import pwl.algorithms
from pwl.algorithms.options import FLAT


def differing(written: Any, now: Any) -> bool:
    """Whether a setting of a checkpoint differs from that of this run.

    Texts such as "LM(mu=0.001, solver='qr')" are compared field by field. Versions add fields, so a field that only one of the
    two has must have its default.
    """
    if written == now:
        return False
    old, new = _fields(written), _fields(now)
    if old is None or new is None or old[""] != new[""]:
        return True
    known = _defaults(new[""])
    return any(
        old.get(name, known.get(name, "")) != new.get(name, known.get(name, "")) for name in old.keys() | new.keys()
    )


def _fields(text: Any) -> dict[str, str] | None:
    """Names and values, as text, of all arguments in the text of a call, also of inner calls. The call's name is under "".

    None if the text is not a call.
    """
    try:
        call = ast.parse(text, mode="eval").body
    except (SyntaxError, TypeError, ValueError):
        return None
    if not isinstance(call, ast.Call):
        return None
    found = {"": ast.unparse(call.func)}
    for argument in call.keywords:
        name = str(argument.arg)
        if name in FLAT and isinstance(argument.value, ast.Call):
            outside = {inside: flat for flat, inside in FLAT[name].items()}
            found |= {outside[str(inner.arg)]: ast.unparse(inner.value) for inner in argument.value.keywords}
        else:
            found[name] = ast.unparse(argument.value)
    return found


def _defaults(algorithm: str) -> dict[str, str]:
    """Defaults, as text, of the fields of an algorithm of this version. None are known of other names."""
    made = getattr(pwl.algorithms, algorithm, None)
    return (_fields(repr(made())) or {}) if isinstance(made, type) else {}
