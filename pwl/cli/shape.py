"""Options that say which network and which algorithm: shared by the commands that train."""

from __future__ import annotations

import argparse

from pwl.activations import FIXED
from pwl.compare import Settings
from pwl.contenders import NETWORKS, Shape
from pwl.errors import InputError
from pwl.suggest import nearest

IMAGES = "relu"  # the activation of networks for images


def add_arguments(parser: argparse.ArgumentParser) -> None:
    default = Settings()
    group = parser.add_argument_group("network and training")
    group.add_argument(
        "--network", choices=NETWORKS, default=default.network,
        help="mlp, or for images a net of 1 to 3 blocks of two convolutions and a pooling (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--hidden", metavar="N[,N...]",
        help=f"units of the hidden layer, or layers, of an mlp (default: {hidden_text(default.hidden)})",
    )  # fmt: skip
    group.add_argument(
        "--start", metavar="NAME",
        help=f"fixed activation, from which curves start: {', '.join(FIXED)} (default: {default.start}, for images {IMAGES})",
    )  # fmt: skip
    group.add_argument(
        "--hinges",
        type=number_or_auto,
        default=default.hinges,
        metavar="K",
        help='of each curve; "auto" has few knots that grow in training (default: %(default)s)',
    )
    group.add_argument(
        "--iterations", type=int, default=default.iterations, metavar="N", help="at most (default: %(default)s)"
    )
    group.add_argument("--batch-size", type=int, metavar="N", help="patterns of a step (default: the algorithm's)")
    group.add_argument("--patterns", type=int, metavar="N", help="use so many, drawn by the seed (default: all)")
    group.add_argument(
        "--seed", type=int, default=default.seed, help="of parts and starting weights (default: %(default)s)"
    )


def shape(options: argparse.Namespace) -> Shape:
    """The network's shape from the options; InputError for it, or a training, that can't be."""
    default, images = Shape(), options.network != "mlp"
    start = options.start or (IMAGES if images else default.start)
    if start not in FIXED:
        raise InputError(f"--start {start!r} is unknown{nearest(start, FIXED)}; there are {', '.join(FIXED)}")
    if images and options.hidden:
        raise InputError(f"--hidden is for an mlp: {options.network} has its layers already")
    at_least(0, "--seed", options.seed)
    at_least(1, "--iterations", options.iterations)
    at_least(1, "--max-fail", options.max_fail)
    at_least(1, "--batch-size", options.batch_size)
    at_least(2, "--patterns", options.patterns)
    hidden = whole_numbers(options.hidden, "--hidden") if options.hidden else default.hidden
    found = Shape(hidden, start, options.hinges, options.network, options.batch_size)
    found.activation(curves=True)  # refuses what hinges can't be
    return found


def number_or_auto(text: str) -> int | str:
    if text != "auto" and not text.lstrip("-").isdigit():
        raise argparse.ArgumentTypeError(f'"auto" or a whole number was wanted, not {text!r}')
    return text if text == "auto" else int(text)


def hidden_text(hidden: tuple[int, ...]) -> str:
    return ",".join(map(str, hidden))


def in_words(shape: Shape) -> str:
    """The network in a few words."""
    return shape.network if shape.network != "mlp" else f"{hidden_text(shape.hidden)} hidden units"


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
