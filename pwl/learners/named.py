"""The algorithms by name, and the networks that the commands start them from."""

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
from pwl.models import vgg
from pwl.network.network import Network
from pwl.solvers.levenberg_marquardt import Damping
from pwl.training.record import Record
from pwl.training.schedules import named
from pwl.validate import nearest


@dataclass(frozen=True)
class Learner:
    """An algorithm by name, whether it trains curves (started from the activation the others keep), and its batch size.

    batch_size: patterns of a step; None: all.
    """

    algorithm: Any
    curves: bool = False
    batch_size: int | None = None

    def batch(self, patterns: Sized) -> int | None:
        """Its batch size for these patterns, which may be fewer."""
        return self.batch_size and min(self.batch_size, len(patterns))

    @property
    def rates(self) -> tuple[str, ...]:
        """Which of learning_rate and curve_rate, that of the curves' ordinates, it has."""
        fields = {field.name for field in dataclasses.fields(self.algorithm)}
        wanted = ("learning_rate", "curve_rate") if self.curves else ("learning_rate",)
        return tuple(name for name in wanted if name in fields)


LEARNERS = {
    "adact": Learner(AdAct(), curves=True),
    "hwo-adact": Learner(AdAct(direction="hwo"), curves=True),
    "minibatch-adact": Learner(MinibatchAdAct(), curves=True, batch_size=32),
    "molf": Learner(MOLF()),
    "hwo-molf": Learner(MOLF(direction="hwo")),
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
COMPARED = ("adact", "hwo-adact", "molf", "hwo-molf", "owo-bp")  # where nothing else is asked for
NETWORKS = ("mlp", "vgg1", "vgg2", "vgg3")


@dataclass(frozen=True)
class Shape:
    """Of a network. hidden: units of the hidden layer, or of several. start: the fixed activation, from which curves start,
    too. hinges: of each curve, or "auto". network: one of NETWORKS; those for images have no hidden units to choose.
    batch_size: patterns of a step; None: as the learner has it. learning_rate, curve_rate: of the learners that have them;
    None: their own. schedule: how both change over the steps, a name in pwl.schedules.NAMED. augment: of images in batches."""

    hidden: tuple[int, ...] = (20,)
    start: str = "tanh"
    hinges: Any = "auto"
    network: str = "mlp"
    batch_size: int | None = None
    learning_rate: float | None = None
    curve_rate: float | None = None
    schedule: str = "constant"
    augment: Augmentation | None = None

    def activation(self, curves: bool) -> Any:
        return PiecewiseLinear(self.start, self.hinges) if curves else self.start

    def batch(self, learner: Learner, patterns: Sized) -> int | None:
        """Patterns of a step, which may be fewer than asked for."""
        size = self.batch_size or learner.batch_size
        return size and min(size, len(patterns))

    def algorithm(self, learner: Learner, patterns: Sized, iterations: int) -> Algorithm:
        """The learner's algorithm with the rates asked for, where it has any, over all steps of a run."""
        steps = iterations * math.ceil(len(patterns) / (self.batch(learner, patterns) or len(patterns)))
        found = {}
        for name in learner.rates:
            rate = getattr(self, name)
            rate = getattr(learner.algorithm, name) if rate is None else rate
            if rate is not None:
                found[name] = named(self.schedule, rate, steps)
        return dataclasses.replace(learner.algorithm, **found) if found else learner.algorithm


def pick(names: Sequence[str]) -> dict[str, Learner]:
    """Learners by name, in the order given; InputError suggests the nearest name for an unknown one."""
    unknown = [name for name in names if name not in LEARNERS]
    if unknown:
        raise InputError(
            f"unknown algorithm {unknown[0]!r}{nearest(unknown[0], LEARNERS)}; there are {', '.join(LEARNERS)}"
        )
    return {name: LEARNERS[name] for name in names}


def network(
    learner: Learner, shape: Shape, input_shape: tuple[int, ...], preparation: Preparation, seed: int
) -> Network:
    """The starting network: the same weights for all learners of one seed."""
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
        loss="cross_entropy" if preparation.classes else "squared_error",
        seed=seed,
    )


def rescale(record: Record, preparation: Preparation) -> None:
    """Errors of a record to raw units of the targets, in place; cross-entropy has no units."""
    if preparation.targets is None:
        return
    factor = float(preparation.target_scale[0]) ** 2
    for name, values in record.series.items():
        if name.endswith(("error", "objective")):
            record.series[name] = [None if value is None else value * factor for value in values]
