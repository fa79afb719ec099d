"""AdAct iterations on 1 and 2 threads, in 2 processes side by side, inside a parallel search, and small nets side by side.

Each case is one fresh process, or two at once, and all train the same network. The figure is the sum of their
iterations per second. "policy" means that each process gets its share of the cores, as in `pwl compare --jobs 2` and in
scikit-learn's parallel search. "oversubscribed" means that each process takes all of them. The search is GridSearchCV
over 4 settings and 2 folds. The small nets are those of the default learner for a thousand patterns: Bayesian LM with
curves on the inputs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import pwl
from benchmarks.shared import markdown
from benchmarks.shared.cells import Cells
from pwl.files.write import write_atomic
from pwl.learners.forms import BAYESIAN
from pwl.runtime.threads import side_by_side, workers

CASES = {
    "1 process, 1 thread": (1, 1),
    "1 process, 2 threads": (1, 2),
    "2 processes, 1 thread each (policy)": (2, 1),
    "2 processes, 2 threads each (oversubscribed)": (2, 2),
}
NETS = {"1 net": (1, 1), "5 nets, 1 thread": (5, 1), "5 nets, 2 threads": (5, 2)}
REPEATS = 3


def run(out: Path, quick: bool) -> None:
    Nv = 20_000 if quick else 200_000
    result = Cells(out / "threads.jsonl").cell(str(Nv), lambda: measure(Nv))
    text = table(result)
    write_atomic(out / "threads.md", text)
    print(text)


def measure(Nv: int) -> dict[str, Any]:
    """Iterations per second of each case and seconds of the search, as medians of cases that take turns."""
    rates: dict[str, list[float]] = {name: [] for name in CASES}
    search: dict[str, list[float]] = {"1 job": [], "2 jobs": []}
    threads: dict[str, list[int]] = {"1 job": [], "2 jobs": []}
    nets: dict[str, list[float]] = {name: [] for name in NETS}
    for _ in range(REPEATS):
        for name, (processes, each) in CASES.items():
            rates[name].append(sum(iterations_a_second(Nv, processes, each)))
        for jobs in (1, 2):
            found = child(["search", str(Nv // 10), str(jobs)], {})
            search[f"{jobs} job{'s' * (jobs - 1)}"].append(found["seconds"])
            threads[f"{jobs} job{'s' * (jobs - 1)}"].append(found["threads"])
        for name, (count, each) in NETS.items():
            nets[name].append(child(["nets", str(count)], {"OMP_NUM_THREADS": str(each)})["seconds"])
    return {
        "patterns": Nv, "rates": {name: float(np.median(values)) for name, values in rates.items()},
        "search": {name: float(np.median(values)) for name, values in search.items()},
        "search_threads": {name: max(values) for name, values in threads.items()},
        "nets": {name: float(np.median(values)) for name, values in nets.items()},
    }  # fmt: skip


def iterations_a_second(Nv: int, processes: int, threads: int) -> list[float]:
    """Iterations per second of each of several processes that run at once."""
    started = [start(["train", str(Nv)], {"OMP_NUM_THREADS": str(threads)}) for _ in range(processes)]
    return [1 / json.loads(process.communicate()[0])["seconds"] for process in started]


def start(arguments: list[str], environment: dict[str, str]) -> subprocess.Popen:
    command = [sys.executable, "-m", "benchmarks.speed.threads", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | environment)


def child(arguments: list[str], environment: dict[str, str]) -> dict[str, Any]:
    return json.loads(start(arguments, environment).communicate()[0].splitlines()[-1])


def train(Nv: int) -> dict[str, float]:
    """Seconds per iteration."""
    x, t = data(Nv, 20)
    net = pwl.initialise(pwl.Network.mlp(20, 100, 1, pwl.PiecewiseLinear("sigmoid", 25)), (x, t))
    pwl.train(net, (x, t), pwl.AdAct(), iterations=1)
    begin = time.perf_counter()
    pwl.train(net, (x, t), pwl.AdAct(), iterations=8)
    return {"seconds": (time.perf_counter() - begin) / 8}


def search(Nv: int, jobs: int) -> dict[str, float]:
    """Seconds of a grid search, and the number of threads of our reductions in its processes."""
    from joblib import Parallel, delayed
    from sklearn.model_selection import GridSearchCV

    x, t = data(Nv, 10)
    grid = {"hidden": [20, 30], "random_state": [0, 1]}
    estimator = pwl.PWLRegressor(iterations=20)
    with Parallel(jobs) as pool:  # starts the processes, which the search then finds running
        threads = max(pool(delayed(workers)() for _ in range(2)))
        GridSearchCV(estimator.set_params(iterations=1), grid, cv=2, n_jobs=jobs).fit(x, t[:, 0])
    begin = time.perf_counter()
    GridSearchCV(estimator.set_params(iterations=20), grid, cv=2, n_jobs=jobs, refit=False).fit(x, t[:, 0])
    return {"seconds": time.perf_counter() - begin, "threads": threads}


def nets(count: int) -> dict[str, float]:
    """Seconds of several nets from one start each, side by side as in the default learner. All make the same iterations."""
    x, t = data(1030, 8)
    patterns = pwl.Patterns(x, t)

    def work(_: int, given_up: Callable[[], bool]) -> None:
        net = pwl.Network.mlp(8, 12, 1, "tanh", seed=0, input_hinges=7)
        pwl.train(net, patterns.apart(), BAYESIAN, iterations=40)

    list(side_by_side(work, range(1)))
    begin = time.perf_counter()
    list(side_by_side(work, range(count)))
    return {"seconds": time.perf_counter() - begin}


def data(Nv: int, N: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).standard_normal((Nv, N))
    return x, np.sin(x[:, :1]) + x[:, 1:2] * x[:, 2:3]


def table(result: dict[str, Any]) -> str:
    first = next(iter(result["rates"].values()))
    lines = markdown.head(["training", "iterations a second, all processes", "over 1 thread"])
    lines += [f"| {name} | {rate:.2f} | {rate / first:.2f} |" for name, rate in result["rates"].items()]
    lines += ["", *markdown.head(["GridSearchCV", "seconds", "threads of each process"])]
    lines += [f"| {name} | {s:.2f} | {result['search_threads'][name]} |" for name, s in result["search"].items()]
    one = result["nets"]["1 net"]
    lines += ["", *markdown.head(["Bayesian LM, 1,030 patterns", "seconds", "over 1 net"])]
    lines += [f"| {name} | {s:.2f} | {s / one:.2f} |" for name, s in result["nets"].items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if sys.argv[1] == "train":
        print(json.dumps(train(int(sys.argv[2]))))
    elif sys.argv[1] == "nets":
        print(json.dumps(nets(int(sys.argv[2]))))
    else:
        print(json.dumps(search(int(sys.argv[2]), int(sys.argv[3]))))
