"""The option --device: which processor works on a network. What is written and printed comes back to the host."""

from __future__ import annotations

import argparse
from typing import Any

from pwl.runtime.backend import device_named

DEVICES = ("cpu", "cuda", "auto")


def add_arguments(parser: Any) -> None:
    parser.add_argument(
        "--device", choices=DEVICES, default="cpu",
        help="cuda: the GPU, by CuPy; auto: the GPU where it can be used, else the CPU (default: %(default)s)",
    )  # fmt: skip


def settle(options: argparse.Namespace) -> None:
    """What "auto" stands for, in its place; InputError, before anything is read, where the GPU can't be used."""
    options.device = device_named(options.device)
