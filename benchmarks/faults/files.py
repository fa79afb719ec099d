"""Damaged nets, checkpoints and lists of comparisons: bits flipped, bytes cut, put in and exchanged; forged headers."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import pwl
from benchmarks.faults.outcome import Tally
from pwl.files.tensors import checksum
from pwl.training.saved import load

SETTINGS: dict[str, Any] = {"iterations": 4, "seed": 0}
MORE: dict[str, Any] = {"iterations": 6, "seed": 0}
VALUES: list[Any] = [  # that a forged header may hold
    None, True, -1, 0, 1, 3, 10**30, 0.5, -1e300, float("nan"), float("inf"), "", "x", [], [[]], {}, {"name": "x"}, [1, "a"], "∞",
]  # fmt: skip


def campaign(tally: Tally, tries: int, seed: int) -> None:
    """Each try damages a file and reads it. What is read must be the whole file as it was, or the file is refused."""
    x = np.random.default_rng(0).normal(size=(40, 3))
    data = (x, np.sin(x[:, :1]))
    rng = np.random.default_rng(seed)
    sound = originals(data)
    for number in range(tries):
        name = list(sound)[number % len(sound)]
        content, read, same = sound[name]
        how, damaged = damage(content, rng)
        Path("damaged").write_bytes(damaged)
        forged = how.startswith("forged")
        tally.called(f"{name}, seed {seed}, try {number}: {how}", read, finite if forged else same)


def originals(data: Any) -> dict[str, tuple[bytes, Callable[[], Any], Callable[[Any], str | None]]]:
    """Sound files by name: their bytes, a function that reads "damaged", and one that compares what came with the original."""
    found: dict[str, Any] = {}
    for curves in ("tanh", pwl.PiecewiseLinear(hinges=5)):
        net, record = pwl.train(pwl.Network.mlp(3, 4, 1, curves, seed=1), data, pwl.LM(), **SETTINGS)
        net = net.with_preparation(pwl.Preparation.fit(*data))
        net.save("net", record)
        found[f"net of {curves}"] = (Path("net").read_bytes(), lambda: load("damaged").net, _same(net.theta))
    for algorithm in (pwl.LM(), pwl.AdAct(direction="hwo"), pwl.SCG()):
        start = pwl.Network.mlp(3, 4, 1, pwl.PiecewiseLinear(hinges=5), seed=1)
        pwl.train(start, data, algorithm, checkpoint="run", **SETTINGS)
        content = Path("run").read_bytes()
        whole, _ = pwl.train(start, data, algorithm, **MORE)

        def resumed(start: Any = start, algorithm: Any = algorithm) -> Any:
            return pwl.train(start, data, algorithm, resume="damaged", max_seconds=20, **MORE)[0]

        found[f"checkpoint of {type(algorithm).__name__}"] = (content, resumed, _same(whole.theta))
    return found


def _same(theta: Any) -> Callable[[Any], str | None]:
    return lambda net: None if np.array_equal(net.theta, theta) else "other weights came, unnoticed"


def finite(net: Any) -> str | None:
    """What may be read from a forged file, whose checksum is right: a network of finite numbers."""
    return None if np.all(np.isfinite(net.theta)) else "weights that are not finite"


def damage(content: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    """A kind of damage in words, and the damaged bytes."""
    kind, n = rng.integers(7), len(content)
    place = int(rng.integers(n))
    if rng.random() < 0.5:
        place = int(rng.integers(min(n, 3000)))  # half of the damage is in the header
    if kind == 0:
        return f"bit at {place}", _with(content, place, bytes([content[place] ^ 1 << int(rng.integers(8))]))
    if kind == 1:
        return f"cut at {place}", content[:place]
    if kind == 2:
        more = rng.bytes(int(rng.integers(1, 30)))
        return f"{more!r} put in at {place}", content[:place] + more + content[place:]
    if kind == 3:
        more = rng.bytes(int(rng.integers(1, 30)))
        return f"{more!r} written at {place}", _with(content, place, more)[:n]
    if kind == 4:
        last = min(n, place + int(rng.integers(1, 300)))
        return f"zeros from {place} to {last}", _with(content, place, bytes(last - place))
    return forged(content, rng)


def _with(content: bytes, place: int, more: bytes) -> bytes:
    return content[:place] + more + content[place + len(more) :]


def forged(content: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    """A file with one value of its header, or one array, replaced, and a checksum that fits, or none as files of 0.1.0."""
    (size,) = struct.unpack("<Q", content[:8])
    top = json.loads(content[8 : 8 + size])
    header = json.loads(top["__metadata__"]["header"])
    for key in ("record", "state"):
        if isinstance(header.get(key), str):
            header[key] = json.loads(header[key])
    where = [place for place in _places(header) if len(place) < 6]
    place, value = where[rng.integers(len(where))], VALUES[rng.integers(len(VALUES))]
    _put(header, place, value, drop=rng.random() < 0.2)
    for key in ("record", "state"):
        if key in header and "structure" in header:
            header[key] = json.dumps(header[key])
    metadata = top["__metadata__"] | {"header": json.dumps(header)}
    arrays = _arrays(content, top, size)
    if rng.random() < 0.5:
        metadata = {key: value for key, value in metadata.items() if key != "checksum"} | {"format_version": "1"}
    else:
        metadata["checksum"] = checksum(metadata, arrays)
    text = json.dumps(top | {"__metadata__": metadata}).encode()
    return f"forged {'.'.join(map(str, place))} = {value!r}", struct.pack("<Q", len(text)) + text + content[8 + size :]


def _arrays(content: bytes, top: Any, size: int) -> dict[str, np.ndarray]:
    kinds, found = {"F64": "<f8", "F32": "<f4", "I64": "<i8"}, {}
    for name, about in top.items():
        if name != "__metadata__":
            first, last = about["data_offsets"]
            raw = content[8 + size + first : 8 + size + last]
            found[name] = np.frombuffer(raw, kinds[about["dtype"]]).reshape(about["shape"])
    return found


def _places(tree: Any, above: tuple = ()) -> list[tuple]:
    """Paths to all values of a tree of dictionaries and lists."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    found = []
    for key, value in items:
        found += [(*above, key), *_places(value, (*above, key))]
    return found


def _put(tree: Any, place: tuple, value: Any, drop: bool) -> None:
    for key in place[:-1]:
        tree = tree[key]
    if drop:
        del tree[place[-1]]
    else:
        tree[place[-1]] = value
