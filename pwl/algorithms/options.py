"""Options that several algorithms share are one value. LM(mu=1e-3) is short for LM(damping=Damping(mu=1e-3))."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, TypeVar

from pwl.errors import InputError

Class = TypeVar("Class", bound=type)

FLAT = {  # by field, the names of its options as keywords and in the value
    "penalties": {"ridge": "ridge", "l2": "l2", "curve_penalty": "curves"},
    "damping": {name: name for name in ("mu", "mu_increase", "mu_decrease", "mu_max", "scaling", "schedule")},
}


def flat(*shared: str) -> Callable[[Class], Class]:
    """A decorator for dataclasses whose fields `shared`, keys of FLAT, may also be given by their single options."""

    def decorated(cls: Class) -> Class:
        made, defaults = vars(cls)["__init__"], {field.name: field.default for field in dataclasses.fields(cls)}

        @functools.wraps(made)
        def init(self: Any, *args: Any, **options: Any) -> None:
            for field in shared:
                own = {inside: options.pop(name) for name, inside in FLAT[field].items() if name in options}
                if own:
                    options[field] = dataclasses.replace(options.get(field, defaults[field]), **own)
            made(self, *args, **options)
            for field in shared:
                value, wanted = getattr(self, field), type(defaults[field])
                if not isinstance(value, wanted):
                    raise InputError(f"{field} must be a pwl.{wanted.__name__}(...), not {value!r}")

        setattr(cls, "__init__", init)  # noqa: B010 - mypy takes an assignment for one to an instance
        return cls

    return decorated
