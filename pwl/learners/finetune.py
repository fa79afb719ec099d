"""Fine-tuning: a trained network learns new targets, with new outputs, and with its lowest layers as they are if that is wanted."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from pwl import validate
from pwl.algorithms.adam import Adam
from pwl.algorithms.algorithm import Algorithm, check_algorithm
from pwl.algorithms.owo import owo_step
from pwl.algorithms.sgd import SGD
from pwl.data.augmentation import Augmentation
from pwl.data.preparation import Preparation
from pwl.data.targets import labels
from pwl.errors import InputError
from pwl.learners.features import features
from pwl.learners.layer_names import factors, frozen_layers
from pwl.network.build import drawn_head, glorot
from pwl.network.layout import HEAD, address
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import array_namespace, host
from pwl.runtime.room import check_bytes
from pwl.training.initialise import note_few
from pwl.training.record import Record
from pwl.training.train import divided, train

SOLVED = 2000  # functions whose output weights are solved for at the start


def finetune(
    net: Network,
    data: Any,
    algorithm: Algorithm,
    *,
    frozen: Any = 0,
    rates: Mapping[str, float] | None = None,
    new_head: bool = True,
    cache: str | os.PathLike[str] | None = None,
    augment: Augmentation | None = None,
    copies: int = 1,
    validation: Any = None,
    test: Any = None,
    parts: Any = None,
    **options: Any,
) -> tuple[Network, Record]:
    """Trains a trained network on other data.

    The patterns go through the frozen layers next to the inputs once, and the rest is trained on what comes out, so that any
    algorithm can train it and an iteration costs what the rest costs. Replace activations first,
    `net.replace_activations("last", pwl.PiecewiseLinear())`, to train curves in place of fixed functions.

    Parameters
    ----------
    net : Network
        A network that is initialised. If it carries a preparation, its inputs are prepared as before, and a new head has a new
        preparation of the targets.
    data, validation, test : (x, t), (x, t, weights) or pwl.Patterns
        In raw units if the network carries a preparation.
    algorithm : algorithm
        As in `train`.
    parts : sequence of 2 or 3 int arrays, optional
        As in `train`. The preparation of new targets and new outputs know the rows for training alone.
    frozen : int, str or sequence of str
        Number of layers, counted from the inputs as `net.summary()` lists them, that stay as they are. Or patterns of their names,
        such as ``"layer[1-3]*"`` or ``["features*"]``: names are those of PyTorch in `vgg11` and `resnet18`, and "7.Conv2d" in all
        networks. If trained layers lie below frozen ones, the algorithm must be SGD or Adam.
    rates : mapping, optional
        Factors of the learning rates of SGD or Adam by patterns of names, ``{"layer3*": 0.1, "*.Dense": 0.5}``. "outputs" are the
        output weights. All others have the factor 1.
    new_head : bool
        Whether the outputs are replaced by as many as the targets have. They start with an output step, Eqs. (10), (12), if they
        see up to 2,000 functions, and are drawn at random otherwise. False trains the old ones on.
    cache : path, optional
        A folder in which the features that come out of frozen layers are kept from run to run. They are found by their content:
        with other weights, images or changes they are computed anew.
    augment : pwl.Augmentation, optional
        Changes images at random. Without frozen layers next to the inputs they change anew in each iteration, as in `train`. With
        them, `copies` changed copies of each image are made once, and follow the images: an iteration then is a pass over the
        images and their copies, which stay the same.
    copies : int
        Number of changed copies of each image, where layers are frozen.
    **options
        Further options of `train`, such as iterations and batch_size. A callback sees the part that is trained.

    Returns
    -------
    (Network, Record)
        The whole network, and the record of the part that was trained.

    Raises
    ------
    InputError
        As `train`; if that many layers can't be frozen; or if targets do not fit the loss of the network.
    """
    validate.kind("net", net, Network, "a pwl.Network")
    validate.truth("new_head", new_head)
    validate.whole("copies", copies)
    seed = options.get("seed", 0)
    validate.seed(seed)
    check_algorithm(algorithm)
    net.check_initialised()
    rows: dict[str, list[int]] = {}
    if parts is not None:
        rows, data, others = divided(data, parts, {"validation": validation, "test": test})
        validation, test = others.get("validation"), others.get("test")
    if new_head:
        net = with_new_head(net, Patterns.of(data))
    lowest, zeros = frozen_layers(net, frozen)
    moved = factors(net, rates) | zeros
    if cache is not None and not lowest:
        raise InputError("cache keeps what comes out of frozen layers next to the inputs, but none are frozen: leave it out")
    if copies != 1 and (augment is None or not lowest):
        raise InputError(
            "copies is a number of changed images that are made once, but without frozen layers next to the inputs images change "
            "anew in each iteration, and without augment they do not change: leave it out"
        )
    if not lowest:
        net, patterns = Patterns.fitting(net, data)
        net = started(net, patterns, algorithm, seed) if new_head else net
        own = with_factors(algorithm, moved)
        net, record = train(net, patterns, own, validation=validation, test=test, augment=augment, **options)
        record.rows = rows
        return net, record
    upper = _above(net, lowest)
    above = {key: factor for key, factor in moved.items() if net.layout.by_key[key].layer >= lowest}
    own = with_factors(algorithm, {net.layout.lifted(key, lowest): factor for key, factor in above.items()})
    folder = None if cache is None else validate.path("cache", cache)
    if augment is not None:
        validate.kind("augment", augment, Augmentation, "an object such as pwl.Augmentation(shift=4, flip=True)")
        augment.check(net.input_shape, 1)

    def seen_above(data: Any, change: Augmentation | None = None) -> Patterns:
        patterns = Patterns.of(data).in_units_of(net)
        patterns.check(net)
        return features(net, patterns, lowest, folder, change, copies, seed)

    seen = seen_above(data, augment)
    held_out = [None if d is None else seen_above(d) for d in (validation, test)]
    upper = started(upper, seen, algorithm, seed) if new_head else upper
    trained, record = train(upper, seen, own, validation=held_out[0], test=held_out[1], **options)
    record.rows = rows
    record.settings["frozen"] = lowest
    if augment is not None:
        record.settings["cached_augmentation"] = f"{augment}, {copies} of each image, made once"
    return _joined(net, trained, lowest), record


def with_factors(algorithm: Algorithm, factors: Mapping[str, float]) -> Algorithm:
    """The algorithm with factors of its rates by slot keys. Raises InputError if it has no rates."""
    if all(factor == 1 for factor in factors.values()):
        return algorithm
    if not isinstance(algorithm, (SGD, Adam)):
        raise InputError(
            f"{type(algorithm).__name__} has no learning rates, so no layers between trained ones can be frozen or have rates of "
            "their own: freeze layers from the inputs on, or use pwl.SGD or pwl.Adam"
        )
    return dataclasses.replace(algorithm, factors=tuple(factors.items()))


def with_new_head(net: Network, patterns: Patterns) -> Network:
    """The network with output weights of 0 for the targets of the patterns, and their preparation if it carries one."""
    t = host(patterns.t[:])
    if net.loss.classes and t.ndim == 2 and t.shape[1] > 1 and (numbers := labels(t, t.shape[1])) is not None:
        t = host(numbers)
    if net.loss.classes != (t.ndim == 1 and t.dtype.kind in "iubUSO") and (
        net.loss.classes or t.dtype.kind not in "fiu"
    ):
        wanted = "labels, one per pattern" if net.loss.classes else "columns of numbers"
        came, other = ("numbers", "labels") if net.loss.classes else ("labels", "numbers")
        raise InputError(
            f"{came} came as targets, but the loss {net.loss.name!r} of this network wants {wanted}: give {other}, or fine-tune a "
            f"network that was trained on {came}"
        )
    if not net.loss.classes:
        t = t.reshape(len(t), -1).astype(np.float64)
    preparation = net.preparation
    if preparation is None and t.dtype.kind in "USO":
        preparation = Preparation.fit(np.zeros((len(t), net.input_shape[-1])), t, inputs="none")  # which names the classes
        outputs = len(preparation.target_scale)
    elif preparation is not None:
        fitted = Preparation.fit(np.zeros((len(t), 1)), t, weights=patterns.weights)
        preparation = dataclasses.replace(preparation, targets=fitted.targets, classes=fitted.classes)
        outputs = len(preparation.target_scale)
    else:
        outputs = int(t.max()) + 1 if net.loss.classes else t.shape[1]
        if net.loss.classes and outputs < 2:
            raise InputError(f"all labels are {t.max()}, wanted class numbers from 0 of two classes or more")
        what = f"output weights for labels up to {outputs - 1}"
        check_bytes(4 * 8 * outputs * net.n_basis, what, "number the classes from 0 without gaps")
    xp = array_namespace(net.theta)
    body = net.theta[: net.theta.shape[0] - net.W_o.shape[0] * net.W_o.shape[1]]  # the head's weights are the last ones
    theta = xp.concat([body, xp.zeros(outputs * net.n_basis, dtype=net.theta.dtype)])
    return dataclasses.replace(net, n_outputs=outputs, theta=theta, preparation=preparation, posterior=None)


def started(net: Network, patterns: Patterns, algorithm: Algorithm, seed: int) -> Network:
    """The network after an output step, Eqs. (10), (12), or with output weights drawn as in a new network if they are many."""
    if net.n_basis > SOLVED:
        return net.with_head(drawn_head(net, glorot, seed))
    note_few(net, patterns.count())
    return owo_step(net, patterns, algorithm.penalties, algorithm.ols)[0]


def _above(net: Network, frozen: int) -> Network:
    """The layers above the frozen ones, as a network of its own."""
    if net.bypass:
        raise InputError(
            "the outputs of this network see its inputs past all layers, so none can be frozen: build it with bypass=False"
        )
    for index, signal in net.joins.items():
        if index >= frozen > signal:
            raise InputError(
                f"layer {index} reads the input of layer {signal}, which would be frozen without it: freeze {signal} layers at "
                f"most, or {index + 1} at least"
            )
    count = len(net.layers) - frozen
    buffers = {address(i, name): b for i in range(count) for name, b in net.layer_buffers[frozen + i].items()}
    first = min((slot.start for slot in net.layout.slots if slot.layer >= frozen), default=0)
    return Network(
        net.layers[frozen:], net.layout.shapes[frozen], net.n_outputs, False, net.loss, net.theta[first:], buffers,
        initialised=True, net_control=False,
    )  # fmt: skip


def _joined(net: Network, upper: Network, frozen: int) -> Network:
    """The network with the parameters and buffers of what was trained."""
    parts = {HEAD: upper.W_o}
    buffers = dict(net.buffers)
    for i in range(len(upper.layers)):
        parts |= net.layout.keyed(frozen + i, upper.layer_parameters[i])
        buffers |= {address(frozen + i, name): b for name, b in upper.layer_buffers[i].items()}
    return dataclasses.replace(net, buffers=buffers).with_parts(parts)
