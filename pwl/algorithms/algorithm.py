"""The contract of an algorithm, and the defaults of everything in it that is optional."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

from pwl.algorithms.penalties import Penalties
from pwl.network.network import Network
from pwl.reductions.gradients import error
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.runtime.backend import Array
from pwl.solvers.ols import OLS

AnyState = Any  # a NamedTuple of arrays, numbers, and dictionaries of arrays: what a checkpoint can hold


class Info(dict[str, Any]):
    """What a step computed, for a student to look at: info["z"] or info.z."""

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        raise AttributeError(f"this step has no {name!r}; it has {', '.join(self)}")

    def __or__(self, other: dict[str, Any]) -> Info:  # type: ignore[override] # dict's has overloads
        return Info({**self, **other})

    def only(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Those entries that are there, in this order."""
        return {name: self[name] for name in names if name in self}


class Stop(NamedTuple):
    """Why a run ends. code: a word for programs. reason: a sentence."""

    code: str
    reason: str


class Step(NamedTuple):
    """What one step gives.

    net: the network after it. state: for the next step. series: numbers that the record keeps, by name; "gradient_norm" is
    also what `min_grad` is compared with. info: arrays to look at, which are not kept. stop: why the run should end, if it should.
    """

    net: Network
    state: AnyState
    series: dict[str, Any]
    info: Info = Info()
    stop: Stop | None = None


@runtime_checkable
class Algorithm(Protocol):
    """A training algorithm: a frozen value. Derive from this class: what has a body here is optional.

    `State` is the class of its states, so that checkpoints can make one again.
    """

    State: ClassVar[type]
    full_batch: ClassVar[bool] = False  # every step must see one and the same E
    shares_pass: ClassVar[bool] = False  # `measure` leaves in the state what the next step begins with
    watched: ClassVar[str] = "error"  # the series whose lowest value names the best network without validation data

    @property
    def penalties(self) -> Penalties:
        """What is added to E."""
        return Penalties()

    @property
    def ols(self) -> OLS:
        """How linear systems are solved, the first output weights included."""
        return OLS()

    def init(self, net: Network, patterns: Patterns, key: int) -> AnyState:
        """The state before the first step. key: a seed. Raises InputError if the network can't be trained so."""
        ...

    def step(self, net: Network, patterns: Patterns, state: AnyState) -> Step:
        """One update on the patterns given."""
        ...

    def measure(self, net: Network, patterns: Patterns, state: AnyState) -> tuple[Array, AnyState]:
        """The scores of a network, and the state with what the next step can use of that pass over the data."""
        return reduce(error(), net, patterns), state

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float] | None:
        """Multiplies of one step on Nv patterns: by the literature's formula, and what this code spends in products. None if
        nobody has counted them: the record then has no such series."""
        return None
