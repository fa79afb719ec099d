"""The settings of an estimator: all of them checked before any work, and names made into objects."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from pwl import activations
from pwl.activations import PiecewiseLinear
from pwl.algorithms import MOLF, AdAct, Algorithm
from pwl.algorithms.penalties import Penalties
from pwl.errors import InputError
from pwl.learners.forms import WIDTH
from pwl.learners.named import LEARNERS, pick
from pwl.network.network import Network
from pwl.validate import listed, one_of, positive, share, shown, truth, whole

MISSING = ("refuse", "mean")
HELD = Penalties(ridge=1e-6, l2=1e-6)
ITERATIONS = 100  # of a single network
HELD_OUT = 0.1  # share of the patterns if early_stopping=True comes without a share


class Options(NamedTuple):
    """The settings of a fit, checked.

    hidden: None for the default learner's own. held_out: the share of the patterns that validates. seed: drawn from random_state.
    plans: whether the default learner chooses algorithm and networks.
    """

    hidden: tuple[int, ...] | None
    activation: Any
    algorithm: Algorithm | None
    iterations: int
    batch_size: int | None
    held_out: float
    max_fail: int
    bypass: bool
    seed: int
    plans: bool
    max_seconds: float | None

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each hidden layer of a single network."""
        return self.hidden or (WIDTH,)


def checked(e: Any) -> Options:
    """The settings of the estimator `e`. Raises InputError for the first that can't be used."""
    for name in ("bypass", "warm_start"):
        truth(name, getattr(e, name))
    if not isinstance(e.verbose, (bool, np.bool_)):
        whole("verbose", e.verbose, 0, also=", or True or False")
    one_of("missing", e.missing, MISSING)
    given = listed(e.hidden)
    widths = (e.hidden,) if given is None else given
    if e.hidden is not None and not widths:
        raise InputError("hidden is empty: give the number of units of at least one hidden layer")
    algorithm = algorithm_of(e.algorithm)
    if e.batch_size is not None:
        whole("batch_size", e.batch_size, unit=" of patterns", also=", or None")
        if algorithm is None or algorithm.full_batch:
            raise InputError(
                f"batch_size is for algorithms that learn by batches, such as 'adam', but the algorithm is {e.algorithm!r}: "
                "leave batch_size out, or choose another"
            )
    return Options(
        hidden=None if e.hidden is None else tuple(whole("hidden", width, unit=" of units") for width in widths),
        activation=activation_of(e.activation, e.algorithm),
        algorithm=algorithm,
        iterations=ITERATIONS if e.iterations is None else whole("iterations", e.iterations, also=", or None"),
        batch_size=e.batch_size,
        held_out=held_out(e.early_stopping, e.validation_fraction),
        max_fail=whole("max_fail", e.max_fail, unit=" of iterations"),
        bypass=e.bypass,
        seed=seed_of(e.random_state),
        plans=e.algorithm is None and e.activation is None and e.iterations is None and not e.warm_start,
        max_seconds=None if e.max_seconds is None else positive("max_seconds", e.max_seconds),
    )


def seed_of(random_state: Any) -> int:
    """A seed: a whole number itself, or one drawn. None draws from NumPy's global generator, as scikit-learn does."""
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31))
    if random_state is None or isinstance(random_state, np.random.RandomState) or random_state is np.random:
        return int(check_random_state(random_state).randint(2**31 - 1))
    return whole("random_state", random_state, 0, also=", or None, a RandomState or a Generator")


def held_out(early_stopping: Any, fraction: Any) -> float:
    """The share of the patterns that validates."""
    found = share("validation_fraction", fraction)
    if isinstance(early_stopping, str) and early_stopping == "auto":
        return found
    if not isinstance(early_stopping, (bool, np.bool_)):
        raise InputError(f'early_stopping must be True, False or "auto", not {shown(early_stopping)}')
    return (found or HELD_OUT) if early_stopping else 0.0


def algorithm_of(algorithm: Any) -> Algorithm | None:
    """The algorithm by name or as an object. None is the default, which depends on the network."""
    if algorithm is None:
        return None
    if isinstance(algorithm, str):
        return pick([algorithm])[algorithm].algorithm
    if isinstance(algorithm, type) or not isinstance(algorithm, Algorithm):
        raise InputError(
            f"algorithm must be a name ({', '.join(LEARNERS)}) or an object such as pwl.LM(), not {shown(algorithm)}"
        )
    return algorithm


def activation_of(activation: Any, algorithm: Any) -> Any:
    """The activation. By default curves, or tanh for the name of an algorithm that does not train curves."""
    if activation is not None:
        return activations.resolve(activation)
    curves = not isinstance(algorithm, str) or LEARNERS[algorithm].curves
    return PiecewiseLinear() if curves else activations.resolve("tanh")


class Choice(NamedTuple):
    """An algorithm and the number of patterns per step, None for all."""

    algorithm: Algorithm
    batch_size: int | None


def choose(net: Network, options: Options, count: int) -> Choice:
    """The algorithm for a network and `count` training patterns: the one asked for, or else the default.

    By default nets with curves train by AdAct, and nets with fixed activations by MOLF. For classes, where the error may fall
    towards 0 while the weights grow without end, steps are guarded and weights held small.
    """
    algorithm = options.algorithm
    if algorithm is None:
        kind = AdAct if net.keys("activation") else MOLF
        algorithm = kind(direction="hwo", safeguard=True, penalties=HELD) if net.loss.classes else kind(direction="hwo")
    size = options.batch_size or _own_batch(algorithm)
    return Choice(algorithm, size and min(size, count))


def _own_batch(algorithm: Algorithm) -> int | None:
    """The batch size that the commands use for algorithms of this kind."""
    return next((one.batch_size for one in LEARNERS.values() if type(one.algorithm) is type(algorithm)), None)


def nested(name: str, value: Any) -> dict[str, Any]:
    """The options of an algorithm or an activation, as scikit-learn names parameters within parameters."""
    if name == "algorithm" and isinstance(value, str) and value in LEARNERS:
        value = LEARNERS[value].algorithm
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return {}
    found: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        if field.init:
            found[f"{name}__{field.name}"] = getattr(value, field.name)
    return found


def renewed(name: str, value: Any, changes: dict[str, Any]) -> Any:
    """The algorithm or activation with some options changed, also by their short names, such as mu for damping.mu."""
    if name == "algorithm":
        value = algorithm_of(value)
    elif isinstance(value, str):
        value = activations.resolve(value)
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        raise InputError(f"{name}__{next(iter(changes))} needs {name} to be a name or an object, not {shown(value)}")
    try:
        return dataclasses.replace(value, **changes)
    except TypeError as wrong:
        raise InputError(f"{name} {value!r} can't take {', '.join(changes)}: {wrong}") from None
