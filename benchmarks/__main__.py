"""`python -m benchmarks NAME`: runs one benchmark; each is a module with `run(out, quick)` and a docstring."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

NAMES = ("curves", "iteration", "kernels", "precision", "readme", "scale", "threads")


def main() -> None:
    modules = {name: importlib.import_module(f"benchmarks.{name}") for name in NAMES}
    lines = [f"  {name:<12} {(module.__doc__ or '').splitlines()[0]}" for name, module in modules.items()]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Benchmarks:\n" + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--quick", action="store_true", help="a small stated subset")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results", help="folder of results (default: %(default)s)"
    )
    options = parser.parse_args()
    modules[options.name].run(options.out, options.quick)


if __name__ == "__main__":
    main()
