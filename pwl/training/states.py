"""States of algorithms as numbers and arrays by name, and back, with the form that those of a file must have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pwl.validate import is_number, is_whole


def flattened(state: Any) -> Iterator[tuple[str, Any]]:
    """Fields of a state by name, or "<field>.<key>" within a dictionary. `lambda_` loses its underscore."""
    for field, value in state._asdict().items():
        name = field.rstrip("_")
        if isinstance(value, dict):
            yield from ((f"{name}.{key}", a) for key, a in value.items())
        else:
            yield name, value


def restored(kind: Any, values: dict[str, Any]) -> Any:
    """A state of the class `kind` from fields named as by `flattened`. Missing fields have their defaults.

    Raises ValueError for a field that such states do not have.
    """
    known = {field.rstrip("_") for field in kind._fields}
    if unknown := sorted({key.partition(".")[0] for key in values} - known):
        raise ValueError(f"its state has {unknown[0]!r}, which such a run has not")
    found = {}
    for field in kind._fields:
        name = field.rstrip("_")
        nested = {key.removeprefix(f"{name}."): a for key, a in values.items() if key.startswith(f"{name}.")}
        if name in values:
            found[field] = values[name]
        elif nested:
            found[field] = nested
    return kind(**found)


def check(state: Any, shapes: Mapping[str, Any]) -> None:
    """Raises ValueError unless the arrays of a state have these shapes, as by `Algorithm.shapes`, and its counts are counts."""
    lengths: dict[str, int] = {}  # by name
    for field, value in state._asdict().items():
        kind, wanted = type(state).__annotations__[field], shapes.get(field)
        if value is None:
            right = type(state)._field_defaults.get(field, 0) is None
        elif isinstance(value, dict):
            right = wanted is None or not value or _fit_by_key(value, wanted, lengths)
        elif hasattr(value, "shape"):
            right = wanted is None or _fits(value.shape, wanted, lengths)
        elif wanted is not None:
            right = wanted == (1,) and is_number(value)
        else:
            right = (is_whole(value) and value >= 0) if kind == "int" else is_number(value) or kind != "float"
        if not right:
            raise ValueError(f"its state has another {field} than such a run")


def _fit_by_key(arrays: Mapping[str, Any], wanted: Any, lengths: dict[str, int]) -> bool:
    """Whether the same arrays are there, in shapes that fit."""
    if not isinstance(wanted, Mapping) or arrays.keys() != wanted.keys():
        return False
    return all(_fits(a.shape, wanted[key], lengths) for key, a in arrays.items() if hasattr(a, "shape"))


def _fits(shape: tuple[int, ...], wanted: Any, lengths: dict[str, int]) -> bool:
    """Whether a shape is the wanted one. A length with a name may be any, but is the same wherever the name stands."""
    if isinstance(wanted, Mapping) or len(shape) != len(wanted):
        return False
    return all(n == (lengths.setdefault(w, n) if isinstance(w, str) else w) for n, w in zip(shape, wanted, strict=True))
