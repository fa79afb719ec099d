"""Pickles of plain values, read without running them: an interpreter that knows containers, numbers, texts and a few names.

A pickle is a program for a small machine. Python's own machine imports and calls whatever the program names. This one knows no
imports: a name stands for one of the functions that its caller handed over, and every other name is refused.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, NamedTuple

from pwl.errors import InputError

CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
VALUES = {  # instructions that push their argument
    "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING",
    "BINBYTES", "SHORT_BINBYTES",
}  # fmt: skip
EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
LENGTHS = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
PUT, GET = ("BINPUT", "LONG_BINPUT"), ("BINGET", "LONG_BINGET")
KEYS = (str, bytes, int, float, type(None))  # of dictionaries, or in a tuple that is one: Python can't hash deeply nested tuples


class Name(NamedTuple):
    """A name that a pickle refers to, such as "torch.FloatStorage"."""

    text: str


def read_pickle(stream: BinaryIO, known: Mapping[str, Any], persistent: Callable[[Any], Any] | None = None) -> Any:
    """The value of the next pickle in a stream, which is then at its end.

    Parameters
    ----------
    stream : binary file
    known : mapping
        The names that may occur. Those that a pickle calls have functions; other names stay as `Name`.
    persistent : function, optional
        What makes a value of the key of something that is stored elsewhere.

    Raises
    ------
    InputError
        If the pickle holds an instruction or a name that is not known. Damaged ones raise one of `tensors.FAULTS`.
    """
    stacks: list[list[Any]] = [[]]
    memo: dict[int, Any] = {}
    opcode: Any
    argument: Any
    for opcode, argument, _ in pickletools.genops(stream):
        name, stack = opcode.name, stacks[-1]
        if name == "STOP":
            return stack.pop()
        if name in PUT:
            memo[argument] = stack[-1]
        elif name == "MEMOIZE":  # of protocol 4 and later, as the next one
            memo[len(memo)] = stack[-1]
        elif name == "STACK_GLOBAL":
            word, module = stack.pop(), stack.pop()
            if not isinstance(word, str) or not isinstance(module, str):
                raise ValueError("a name is not a text")
            stack.append(_known(f"{module}.{word}", known))
        elif name in GET:
            stack.append(memo[argument])
        elif name in VALUES:
            stack.append(argument)
        elif name == "GLOBAL":
            stack.append(_known(argument.replace(" ", "."), known))
        elif name == "REDUCE":
            arguments, called = stack.pop(), stack.pop()
            stack.append(_function(called, known)(*arguments))
        elif name == "BINPERSID" and persistent is not None:
            stack.append(persistent(stack.pop()))
        else:
            _contain(name, stacks)
    raise ValueError("it has no end")


def _contain(name: str, stacks: list[list[Any]]) -> None:
    """The instructions that make and fill containers."""
    stack = stacks[-1]
    if name in CONSTANTS:
        stack.append(CONSTANTS[name])
    elif name in EMPTY:
        stack.append(EMPTY[name]())
    elif name in LENGTHS:
        n = LENGTHS[name]
        if len(stack) < n:
            raise ValueError("it takes more values than it made")
        stack[-n:] = [tuple(stack[-n:])]
    elif name == "MARK":
        stacks.append([])
    elif name == "TUPLE":
        stacks.pop()
        stacks[-1].append(tuple(stack))
    elif name in ("APPENDS", "SETITEMS"):
        stacks.pop()
        fill(stacks[-1][-1], stack)
    elif name in ("APPEND", "SETITEM"):
        n = 1 if name == "APPEND" else 2
        values = stack[-n:]
        del stack[-n:]
        fill(stack[-1], values)
    elif name == "BUILD":
        stack.pop()  # what a container carries besides its content
        if not isinstance(stack[-1], dict):
            raise InputError("it sets up an object that is not a plain container")
    elif name not in ("PROTO", "FRAME"):
        raise InputError(f"it holds the instruction {name}, which tensors and plain containers do not need")


def fill(container: Any, values: list[Any]) -> None:
    """Adds values to a list, or keys and values in turn to a dictionary."""
    if isinstance(container, list):
        container.extend(values)
    elif isinstance(container, dict):
        for key in values[::2]:
            if not all(isinstance(part, KEYS) for part in (key if isinstance(key, tuple) else (key,))):
                raise InputError(f"a dictionary in it has a key that is neither a text nor a number, but {type(key).__name__}")
        container.update(zip(values[::2], values[1::2], strict=True))
    else:
        raise ValueError("it fills something that is not a container")


def _known(text: str, known: Mapping[str, Any]) -> Name:
    if text not in known:
        raise InputError(
            f"it refers to {text[:80]!r}, which is neither a dense tensor of real numbers nor a plain container, and nothing "
            f"of it was run"
        )
    return Name(text)


def _function(called: Any, known: Mapping[str, Any]) -> Callable[..., Any]:
    found = known[called.text] if isinstance(called, Name) else None
    if not callable(found):
        raise InputError("it calls something that makes neither a tensor nor a plain container")
    return found
