"""The part of the benchmark that runs in a rival's own process."""

from __future__ import annotations

import json
import sys
from typing import Any

from benchmarks.peers import rivals
from benchmarks.peers.problems import LEVELS, TIMES, problem_of
from benchmarks.peers.rivals.problem import drawn, thinned
from benchmarks.peers.traces import error_at, lowest_so_far, seconds_to
from benchmarks.shared.memory import memory

POINTS = 60  # of a trace that are kept


def offered(file: str, name: str) -> dict[str, list[dict[str, Any]] | str]:
    """A rival's methods, each with its settings or the reason why it can't run this problem."""
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
    """One run of a rival."""
    module, problem = rivals.load(file), problem_of(name, seed)
    if setting.get("start") == "drawn":
        problem = drawn(problem, seed)
    before = memory("VmRSS")
    module.run(problem, min(0.2, budget), setting)  # so that nothing compiles or loads on the clock
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


if __name__ == "__main__":
    if sys.argv[1] == "offers":
        print(json.dumps(offered(*sys.argv[2:])))
    else:
        _, _, file, name, setting, seed, budget = sys.argv
        print(json.dumps(measure(file, name, json.loads(setting), int(seed), float(budget))))
