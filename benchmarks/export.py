"""Exported networks: size of the code, its work space and the time of a prediction, one pattern at a time and one thread.

C headers are compiled by the machine's compiler, with -O2 for time and with -Os for the size of code and constants. Beside them
are ONNX Runtime and the package itself, both also with one pattern per call. Times are those of the processor, the shortest of
many, so that other programs on the machine do not count.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import pwl
from benchmarks.shared import markdown
from benchmarks.shared.cells import Cells
from pwl.export.compiled import Compiled, compiler
from pwl.files.write import write_atomic

SECONDS = 0.5  # of the processor, for every measurement
PATTERNS = 256


def run(out: Path, quick: bool) -> None:
    if os.environ.get("OMP_NUM_THREADS") != "1":
        raise SystemExit("this measures single threads: start it with OMP_NUM_THREADS=1")
    cells = Cells(out / "export.jsonl")
    names = list(NETWORKS)[: 2 if quick else None]
    rows = [
        cells.cell(f"{name}-{kind}", lambda name=name, kind=kind: measure(name, kind))
        for name in names
        for kind in ("float64", "float32")
    ]
    text = table(rows)
    write_atomic(out / "export.md", text)
    print(text)


def tabular(activation: Any, hidden: Any = 20, **options: Any) -> Callable[[int], tuple[Any, np.ndarray]]:
    """A maker of networks for 8 inputs and one output, trained for a few iterations, and inputs for them."""

    def make(seed: int = 0) -> tuple[pwl.Network, np.ndarray]:
        rng = np.random.default_rng(0)
        x = rng.normal(size=(1000, 8)) * 3 + 10
        t = np.sin(x[:, :1]) + x[:, 1:2]
        net = pwl.Network.mlp(8, hidden, 1, activation, seed=seed, **options).with_preparation(
            pwl.Preparation.fit(x, t)
        )
        return pwl.train(net, (x, t), pwl.MOLF(direction="hwo"), iterations=3)[0], x

    return make


def ensemble() -> tuple[pwl.Ensemble, np.ndarray]:
    make = tabular(pwl.PiecewiseLinear("tanh", 13), input_hinges=5)
    return pwl.Ensemble([make(seed)[0] for seed in range(5)]), make(0)[1]


def images() -> tuple[pwl.Network, np.ndarray]:
    x = np.random.default_rng(0).integers(0, 256, (PATTERNS, 28, 28, 1))
    net = pwl.models.vgg(1, pwl.PiecewiseLinear("relu", 13), input_shape=(28, 28, 1))
    return net.with_preparation(pwl.Preparation.fit(x, np.arange(PATTERNS) % 10)), x.astype(np.float64)


NETWORKS: dict[str, Callable[[], tuple[Any, np.ndarray]]] = {
    "20 tanh": tabular("tanh"),
    "20 curves of 13 hinges": tabular(pwl.PiecewiseLinear("tanh", 13)),
    "20 curves, curves of 5 hinges on 8 inputs": tabular(pwl.PiecewiseLinear("tanh", 13), input_hinges=5),
    "two layers of 50 ReLU": tabular("relu", (50, 50)),
    "5 networks with curves, their mean": ensemble,
    "a VGG block with curves, 28 x 28 pixels": images,
}


def measure(name: str, dtype: str) -> dict[str, Any]:
    """Sizes in bytes, and seconds for a prediction of one pattern."""
    net, x = NETWORKS[name]()
    x = x[:PATTERNS].astype(dtype)
    with tempfile.TemporaryDirectory() as folder:
        header = Path(folder, "net.h")
        text = net.to_c(header, dtype=dtype)
        found = {
            "network": name, "dtype": dtype, "header": len(text), "code": code_size(header),
            "work": int(re.findall(r"_WORK (\d+)", text)[0]) * np.dtype(dtype).itemsize,
            "c": per_call(lambda: Compiled(header), x),
        }  # fmt: skip
    model = net.to_onnx(dtype=dtype)
    found["onnx_bytes"] = len(model.SerializeToString())
    found["onnx"] = per_pattern(runtime(model), x)
    found["package"] = per_pattern(net.predict, x)
    return found


def code_size(header: Path) -> int:
    """Bytes of code and constants of a program that calls the header's function, without its main."""
    source = f'#include "{header}"\nint call(const net_real *x, net_real *y, net_real *w)\n{{ net_predict(x, y, w); return 0; }}\n'
    path = header.with_name("size.c")
    path.write_text(source)
    subprocess.run([compiler(), "-std=c99", "-Os", "-c", str(path), "-o", str(path.with_suffix(".o"))], check=True)
    done = subprocess.run(["size", str(path.with_suffix(".o"))], check=True, capture_output=True, text=True)
    return int(done.stdout.splitlines()[1].split()[0])


def per_call(compile_it: Callable[[], Compiled], x: np.ndarray) -> float:
    """Seconds for a pattern in C, where a loop in C calls the function."""
    compiled = compile_it()
    return best(lambda: compiled.predict(x)) / len(x)


def per_pattern(predict: Callable[[np.ndarray], Any], x: np.ndarray) -> float:
    """Seconds for a pattern if Python calls with one at a time."""
    one = x[:1]
    return best(lambda: predict(one))


def best(job: Callable[[], Any]) -> float:
    """The shortest time of a job on this thread, of those that fit in the time of a measurement."""
    job()
    shortest, end = float("inf"), time.thread_time() + SECONDS
    while time.thread_time() < end:
        begin = time.thread_time()
        job()
        shortest = min(shortest, time.thread_time() - begin)
    return shortest


def runtime(model: Any) -> Callable[[np.ndarray], Any]:
    """ONNX Runtime with one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x})


def table(rows: list[dict[str, Any]]) -> str:
    """One line per network and type of numbers."""
    heads = ["network", "numbers", "C: code and constants, kB", "C: work, kB", "C: us a prediction", "ONNX: kB",
            "ONNX Runtime: us a call", "`predict`: us a call"]  # fmt: skip
    lines = markdown.head(heads)
    for row in rows:
        cells = [row["network"], row["dtype"], *(f"{row[key] / 1000:,.1f}" for key in ("code", "work"))]
        cells += [f"{1e6 * row['c']:,.2f}", f"{row['onnx_bytes'] / 1000:,.1f}"]
        lines.append(markdown.row([*cells, *(f"{1e6 * row[key]:,.0f}" for key in ("onnx", "package"))]))
    return "\n".join(lines) + "\n"
