"""The algorithms by name, and the networks on which the commands start them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence, Sized
from dataclasses import dataclass
from typing import Any

from pwl.activations import PiecewiseLinear
from pwl.algorithms import (
    CG,
    LBFGS,
    LM,
    MOLF,
    OWOBP,
    SCG,
    SGD,
    AdAct,
    Adam,
    Algorithm,
    BayesianLM,
    MinibatchAdAct,
    VarPro,
)
from pwl.data.augmentation import Augmentation
from pwl.data.preparation import Preparation
from pwl.errors import InputError
from pwl.losses import LOSSES
from pwl.models import vgg
from pwl.network.network import Network
from pwl.solvers.levenberg_marquardt import Damping
from pwl.training.record import Record
from pwl.training.schedules import named
from pwl.validate import nearest


@dataclass(frozen=True)
class Learner:
    """An algorithm with the choices that belong to it.

    Attributes
    ----------
    algorithm : Algorithm
    curves : bool
        Whether it trains curves. They start from the activation that the other learners keep.
    batch_size : int or None
        Number of patterns per step. None means all.
    """

    algorithm: Any
    curves: bool = False
    batch_size: int | None = None

    def batch(self, patterns: Sized) -> int | None:
        """The batch size, which is at most the number of patterns."""
        return self.batch_size and min(self.batch_size, len(patterns))

    @property
    def rates(self) -> tuple[str, ...]:
        """The learning rates that the algorithm has: learning_rate, and with curves also curve_rate."""
        fields = {field.name for field in dataclasses.fields(self.algorithm)}
        wanted = ("learning_rate", "curve_rate") if self.curves else ("learning_rate",)
        return tuple(name for name in wanted if name in fields)


LEARNERS = {
    "adact": Learner(AdAct(), curves=True),
    "hwo-adact": Learner(AdAct(direction="hwo"), curves=True),
    "adact-damped": Learner(AdAct.damped(), curves=True),
    "minibatch-adact": Learner(MinibatchAdAct(), curves=True, batch_size=32),
    "molf": Learner(MOLF()),
    "hwo-molf": Learner(MOLF(direction="hwo")),
    "molf-damped": Learner(MOLF.damped()),
    "owo-bp": Learner(OWOBP()),
    "cg": Learner(CG()),
    "scg": Learner(SCG()),
    "lm": Learner(LM(solver="cholesky", damping=Damping(schedule="gain"))),
    "varpro": Learner(VarPro()),
    "curved-varpro": Learner(VarPro(train_curves=True), curves=True),
    "bayesian-lm": Learner(BayesianLM(damping=Damping(mu=5e-3, schedule="gain"))),
    "lbfgs": Learner(LBFGS()),
    "adam": Learner(Adam(), batch_size=32),
    "curved-adam": Learner(Adam(), curves=True, batch_size=32),
    "sgd": Learner(SGD(), batch_size=32),
    "curved-sgd": Learner(SGD(), curves=True, batch_size=32),
}
NETWORKS = ("mlp", "vgg1", "vgg2", "vgg3")


@dataclass(frozen=True)
class Shape:
    """The shape of a network and the options of its training that all learners share.

    Attributes
    ----------
    hidden : tuple of int
        Number of units per hidden layer.
    start : str
        The fixed activation, from which curves also start.
    hinges : int or "auto"
        Number of hinges per curve.
    input_hinges : int, "auto" or None
        Number of hinges of a curve for each input of an mlp. None leaves the inputs straight.
    network : str
        One of NETWORKS. The networks for images have no choice of hidden units.
    batch_size : int or None
        Number of patterns per step. None means the learner's own.
    learning_rate, curve_rate : float or None
        Rates of the learners that have them. None means the learner's own.
    schedule : str
        Schedule of both rates, a name in pwl.schedules.NAMED.
    augment : pwl.Augmentation or None
        Changes of the images in batches.
    loss : str or None
        The loss. None means cross-entropy for classes, otherwise squared error.
    """

    hidden: tuple[int, ...] = (20,)
    start: str = "tanh"
    hinges: Any = "auto"
    network: str = "mlp"
    batch_size: int | None = None
    learning_rate: float | None = None
    curve_rate: float | None = None
    schedule: str = "constant"
    augment: Augmentation | None = None
    input_hinges: Any = None
    loss: str | None = None

    def activation(self, curves: bool) -> Any:
        """The fixed activation, or curves from it. In networks for images their end segments go on, as those of ReLU do."""
        outside = "constant" if self.network == "mlp" else "linear"
        return PiecewiseLinear(self.start, self.hinges, outside=outside) if curves else self.start

    def batch(self, learner: Learner, patterns: Sized) -> int | None:
        """Number of patterns per step, which is at most the number of patterns. None means all."""
        size = self.batch_size or learner.batch_size
        return size and min(size, len(patterns))

    def algorithm(self, learner: Learner, patterns: Sized, iterations: int) -> Algorithm:
        """The learner's algorithm with these rates, if it has any, over all steps of a run."""
        steps = iterations * math.ceil(len(patterns) / (self.batch(learner, patterns) or len(patterns)))
        found = {}
        for name in learner.rates:
            rate = getattr(self, name)
            rate = getattr(learner.algorithm, name) if rate is None else rate
            if rate is not None:
                found[name] = named(self.schedule, rate, steps)
        return dataclasses.replace(learner.algorithm, **found) if found else learner.algorithm


def pick(names: Sequence[str]) -> dict[str, Learner]:
    """Learners by name, in the given order. Raises InputError with the nearest name for an unknown one."""
    unknown = [name for name in names if name not in LEARNERS]
    if unknown:
        raise InputError(
            f"unknown algorithm {unknown[0]!r}{nearest(unknown[0], LEARNERS)}: use one of {', '.join(LEARNERS)}"
        )
    return {name: LEARNERS[name] for name in names}


def loss_of(shape: Shape, classes: bool) -> str:
    """The loss for a table with or without classes. Raises InputError if the one asked for does not fit."""
    if shape.loss is None:
        return "cross_entropy" if classes else "squared_error"
    if LOSSES[shape.loss].classes != classes:
        wanted = [name for name, loss in LOSSES.items() if loss.classes == classes]
        raise InputError(
            f"loss {shape.loss} does not fit: {'classes want' if classes else 'numbers want'} {' or '.join(wanted)}"
        )
    return shape.loss


def network(
    learner: Learner, shape: Shape, input_shape: tuple[int, ...], preparation: Preparation, seed: int
) -> Network:
    """The starting network. All learners of one seed have the same weights."""
    if shape.network != "mlp":
        return vgg(
            int(shape.network[-1]),
            shape.activation(learner.curves),
            input_shape=input_shape,
            n_classes=len(preparation.target_scale),
            seed=seed,
        )
    return Network.mlp(
        math.prod(input_shape),
        shape.hidden,
        len(preparation.target_scale),
        shape.activation(learner.curves),
        loss=loss_of(shape, bool(preparation.classes)),
        seed=seed,
        input_hinges=shape.input_hinges,
    )


def rescale(record: Record, preparation: Preparation) -> None:
    """Converts errors of a record to raw units of the targets, in place. Cross-entropy has no units."""
    if preparation.targets is None:
        return
    factor = float(preparation.target_scale[0]) ** 2
    for name, values in record.series.items():
        if name.endswith(("error", "objective")):
            record.series[name] = [None if value is None else value * factor for value in values]
