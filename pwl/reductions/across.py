"""Totals over ranks: what each rank has summed crosses by the host, and is folded in the order of the ranks."""

from __future__ import annotations

import itertools
import time

import numpy as np

from pwl.reductions.patterns import Patterns
from pwl.reductions.statistic import COMBINE, NEUTRAL, Part, Statistic, grown
from pwl.runtime.backend import Array, beside, host
from pwl.runtime.ranks import Communicator, along_tree, folded


def over_ranks(statistic: Statistic, patterns: Patterns, part: Part, theta: Array) -> Part:
    """The total of all ranks, on the device of theta. A rank without patterns brings an empty part."""
    began = time.perf_counter()
    outline, own = part[0], [host(a) for a in part[1]]
    if 0 in patterns.standing.counts:
        outline, own = _of_one_form(statistic, patterns, (outline, own))
    if statistic.of_rows:
        total = [along_tree(patterns.comm, a, COMBINE[statistic.combine]) for a in own]
    else:
        total = _joined(patterns.comm, own, COMBINE[statistic.combine])
    patterns.reads.crossing += time.perf_counter() - began
    return outline, [beside(a, theta) for a in total]


def _joined(comm: Communicator, own: list[np.ndarray], fold) -> list[np.ndarray]:
    """Arrays folded as one, so that they share their messages. float32 beside float64 crosses as float64, which is exact."""
    flat = folded(comm, np.concatenate([a.reshape(-1) for a in own]), fold)
    parts = np.split(flat, list(itertools.accumulate(a.size for a in own))[:-1])
    return [each.reshape(a.shape).astype(a.dtype, copy=False) for each, a in zip(parts, own, strict=True)]


def _of_one_form(statistic: Statistic, patterns: Patterns, part: Part) -> Part:
    """The part of this rank. One without patterns gets the form of the others', with numbers that change nothing."""
    outline, own = part
    first = next(rank for rank, count in enumerate(patterns.standing.counts) if count)
    forms = patterns.comm.allgather((outline, [(a.shape, a.dtype) for a in own]) if patterns.comm.rank == first else None)
    if len(patterns):
        return part
    outline, arrays = forms[first]
    return grown(outline, itertools.repeat(None)), [_neutral(statistic, shape, dtype) for shape, dtype in arrays]


def _neutral(statistic: Statistic, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    if statistic.of_rows:
        return np.zeros((0, shape[1]), dtype)
    return np.full(shape, NEUTRAL[statistic.combine], dtype)
