"""`pwl finetune`: a trained network learns other data."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from pwl.activations import PiecewiseLinear
from pwl.cli import device, parts, paths, shape, source
from pwl.cli.train import add_error_sample, add_file, check_error_sample, check_files, save_somewhere, seconds_between
from pwl.data.augmentation import Augmentation
from pwl.errors import InputError
from pwl.files.write import check_apart
from pwl.learners import ensemble_file
from pwl.learners.finetune import finetune
from pwl.learners.finish import finish
from pwl.learners.named import LEARNERS, Shape, pick
from pwl.models import imagenet_preparation, load_pretrained, resnet18, vgg11
from pwl.network.network import Network
from pwl.network.save import Saved, load
from pwl.training.checkpoint import Checkpoint
from pwl.training.schedules import NAMED
from pwl.training.train import evaluate
from pwl.validate import not_negative

HELP = "train a trained network on other data, with layers frozen or trained"
DESCRIPTION = """Gives a trained network new outputs for your data and trains it on them. Frozen layers next to the inputs are
passed once. With --cache what comes out of them is kept on disk, by its content, for later runs. --frozen, --rate and --curves
choose layers by patterns of their names: those of PyTorch for vgg11 and resnet18 ("layer[1-3]*", "features*", "fc"), and
"7.Conv2d" as pwl info numbers them for all networks. "outputs" are the output weights.

NETWORK is a file by pwl train, or with --pretrained one of vgg11, vgg11_bn, resnet18, and resnet18_folded (batch normalisation
folded into the weights). Nothing is downloaded. A checkpoint is kept beside the network's file, and --resume goes on from it."""
EXAMPLES = """examples:
  pwl finetune net.safetensors new/ --frozen 6 --iterations 20
  pwl finetune resnet18 birds/ --pretrained resnet18-f37072fd.pth --frozen conv1 bn1 "layer[1-4]*" --cache features
  pwl finetune resnet18 birds/ --pretrained resnet18.pth --frozen conv1 bn1 "layer[1-3]*" --rate "layer4*=0.1" --flip --copies 2
  pwl finetune net.safetensors new/ --frozen 6 --curves last --algorithm curved-adam --finish
"""
MODELS: dict[str, Any] = {
    "vgg11": (vgg11, {}), "vgg11_bn": (vgg11, {"batch_norm": True}), "resnet18": (resnet18, {}),
    "resnet18_folded": (resnet18, {"batch_norm": False}),
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("net", metavar="NETWORK", help=f"a file by pwl train, or one of {', '.join(MODELS)}")
    source.add_arguments(parser)
    group = parser.add_argument_group("layers")
    group.add_argument("--pretrained", type=paths.path, metavar="FILE", help="weights of a model: .pth, .safetensors or .npz")
    group.add_argument(
        "--partial", action="store_true", help="take the layers that the file has, and leave the others as drawn"
    )
    group.add_argument(
        "--frozen",
        nargs="+",
        action="extend",
        metavar="LAYERS",
        help="a number of layers, or patterns of names (default: none)",
    )
    group.add_argument(
        "--rate",
        nargs="+",
        action="extend",
        metavar="PATTERN=FACTOR",
        default=[],
        help="factors of the learning rates of layers",
    )
    group.add_argument(
        "--curves", metavar="WHERE", help="put curves in place of activations: all, last, or numbers of layers"
    )
    group.add_argument("--keep-outputs", action="store_true", help="train the old outputs on instead of new ones")
    group.add_argument("--cache", type=paths.path, metavar="FOLDER", help="keep the features of frozen layers there")
    group.add_argument(
        "--finish", action="store_true", help="solve for the output weights at the end, if that lowers the error"
    )
    _add_run(parser.add_argument_group("run"))


def _add_run(group: argparse._ArgumentGroup) -> None:
    device.add_arguments(group)
    group.add_argument(
        "--algorithm", default="adam", metavar="NAME", help=f"one of {', '.join(LEARNERS)} (default: %(default)s)"
    )
    group.add_argument("--iterations", type=int, default=20, metavar="N", help="at most (default: %(default)s)")
    group.add_argument("--batch-size", type=int, metavar="N", help="patterns per step (default: the algorithm's own)")
    group.add_argument("--learning-rate", type=float, metavar="R", help="(default: the algorithm's own)")
    group.add_argument(
        "--curve-rate", type=float, metavar="R", help="of the curves' ordinates (default: --learning-rate)"
    )
    group.add_argument("--schedule", choices=NAMED, default="constant", help="of the rates (default: %(default)s)")
    group.add_argument("--shift", type=int, metavar="PIXELS", help="move images at random, by at most this many pixels")
    group.add_argument("--flip", action="store_true", help="mirror images at random, left to right")
    group.add_argument(
        "--copies", type=int, default=1, metavar="N",
        help="where layers are frozen, changed copies of each image, which are made once (default: %(default)s)",
    )  # fmt: skip
    group.add_argument("--patterns", type=int, metavar="N", help="use only this many patterns, drawn by the seed (default: all)")
    group.add_argument(
        "--seed", type=int, default=0, help="of the parts and of the random numbers (default: %(default)s)"
    )
    parts.add_arguments(group)
    source.add_weights(group)
    group.add_argument(
        "--max-fail", type=int, default=20, metavar="N",
        help="stop N iterations after the lowest validation error (default: %(default)s)",
    )  # fmt: skip
    add_error_sample(group)
    add_file(group, "tuned.safetensors")


def run(options: argparse.Namespace) -> int:
    source.settle(options)
    device.settle(options)
    parts.settle(options)
    shape.check_numbers(options)
    shape.check_seconds("--checkpoint-seconds", options.checkpoint_seconds)
    if options.partial and options.pretrained is None:
        raise InputError("--partial says which of the weights in --pretrained are taken, but none are given: leave it out")
    learner, rates = pick([options.algorithm])[options.algorithm], factors(options.rate)
    checkpoint = Path(f"{options.out}.checkpoint")
    check_files(options, checkpoint)
    check_apart(options.out, [options.net, *([] if options.pretrained is None else [options.pretrained])])
    if options.net not in MODELS and ensemble_file.is_one(options.net):
        raise InputError(f"{options.net} holds several networks, wanted one: train it by pwl train --single")
    options.network, saved = source.OF_TABLES, None if options.net in MODELS else load(options.net)
    taken = source.Taken(channels=3)
    if saved is not None:
        taken = source.fitted_to(saved.net.input_shape, saved.schema, options)
    table = source.opened(options, taken=taken)
    net = network(options, table, saved).to(options.device)
    if len(net.input_shape) == 3 and table.shape:
        table = source.with_images(table, options.net)
    if options.keep_outputs:
        check_classes(net, table, options.net)
    found = parts.divide(table, options)
    print(f"{table.summary()}; {options.net}, {options.algorithm}")
    train, *held_out = (
        None if part is None else _raw(part, table, net, options)
        for part in (parts.held(table, found.train), found.validation, found.test)
    )
    assert train is not None
    settings = Shape(
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        curve_rate=options.curve_rate,
        schedule=options.schedule,
    )
    shape.check_used(settings, {options.algorithm: learner})
    augment = Augmentation(options.shift or 0, options.flip) if options.flip or options.shift is not None else None
    count = range(len(train[0]) * (1 + (options.copies if augment and options.frozen else 0)))
    batch_size = settings.batch(learner, count)
    check_error_sample(options.error_sample, batch_size, options.algorithm)
    net, record = finetune(
        net, train, settings.algorithm(learner, count, options.iterations), frozen=frozen(options.frozen), rates=rates,
        new_head=not options.keep_outputs, cache=options.cache, augment=augment, copies=options.copies, validation=held_out[0],
        test=held_out[1], iterations=options.iterations, batch_size=batch_size, error_sample=options.error_sample,
        max_fail=options.max_fail, checkpoint=Checkpoint(checkpoint, seconds_between(options)),
        resume=checkpoint if options.resume else None, progress=True, seed=options.seed,
    )  # fmt: skip
    if options.finish:
        net, how = finish(net, train, validation=held_out[0])
        kept = "kept" if how.kept else "not kept"
        print(f"output weights anew: ridge {how.ridge:.3g}, E {how.before:.6g} -> {how.after:.6g}, {kept}")
    record.settings |= {"data": table.name, "validation": found.words, "network": options.net}
    save_somewhere(net, options.out, record, table.schema)
    for name, part in zip(("validation", "test"), held_out, strict=True):
        if part is not None:
            scores = evaluate(net, part)
            share = scores.classification_error
            print(f"{name} error {scores.error:.6g}" + ("" if share is None else f", accuracy {1 - share:.2%}"))
    print(f"stopped: {record.stop_reason}\nsaved: {options.out}")
    return 130 if record.stop_code == "interrupted" else 0


def network(options: argparse.Namespace, table: source.Source, saved: Saved[Network] | None) -> Network:
    """The network to begin with, a saved one or a model, with curves if they are wanted."""
    if saved is None:
        if options.pretrained is None:
            raise InputError(f"{options.net} needs weights that others have trained: give their file by --pretrained")
        size = table.shape
        if len(size) != 3 or size[2] != 3 or not table.classes:
            raise InputError(f"{options.net} is for images in colours, but {table.name} holds none")
        if not options.pretrained.exists():
            raise InputError(f"{options.pretrained} is not there: give a file of this machine, since nothing is downloaded")
        make, settings = MODELS[options.net]
        plain = make(input_shape=size, n_classes=len(table.classes), seed=options.seed, **settings)
        net = load_pretrained(plain, options.pretrained, partial=options.partial)
        net = net.with_preparation(imagenet_preparation(table.classes))
    elif options.pretrained is not None:
        raise InputError(
            f"--pretrained is for {', '.join(MODELS)}, but {options.net} has weights of its own: leave it out"
        )
    else:
        net = saved.net
    if options.curves is None:
        return net
    where = options.curves if options.curves in ("all", "last") else options.curves.split(",")
    if not isinstance(where, str) and not all(each.isdecimal() for each in where):
        raise InputError(f"--curves must be all, last, or numbers of layers with commas between them, not {options.curves!r}")
    places: Any = where if isinstance(where, str) else [int(each) for each in where]
    there = [index for index, layer in enumerate(net.layers) if layer.kind == "activation"]
    if not isinstance(places, str) and (wrong := [each for each in places if each not in there]):
        raise InputError(f"--curves takes numbers of activations, {', '.join(map(str, there))}, but layer {wrong[0]} is none")
    return net.replace_activations(places, PiecewiseLinear("relu", 13, outside="linear"))


def check_classes(net: Network, table: source.Source, name: str) -> None:
    """Raises InputError for classes that the outputs of a network do not know."""
    known = None if net.preparation is None else net.preparation.classes
    if known and table.classes and (strange := [each for each in table.classes if each not in known]):
        raise InputError(
            f"{table.name} has the class {strange[0]!r}, but the outputs of {name} are for {', '.join(map(str, known))}: "
            "leave out --keep-outputs, and the network gets new ones"
        )


def _raw(part: parts.HeldOut, table: source.Source, net: Network, options: argparse.Namespace) -> tuple[Any, ...]:
    """Inputs in the network's shape, targets in raw units or classes by name, and weights if there are any."""
    x, t = part.x[:], part.t[:]
    if int(np.prod(x.shape[1:])) != int(np.prod(net.input_shape)):
        wanted = " x ".join(map(str, net.input_shape))
        came = " x ".join(map(str, table.shape or x.shape[1:]))
        todo = "leave out --image-size" if options.image_size and table.shape else "give data of that kind"
        raise InputError(f"{table.name} has inputs of {came}, but {options.net} takes {wanted}: {todo}")
    names = table.classes and not (options.keep_outputs and net.preparation is None)  # whose outputs have no names
    labels = np.array(table.classes)[t] if names else t
    own = x.reshape(len(x), *net.input_shape), labels
    return own if part.weights is None else (*own, part.weights)


def frozen(given: list[str] | None) -> Any:
    """A number of layers, or patterns of names."""
    if not given:
        return 0
    return int(given[0]) if len(given) == 1 and given[0].isdecimal() else given


def factors(given: list[str]) -> dict[str, float] | None:
    """Factors by patterns from "layer4*=0.1"."""
    found = {}
    for text in given:
        pattern, _, number = text.rpartition("=")
        try:
            factor = float(number)
        except ValueError:
            pattern = ""
        if not pattern:
            raise InputError(f'--rate must be a pattern and a factor, such as "layer4*=0.1", not {text!r}')
        found[pattern] = not_negative(f"the factor in --rate {text}", factor)
    return found or None
