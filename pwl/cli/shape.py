"""Options that say which network and which algorithm: shared by the commands that train."""

from __future__ import annotations

import argparse
from pathlib import Path

from pwl.activations import FIXED
from pwl.compare import Settings
from pwl.errors import InputError
from pwl.suggest import nearest
from pwl.write import write_atomic


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


def settings(options: argparse.Namespace, k: int, max_fail: int | None) -> Settings:
    """Settings from the options; InputError for what can't be."""
    if options.start not in FIXED:
        raise InputError(
            f"--start {options.start!r} is unknown{nearest(options.start, FIXED)}; there are {', '.join(FIXED)}"
        )
    if options.seed < 0:
        raise InputError(f"--seed must be 0 or more, not {options.seed}")
    if options.iterations < 1:
        raise InputError(f"--iterations must be 1 or more, not {options.iterations}")
    return Settings(
        hidden=whole_numbers(options.hidden, "--hidden"),
        start=options.start,
        hinges=options.hinges,
        iterations=options.iterations,
        k=k,
        seed=options.seed,
        max_fail=max_fail,
    )


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


def check_writable(path: Path) -> None:
    """InputError now rather than after the training, where a file could not be written to `path`."""
    if path.is_dir():
        raise InputError(f"{path} is a folder, a file was wanted")
    trial = path.parent / f".{path.name}.trial"
    write_atomic(trial, b"")
    trial.unlink()
