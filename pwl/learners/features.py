"""What frozen layers make of the patterns: computed once, and kept in a file that is found by its content."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from pwl.data.augmentation import Augmentation
from pwl.errors import InputError
from pwl.files.plain import plain
from pwl.files.tensors import read_tensors, write_tensors
from pwl.network.layout import address
from pwl.network.network import Network
from pwl.network.passes import input_of
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import Array, array_namespace, host, like
from pwl.version import VERSION

ROWS = 256  # patterns that go through the frozen layers at a time
KIND, FORMAT = "pwl features", 2


def features(
    net: Network,
    patterns: Patterns,
    frozen: int,
    cache: Path | None = None,
    augment: Augmentation | None = None,
    copies: int = 0,
    seed: int = 0,
) -> Patterns:
    """The patterns as the layers above the frozen ones see them, with prepared targets.

    With an augmentation, `copies` changed copies of each image follow the images. They are changed once, and stay the same in
    all iterations.

    Parameters
    ----------
    net : Network
    patterns : Patterns
        In the network's units.
    frozen : int
        Number of frozen layers.
    cache : path, optional
        A folder for files of features. A file's name is a checksum over the frozen layers, the patterns and the changes, so
        that features of other layers or patterns are never taken.
    augment, copies, seed
        The changes of images.
    """
    sets = [_kept(net, patterns, frozen, cache, None)]
    for copy in range(copies if augment is not None else 0):
        assert augment is not None
        sets.append(_kept(net, patterns, frozen, cache, (augment, (seed, copy))))
    xp = array_namespace(net.theta)
    count, weights = len(sets), patterns.weights
    t = xp.concat([patterns.block(net, first, last)[1] for first, last in _blocks(patterns)], axis=0)
    return Patterns(
        xp.concat(sets, axis=0) if count > 1 else sets[0],
        xp.concat([t] * count, axis=0) if count > 1 else t,
        None if weights is None else np.tile(weights, count),
        comm=patterns.comm,
    )


def _kept(net: Network, patterns: Patterns, frozen: int, cache: Path | None, change: Any) -> Array:
    """The features from the cache, or computed and put there."""
    if cache is None:
        return _computed(net, patterns, frozen, change)
    path = cache / f"{content(net, patterns, frozen, change)}.features"
    if path.exists():
        try:
            arrays, _ = read_tensors(path, KIND, FORMAT)
            return like(arrays["features"], net.theta)
        except (InputError, KeyError):
            pass  # damaged, so that it is computed and written anew
    found = _computed(net, patterns, frozen, change)
    write_tensors(path, KIND, FORMAT, {"features": host(found)}, {})
    return found


def _computed(net: Network, patterns: Patterns, frozen: int, change: Any) -> Array:
    found = []
    for first, last in _blocks(patterns):
        x = patterns.block(net, first, last)[0]
        if change is not None:
            augment, key = change
            x = like(augment.apply(host(x), key, patterns.first + first), net.theta)
        found.append(input_of(net, frozen, x))
    return array_namespace(net.theta).concat(found, axis=0)


def _blocks(patterns: Patterns) -> list[tuple[int, int]]:
    return [(first, min(first + ROWS, len(patterns))) for first in range(0, len(patterns), ROWS)]


def content(net: Network, patterns: Patterns, frozen: int, change: Any) -> str:
    """A checksum over all that decides the features: layers, weights and moments below, raw inputs, preparation, changes.

    Versions count as well, since their results may differ in the last digits.
    """
    sums = hashlib.blake2b(digest_size=20)
    last = max((slot.stop for slot in net.layout.slots if slot.layer < frozen), default=0)
    preparation = None if patterns.preparation is None else plain(patterns.preparation.to_dict())
    facts = [
        VERSION, np.__version__, frozen, list(net.input_shape), [layer.to_dict() for layer in net.layers[:frozen]], preparation,
        repr(change), patterns.first, str(net.theta.dtype), array_namespace(net.theta).__name__,
    ]  # fmt: skip
    sums.update(json.dumps(plain(facts), sort_keys=True).encode())
    arrays = [net.theta[:last], *(net.buffers[key] for key in sorted(_own(net, frozen)))]
    for a in arrays:
        _add(sums, host(a))
    for first, end in _blocks(patterns):
        _add(sums, host(patterns.x[first:end]))
    return sums.hexdigest()


def _own(net: Network, frozen: int) -> list[str]:
    return [address(index, name) for index in range(frozen) for name in net.layer_buffers[index]]


def _add(sums: Any, a: np.ndarray) -> None:
    a = np.ascontiguousarray(a)
    sums.update(f"{a.dtype.str}{a.shape}".encode())
    sums.update(a.reshape(-1).view(np.uint8).data)
