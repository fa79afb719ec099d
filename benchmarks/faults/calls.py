"""Calls of every public function and class with arguments of which one or two are anything at all."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

import pwl
from benchmarks.faults.outcome import Tally
from pwl.study.compare import Settings

Door = tuple[Callable[..., Any], dict[str, Any]]  # a function, and arguments that fit
SMALL = ("iterations", "repeats", "k")  # arguments that only make a call take longer
MOST = 20
ALGORITHMS = (
    "AdAct", "MOLF", "OWOBP", "CG", "SCG", "LM", "VarPro", "BayesianLM", "SGD", "Adam", "LBFGS", "DampedMOLF", "DampedAdAct",
    "MinibatchAdAct",
)  # fmt: skip
SHAPED = {  # arguments that a layer must have
    "Conv2d": {"filters": 2, "size": 3}, "Dense": {"units": 3}, "Dropout": {"rate": 0.5}, "Add": {"back": 1},
    "CurvedDense": {"units": 3}, "From": {"back": 1}, "MaxPool2d": {"size": 2},
}  # fmt: skip


def campaign(tally: Tally, tries: int, seed: int) -> None:
    """Each try calls one door. What comes must be finite, and arrays that were given must be as they were."""
    known = doors()
    fitting = [value for _, given in known.values() for value in given.values()]
    anything = [*wild(), *fitting]
    names = list(known)

    @seeded(seed)
    @settings(
        max_examples=tries,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.sampled_from(names), st.lists(st.tuples(st.integers(0, 99), st.integers(0, len(anything) - 1)), max_size=2)
    )
    def one(name: str, changes: list[tuple[int, int]]) -> None:
        function, given = known[name]
        arguments, words = dict(given), []
        for place, number in changes:
            option, value = list(given)[place % len(given)], anything[number]
            if option in SMALL and isinstance(value, (int, float)) and value > MOST:
                continue
            arguments[option] = value
            words.append(f"{option}={short(value)}")
        before = {option: a.tobytes() for option, a in arrays_of(arguments).items()}
        what = f"{name}({', '.join(words)})"
        tally.called(what, lambda: function(**arguments), not_finite)
        if any(a.tobytes() != before[option] for option, a in arrays_of(arguments).items()):
            tally.failed(what, "an array that was given was changed")

    one()


def wild() -> list[Any]:
    """Values that few parameters expect."""
    return [
        None, True, False, -1, 0, 1, 2, 3, 10**30, -(10**30), 0.5, 1.5, -1e300, 1e300, math.nan, math.inf, -math.inf, 1j, "", "x",
        "1", "a\0b", b"x", "\u00b2", [], [[]], [[1], [2, 3]], (), (3,), (2, 2), (0, 1), {}, {"a": 1}, {1, 2}, object(), int, pwl,
        ..., Fraction(1, 2), Decimal("1"), np.float64(2), np.int64(3), np.bool_(True), np.array("a"), np.array([None, 1]),
        np.zeros((0, 3)), np.zeros(()), np.full((40, 3), np.nan), np.full((40, 3), 1e300), np.arange(120).reshape(40, 3),
        np.zeros((40, 3), complex), np.zeros((2, 2, 2)), np.array(["2020-01-01"], "M8[D]"), np.ma.masked_array([1.0, 2.0], [0, 1]),
        iter([1.0]), "tanh", "auto", np.ones(40), -np.ones(40), np.zeros(40), (np.ones((40, 3)), np.ones((40, 1))),
        (np.ones((40, 3)),), slice(3), range(3), np.random.default_rng(0), np.random.RandomState(0), Path("nowhere/x"), Path("."),
        "net",
    ]  # fmt: skip


def doors() -> dict[str, Door]:
    """Functions by name, with arguments that fit."""
    x, t, labels = points()
    return (
        functions(x, t)
        | networks(x, t, labels)
        | constructors(x, t)
        | of_data(x, t)
        | estimators(x, t, labels)
        | pictures(x, t, labels)
    )


def points() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, targets and labels of 40 patterns."""
    x = np.random.default_rng(0).normal(size=(40, 3))
    return x, np.sin(x[:, :1]), (x[:, 0] > 0).astype(int)


def net_of(x: np.ndarray, t: np.ndarray) -> pwl.Network:
    return pwl.initialise(pwl.Network.mlp(3, 3, 1, pwl.PiecewiseLinear(hinges=5), input_hinges=3, seed=1), (x, t))


def functions(x: np.ndarray, t: np.ndarray) -> dict[str, Door]:
    """What takes a network and data."""
    net, data = net_of(x, t), (x, t)
    steps = {f"{name}_step": getattr(pwl, f"{name}_step") for name in ("molf", "adact", "owo", "owo_bp", "damped_molf")}
    trained, record = pwl.train(net, data, pwl.LM(), iterations=2)
    run = {
        "net": net, "data": data, "algorithm": pwl.LM(), "iterations": 2, "validation": data, "test": data, "batch_size": None,
        "augment": None, "max_fail": 6, "min_grad": 0.0, "goal": 0.0, "max_seconds": 5.0, "callback": None, "checkpoint": None,
        "resume": None, "progress": False, "seed": 0,
    }  # fmt: skip
    pwl.Ensemble([net, trained]).save("ensemble", record)
    net.save("net", record)
    return {
        "train": (pwl.train, run),
        "train in batches": (pwl.train, run | {"algorithm": pwl.Adam(), "batch_size": 10}),
        "evaluate": (pwl.evaluate, {"net": net, "data": data}),
        "initialise": (pwl.initialise, {"net": pwl.Network.mlp(3, 2, 1), "data": data, "ridge": 0.0, "ols": None}),
        "check": (pwl.check, {"net": net, "data": data, "seed": 0, "device": "cpu"}),
        "insert_hinge": (pwl.insert_hinge, {"net": net, "position": 0.1, "layer": 1}),
        "insert_input_hinge": (pwl.insert_input_hinge, {"net": net, "data": data, "index": 0, "position": 0.1}),
        "with_posterior": (
            pwl.with_posterior, {"net": trained, "data": data, "algorithm": pwl.LM(), "record": record, "validation": data},
        ),
        "finetune": (
            pwl.finetune, run_of(data) | {"net": net, "algorithm": pwl.Adam(), "frozen": 0, "new_head": True, "iterations": 2},
        ),
        "compare": (pwl.compare, {"x": x, "t": t, "names": ["molf"], "settings": Settings(hidden=(2,), iterations=1, k=3)}),
        "least_squares": (
            pwl.least_squares,
            {"residual": lambda w: x @ w - t[:, 0], "jacobian": None, "w": np.zeros(3), "bounds": None, "loss": "linear"},
        ),
    } | {name: (step, {"net": net, "patterns": data}) for name, step in steps.items()}  # fmt: skip


def run_of(data: Any) -> dict[str, Any]:
    """What training takes beside a network."""
    return {"data": data, "validation": data, "test": None}


def networks(x: np.ndarray, t: np.ndarray, labels: np.ndarray) -> dict[str, Door]:
    """How networks are made, used and kept."""
    net, classes = net_of(x, t), pwl.initialise(pwl.Network.mlp(3, 2, 2, loss="cross_entropy"), (x, labels))
    prepared, ensemble = net.with_preparation(pwl.Preparation.fit(x, t)), pwl.Ensemble([net, net])
    layers = [pwl.layers.Dense(3), "tanh", pwl.layers.Dense(1)]
    return {
        "Network.mlp": (
            pwl.Network.mlp,
            {
                "n_inputs": 3, "n_hidden": 2, "n_outputs": 1, "activation": "tanh", "bypass": True, "loss": "squared_error",
                "net_control": True, "input_hinges": None, "seed": 0,
            },
        ),
        "Network.from_layers": (
            pwl.Network.from_layers, {"layers": layers, "input_shape": (3,), "bypass": False, "loss": "squared_error", "seed": 0},
        ),
        "predict": (net.predict, {"x": x}),
        "predict raw": (prepared.predict, {"x": x, "return_std": False}),
        "predict_proba": (classes.predict_proba, {"x": x}),
        "predict classes": (classes.predict, {"x": x}),
        "with_preparation": (net.with_preparation, {"preparation": pwl.Preparation.fit(x, t)}),
        "save": (net.save, {"path": "saved", "record": None}),
        "load": (pwl.Network.load, {"path": "net", "layers": []}),
        "Ensemble": (pwl.Ensemble, {"nets": [net, net], "bounds": [[-1.0], [1.0]], "weights": [1, 2]}),
        "Ensemble.predict": (ensemble.predict, {"x": x, "return_std": False}),
        "Ensemble.save": (ensemble.save, {"path": "saved", "record": None}),
        "Ensemble.load": (pwl.Ensemble.load, {"path": "ensemble", "layers": []}),
        "to": (net.to, {"where": "cpu"}),
        "weights": (net.with_weights, {"given": net.weights()}),
        "replace_activations": (net.replace_activations, {"where": "all", "activation": "tanh", "data": (x, t)}),
        "to_c": (net.to_c, {"path": "net.h", "dtype": None, "name": None, "names": None}),
    }  # fmt: skip


def constructors(x: np.ndarray, t: np.ndarray) -> dict[str, Door]:
    """Algorithms and activations with their options, which then train a little; and other values."""
    found: dict[str, Door] = {}
    for name in ALGORITHMS:
        made = getattr(pwl, name)
        found[name] = (lambda made=made, **options: trained(made(**options), x, t), defaults(made))
    for name in ("PiecewiseLinear", "PLU", "APL", "Spline", "ScaledActivation"):
        made = getattr(pwl, name)
        found[name] = (lambda made=made, **options: shaped(made(**options), x, t), defaults(made))
    for name in ("Penalties", "OLS", "Damping", "Augmentation", "Checkpoint"):
        made = getattr(pwl, name)
        found[name] = (made, defaults(made) | ({"path": "run"} if name == "Checkpoint" else {}))
    for name, more in {
        "Cosine": {"steps": 9},
        "Exponential": {"factor": 0.5},
        "Linear": {"steps": 9},
        "Steps": {"at": (3, 5)},
    }.items():
        made = getattr(pwl.schedules, name)
        found[name] = (
            lambda step, made=made, **options: made(**options)(step),
            {"step": 3, "rate": 0.1} | more | defaults(made),
        )
    for name in pwl.layers.__all__:
        made = getattr(pwl.layers, name)
        if name != "Layer" and (options := SHAPED.get(name, {}) | defaults(made)):
            found[name] = (made, options)
    return found


def defaults(made: Any) -> dict[str, Any]:
    """The options of a class that have a value of their own."""
    options = inspect.signature(made).parameters.values()
    return {option.name: option.default for option in options if option.default is not inspect.Parameter.empty}


def trained(algorithm: Any, x: np.ndarray, t: np.ndarray) -> Any:
    net = pwl.Network.mlp(3, 2, 1, pwl.PiecewiseLinear("tanh", hinges=3), seed=0)
    return pwl.train(net, (x, t), algorithm, iterations=2, max_seconds=5)[0]


def shaped(activation: Any, x: np.ndarray, t: np.ndarray) -> Any:
    return pwl.initialise(pwl.Network.mlp(3, 2, 1, activation, seed=0), (x, t))


def of_data(x: np.ndarray, t: np.ndarray) -> dict[str, Door]:
    """Tables, parts and preparations."""
    Path("t.csv").write_text("a,b,c\n" + "".join(f"{a},{b},{c}\n" for a, b, c in x.tolist()))
    table = pwl.data.read_table("t.csv")
    prepared = pwl.Preparation.fit(x, t)
    read = {"path": "t.csv", "targets": None, "task": "auto", "drop": ()}
    marks: dict[str, Any] = dict.fromkeys(
        ("header", "delimiter", "decimal", "thousands", "missing", "dates", "weights", "groups")
    )
    return {
        "data.read_table": (pwl.data.read_table, read | marks),
        "data.read_inputs": (pwl.data.read_inputs, {"path": "t.csv", "schema": table.schema}),
        "data.load": (pwl.data.load, {"name": "concrete"}),
        "data.split": (
            pwl.data.split,
            {"n": 40, "shares": (0.5, 0.2, 0.3), "seed": 0, "labels": None, "groups": None, "ordered": False},
        ),
        "data.folds": (pwl.data.folds, {"n": 40, "k": 4, "seed": 0, "labels": None}),
        "Preparation.fit": (
            lambda **given: pwl.Preparation.fit(**given).transform(x, t)[0],
            {"x": x, "t": t, "inputs": "standardise"},
        ),
        "Preparation.transform": (prepared.transform, {"x": x, "t": t}),
        "Preparation.inverse_targets": (lambda y: prepared.inverse_targets(y) is None, {"y": t}),
        "Patterns": (
            pwl.Patterns,
            {"x": x, "t": t, "weights": np.ones(40), "preparation": None, "block_bytes": None, "comm": None},
        ),
    }


def estimators(x: np.ndarray, t: np.ndarray, labels: np.ndarray) -> dict[str, Door]:
    """Estimators with every setting, their data, and their other doors."""
    found: dict[str, Door] = {}
    for made, y in ((pwl.PWLRegressor, t[:, 0]), (pwl.PWLClassifier, labels)):
        given = defaults(made) | {"hidden": 2, "iterations": 2, "random_state": 0}
        data = {"X": x, "y": y, "sample_weight": None, "X_val": None, "y_val": None}
        fitted = made(hidden=2, iterations=2, random_state=0).fit(x, y)

        def fit(made: Any = made, **options: Any) -> Any:
            own = {name: options.pop(name) for name in ("X", "y", "sample_weight", "X_val", "y_val")}
            return refused_as_theirs(lambda: made(**options).fit(**own).predict(x))

        found[made.__name__] = (fit, given | data)
        for name in ("predict", "predict_proba", "decision_function"):
            if hasattr(fitted, name):
                found[f"{made.__name__}.{name}"] = (theirs(getattr(fitted, name)), {"X": x})
        found[f"{made.__name__}.score"] = (theirs(fitted.score), {"X": x, "y": y, "sample_weight": None})
        partly = {"X": x, "y": y, "sample_weight": None} | ({"classes": [0, 1]} if made is pwl.PWLClassifier else {})
        found[f"{made.__name__}.partial_fit"] = (
            theirs(lambda made=made, **own: made(hidden=2, iterations=2).partial_fit(**own).predict(x)), partly,
        )  # fmt: skip
    return found


def theirs(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda **given: refused_as_theirs(lambda: f(**given))


def refused_as_theirs(call: Callable[[], Any]) -> Any:
    """What a call gives. scikit-learn's own checks refuse by ValueError and TypeError, which count as sentences."""
    try:
        return call()
    except (ValueError, TypeError) as refused:
        last = refused.__traceback__
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        if last is not None and str(Path(pwl.__file__).parent) in last.tb_frame.f_code.co_filename:
            raise
        raise pwl.InputError(" ".join(str(refused).split()) or "refused") from None


def pictures(x: np.ndarray, t: np.ndarray, labels: np.ndarray) -> dict[str, Door]:
    """Pictures, if matplotlib is there."""
    if "matplotlib" not in sys.modules:
        try:
            import matplotlib
        except ImportError:
            return {}
        matplotlib.use("Agg")
    net, record = pwl.train(net_of(x, t), (x, t), pwl.AdAct(), iterations=2)
    classes = pwl.initialise(pwl.Network.mlp(3, 2, 2, loss="cross_entropy"), (x, labels))
    drawn = {
        "errors": {"records": record, "figure": None}, "predicted": {"net": net, "x": x, "t": t, "names": None},
        "residuals": {"net": net, "x": x, "t": t, "names": None}, "confusion": {"net": classes, "x": x, "t": labels, "names": None},
        "classification_errors": {"records": record}, "hessian": {"H": np.eye(3), "ax": None},
    }  # fmt: skip
    return {
        f"plots.{name}": (closed(getattr(pwl.plots, name)), given)
        for name, given in drawn.items()
        if hasattr(pwl.plots, name)
    }


def closed(draw: Callable[..., Any]) -> Callable[..., None]:
    """A function that draws and closes the figure."""

    def drawn(**given: Any) -> None:
        import matplotlib.pyplot as plt

        try:
            draw(**given)
        finally:
            plt.close("all")

    return drawn


def arrays_of(arguments: dict[str, Any]) -> dict[str, np.ndarray]:
    """The arrays among the arguments, and in pairs of data."""
    found = {name: a for name, a in arguments.items() if isinstance(a, np.ndarray) and a.dtype.kind != "O"}
    for name, pair in arguments.items():
        if isinstance(pair, tuple):
            found |= {f"{name}{i}": a for i, a in enumerate(pair) if isinstance(a, np.ndarray) and a.dtype.kind != "O"}
    return found


def not_finite(found: Any) -> str | None:
    """What is wrong with a result: a network or an array with numbers that are not finite."""
    if isinstance(found, tuple) and found and isinstance(found[0], pwl.Network):
        found = found[0]
    a = found.theta if isinstance(found, pwl.Network) else found
    if isinstance(a, np.ndarray) and a.dtype.kind == "f" and not np.all(np.isfinite(a)):
        return "numbers that are not finite"
    return None


def short(value: Any) -> str:
    """A value in a few letters."""
    if isinstance(value, np.ndarray):
        return f"array {value.dtype} {value.shape}"
    return " ".join(repr(value).split())[:60]
