"""The command line, with a module per command."""

from pwl.cli.main import main

__all__ = ["main"]
