"""Paths on the command line."""

from __future__ import annotations

from pathlib import Path


def path(text: str) -> Path | str:
    """The type of options for paths. An empty text stays one, so that it can be told from the current folder."""
    return Path(text) if text else text
