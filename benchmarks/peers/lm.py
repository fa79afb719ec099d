"""Levenberg-Marquardt of pwl and other programs: time per iteration on 1030 x 8-20-1, memory on 200,000 x 20-50-1.

Times are means over the first ten iterations from the same start. Jobs take turns in one process, first on one thread
and then on all cores. pyrenn has processes of its own, because it is GPL and slow. Memory is the peak of a process
during two iterations, beyond the memory of data and imports.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import pwl
from benchmarks.peers import rivals
from benchmarks.peers.problems import problem_of
from benchmarks.peers.process import apart
from benchmarks.peers.rivals.problem import Problem, started
from benchmarks.shared import markdown
from benchmarks.shared.cells import Cells
from benchmarks.shared.memory import memory
from benchmarks.shared.timing import in_turns
from pwl.runtime.threads import workers

ITERATIONS = 10
LARGE = ("pwl LM, QR", "pwl LM, Cholesky", "scipy trf", "scipy lm", "torch LM")
MOST_BYTES = 20e9
COPIES = {"scipy trf": 5, "scipy lm": 4, "torch LM": 4}  # of J that a job needs, about; they have to fit
LONGEST = 240  # seconds for one job of lm-large

Job = Callable[[], int]  # returns the number of iterations


def ours(solver: str, problem: Problem, iterations: int, schedule: str = "fixed") -> Job:
    if not hasattr(pwl, "LM"):
        raise rivals.NotHere("pwl has no LM")

    def job() -> int:
        _, record = pwl.train(
            problem.network(), (problem.x, problem.t), pwl.LM(solver=solver, schedule=schedule), iterations=iterations
        )
        return record.iterations

    return job


def scipys(method: str, problem: Problem, iterations: int) -> Job:
    from scipy.optimize import least_squares

    def job() -> int:
        found = least_squares(
            problem.residuals, problem.theta, problem.jacobian, method=method, x_scale="jac" if method == "trf" else 1.0,
            ftol=1e-15, xtol=1e-15, gtol=1e-15, max_nfev=iterations,
        )  # fmt: skip
        return max(found.njev, 1)

    return job


def torchs(solver: str, problem: Problem, iterations: int) -> Job:
    torch_lm = rivals.load("torch_lm")

    def job() -> int:
        train, x, t = torch_lm.trainer(problem, {"dtype": "float64", "solver": solver})
        for _ in range(iterations):
            train.training_step(x, t)
        return iterations

    return job


def jaxs(problem: Problem, iterations: int) -> Job:
    step, start = rivals.load("jax_lm").compiled(problem)

    def job() -> int:
        state = start
        for _ in range(iterations):
            state = step(state)
        state[0].block_until_ready()
        return iterations

    return job


def plain(problem: Problem, iterations: int) -> Job:
    """The bare step in NumPy, which is J, J'J, J'r and one solution, without the error at the new point."""

    def job() -> int:
        for _ in range(iterations):
            J = problem.jacobian(problem.theta)
            np.linalg.solve(J.T @ J + 1e-3 * np.eye(len(problem.theta)), J.T @ problem.residuals(problem.theta))
        return iterations

    return job


MAKERS: dict[str, Callable[[Problem, int], Job]] = {
    "pwl LM, QR": lambda p, n: ours("qr", p, n),
    "pwl LM, Cholesky": lambda p, n: ours("cholesky", p, n),
    "pwl LM, Cholesky, gain": lambda p, n: ours("cholesky", p, n, "gain"),
    "plain NumPy J'J": plain,
    "scipy lm": lambda p, n: scipys("lm", p, n),
    "scipy trf": lambda p, n: scipys("trf", p, n),
    "JAX, compiled": jaxs,
    "torch LM": lambda p, n: torchs("qr", p, n),
    "torch LM, Cholesky": lambda p, n: torchs("cholesky", p, n),
}


def lm_iteration(cells: Cells, quick: bool) -> str:
    """The table in Markdown. There is one cell per number of threads, because the jobs take turns."""
    repeats = 1 if quick else 7
    results = []
    for threads in (1, None):
        key = f"lm-iteration/{threads or 'all'}-{repeats}"
        arguments = ["times", str(repeats)]
        results.append(cells.cell(key, lambda t=threads, a=arguments: apart("benchmarks.peers.lm", a, threads=t)))
    return iteration_table(*results)


def iteration_table(single: dict[str, Any], several: dict[str, Any]) -> str:
    """A table sorted by the better time of each job. The last column compares these times."""
    fastest = {job: min(ms, several["ms"].get(job, ms)) for job, ms in single["ms"].items()}
    base = fastest.get("pwl LM, QR")
    lines = ["**lm-iteration**, 1030 x 8-20-1, 201 weights, float64; ms an iteration", ""]
    lines += markdown.head(["job", "1 thread", f"{several['threads']} threads", "better over ours by QR"])
    for job, ms in sorted(fastest.items(), key=lambda item: item[1]):
        both = f"{single['ms'][job]:.2f} | {several['ms'].get(job, float('nan')):.2f}"
        lines.append(f"| {job} | {both} | {f'{ms / base:.1f}' if base else ''} |")
    lines += [f"| {job} | not run ({reason}) | | |" for job, reason in single["missing"].items()]
    return "\n".join(lines) + "\n"


def iteration_times(repeats: int) -> dict[str, Any]:
    """Milliseconds per iteration of all jobs, in a process of its own, whose environment sets the threads."""
    problem, jobs, missing = problem_of("concrete-tanh", 0), {}, {}
    for name, make in MAKERS.items():
        try:
            jobs[name] = make(problem, ITERATIONS)
        except rivals.NotHere as reason:
            missing[name] = str(reason)
    counts = {name: job() for name, job in jobs.items()}
    ms = {name: 1000 * s / counts[name] for name, s in in_turns(jobs, repeats).items()}
    try:
        ms["pyrenn"] = apart("benchmarks.peers.lm", ["pyrenn", str(min(repeats, 3))], threads=workers())["ms"]
    except rivals.NotHere as reason:
        missing["pyrenn"] = str(reason)
    return {"ms": ms, "iterations": counts, "missing": missing, "threads": workers()}


def pyrenn_time(repeats: int) -> dict[str, float]:
    """Milliseconds per iteration of pyrenn, in a process of its own."""
    pyrenn_lm = rivals.load("pyrenn_lm")
    problem, times = problem_of("concrete-tanh", 0), []
    for _ in range(repeats):
        net = pyrenn_lm.network(problem)
        begin = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            pyrenn_lm.pyrenn.train_LM(problem.x.T, problem.t.T, net, k_max=ITERATIONS, E_stop=0.0)
        times.append((time.perf_counter() - begin) / ITERATIONS)
    return {"ms": 1000 * float(np.median(times))}


def lm_large(cells: Cells, quick: bool) -> str:
    """The table in Markdown. There is one cell per job."""
    Nv, N, Nh = (5_000, 20, 50) if quick else (200_000, 20, 50)
    P = Nh * (N + 1) + Nh + 1
    J = 8 * Nv * P
    lines = [f"**lm-large**, {Nv} x {N}-{Nh}-1, {P} weights; the Jacobian alone takes {J / 2**20:.0f} MiB", ""]
    lines += markdown.head(["job", "MiB above data and imports", "over the Jacobian", "seconds an iteration"])
    for name in LARGE:
        try:
            if COPIES.get(name, 0) * J > MOST_BYTES:
                raise rivals.NotHere(f"needs about {COPIES[name] * J / 1e9:.0f} GB")
            key = f"lm-large/{name.replace(', ', '-').replace(' ', '-')}-{Nv}"
            arguments = ["large", name, str(Nv), str(N), str(Nh)]
            found = cells.cell(key, lambda a=arguments: apart("benchmarks.peers.lm", a, LONGEST))
        except rivals.NotHere as reason:
            lines.append(f"| {name} | not run ({reason}) | | |")
            continue
        lines.append(f"| {name} | {found['mib']:.0f} | {found['mib'] * 2**20 / J:.2f} | {found['seconds']:.1f} |")
    return "\n".join(lines) + "\n"


def large(name: str, Nv: int, N: int, Nh: int) -> dict[str, Any]:
    """Memory and seconds of two iterations, in a process of its own."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((Nv, N))
    t = np.sin(x[:, :1]) + x[:, 1:2] * x[:, 2:3]
    few = started(x[:2000], t[:2000], Nh, "tanh", 0)
    MAKERS[name](few, 1)()  # loads and compiles
    job = MAKERS[name](Problem(x, t, Nh, "tanh", few.theta), 2)
    before, begin = memory("VmRSS"), time.perf_counter()
    count = job()
    seconds = time.perf_counter() - begin
    return {
        "job": name, "patterns": Nv, "inputs": N, "hidden": Nh, "iterations": count, "seconds": seconds / count,
        "mib": memory("VmHWM") - before, "before_mib": before,
    }  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1] == "pyrenn":
        print(json.dumps(pyrenn_time(int(sys.argv[2]))))
    elif sys.argv[1] == "times":
        print(json.dumps(iteration_times(int(sys.argv[2]))))
    else:
        print(json.dumps(large(sys.argv[2], *map(int, sys.argv[3:]))))
