"""The preparation of the inputs that the evidence prefers: standardised, or decorrelated as well, Eq. (88)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from pwl.algorithms.bayesian_lm import BayesianLM
from pwl.data.decorrelation import Decorrelation
from pwl.data.preparation import Preparation
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.solvers.levenberg_marquardt import Damping
from pwl.training.record import Record
from pwl.training.train import train

KINDS = ("standardise", "decorrelate")
NEARLY = 1e5  # condition of the correlation matrix, without exact repeats, from which inputs nearly repeat each other
ALGORITHM = BayesianLM(damping=Damping(mu=5e-3, schedule="gain"), starts=BayesianLM.STARTS)


class View(NamedTuple):
    """Patterns as a network takes them, and the preparation that makes them of raw ones."""

    patterns: Patterns
    validation: Patterns | None
    preparation: Preparation

    @property
    def judges(self) -> Patterns:
        """The patterns that judge networks: those that validate, or the patterns of the training as if left out."""
        return self.patterns if self.validation is None else self.validation


def decorrelated(view: View) -> View | None:
    """The same patterns without correlations of inputs, Eq. (88), or None if these do not nearly repeat each other."""
    patterns, scaling = view.patterns, view.preparation.inputs
    if patterns.x.ndim != 2 or isinstance(scaling, Decorrelation) or len(patterns) <= patterns.x.shape[1]:
        return None  # without correlations, fewer patterns than inputs would all be equally far from each other
    matrix = Decorrelation.fit(patterns.x[:], "x", weights=patterns.weights).matrix
    gains = np.linalg.svd(matrix, compute_uv=False)  # of each direction: the inverse root of its variance, 0 without one
    there = gains[gains > 1e-9 * gains[0]] if gains[0] else gains[:0]
    if len(there) < 2 or (there[0] / there[-1]) ** 2 < NEARLY:
        return None
    preparation = dataclasses.replace(view.preparation, inputs=Decorrelation(scaling, matrix))
    turned = [None if part is None else _turned(part, matrix) for part in view[:2]]
    assert turned[0] is not None
    return View(turned[0], turned[1], preparation)


def _turned(patterns: Patterns, matrix: np.ndarray) -> Patterns:
    return Patterns(patterns.x[:] @ matrix, patterns.t[:], patterns.weights, block_bytes=patterns.block_bytes)


class Chosen(NamedTuple):
    """The network of the highest evidence, with its preparation, its record, and -log p of each kind of inputs."""

    net: Network
    record: Record
    negative_log: dict[str, float]


def by_evidence(
    x: Any,
    t: Any,
    network: Callable[[], Network],
    *,
    algorithm: BayesianLM = ALGORITHM,
    iterations: int = 400,
    kinds: Sequence[str] = KINDS,
    targets: str = "standardise",
    **options: Any,
) -> Chosen:
    """Trains a network on each preparation of the inputs and keeps the one of the highest evidence, Eqs. (79), (88).

    The evidence is a probability of the same targets, so that it compares preparations. Inputs that nearly repeat each other
    hide what sets them apart from a standardised network: Levenberg-Marquardt and the prior on |w|^2 both hold back the
    large weights of opposite signs that it takes. On decorrelated inputs they are small ones.

    Parameters
    ----------
    x, t : arrays
        Raw inputs and targets of training.
    network : function without arguments
        Makes the network to start from.
    algorithm : pwl.BayesianLM
    iterations : int
        Iterations for each kind at most.
    kinds : sequence of str
        Preparations of the inputs, as in `pwl.Preparation.fit`.
    targets : str
        Preparation of the targets.
    **options
        Passed to `pwl.train`.

    Returns
    -------
    Chosen
    """
    found: dict[str, tuple[Network, Record]] = {}
    for kind in kinds:
        preparation = Preparation.fit(x, t, inputs=kind, targets=targets)
        net, record = train(network(), preparation.transform(x, t), algorithm, iterations=iterations, **options)
        found[kind] = (net.with_preparation(preparation), record)
    negative_log = {
        kind: min((value for value in record["negative_log_evidence"] if value is not None), default=np.inf)
        for kind, (_, record) in found.items()
    }
    best = min(negative_log, key=lambda kind: negative_log[kind])
    net, record = found[best]
    record.settings |= {"inputs": best, "inputs_chosen_by": "the highest evidence"}
    return Chosen(net, record, negative_log)
