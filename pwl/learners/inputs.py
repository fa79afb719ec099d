"""The preparation of the inputs that the evidence prefers: standardised, or decorrelated as well, Eq. (88)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pwl.algorithms.bayesian_lm import BayesianLM
from pwl.data.preparation import Preparation
from pwl.network.network import Network
from pwl.solvers.levenberg_marquardt import Damping
from pwl.training.record import Record
from pwl.training.train import train

KINDS = ("standardise", "decorrelate")
ALGORITHM = BayesianLM(damping=Damping(mu=5e-3, schedule="gain"), starts=BayesianLM.STARTS)


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
        kind: min(value for value in record["negative_log_evidence"] if value is not None)
        for kind, (_, record) in found.items()
    }
    best = min(negative_log, key=lambda kind: negative_log[kind])
    net, record = found[best]
    record.settings |= {"inputs": best, "inputs_chosen_by": "the highest evidence"}
    return Chosen(net, record, negative_log)
