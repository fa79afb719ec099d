"""Which patterns a network of the default learner leaves out: one of several parts, each in its turn."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from pwl.data.split import numbered, part_of_groups
from pwl.errors import InputError
from pwl.learners.forms import FEWEST, Form
from pwl.learners.inputs import View


def without_part(
    view: View, form: Form, number: int, seed: int, groups: np.ndarray | None = None
) -> tuple[View, np.ndarray | None]:
    """A view without the part of network `number`, which validates if the training needs that, and the rows of this part.

    groups (Nv,): the number of each pattern's group, none of which is divided. If other patterns validate, patterns are few, or a
    part weighs nothing, none is left out.
    """
    how = form.training
    if not how.parts or view.validation is not None or (len(view.patterns) < FEWEST and groups is None):
        return view, None
    turns = min(how.parts, math.ceil(form.nets / how.rounds))
    apart = part(len(view.patterns), how.parts, turns, number, seed, groups)
    out, rest = np.flatnonzero(apart), np.flatnonzero(~apart)
    left, kept = view.patterns.take(out), view.patterns.take(rest)
    if not (left.total_weight() and kept.total_weight()):
        return view, None
    return View(kept, left if how.stops else None, view.preparation), out


def part(Nv: int, parts: int, turns: int, number: int, seed: int, groups: np.ndarray | None = None) -> np.ndarray:
    """Which of the patterns (Nv,) network `number` leaves out: one of this many parts, each in its turn.

    After this many turns a round over the parts is over, and the next one divides the patterns anew. Networks that have left out
    the same patterns would otherwise have learned the same ones, and differ less than those of the mean, Eq. (91).
    """
    rng = np.random.default_rng(seed)
    count = Nv if groups is None else int(groups.max()) + 1
    order = [rng.permutation(count) for _ in range(1 + number // turns)][-1]
    own = order % parts if groups is None else part_of_groups(np.bincount(groups), order, parts)[groups]
    return own == number % turns


def tell_of_classes(groups: np.ndarray, t: np.ndarray, names: Sequence[Any]) -> None:
    """Warns of classes whose patterns are all in one group: networks that leave it out have not learned them."""
    alone = [str(name) for number, name in enumerate(names) if len(set(groups[t == number].tolist())) == 1]
    if alone:
        shown = ", ".join(alone[:5]) + (", ..." if len(alone) > 5 else "")
        warnings.warn(f"all patterns of a class are in one group, and networks that leave it out do not know the class: {shown}")


def numbered_groups(groups: Any, Nv: int) -> np.ndarray:
    """The number of each pattern's group (Nv,). Raises InputError if there is one group, or not a group for each pattern."""
    found = numbered("groups", groups, Nv)
    if not found.any():
        raise InputError(
            f"all {Nv} patterns are of one group, wanted two or more, because each network trains without some groups: give other "
            "groups, or none"
        )
    return found
