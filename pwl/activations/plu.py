"""PLU, the piecewise linear unit: slope 1 in the middle and a small slope outside, Eq. (43)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pwl.activations.parameterless import Parameterless
from pwl.errors import InputError
from pwl.kernels import Formula
from pwl.runtime.backend import Array, array_namespace
from pwl.validate import is_number, positive


@dataclass(frozen=True)
class PLU(Parameterless):
    """Bends the net at -c and c: o = max(alpha (n + c) - c, min(alpha (n - c) + c, n)), Eq. (43).

    o is n between -c and c, and has the slope alpha outside. Nothing is trained. `activation="plu"` has the defaults.

    Parameters
    ----------
    alpha : float
        Slope outside, from 0 to 1.
    c : float
        Distance of the two bends from 0, in the units of the net; positive.

    Raises
    ------
    InputError
        Unless 0 <= alpha <= 1 and c > 0.
    """

    alpha: float = 0.1
    c: float = 1.0
    name: ClassVar[str] = "plu"

    def __post_init__(self) -> None:
        if not is_number(self.alpha) or not 0 <= float(self.alpha) <= 1:
            raise InputError(f"PLU's alpha must be a slope from 0 to 1, not {self.alpha!r}")
        positive("PLU's c", self.c)
        object.__setattr__(self, "alpha", float(self.alpha))
        object.__setattr__(self, "c", float(self.c))

    @property
    def kinks(self) -> tuple[float, ...]:
        return (-self.c, self.c)

    @property
    def formula(self) -> Formula:
        return Formula(self.name, self.f, self.df, (self.alpha, self.c))

    def f(self, n: Array) -> Array:
        xp, alpha, c = array_namespace(n), self.alpha, self.c
        return xp.maximum(alpha * (n + c) - c, xp.minimum(alpha * (n - c) + c, n))

    def df(self, n: Array, o: Array) -> Array:
        """The slope, at a kink the right-hand one."""
        xp = array_namespace(n)
        return xp.where((n >= -self.c) & (n < self.c), xp.ones_like(n), xp.full_like(n, self.alpha))
