"""Options that say which network and which algorithm: shared by the commands that train."""

from __future__ import annotations

import argparse

from pwl.activations import FIXED
from pwl.compare import Settings
from pwl.contenders import Shape
from pwl.errors import InputError
from pwl.suggest import nearest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    default = Settings()
    group = parser.add_argument_group("network and training")
    group.add_argument(
        "--hidden", default=",".join(map(str, default.hidden)), metavar="N[,N...]",
        help="units of the hidden layer, or layers (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--start", default=default.start, metavar="NAME",
        help=f"fixed activation, from which curves start: {', '.join(FIXED)} (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--hinges", type=int, default=default.hinges, metavar="K", help="of each curve (default: %(default)s)"
    )
    group.add_argument(
        "--iterations", type=int, default=default.iterations, metavar="N", help="at most (default: %(default)s)"
    )
    group.add_argument(
        "--seed", type=int, default=default.seed, help="of parts and starting weights (default: %(default)s)"
    )


def shape(options: argparse.Namespace) -> Shape:
    """The network's shape from the options; InputError for it, or a training, that can't be."""
    if options.start not in FIXED:
        raise InputError(
            f"--start {options.start!r} is unknown{nearest(options.start, FIXED)}; there are {', '.join(FIXED)}"
        )
    at_least(0, "--seed", options.seed)
    at_least(1, "--iterations", options.iterations)
    at_least(1, "--max-fail", options.max_fail)
    found = Shape(whole_numbers(options.hidden, "--hidden"), options.start, options.hinges)
    found.activation(curves=True)  # refuses what hinges can't be
    return found


def at_least(least: float, option: str, value: float | None) -> None:
    if value is not None and not value >= least:
        raise InputError(f"{option} must be {least} or more, not {value}")


def whole_numbers(text: str, option: str) -> tuple[int, ...]:
    """Whole numbers, 1 or more, from "20" or "20,10"."""
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or min(found) < 1:
        raise InputError(
            f"{option} wants whole numbers, 1 or more, with commas between them, such as 20 or 20,10, not {text!r}"
        )
    return found
