"""The option --device, which chooses the processor that works on a network."""

from __future__ import annotations

import argparse

from pwl.runtime.backend import device_named

DEVICES = ("cpu", "cuda", "auto")


def add_arguments(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--device", choices=DEVICES, default="cpu",
        help="cuda: the GPU, through CuPy; auto: the GPU if it can be used, else the CPU (default: %(default)s)",
    )  # fmt: skip


def settle(options: argparse.Namespace) -> None:
    """Replaces "auto" by the device that it stands for. Raises InputError if a GPU is wanted and can't be used."""
    options.device = device_named(options.device)
