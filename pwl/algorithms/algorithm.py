"""The contract of an algorithm, with defaults for everything that is optional."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

from pwl.algorithms.penalties import Penalties
from pwl.errors import InputError
from pwl.network.network import Network
from pwl.reductions.gradients import error
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.runtime.backend import Array
from pwl.solvers.ols import OLS
from pwl.validate import shown

AnyState = Any  # a NamedTuple of arrays, numbers and dictionaries of arrays, which a checkpoint can hold


class Info(dict[str, Any]):
    """The arrays and numbers that a step computed, for a student to look at, as info["z"] or info.z."""

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        raise AttributeError(f"this step has no {name!r}, but it has {', '.join(self)}")

    def __or__(self, other: dict[str, Any]) -> Info:  # type: ignore[override] # dict's has overloads
        return Info({**self, **other})

    def __repr__(self) -> str:
        """The names with the shapes of their arrays, because whole arrays do not fit a screen."""
        return f"Info({', '.join(f'{name}: {_short(value)}' for name, value in self.items())})"

    def only(self, names: tuple[str, ...]) -> dict[str, Any]:
        """The entries with these names, in this order. Missing names are skipped."""
        return {name: self[name] for name in names if name in self}


def _short(value: Any) -> str:
    """A number as it is, and of an array its shape."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name!r}: {_short(one)}" for name, one in value.items()) + "}"
    return f"array {tuple(value.shape)}" if getattr(value, "shape", ()) else repr(value)


class Stop(NamedTuple):
    """The reason why a run ends. code: a word for programs. reason: a sentence."""

    code: str
    reason: str


class Step(NamedTuple):
    """The result of one step.

    Attributes
    ----------
    net : Network
        The network after the step.
    state : NamedTuple
        The state for the next step.
    series : dict
        Numbers that the record keeps, by name. `min_grad` is compared with "gradient_norm".
    info : Info
        Arrays to look at, which the record does not keep.
    stop : Stop or None
        The reason why the run should end, if it should.
    """

    net: Network
    state: AnyState
    series: dict[str, Any]
    info: Info = Info()
    stop: Stop | None = None


@runtime_checkable
class Algorithm(Protocol):
    """Base class of training algorithms, which are frozen values. Members that have a body or a value here are optional.

    Attributes
    ----------
    State : class
        The class of the states, so that checkpoints can restore them.
    full_batch : bool
        Whether every step must see one and the same E.
    shares_pass : bool
        Whether `measure` leaves results for the next step in the state.
    watched : str
        The series whose lowest value names the best network if there are no validation data.
    """

    State: ClassVar[type]
    full_batch: ClassVar[bool] = False
    shares_pass: ClassVar[bool] = False
    watched: ClassVar[str] = "error"

    @property
    def penalties(self) -> Penalties:
        """The penalties that are added to E."""
        return Penalties()

    @property
    def ols(self) -> OLS:
        """The solver of linear systems, also for the first output weights."""
        return OLS()

    def check(self, net: Network) -> None:
        """Raises InputError, before the network is started on data, if the algorithm can't train it."""
        return

    def init(self, net: Network, patterns: Patterns, key: int) -> AnyState:
        """The state before the first step. key: a seed. Raises InputError if the algorithm can't train the network."""
        ...

    def step(self, net: Network, patterns: Patterns, state: AnyState) -> Step:
        """One update on some patterns."""
        ...

    def shapes(self, net: Network) -> Mapping[str, Any]:
        """The shapes of the arrays in a state by field, with which a checkpoint must agree. A length may be a name.

        A field that is a dictionary has a dictionary of shapes. Fields without a shape are not looked at.
        """
        return {}

    def measure(self, net: Network, patterns: Patterns, state: AnyState) -> tuple[Array, AnyState]:
        """The scores of a network, and the state with those results of the pass that the next step can use."""
        return reduce(error(), net, patterns), state

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float] | None:
        """Multiplies of one step on Nv patterns, by the literature's formula and by the count of this code's products.

        None if nobody has counted them. The record then has no such series.
        """
        return None

    def further(self, net: Network, Nv: int, series: dict[str, Any]) -> tuple[float, float]:
        """Multiplies of a step beyond those of `multiplies`, such as those of further trials, from the step's own series."""
        return 0.0, 0.0


def check_algorithm(algorithm: Any) -> None:
    """Raises InputError for anything but an algorithm."""
    derives = Algorithm in type(algorithm).__mro__  # which is found at once, while a protocol's check looks at every member
    if isinstance(algorithm, type) or not (derives or isinstance(algorithm, Algorithm)):
        raise InputError(
            f"an algorithm is an object such as pwl.AdAct() or pwl.MOLF(), not {shown(algorithm)}; an algorithm of "
            "your own must derive from pwl.algorithms.Algorithm"
        )
