"""The names on the pages and in the lessons exist: those of pwl, members of its classes, and options of its commands."""

from __future__ import annotations

import argparse
import functools
import importlib
import re
from pathlib import Path

import pytest

import pwl
from pwl.algorithms import Algorithm
from pwl.cli.main import build
from pwl.network.layout import Layout

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "examples").glob("**/*.py"))]
CLASSES = {
    "Network": pwl.Network, "Patterns": pwl.Patterns, "Ensemble": pwl.Ensemble, "Preparation": pwl.Preparation,
    "Record": pwl.Record, "Layer": pwl.layers.Layer, "Algorithm": Algorithm, "Layout": Layout,
}  # fmt: skip
OTHERS = {  # of other programs, as the benchmarks
    "--parts", "--quick", "--budget", "--kill-on-bad-exit", "--mpi", "--no-binary", "--signal", "--recipe", "--standard", "--steps"
}  # fmt: skip


def exists(name: str) -> bool:
    """Whether a dotted name that begins with pwl can be reached or imported."""
    thing, path = pwl, "pwl"
    for part in name.split(".")[1:]:
        path += f".{part}"
        try:
            thing = getattr(thing, part)
        except AttributeError:
            try:
                thing = importlib.import_module(path)
            except ImportError:
                return False
    return True


def options(parser: argparse.ArgumentParser) -> set[str]:
    """The options of a parser and of its commands."""
    found: set[str] = set()
    for action in parser._actions:
        found |= set(action.option_strings)
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                found |= options(command)
    return found


@functools.cache
def of_commands() -> set[str]:
    """The options of all commands."""
    return options(build()[0])


def unknown(text: str) -> set[str]:
    """Names of a page that do not exist."""
    found = {name for name in re.findall(r"(?<![\w/.])pwl(?:\.[A-Za-z_]\w*)+", text) if not exists(name)}
    for code in re.findall(r"`([^`\n]+)`", text):
        for name, member in re.findall(rf"(?<![\w.])({'|'.join(CLASSES)})\.(\w+)", code):
            if not hasattr(CLASSES[name], member) and member not in getattr(CLASSES[name], "__dataclass_fields__", {}):
                found.add(f"{name}.{member}")
        found |= set(re.findall(r"(?<![\w-])--[a-z][\w-]+", code)) - of_commands() - OTHERS
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_names_exist(page):
    assert unknown(page.read_text(encoding="utf-8")) == set()


def test_the_check_can_fail():
    text = "pwl.train pwl.trian `Patterns.reduce` `Network.mlp` `--jobs 2` `--job` pwl.schedules.Cosine"
    assert unknown(text) == {"pwl.trian", "Patterns.reduce", "--job"}
