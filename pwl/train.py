"""The one loop that drives every algorithm: records, validation, the best network, and reasons to stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pwl.errors import InputError
from pwl.initialise import start
from pwl.network import Network
from pwl.ols import OLS
from pwl.patterns import Patterns
from pwl.penalties import Penalties
from pwl.record import Record
from pwl.statistics import error


def train(
    net: Network,
    data: Any,
    algorithm: Any,
    *,
    iterations: int = 100,
    validation: Any = None,
    test: Any = None,
    batch_size: int | None = None,
    max_fail: int = 6,
    min_grad: float = 0.0,
    goal: float = 0.0,
    max_seconds: float | None = None,
    callback: Callable[[Network, Record], Any] | None = None,
    seed: int = 0,
) -> tuple[Network, Record]:
    """Trains `net` on `data` and returns the best network and the record of the run.

    data, validation, test: (x, t), (x, t, weights) or pwl.Patterns, used as they are (see pwl.Preparation for scaling).
    algorithm: pwl.AdAct(), pwl.MOLF(), pwl.OWOBP(), ...
    iterations: at most so many; each is one pass over the data, in shuffled batches of `batch_size` if given.
    max_fail: stop after so many iterations in a row without a new lowest validation error.
    min_grad: stop when the norm of the step's gradient is no larger. goal: stop when the training error is no larger.
    max_seconds: stop after so many seconds. callback(net, record): called after each iteration; stops if it returns True.
    seed: of the shuffling.

    The network returned is the one with the lowest validation error, else the lowest training error; Ctrl-C and
    numbers that are no longer finite end the run with the best network so far, and the record says so.
    Raises InputError where data, network and settings do not fit.
    """
    patterns, others = _checked(net, data, {"validation": validation, "test": test})
    _check_settings(iterations, batch_size, max_fail, min_grad, goal, max_seconds, len(patterns))
    begin = time.perf_counter()
    penalties = getattr(algorithm, "penalties", Penalties())
    if not net.initialised:
        net = start(net, patterns, penalties, getattr(algorithm, "ols", OLS()))
    state = algorithm.init(net, patterns, seed)

    record = Record({"algorithm": repr(algorithm), "network": describe(net), "patterns": len(patterns), "batch_size": batch_size, "seed": seed})
    record.append(_row(net, patterns, others, penalties) | {"seconds": time.perf_counter() - begin, "multiplies": 0.0, "own_multiplies": 0.0, "passes": 0})
    if not math.isfinite(record["error"][0]):
        raise InputError(f"the error of the initialised network is {record['error'][0]}: scale inputs and targets (pwl.Preparation)")
    best, watched = net, "validation_error" if validation is not None else "error"
    spent, passes = np.zeros(2), 0
    try:
        for iteration in range(1, iterations + 1):
            info: dict[str, Any] = {}
            for batch in _batches(patterns, batch_size, seed, iteration):
                net, state, info = algorithm.step(net, batch, state)
                spent = spent + algorithm.multiplies(net, len(batch))
            passes += 1
            row = _row(net, patterns, others, penalties) | {
                "seconds": time.perf_counter() - begin, "multiplies": spent[0], "own_multiplies": spent[1], "passes": passes, **info,
            }
            if not (math.isfinite(row["error"]) and math.isfinite(row["objective"])):
                record.stop("non_finite", f"in iteration {iteration}")
                break
            record.append(row)
            if record[watched][-1] < record[watched][record.best_iteration]:
                best, record.best_iteration = net, iteration
            if (callback is not None and callback(net, record)) is True:
                record.stop("callback")
            elif row["error"] <= goal:
                record.stop("goal", f"{row['error']:.3g} <= {goal:g}")
            elif info.get("gradient_norm", math.inf) <= min_grad:
                record.stop("min_grad", f"{info['gradient_norm']:.3g} <= {min_grad:g}")
            elif validation is not None and iteration - record.best_iteration >= max_fail:
                record.stop("max_fail", f"{max_fail} iterations without a new lowest")
            elif max_seconds is not None and row["seconds"] >= max_seconds:
                record.stop("max_seconds", f"{max_seconds:g} s")
            if record.stop_code:
                break
        else:
            record.stop("iterations", str(iterations))
    except KeyboardInterrupt:
        record.stop("interrupted", f"after iteration {record.iterations}")
    return best, record


class Evaluation(NamedTuple):
    """error: E; classification_error: share of patterns whose largest output is wrong, None under squared error."""

    error: float
    classification_error: float | None


def evaluate(net: Network, data: Any) -> Evaluation:
    """E of an initialised network on (x, t), (x, t, weights) or pwl.Patterns, Eqs. (1), (2)."""
    patterns = Patterns.of(data)
    values = patterns.reduce(error(), net)
    return Evaluation(float(values[0]), float(values[1]) if len(values) > 1 else None)


def describe(net: Network) -> str:
    """The network's structure in one line: sizes and activations."""
    layers = " - ".join(repr(layer) for layer in net.layers)
    return f"{'x'.join(map(str, net.input_shape))} - {layers} - {net.n_outputs}, {'bypass, ' if net.bypass else ''}{net.loss.name}"


def _row(net: Network, patterns: Patterns, others: dict[str, Patterns], penalties: Penalties) -> dict[str, Any]:
    found = evaluate(net, patterns)
    row: dict[str, Any] = {"error": found.error, "objective": found.error + penalties.value(net)}
    if found.classification_error is not None:
        row["classification_error"] = found.classification_error
    for name, other in others.items():
        value = evaluate(net, other)
        row[f"{name}_error"] = value.error
        if value.classification_error is not None:
            row[f"{name}_classification_error"] = value.classification_error
    return row


def _batches(patterns: Patterns, batch_size: int | None, seed: int, iteration: int):  # type: ignore[no-untyped-def]
    """Slices of one pass over the patterns, shuffled by (seed, iteration); the whole where no batch size is given."""
    if batch_size is None:
        yield patterns
        return
    order = np.random.default_rng([seed, iteration]).permutation(len(patterns))
    for first in range(0, len(patterns), batch_size):
        yield patterns.take(np.sort(order[first : first + batch_size]))


def _checked(net: Network, data: Any, others: dict[str, Any]) -> tuple[Patterns, dict[str, Patterns]]:
    patterns = Patterns.of(data)
    patterns.check(net)
    rest = {}
    for name, given in others.items():
        if given is not None:
            rest[name] = Patterns.of(given)
            try:
                rest[name].check(net)
            except InputError as wrong:
                raise InputError(f"{name} data: {wrong}") from None
    return patterns, rest


def _check_settings(iterations: Any, batch_size: Any, max_fail: Any, min_grad: Any, goal: Any, max_seconds: Any, Nv: int) -> None:
    def whole(name: str, value: Any, least: int) -> None:
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
            raise InputError(f"{name} must be a whole number, {least} or more, not {value!r}")

    whole("iterations", iterations, 0)
    whole("max_fail", max_fail, 1)
    if batch_size is not None:
        whole("batch_size", batch_size, 1)
        if batch_size > Nv:
            raise InputError(f"batch_size {batch_size} is larger than the {Nv} patterns: make it smaller or leave it out")
    for name, value in (("min_grad", min_grad), ("goal", goal), ("max_seconds", max_seconds)):
        if value is not None and not value >= 0:
            raise InputError(f"{name} must be 0 or a positive number, not {value!r}")
