"""The walks that docs/design.md describes are those that the code takes."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import pwl

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
LINE = re.compile(r"^( *)- `(pwl/[\w/]+\.py):([\w.<>]+)` \S", re.MULTILINE)
COMPREHENSION = re.compile("<(genexpr|listcomp|dictcomp|setcomp)>")


class Frame(NamedTuple):
    """A call of one of the package's functions, and how many of its functions were on the stack, itself included."""

    depth: int
    path: str
    name: str


def described(walk: str) -> list[Frame]:
    """The frames that the page lists for a walk."""
    text = re.search(rf"<!-- walk: {walk} -->\n(.*?)<!-- /walk -->", PAGE, flags=re.S)
    assert text is not None, f"docs/design.md describes no walk {walk}"
    return [Frame(len(indent) // 2 + 1, path, name) for indent, path, name in LINE.findall(text[1])]


def taken(call) -> list[tuple[Frame, ...]]:
    """The stacks of the package's frames, one per call, in their order."""
    stack: list[Frame | None] = []
    found = []

    def watch(frame, event, _):
        if event == "call":
            path = Path(frame.f_code.co_filename)
            ours = ROOT / "pwl" in path.parents
            depth = sum(f is not None for f in stack) + 1
            stack.append(Frame(depth, path.relative_to(ROOT).as_posix(), frame.f_code.co_qualname) if ours else None)
            if ours:
                found.append(tuple(f for f in stack if f is not None))
        elif event == "return" and stack:
            stack.pop()

    sys.setprofile(watch)
    try:
        call()
    finally:
        sys.setprofile(None)
    return found


def named(stack: tuple[Frame, ...]) -> list[tuple[str, str]]:
    """Paths and names of a stack without comprehensions, which are no frames of their own from Python 3.12 on."""
    return [(f.path, f.name) for f in stack if not COMPREHENSION.search(f.name)]


def small():
    """A network with one hidden layer of curves, and patterns that fit one block."""
    rng = np.random.default_rng(0)
    patterns = pwl.Patterns(rng.normal(size=(50, 3)), rng.normal(size=(50, 2)))
    return pwl.initialise(pwl.Network.mlp(3, 5, 2, pwl.PiecewiseLinear("relu", 13)), patterns), patterns


def pixels():
    """A step of SGD on a batch of images."""
    rng = np.random.default_rng(0)
    body = [pwl.layers.Conv2d(4, 3), pwl.PiecewiseLinear("relu", 5), pwl.layers.MaxPool2d(2), pwl.layers.Flatten()]
    net = pwl.Network.from_layers([*body, pwl.layers.Dense(3)], (8, 8, 1))
    batch = pwl.Patterns(rng.normal(size=(6, 8, 8, 1)).astype(np.float32), np.arange(6) % 3)
    algorithm = pwl.SGD()
    state = algorithm.init(net, batch, 0)
    return lambda: algorithm.step(net, batch.batch(np.arange(6), (0, 0), 0), state)


def call_of(walk):
    if walk == "pixels":
        return pixels()
    net, patterns = small()
    step = {"molf_step": pwl.molf_step, "adact_step": pwl.adact_step}[walk]
    return lambda: step(net, anew(patterns))


def anew(patterns):
    """The same patterns, over which no pass is remembered."""
    return patterns.take(slice(None))


@pytest.mark.core
@pytest.mark.parametrize("walk", ["molf_step", "adact_step", "pixels"])
def test_the_walk_is_as_described(walk):
    """Every frame on the page is called in the order of the page, by the frame under which it is listed."""
    call = call_of(walk)
    call()  # kernels are compiled
    stacks = taken(call)
    wanted = described(walk)
    assert len(wanted) > 10
    at, above = 0, {0: []}
    for frame in wanted:
        whole = [*above[frame.depth - 1], (frame.path, frame.name)]
        found = next((i for i in range(at, len(stacks)) if named(stacks[i]) == whole), None)
        assert found is not None, f"{frame} is not met under the frames above it on the page, after those before it"
        at, above[frame.depth] = found, whole


@pytest.mark.core
def test_eq_21_is_met_within_five_named_frames():
    net, patterns = small()
    pwl.molf_step(net, patterns)
    stacks = taken(lambda: pwl.molf_step(net, anew(patterns)))
    (heart,) = (s for s in stacks if s[-1].name == "SquaredError.curvature")
    assert heart[0].name == "molf_step" and len(heart) <= 5
    assert len(named(heart)) == len(heart) and not [f.name for f in heart if "<lambda>" in f.name]
    source = (ROOT / "pwl" / "losses.py").read_text()
    assert "Eq. (21): H = 2 (V'V) * (W_b'W_b)" in source and "return 2 * gram(V, w) * gram(W_b)" in source


def test_this_check_can_fail():
    net, patterns = small()
    names = {stack[-1].name for stack in taken(lambda: pwl.molf_step(net, patterns))}
    assert "SquaredError.curvature" in names and "CrossEntropy.curvature" not in names
