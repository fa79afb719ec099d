"""y = sinc(10 x) by 1-20-1 tanh: our algorithms and torch-levenberg-marquardt from the same 20 starts.

There are 20,000 points on [-1, 1], and the nets have 61 weights without bypass. Both conventions of sinc are tried,
which are sin(10x) / (10x) and NumPy's sin(10 pi x) / (10 pi x). Hidden weights start uniform on [-1, 1], as PyTorch
draws them. Net control would give all units of a single input the same two curves. Output weights are drawn as PyTorch
draws them, too, unless the algorithm begins with an output step. After such a step they are so large that
Levenberg-Marquardt would stall. Everything runs in one process, and all rivals of a start take turns before the next
start begins.

Published figures are 3.31e-7 in 16.6 s for torch-levenberg-marquardt, 1.03e-8 in 14.8 s for its TensorFlow twin, and
4.12e-4 in 2605 s for Adam.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import rivals
from benchmarks.peers.rivals.own import OUTPUT_STEPS
from benchmarks.peers.rivals.problem import Problem, drawn, started, thinned
from benchmarks.peers.traces import lowest_so_far, seconds_to, steps
from benchmarks.shared import markdown
from benchmarks.shared.cells import Cells
from benchmarks.shared.styles import COLOURS, DASHES, MARKERS
from pwl.files.write import write_atomic
from pwl.plots.figure import INK, panels, png
from pwl.plots.ticks import plain_ticks
from pwl.runtime.threads import workers

CONVENTIONS = {"sin-10x-over-10x": 10.0, "numpy-sinc-10x": 10.0 * np.pi}
OURS = ("varpro", "hwo-molf", "molf", "hwo-adact", "adact", "lbfgs")
TORCH = {
    f"torch-lm-{solver}-{dtype}-{threads}": {
        "method": "lm", "solver": solver, "dtype": dtype, "batch": None, "threads": 1 if threads == "1" else workers(),
    }
    for solver, dtype in (("qr", "float64"), ("cholesky", "float64"), ("qr", "float32")) for threads in ("1", "all")
}  # fmt: skip
RIVALS: dict[str, tuple[str, dict[str, Any]]] = {
    **{
        f"lm-{solver}": ("own", {"method": "lm", "solver": solver, "schedule": "fixed"})
        for solver in ("qr", "cholesky")
    },
    **{name: ("own", {"method": name}) for name in OURS},
    **{name: ("torch_lm", setting) for name, setting in TORCH.items()},
}
LEVELS = (1e-5, 1e-6, 1e-7)
PATTERNS, UNITS, STARTS, BUDGET, POINTS = 20_000, 20, 20, 10.0, 60
PUBLISHED = {"torch-levenberg-marquardt": (16.6, 3.31e-7), "its TensorFlow twin": (14.8, 1.03e-8)}

Rows = dict[str, list[dict[str, Any]]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--names", nargs="+", choices=RIVALS, default=list(RIVALS), help="rivals (default: all)")
    parser.add_argument("--starts", type=int, default=STARTS, help="starting weights (default: %(default)s)")
    parser.add_argument("--budget", type=float, default=BUDGET, help="seconds per run (default: %(default)s)")


def run(out: Path, quick: bool, names: list[str], starts: int = STARTS, budget: float = BUDGET) -> None:
    starts, budget, patterns = (2, 1.0, 2000) if quick else (starts, budget, PATTERNS)
    names, missing = there(names)
    cells, texts = Cells(out / "sinc.jsonl"), []
    for convention in CONVENTIONS:
        rows: Rows = {name: [] for name in names}
        for seed in range(starts):
            for name in names:
                key = f"{convention}/{name}-{seed}-{patterns}-{budget:g}"
                rows[name].append(cells.cell(key, lambda a=(name, convention, seed, patterns, budget): measure(*a)))
        texts.append(table(rows, missing, convention, budget))
        write_atomic(out / "sinc" / f"{convention}.png", picture(rows, convention))
    text = "\n".join(texts)
    write_atomic(out / "sinc.md", text)
    print(text)


def there(names: list[str]) -> tuple[list[str], dict[str, str]]:
    """The rivals that can run, and the reasons why the others can't."""
    missing = {}
    for name in names:
        file, setting = RIVALS[name]
        try:
            if setting["method"] not in rivals.load(file).METHODS:
                missing[name] = "pwl has no such algorithm"
        except rivals.NotHere as reason:
            missing[name] = str(reason)
    return [name for name in names if name not in missing], missing


_warm: set[str] = set()


def measure(name: str, convention: str, seed: int, patterns: int, budget: float) -> dict[str, Any]:
    """One run."""
    file, setting = RIVALS[name]
    module = rivals.load(file)
    if name not in _warm:
        few = problem_of(name, convention, 0, 500)
        module.run(few, min(0.3, budget), setting)  # so that nothing compiles or loads on the clock
        _warm.add(name)
    problem = problem_of(name, convention, seed, patterns)
    trace = module.run(problem, budget, setting)
    lowest = lowest_so_far(trace)
    return {
        "rival": name, "program": rivals.program(file), "setting": setting, "convention": convention, "seed": seed,
        "patterns": patterns, "weights": len(problem.theta), "budget": budget, "iterations": trace.iterations,
        "seconds": trace[-1][0], "start": trace[0][1], "lowest": lowest[-1][1],
        "to_level": {str(level): seconds_to(lowest, level) for level in LEVELS},
        "trace": [[float(f"{s:.4g}"), float(f"{e:.6g}")] for s, e in thinned(lowest, POINTS)],
    }  # fmt: skip


def problem_of(name: str, convention: str, seed: int, patterns: int) -> Problem:
    x = np.linspace(-1, 1, patterns)[:, None]
    t = np.sinc(x * CONVENTIONS[convention] / np.pi)
    W = np.random.default_rng(seed).uniform(-1, 1, (UNITS, 2))
    problem = started(x, t, UNITS, "tanh", seed, W)
    return problem if name in OUTPUT_STEPS else drawn(problem, seed)


def table(rows: Rows, missing: dict[str, str], convention: str, budget: float) -> str:
    """Quartiles of E over the starts, with the lowest median first, and median seconds to the levels."""
    some = next(iter(rows.values()), [])
    lines = [f"**{convention}**, {budget:g} s a run, {len(some)} starts", ""]
    heads = ["rival", "lower quartile", "median E", "upper quartile", *(f"s to {level:g}" for level in LEVELS)]
    heads += ["ms an iteration"]
    lines += markdown.head(heads)
    for name, own in sorted(rows.items(), key=lambda item: float(np.median([c["lowest"] for c in item[1]]))):
        errors = np.quantile([c["lowest"] for c in own], [0.25, 0.5, 0.75])
        pace = np.median([c["seconds"] / max(c["iterations"], 1) for c in own])
        reached = [seconds_in_words([c["to_level"][str(level)] for c in own]) for level in LEVELS]
        line = [name, *(f"{e:.3g}" for e in errors), *reached, f"{1000 * pace:.1f}"]
        lines.append(markdown.row(line))
    for name, reason in missing.items():
        lines.append(f"| {name} | not run ({reason}) |" + " |" * (len(heads) - 2))
    for name, (seconds, error) in PUBLISHED.items():
        lines.append(f"| {name}, published | | {error:g} | in {seconds:g} s |" + " |" * (len(heads) - 4))
    return "\n".join(lines) + "\n"


def seconds_in_words(values: list[float | None]) -> str:
    """The median over the starts that reach the level, and their number."""
    found = [value for value in values if value is not None]
    return f"{np.median(found):.3g} ({len(found)}/{len(values)})" if found else f"never (0/{len(values)})"


def picture(rows: Rows, convention: str) -> bytes:
    """Median error so far against seconds, with bands from the lower to the upper quartile of the starts."""
    figure, (ax,) = panels(1, 1, 7.5, 5)
    for number, (name, own) in enumerate(rows.items()):
        times, errors = steps([c["trace"] for c in own])
        low, middle, high = np.quantile(errors, [0.25, 0.5, 0.75], axis=0)
        colour = COLOURS[number % len(COLOURS)]
        ax.fill_between(times, low, high, color=colour, alpha=0.1, linewidth=0)
        ax.loglog(
            times, middle, DASHES[number // 3 % len(DASHES)], marker=MARKERS[number % len(MARKERS)], label=name,
            color=colour, markersize=5, markerfacecolor="white", linewidth=1.3, markevery=(0.02 + 0.015 * number, 0.15),
        )  # fmt: skip
    for level in LEVELS:
        ax.axhline(level, color="0.7", linewidth=0.8, linestyle=(0, (1, 2)), zorder=0)
    ax.set(xscale="log", yscale="log", xlabel="seconds", ylabel="lowest E so far")
    ax.set_xlim(left=1e-3)
    for axis in (ax.xaxis, ax.yaxis):
        plain_ticks(axis)
    if rows:
        figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8, handlelength=4)
    figure.suptitle(f"{convention}: medians and quartiles over the starts", fontsize=10, color=INK)
    return png(figure)
