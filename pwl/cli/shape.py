"""Options that say which network and which algorithm: shared by the commands that train."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping

from pwl.activations import FIXED
from pwl.data.augmentation import Augmentation
from pwl.errors import InputError
from pwl.learners.named import CONTENDERS, NETWORKS, Contender, Shape
from pwl.study.compare import Settings
from pwl.training.schedules import NAMED
from pwl.validate import nearest

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
    group.add_argument(
        "--learning-rate", type=float, metavar="R", help="of algorithms that have one (default: the algorithm's)"
    )
    group.add_argument(
        "--curve-rate", type=float, metavar="R", help="of the curves' ordinates, likewise (default: the learning rate)"
    )
    group.add_argument(
        "--schedule", choices=NAMED, default=default.schedule,
        help="how rates change over the steps of all --iterations, so that these must stay the same for --resume; one_cycle "
        "rises for 30%% of them, then falls to 0 (default: %(default)s)",
    )  # fmt: skip
    group.add_argument("--shift", type=int, metavar="PIXELS", help="move images of batches at random by up to so many")
    group.add_argument("--flip", action="store_true", help="mirror half of the images of batches, left to right")
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
    for option in ("--learning-rate", "--curve-rate"):
        rate = getattr(options, option[2:].replace("-", "_"))
        if rate is not None and not 0 <= rate < math.inf:
            raise InputError(f"{option} must be 0 or a positive number, not {rate}")
    found = Shape(
        hidden,
        start,
        options.hinges,
        options.network,
        options.batch_size,
        options.learning_rate,
        options.curve_rate,
        options.schedule,
        augmentation(options),
    )
    found.activation(curves=True)  # refuses what hinges can't be
    return found


def augmentation(options: argparse.Namespace) -> Augmentation | None:
    """How images are changed, if they are; InputError where there are none."""
    if options.shift is None and not options.flip:
        return None
    at_least(0, "--shift", options.shift)
    if options.network == "mlp":
        option = "--flip" if options.shift is None else "--shift"
        raise InputError(
            f"{option} is for networks for images: choose one with --network ({', '.join(NETWORKS[1:])}), or leave it away"
        )
    return Augmentation(options.shift or 0, options.flip)


def check_used(shape: Shape, contenders: Mapping[str, Contender]) -> None:
    """InputError for rates that none of the algorithms has, and for images changed in steps on all of them."""
    for name, given in (
        ("learning_rate", shape.learning_rate is not None),
        ("curve_rate", shape.curve_rate is not None),
        ("schedule", shape.schedule != "constant"),
    ):
        rate = "learning_rate" if name == "schedule" else name
        if given and not any(rate in contender.rates for contender in contenders.values()):
            having = [other for other, contender in CONTENDERS.items() if rate in contender.rates]
            raise InputError(
                f"--{name.replace('_', '-')} is not for {', '.join(contenders)}: of the algorithms "
                f"{', '.join(having)} have a {rate.replace('_', ' ')}"
            )
    for name, contender in contenders.items():
        if shape.augment and not (shape.batch_size or contender.batch_size):
            todo = (
                "choose another algorithm"
                if getattr(contender.algorithm, "full_batch", False)
                else "give it a --batch-size"
            )
            raise InputError(f"--shift and --flip change the images of batches: {name} has none, {todo}")


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
