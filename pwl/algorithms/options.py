"""Options that several algorithms share are one value. LM(mu=1e-3) is short for LM(damping=Damping(mu=1e-3))."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from pwl.algorithms.penalties import Penalties
from pwl.errors import InputError
from pwl.solvers.ols import OLS
from pwl.validate import kind, shown, truth

Class = TypeVar("Class", bound=type)

FLAT = {  # by field, the names of its options as keywords and in the value
    "penalties": {"ridge": "ridge", "l2": "l2", "curve_penalty": "curves", "input_curve_penalty": "input_curves"},
    "damping": {name: name for name in ("mu", "mu_increase", "mu_decrease", "mu_max", "scaling", "schedule")},
}


def flat(*shared: str) -> Callable[[Class], Class]:
    """A decorator for dataclasses whose fields `shared`, keys of FLAT, may also be given by their single options."""

    def decorated(cls: Class) -> Class:
        made, defaults = vars(cls)["__init__"], {field.name: field.default for field in dataclasses.fields(cls)}

        @functools.wraps(made)
        def init(self: Any, *args: Any, **options: Any) -> None:
            for name, value in (dict(zip(defaults, args, strict=False)) | options).items():
                _check_kind(name, value, defaults.get(name))
            for field in shared:
                own = {inside: options.pop(name) for name, inside in FLAT[field].items() if name in options}
                if own:
                    options[field] = dataclasses.replace(options.get(field, defaults[field]), **own)
            made(self, *args, **options)

        signature = inspect.signature(made)
        single = [_keyword(name, getattr(defaults[field], inside)) for field in shared for name, inside in FLAT[field].items()]
        vars(init)["__signature__"] = signature.replace(parameters=[*signature.parameters.values(), *single])
        setattr(cls, "__init__", init)  # noqa: B010 - mypy takes an assignment for one to an instance
        return cls

    return decorated


def check_shared(penalties: Any, ols: Any) -> None:
    """Raises InputError for penalties and a dependence test of another kind, in steps that are called one by one."""
    kind("penalties", penalties, Penalties, "a pwl.Penalties")
    kind("ols", ols, OLS, "a pwl.OLS")


def _keyword(name: str, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)


def _check_kind(name: str, value: Any, default: Any) -> None:
    """Raises InputError if `value` has another kind than the default, a bool or a shared option such as Penalties."""
    if isinstance(default, bool):
        truth(name, value)
    elif dataclasses.is_dataclass(default) and not isinstance(value, type(default)):
        raise InputError(f"{name} must be a pwl.{type(default).__name__}(...), not {shown(value)}")
