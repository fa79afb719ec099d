"""The command line: one module a command."""

from pwl.cli.main import main

__all__ = ["main"]
