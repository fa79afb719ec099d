"""Iterations of small problems beside plain NumPy programs, SciPy's L-BFGS and scikit-learn's Adam, one thread.

One hidden layer of 20 units on 8 inputs, one output; 100 to 100,000 patterns show where arithmetic takes over. Each
pair takes turns in one process. The plain programs are in benchmarks/small/plain.py; a test holds them equal to the
package.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import pwl
from benchmarks.shared import markdown
from benchmarks.shared.cells import Cells
from benchmarks.shared.timing import in_turns
from benchmarks.small import plain
from pwl.files.write import write_atomic

SIZES = (100, 1030, 10_000, 100_000)
INPUTS, UNITS, HINGES, BATCH = 8, 20, 13, 32
SPAN = (-2.5, 3.5)


def run(out: Path, quick: bool) -> None:
    if os.environ.get("OMP_NUM_THREADS") != "1":
        raise SystemExit("this compares single threads: start it with OMP_NUM_THREADS=1")
    cells = Cells(out / "small.jsonl")
    rows = [
        cells.cell(f"{name}-{Nv}", lambda n=name, Nv=Nv: measure(n, Nv))
        for Nv in (SIZES[:2] if quick else SIZES)
        for name in ALGORITHMS
    ]
    text = table(rows)
    write_atomic(out / "small.md", text)
    print(text)


def problem(Nv: int) -> tuple[np.ndarray, np.ndarray]:
    """Standardised inputs, and noisy targets that depend on them smoothly."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(Nv, INPUTS))
    t = np.sin(x @ rng.normal(size=(INPUTS, 1))) + 0.1 * rng.normal(size=(Nv, 1))
    return x, t


def measure(name: str, Nv: int) -> dict[str, Any]:
    """Seconds per iteration of both programs."""
    x, t = problem(Nv)
    iterations = max(2, min(20, 60_000 // Nv))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's, that it did not converge
        ours, theirs, rival = ALGORITHMS[name](x, t, iterations)
        seconds = in_turns({"ours": ours, "theirs": theirs}, repeats=5)
    return {
        "algorithm": name, "patterns": Nv, "rival": rival, "iterations": iterations,
        "ours": seconds["ours"] / iterations, "theirs": seconds["theirs"] / iterations,
    }  # fmt: skip


Jobs = tuple[Callable[[], object], Callable[[], object], str]


def started(x: np.ndarray, t: np.ndarray, activation: Any) -> pwl.Network:
    return pwl.initialise(pwl.Network.mlp(INPUTS, UNITS, 1, activation, seed=0), (x, t))


def ours(net: pwl.Network, x: np.ndarray, t: np.ndarray, algorithm: Any, iterations: int, **options: Any) -> Any:
    return lambda: pwl.train(net, (x, t), algorithm, iterations=iterations, **options)


def molf(x: np.ndarray, t: np.ndarray, iterations: int) -> Jobs:
    net = started(x, t, "sigmoid")
    W, W_o = np.array(net.W), np.array(net.W_o)
    return ours(net, x, t, pwl.MOLF(), iterations), lambda: plain.molf(x, t, W, W_o, iterations), "plain NumPy"


def adact(x: np.ndarray, t: np.ndarray, iterations: int) -> Jobs:
    net = started(x, t, pwl.PiecewiseLinear("sigmoid", HINGES, span=SPAN))
    W, W_o, A, ns = np.array(net.W), np.array(net.W_o), np.array(net.A), np.linspace(*SPAN, HINGES)
    job = ours(net, x, t, pwl.AdAct(), iterations)
    return job, lambda: plain.adact(x, t, W, W_o, ns, A, iterations), "plain NumPy, np.add.at"


def lm(x: np.ndarray, t: np.ndarray, iterations: int) -> Jobs:
    net = started(x, t, "sigmoid")
    W, W_o = np.array(net.W), np.array(net.W_o)
    job = ours(net, x, t, pwl.LM(solver="cholesky", schedule="gain"), iterations)
    return job, lambda: plain.lm(x, t, W, W_o, iterations), "plain J'J and solve"


def lbfgs(x: np.ndarray, t: np.ndarray, iterations: int) -> Jobs:
    from scipy.optimize import minimize

    net = started(x, t, "sigmoid")
    X, first, split = plain.augmented(x), INPUTS + 1, net.W.size

    def value_and_gradient(w: np.ndarray) -> tuple[float, np.ndarray]:
        o = plain.sigmoid(X @ w[:split].reshape(UNITS, first).T)
        B = np.hstack([X, o])
        e = t - B @ w[split:, None]
        back = (e * w[split + first :]) * o * (1 - o)
        g = np.concatenate([(back.T @ X).ravel(), (B.T @ e)[:, 0]])
        return float(np.sum(e * e)) / len(x), -2 / len(x) * g

    start = np.array(net.theta)
    options = {"maxiter": iterations, "gtol": 0, "ftol": 0}
    job = ours(net, x, t, pwl.LBFGS(), iterations)
    return job, lambda: minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options=options), "SciPy"


def adam(x: np.ndarray, t: np.ndarray, iterations: int) -> Jobs:
    from sklearn.neural_network import MLPRegressor

    net = started(x, t, "sigmoid")
    rival = MLPRegressor(
        hidden_layer_sizes=(UNITS,),
        activation="logistic",
        batch_size=BATCH,
        max_iter=iterations,
        tol=0,
        n_iter_no_change=10**9,
    )
    job = ours(net, x, t, pwl.Adam(), iterations, batch_size=BATCH)
    return job, lambda: rival.fit(x, t[:, 0]), "scikit-learn"


ALGORITHMS = {"MOLF": molf, "AdAct": adact, "LM": lm, "L-BFGS": lbfgs, "Adam, an epoch": adam}


def table(rows: list[dict[str, Any]]) -> str:
    """One line per algorithm and size."""
    lines = markdown.head(["algorithm", "patterns", "ms, ours", "ms, rival", "ours / rival", "rival"])
    for row in rows:
        cells = [row["algorithm"], f"{row['patterns']:,}", f"{1000 * row['ours']:.2f}", f"{1000 * row['theirs']:.2f}"]
        lines.append(markdown.row([*cells, f"{row['ours'] / row['theirs']:.2f}", row["rival"]]))
    return "\n".join(lines) + "\n"
