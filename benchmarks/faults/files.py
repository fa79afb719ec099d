"""Damaged nets, checkpoints and lists of comparisons: bits flipped, bytes cut, put in and exchanged; forged headers."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load as from_bytes
from safetensors.numpy import save as to_bytes

import pwl
from benchmarks.faults.outcome import Tally
from pwl.files.tensors import checksum
from pwl.training.saved import load

SETTINGS: dict[str, Any] = {"iterations": 4, "seed": 0}
ALGORITHMS = (
    pwl.LM(), pwl.AdAct(direction="hwo"), pwl.SCG(), pwl.BayesianLM(), pwl.DampedAdAct(), pwl.LBFGS(), pwl.VarPro(), pwl.Adam(),
    pwl.MinibatchAdAct(), pwl.CG(), pwl.OWOBP(), pwl.SGD(),
)  # fmt: skip
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
    for name, start in nets().items():
        own = images() if name == "images" else data
        algorithm = pwl.BayesianLM() if name == "curves" else pwl.SCG()
        net, record = pwl.train(start, own, algorithm, **SETTINGS)
        if name == "curves":
            net = pwl.with_posterior(net, own, algorithm, record)
        net = net.with_preparation(pwl.Preparation.fit(*own))
        net.save("net", record)
        found[f"net of {name}"] = (Path("net").read_bytes(), lambda: load("damaged").net, _same(net.theta))
    pwl.Ensemble([net, net], weights=[1, 3], bounds=[[-2.0], [2.0]]).save("net", record)
    found["ensemble"] = (Path("net").read_bytes(), _first_of_ensemble, _same(net.theta))
    start = pwl.Network.mlp(3, 4, 1, pwl.PiecewiseLinear(hinges=5), seed=1)
    for algorithm in ALGORITHMS:
        given = SETTINGS | ({} if algorithm.full_batch else {"batch_size": 20})
        pwl.train(start, data, algorithm, checkpoint="run", **given)
        content = Path("run").read_bytes()
        whole, _ = pwl.train(start, data, algorithm, **given | {"iterations": 6})

        def resumed(algorithm: Any = algorithm, given: Any = given) -> Any:
            return pwl.train(start, data, algorithm, resume="damaged", max_seconds=20, **given | {"iterations": 6})[0]

        found[f"checkpoint of {type(algorithm).__name__}"] = (content, resumed, _same(whole.theta))
    return found


def nets() -> dict[str, Any]:
    """Networks whose files hold every kind of array and of layer."""
    dense = [pwl.layers.Dense(4), pwl.PLU(), pwl.layers.Dense(4), pwl.APL(2), pwl.layers.Add(2), pwl.layers.Dense(1)]
    shaped = [
        pwl.layers.Conv2d(2, 3), pwl.layers.BatchNorm2d(), pwl.PiecewiseLinear("relu", hinges=3), pwl.layers.MaxPool2d(2),
        pwl.layers.Flatten(),
    ]  # fmt: skip
    return {
        "tanh": pwl.Network.mlp(3, 4, 1, "tanh", seed=1),
        "input curves": pwl.Network.mlp(3, 4, 1, pwl.PiecewiseLinear(hinges=5), input_hinges=4, seed=1),
        "layers": pwl.Network.from_layers(dense, (3,), loss="squared_error", seed=1, dtype=np.float64),
        "images": pwl.Network.from_layers([*shaped, pwl.layers.Dense(3)], (6, 6, 1), seed=1),
        "curves": pwl.Network.mlp(3, 4, 1, pwl.PiecewiseLinear(hinges=5), seed=1),
    }


def images() -> Any:
    """Some images of three classes."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(40, 6, 6, 1)).astype(np.float32), rng.integers(0, 3, 40)


def _first_of_ensemble() -> Any:
    ensemble = pwl.Ensemble.load("damaged")
    if not np.all(np.isfinite(ensemble.predict(np.zeros((2, 3))))):
        raise AssertionError("predictions that are not finite")
    return ensemble.nets[0]


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
    metadata = json.loads(content[8 : 8 + size])["__metadata__"]
    arrays = from_bytes(content)
    if rng.random() < 0.4:
        what = forge_array(arrays, rng)
    else:
        what, metadata["header"] = forged_header(metadata["header"], rng)
    if rng.random() < 0.5:
        metadata = {key: value for key, value in metadata.items() if key != "checksum"} | {"format_version": "1"}
    else:
        metadata["checksum"] = checksum(metadata, arrays)
    return f"forged {what}", to_bytes(arrays, metadata)


def forged_header(text: str, rng: np.random.Generator) -> tuple[str, str]:
    """What was done in words, and the header with one value replaced or left out."""
    header = json.loads(text)
    nested = [key for key in ("record", "state") if isinstance(header.get(key), str)]
    for key in nested:
        header[key] = json.loads(header[key])
    where = [place for place in _places(header) if len(place) < 8]
    place, value = where[rng.integers(len(where))], VALUES[rng.integers(len(VALUES))]
    drop = rng.random() < 0.2
    _put(header, place, value, drop)
    for key in nested:
        if key in header:
            header[key] = json.dumps(header[key])
    return f"{'.'.join(map(str, place))} {'left out' if drop else f'= {value!r}'}", json.dumps(header)


def forge_array(arrays: dict[str, np.ndarray], rng: np.random.Generator) -> str:
    """Replaces, leaves out or adds one array, and says so in words."""
    name = sorted(arrays)[rng.integers(len(arrays))]
    a, kind = arrays.pop(name), rng.integers(9)
    if kind == 0:
        return f"{name} left out"
    if kind == 1:
        other = ("x", f"{name}0", f"state.{name}", "net.buffer.7.ns", "buffer.0.x", "9.theta", "host.x")[rng.integers(7)]
        arrays |= {name: a, other: a}
        return f"{other} added"
    with np.errstate(all="ignore"):
        if kind == 2:
            to = ("<f4", "<f8", "<f2", "<i8", "|u1", "|b1", "<i4")[rng.integers(7)]
            arrays[name] = a.astype(to)
        elif kind == 3:
            shape = ((), (0,), (1, *a.shape), (*a.shape, 1), (a.size,), (1, 1, 1), (2, 0))[rng.integers(7)]
            arrays[name] = np.resize(a, shape) if a.size else np.zeros(shape)
        elif kind == 4:
            arrays[name] = a[: len(a) // 2] if a.ndim else a
        elif kind == 5:
            arrays[name] = np.concatenate([a, a]) if a.ndim else a
        elif kind == 6:
            arrays[name] = a.T.copy() if a.ndim > 1 else -a if a.dtype.kind == "f" else a
        else:
            value = (np.nan, np.inf, -np.inf, 1e300, -1e-300, 0.0)[rng.integers(6)]
            changed = a.astype(np.float64) if a.dtype.kind != "f" else a.copy()
            changed.reshape(-1)[: 1 if kind == 7 else None] = value
            arrays[name] = changed
    return f"{name} as {arrays[name].dtype} {arrays[name].shape}"


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
