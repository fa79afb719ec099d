"""`python -m benchmarks NAME` runs one benchmark.

Each benchmark is a module with a docstring and a function `run(out, quick)`. If the module also defines
`add_arguments(parser)`, `run` gets these options as keywords.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

MODULES = {
    "activations": "speed.activations",
    "auto": "auto",
    "cnn": "cnn",
    "conv": "conv",
    "curves": "curves",
    "export": "export",
    "fashion": "fashion.command",
    "faults": "faults.command",
    "finish": "finish",
    "gpu": "gpu.command",
    "input-curves": "speed.input_curves",
    "iteration": "speed.iteration",
    "kernels": "speed.kernels",
    "mlp": "mlp.command",
    "mpi": "mpi.command",
    "nist": "nist",
    "peers": "peers.command",
    "people": "tables.people",
    "precision": "speed.precision",
    "readme": "readme",
    "scale": "speed.scale",
    "sinc": "peers.sinc",
    "small": "small.command",
    "table1": "table1.command",
    "tables": "tables.command",
    "threads": "speed.threads",
    "transfer": "transfer",
}
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    modules = {name: importlib.import_module(f"benchmarks.{place}") for name, place in MODULES.items()}
    lines = [f"  {name:<12} {(module.__doc__ or '').splitlines()[0]}" for name, module in modules.items()]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Benchmarks:\n" + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="name", metavar="NAME", required=True)
    for name, module in modules.items():
        own = commands.add_parser(
            name, description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        own.add_argument("--quick", action="store_true", help="run a small subset")
        own.add_argument("--out", type=Path, default=RESULTS, help="folder of results (default: %(default)s)")
        if hasattr(module, "add_arguments"):
            module.add_arguments(own)
    options = vars(parser.parse_args())
    modules[options.pop("name")].run(**options)


if __name__ == "__main__":
    main()
