"""Options for the network and the training, shared by the commands that train."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from typing import Any

from pwl.activations import FIXED
from pwl.activations.fixed import MATLAB
from pwl.data.augmentation import Augmentation
from pwl.errors import InputError
from pwl.learners.named import LEARNERS, NETWORKS, Learner, Shape
from pwl.losses import LOSSES
from pwl.study.compare import Settings
from pwl.training.schedules import NAMED
from pwl.validate import not_negative, one_of, whole

IMAGES = "relu"  # the activation of networks for images
LEAST = {
    "--input-hinges": 2, "--seed": 0, "--iterations": 1, "--max-fail": 1, "--batch-size": 1, "--patterns": 2, "--copies": 1,
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "network and training", "The defaults are those of a single network. The default learner chooses its own."
    )
    _add_network(group)
    _add_training(group)


def _add_network(group: argparse._ArgumentGroup) -> None:
    default = Settings()
    group.add_argument(
        "--network", choices=NETWORKS,
        help=f"mlp, or for images a VGG net of 1 to 3 blocks (default: {default.network}, for folders of images vgg2)",
    )  # fmt: skip
    group.add_argument(
        "--hidden", metavar="N[,N...]",
        help=f"units of each hidden layer of an mlp (default: {hidden_text(default.hidden)})",
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
        help='hinges of each curve; "auto": few at first, more during training (default: %(default)s)',
    )
    group.add_argument(
        "--loss", choices=LOSSES, default=default.loss,
        help="output_reset is for classes (default: cross_entropy for classes, else squared_error)",
    )  # fmt: skip
    group.add_argument(
        "--input-hinges", type=number_or_auto, metavar="K",
        help='hinges of a curve for each input of an mlp; "auto": by the number of patterns (default: straight inputs)',
    )  # fmt: skip


def _add_training(group: argparse._ArgumentGroup) -> None:
    default = Settings()
    group.add_argument(
        "--iterations", type=int, metavar="N", help=f"number of iterations at most (default: {default.iterations})"
    )
    group.add_argument("--batch-size", type=int, metavar="N", help="patterns per step (default: the algorithm's own)")
    group.add_argument(
        "--learning-rate", type=float, metavar="R", help="for algorithms that have one (default: the algorithm's own)"
    )
    group.add_argument(
        "--curve-rate",
        type=float,
        metavar="R",
        help="learning rate of the curves' ordinates (default: --learning-rate)",
    )
    group.add_argument(
        "--schedule", choices=NAMED, default=default.schedule,
        help="change of the rates over the steps of all --iterations, which must stay the same for --resume; one_cycle "
        "rises for 30%% of the steps, then falls to 0 (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--shift", type=int, metavar="PIXELS", help="move the images of batches at random, by at most this many pixels"
    )
    group.add_argument("--flip", action="store_true", help="mirror half of the images of batches, left to right")
    group.add_argument("--patterns", type=int, metavar="N", help="use only this many patterns, drawn by the seed (default: all)")
    group.add_argument(
        "--seed",
        type=int,
        default=default.seed,
        help="seed of the parts of the data and of the starting weights (default: %(default)s)",
    )


def shape(options: argparse.Namespace) -> Shape:
    """The shape of the network from the options. Raises InputError for a network or a training that is impossible."""
    default, images = Shape(), options.network != "mlp"
    start = options.start or (IMAGES if images else default.start)
    start = MATLAB.get(start, start)
    one_of("--start", start, FIXED)
    if images and options.hidden:
        raise InputError(f"--hidden is for an mlp, but {options.network} has its own layers: leave it out")
    if images and options.input_hinges is not None:
        raise InputError(f"--input-hinges is for an mlp, but {options.network} is for images: leave it out")
    check_numbers(options)
    hidden = whole_numbers(options.hidden, "--hidden") if options.hidden else default.hidden
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
        options.input_hinges,
        options.loss,
    )
    if images and options.loss is not None:
        raise InputError(f"--loss is for an mlp, but {options.network} has cross-entropy: leave it out")
    found.activation(curves=True)  # refuses hinges that are impossible
    return found


def iterations(options: argparse.Namespace) -> int:
    """The number of iterations at most."""
    return Settings().iterations if options.iterations is None else options.iterations


def check_numbers(options: argparse.Namespace) -> None:
    """Raise InputError for counts and rates that can't be, among those that the command has."""
    for option, least in LEAST.items():
        if (count := value_of(options, option)) is not None and count != "auto":
            whole(option, count, least)
    for option in ("--learning-rate", "--curve-rate"):
        if (rate := value_of(options, option)) is not None:
            not_negative(option, rate)
    if (shift := value_of(options, "--shift")) is not None:
        whole("--shift", shift, 0, unit=" of pixels")
    if (sample := value_of(options, "--error-sample")) is not None:
        whole("--error-sample", sample, unit=" of patterns")


def augmentation(options: argparse.Namespace) -> Augmentation | None:
    """The random changes of images, if any are wanted. Raises InputError if there are no images."""
    if options.shift is None and not options.flip:
        return None
    if options.network == "mlp":
        option = "--flip" if options.shift is None else "--shift"
        raise InputError(
            f"{option} is for networks for images: choose one with --network ({', '.join(NETWORKS[1:])}), or leave it out"
        )
    return Augmentation(options.shift or 0, options.flip)


def check_used(shape: Shape, learners: Mapping[str, Learner]) -> None:
    """Raises InputError for rates that no algorithm has, and for changes of images if an algorithm has no batches."""
    for name, given in (
        ("learning_rate", shape.learning_rate is not None),
        ("curve_rate", shape.curve_rate is not None),
        ("schedule", shape.schedule != "constant"),
    ):
        rate = "learning_rate" if name == "schedule" else name
        if given and not any(rate in learner.rates for learner in learners.values()):
            having = [other for other, learner in LEARNERS.items() if rate in learner.rates]
            raise InputError(
                f"--{name.replace('_', '-')} is not for {', '.join(learners)}: the algorithms "
                f"{', '.join(having)} have a {rate.replace('_', ' ')}"
            )
    for name, learner in learners.items():
        if shape.augment and not (shape.batch_size or learner.batch_size):
            todo = "choose another algorithm" if learner.algorithm.full_batch else "give it a --batch-size"
            raise InputError(f"--shift and --flip change the images of batches, but {name} has no batches: {todo}")


def number_or_auto(text: str) -> int | str:
    """The value of --hinges and --input-hinges."""
    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'"auto" or a whole number was wanted, not {text!r}') from None


def hidden_text(hidden: tuple[int, ...]) -> str:
    """The units of the hidden layers as --hidden takes them."""
    return ",".join(map(str, hidden))


def in_words(shape: Shape) -> str:
    """The network in a few words."""
    return shape.network if shape.network != "mlp" else f"{hidden_text(shape.hidden)} hidden unit{'s' * (shape.hidden != (1,))}"


def value_of(options: argparse.Namespace, option: str) -> Any:
    """The value of an option such as --batch-size, or None if the command does not have it."""
    return getattr(options, option.removeprefix("--").replace("-", "_"), None)


def check_seconds(option: str, value: float | None) -> None:
    """Raises InputError for a number of seconds that is negative or NaN. Infinity, for never, is allowed."""
    if value is not None and value != math.inf:
        not_negative(option, value)


def whole_numbers(text: str, option: str) -> tuple[int, ...]:
    """Whole numbers, 1 or more, from "20" or "20,10"."""
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or min(found) < 1:
        raise InputError(
            f"{option} must be whole numbers, 1 or more, with commas between them, such as 20 or 20,10, not {text!r}"
        )
    return found
