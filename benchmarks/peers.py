"""Other programs on the same net, data and start: seconds to an error, errors at given times, iterations, memory.

Nets of one hidden layer without bypass, 20 units (201 weights on Concrete), standardised data, all patterns for training. Every
rival runs in a process of its own that imports, warms up and then trains for the budget. It starts from our weights: net
control and one output step. Each setting of a rival is tried from start 0 on one thread, which suits such small nets; the best
is tried once more from the same hidden weights with output weights drawn small, as PyTorch draws them, and the better of the
two on all cores. What reaches the lowest error runs from all starts. Errors are computed from the weights, off the clock, by
the same lines for all rivals; the lowest so far counts. Medians over the starts.
`lm-iteration` times iterations of Levenberg-Marquardt, `lm-large` their memory on 200,000 patterns: see peers_lm.py.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

import pwl
from benchmarks import peers_lm, rivals
from benchmarks.cells import cell
from benchmarks.peers_tables import picture, table
from benchmarks.rivals.own import OUTPUT_STEPS
from benchmarks.rivals.problem import Problem, Trace, drawn, started, thinned
from pwl.files.write import write_atomic
from pwl.runtime.threads import workers
from pwl.study.compare import environment

PROBLEMS = ("concrete-tanh", "concrete-sigmoid", "wine-classes")
LEVELS = {"concrete-tanh": (0.08, 0.05, 0.03), "concrete-sigmoid": (0.08, 0.05, 0.03), "wine-classes": (0.8, 0.75, 0.7)}
TIMES = (0.5, 2.0)
PARTS = (*PROBLEMS, "lm-iteration", "lm-large")
UNITS, BUDGET, STARTS, POINTS = 20, 6.0, 3, 60
LONGEST = 600  # seconds that a process may take, whatever its budget


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="parts (default: all)")
    parser.add_argument("--rivals", nargs="+", choices=rivals.FILES, default=list(rivals.FILES), help="default: all")
    parser.add_argument("--budget", type=float, default=BUDGET, help="seconds of a run (default: %(default)s)")
    parser.add_argument("--starts", type=int, default=STARTS, help="starting weights (default: %(default)s)")


def run(
    out: Path, quick: bool, parts: list[str], rivals: list[str], budget: float = BUDGET, starts: int = STARTS
) -> None:
    texts = []
    for part in parts:
        if part in PROBLEMS:
            texts.append(of_problem(out, part, rivals, *((min(budget, 1.0), 1) if quick else (budget, starts)), quick))
        else:
            name = part.replace("-", "_")
            texts.append(getattr(peers_lm, name)(out, quick))
            write_atomic(out / f"{name}.md", texts[-1])
        print(texts[-1])
    write_atomic(out / "peers.md", "\n".join(texts))


def of_problem(out: Path, name: str, files: list[str], budget: float, starts: int, quick: bool) -> str:
    """All rivals on one problem: search, runs from all starts, table and picture."""
    try:
        problem_of(name, 0)
    except pwl.InputError as absent:
        return f"**{name}**: not run ({absent})\n"
    rows, missing = {}, {}
    for file in files:
        try:
            methods = offers(file, name)
        except rivals.NotHere as reason:
            missing[file] = str(reason)
            continue
        for method, settings in methods.items():
            if isinstance(settings, str):
                missing[f"{file} {method}"] = settings
                continue
            try:
                rows[file, method] = best(out, name, file, method, settings[:1] if quick else settings, starts, budget)
            except rivals.NotHere as reason:
                missing[f"{file} {method}"] = str(reason)
    write_atomic(out / "peers" / f"{name}.png", picture(rows, name))
    return table(rows, missing, name, LEVELS[name], TIMES)


def best(
    out: Path, name: str, file: str, method: str, settings: list[dict[str, Any]], starts: int, budget: float
) -> list[dict[str, Any]]:
    """The cells of the setting that reaches the lowest error from start 0, one a start."""

    def cell_of(label: str, setting: dict[str, Any], seed: int) -> dict[str, Any]:
        return one(out, name, file, method, label, setting, seed, budget)

    tried = [(str(number), setting | {"threads": 1}) for number, setting in enumerate(settings)]
    first = [cell_of(*some, 0) for some in tried]

    def further(label: str, change: dict[str, Any]) -> int:
        tried.append((label, tried[place][1] | change))
        first.append(cell_of(*tried[-1], 0))
        return lowest_of(first)

    place = lowest_of(first)
    if not (file == "own" and method in OUTPUT_STEPS):
        place = further(f"{place}d", {"start": "drawn"})
    place = further(f"{tried[place][0]}t", {"threads": None})
    return [first[place], *(cell_of(*tried[place], seed) for seed in range(1, starts))]


def lowest_of(cells: list[dict[str, Any]]) -> int:
    return int(np.argmin([np.inf if c["lowest"] is None else c["lowest"] for c in cells]))


def offers(file: str, name: str) -> dict[str, list[dict[str, Any]] | str]:
    """A rival's methods with their settings, or why a method can't run this problem; asked of a process of its own."""
    return apart("benchmarks.peers", ["offers", file, name])


def one(
    out: Path, name: str, file: str, method: str, label: str, setting: dict[str, Any], seed: int, budget: float
) -> dict[str, Any]:
    path = out / "peers" / name / f"{file}-{method}-{label}-{seed}-{budget:g}.json"
    arguments = ["measure", file, name, json.dumps(setting | {"method": method}), str(seed), str(budget)]
    return cell(path, lambda: apart("benchmarks.peers", arguments, threads=setting.get("threads")))


def apart(module: str, arguments: list[str], longest: float = LONGEST, threads: int | None = None) -> Any:
    """What a process of its own prints last; NotHere with its last words where it fails. threads: None, all cores."""
    command = [sys.executable, "-m", module, *arguments]
    try:
        with environment(threads or workers()):
            done = subprocess.run(command, capture_output=True, text=True, timeout=longest)
    except subprocess.TimeoutExpired:
        raise rivals.NotHere(f"stopped after {longest:g} seconds") from None
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
        raise rivals.NotHere(last[0].removeprefix("benchmarks.rivals.NotHere: "))
    return json.loads(done.stdout.splitlines()[-1])


# ---- in the process of a rival


def offered(file: str, name: str) -> dict[str, list[dict[str, Any]] | str]:
    module, found = rivals.load(file), {}
    squared_only = getattr(module, "SQUARED_ERROR_ONLY", ())
    for method, settings in module.METHODS.items():
        only = squared_only is True or (squared_only and method in squared_only)
        if name.endswith("classes") and only:
            found[method] = "squared error only"
        elif name.endswith("sigmoid") and getattr(module, "TANH_ONLY", False):
            found[method] = "tanh only"
        else:
            found[method] = settings
    return found


def measure(file: str, name: str, setting: dict[str, Any], seed: int, budget: float) -> dict[str, Any]:
    module, problem = rivals.load(file), problem_of(name, seed)
    if setting.get("start") == "drawn":
        problem = drawn(problem, seed)
    before = memory("VmRSS")
    module.run(problem, min(0.2, budget), setting)  # compiles and loads whatever is loaded late
    trace = module.run(problem, budget, setting)
    lowest = lowest_so_far(trace)
    return {
        "rival": file, "program": rivals.program(file), "setting": setting, "problem": name, "seed": seed,
        "weights": len(problem.theta), "budget": budget, "iterations": trace.iterations, "seconds": trace[-1][0],
        "lowest": lowest[-1][1], "to_level": {str(level): seconds_to(lowest, level) for level in LEVELS[name]},
        "at_time": {str(seconds): error_at(lowest, seconds) for seconds in TIMES},
        "peak_mib": memory("VmHWM"), "imported_mib": before,
        "trace": [[float(f"{s:.4g}"), float(f"{e:.6g}")] for s, e in thinned(lowest, POINTS)],
    }  # fmt: skip


def problem_of(name: str, seed: int) -> Problem:
    data, kind = name.split("-")
    x, t = pwl.data.load("white-wine" if data == "wine" else data)
    x, scaled = pwl.Preparation.fit(x, t).transform(x, t)
    if kind == "classes":  # grades up to 5, 6, 7 and more
        return started(x, np.digitize(t[:, 0], [5.5, 6.5]), UNITS, "tanh", seed)
    return started(x, scaled, UNITS, kind, seed)


def lowest_so_far(trace: Trace) -> Trace:
    """NaN and infinite errors count as none."""
    errors = np.array([e if np.isfinite(e) else np.inf for _, e in trace])
    return [(s, float(e)) for (s, _), e in zip(trace, np.minimum.accumulate(errors), strict=True)]


def seconds_to(lowest: Trace, level: float) -> float | None:
    return next((s for s, e in lowest if e <= level), None)


def error_at(lowest: Trace, seconds: float) -> float | None:
    """The lowest error up to a time."""
    return next((e for s, e in reversed(lowest) if s <= seconds), None)


def memory(what: str) -> float:
    """VmRSS, the process's memory now, or VmHWM, the most it has had, in MiB; NaN where the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return float("nan")
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024


if __name__ == "__main__":
    if sys.argv[1] == "offers":
        print(json.dumps(offered(*sys.argv[2:])))
    else:
        _, _, file, name, setting, seed, budget = sys.argv
        print(json.dumps(measure(file, name, json.loads(setting), int(seed), float(budget))))
