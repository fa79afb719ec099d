"""The losses: squared error, that of known targets, cross-entropy and Output Reset, as functions of the outputs y (Nv, M)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from pwl.data.targets import known_or_zero, mask
from pwl.errors import InputError
from pwl.kernels import array_engine
from pwl.kernels.reference.output_reset import reset_residuals
from pwl.kernels.reference.softmax import one_hot, softmax
from pwl.runtime.backend import Array, array_namespace, at_least, at_most, gram, host, total
from pwl.runtime.finite import check_finite


class Loss(Protocol):
    """The contract of a loss. S_p is the Hessian of a pattern's error with respect to its outputs, Eq. (19), or a bound of it."""

    name: ClassVar[str]
    quadratic: ClassVar[bool]  # in y: one Newton step along a line of outputs is exact
    constant: ClassVar[bool]  # S does not depend on the outputs, and is diagonal: 2 for each output that counts
    bound: ClassVar[float]  # S is at most bound I
    classes: ClassVar[bool]  # targets are labels
    probabilities: ClassVar[bool] = False  # outputs stand for the probabilities of classes
    evidence: ClassVar[bool] = True  # -E is the logarithm of a probability, up to a scale
    own_patterns: ClassVar[bool] = False  # each output counts the patterns whose target for it is known
    output_steps: ClassVar[int]  # solves per output step, Eqs. (10), (12)

    def check_targets(self, t: Array, n_outputs: int, first_row: int = 0) -> None:
        """Raises InputError if targets do not fit. first_row: the number of t's first row."""
        ...

    def errors(self, y: Array, t: Array) -> Array:
        """Error of each pattern (Nv,)."""
        ...

    def d(self, y: Array, t: Array) -> Array:
        """d = -dE_p/dy (Nv, M), Eq. (15)."""
        ...

    def errors_and_d(self, y: Array, t: Array) -> tuple[Array, Array]:
        """`errors` and `d` together."""
        ...

    def quadratic_form(self, y: Array, dy: Array, t: Array) -> Array:
        """dy' S_p dy of each pattern (Nv,)."""
        ...

    def roots(self, y: Array, t: Array) -> Iterator[Array]:
        """Vectors v (Nv, M), one output after another, whose outer products sum to S_p, Eq. (28)."""
        ...

    def drawn_root(self, y: Array, u: Array, t: Array) -> Array:
        """One vector v (Nv, M), drawn by uniform random numbers u (Nv,), so that v v' has the mean S_p, Eq. (29)."""
        ...

    def residuals(self, y: Array, t: Array) -> Array:
        """r (Nv, M) with d = sum_i r_i v_i over the vectors v of `roots`."""
        ...

    def curvature(self, V: Array, W_b: Array, y: Array | None, w: Array | None, t: Array) -> Array:
        """H = sum_p w_p J_p'S_p J_p for blocks that change one feature each, J_p[:, b] = V[p, b] W_b[:, b], Eqs. (21), (22).

        V (Nv, blocks): changes of the features. W_b (M, blocks): output weights of the features. If S is `constant`, it needs no y.
        """
        ...

    def curvature_multiplies(self, blocks: int, M: int) -> float:
        """Multiplies per pattern of `curvature`."""
        ...


@dataclass(frozen=True)
class SquaredError(Loss):
    """E = (1/Nv) sum_p sum_i (t_pi - y_pi)^2, a sum over the outputs without 1/M, Eq. (1). Targets t are (Nv, M)."""

    name: ClassVar[str] = "squared_error"
    quadratic: ClassVar[bool] = True
    constant: ClassVar[bool] = True
    bound: ClassVar[float] = 2.0
    classes: ClassVar[bool] = False
    output_steps: ClassVar[int] = 1  # least squares is exact

    def check_targets(self, t: Array, n_outputs: int, first_row: int = 0) -> None:
        if t.ndim != 2 or t.shape[1] != n_outputs:
            raise InputError(f"targets of shape (patterns, {n_outputs}) were wanted for this net, but {_shape(t)} came")
        xp = array_namespace(t)
        if not xp.isdtype(t.dtype, ("integral", "real floating")):
            raise InputError(f"targets must be real numbers, but an array of {t.dtype} came")
        check_finite(t, first_row, "target")

    def errors(self, y: Array, t: Array) -> Array:
        """Error of each pattern (Nv,)."""
        return total((t - y) ** 2, axis=1)

    def d(self, y: Array, t: Array) -> Array:
        """d = -dE_p/dy (Nv, M), Eq. (15)."""
        return 2 * (t - y)

    def errors_and_d(self, y: Array, t: Array) -> tuple[Array, Array]:
        """The errors (Nv,) and d (Nv, M)."""
        rest = t - y
        return total(rest**2, axis=1), 2 * rest

    def quadratic_form(self, y: Array, dy: Array, t: Array) -> Array:
        """dy' S_p dy of each pattern (Nv,), S_p = 2 I, Eq. (19)."""
        return 2 * array_namespace(dy).sum(dy * dy, axis=1)

    def roots(self, y: Array, t: Array) -> Iterator[Array]:
        """Vectors v (Nv, M), one output after another, whose outer products sum to S_p, Eq. (28)."""
        xp = array_namespace(y)
        for i in range(y.shape[1]):
            v = xp.zeros_like(y)
            v[:, i] = 2.0**0.5
            yield v

    def drawn_root(self, y: Array, u: Array, t: Array) -> Array:
        """sqrt(2 M) e_i for an output i that u draws, so that v v' has the mean S_p = 2 I, Eq. (29)."""
        xp, M = array_namespace(y), y.shape[1]
        i = at_most(xp.astype(xp.floor(u * M), xp.int64), M - 1)  # rounding may give M
        return (2 * M) ** 0.5 * xp.astype(one_hot(i, y), y.dtype)

    def residuals(self, y: Array, t: Array) -> Array:
        """r (Nv, M) with d = sum_i r_i v_i over the vectors v of `roots`: sqrt(2) (t - y)."""
        return 2.0**0.5 * (t - y)

    def curvature(self, V: Array, W_b: Array, y: Array | None, w: Array | None, t: Array) -> Array:
        """Eq. (21): H = 2 (V'V) * (W_b'W_b), the product * element by element."""
        return 2 * gram(V, w) * gram(W_b)

    def curvature_multiplies(self, blocks: int, M: int) -> float:
        return blocks * (blocks + 1) / 2


@dataclass(frozen=True)
class KnownSquaredError(Loss):
    """Squared error over the targets that are not NaN, E = (1/Nv) sum_p sum_i m_pi (t_pi - y_pi)^2, Eq. (95).

    m_pi is 0 where t_pi is NaN, else 1, so that S_p = 2 diag(m_p). Networks have `SquaredError`, and take this loss for data with
    such targets: `of_targets`.
    """

    name: ClassVar[str] = SquaredError.name  # for people and files it is the same loss
    quadratic: ClassVar[bool] = True
    constant: ClassVar[bool] = True
    bound: ClassVar[float] = 2.0
    classes: ClassVar[bool] = False
    own_patterns: ClassVar[bool] = True
    output_steps: ClassVar[int] = 1

    def check_targets(self, t: Array, n_outputs: int, first_row: int = 0) -> None:
        """As under squared error, but NaN is allowed."""
        SQUARED_ERROR.check_targets(known_or_zero(t) if _are_floats(t) else t, n_outputs, first_row)

    def errors(self, y: Array, t: Array) -> Array:
        return array_namespace(y).sum(_known_rest(y, t) ** 2, axis=1)

    def d(self, y: Array, t: Array) -> Array:
        """d = 2 m (t - y) (Nv, M), Eq. (15)."""
        return 2 * _known_rest(y, t)

    def errors_and_d(self, y: Array, t: Array) -> tuple[Array, Array]:
        rest = _known_rest(y, t)
        return array_namespace(y).sum(rest**2, axis=1), 2 * rest

    def quadratic_form(self, y: Array, dy: Array, t: Array) -> Array:
        """2 sum_i m_pi dy_pi^2 of each pattern (Nv,)."""
        return 2 * array_namespace(dy).sum(mask(t) * dy * dy, axis=1)

    def roots(self, y: Array, t: Array) -> Iterator[Array]:
        """The vectors sqrt(2) m_pi e_i, i = 1..M, Eq. (28)."""
        m = mask(t)
        for i, v in enumerate(SQUARED_ERROR.roots(y, t)):
            yield v * m[:, i][:, None]

    def drawn_root(self, y: Array, u: Array, t: Array) -> Array:
        """sqrt(2 M) m_pi e_i for an output i that u draws, Eq. (29)."""
        return SQUARED_ERROR.drawn_root(y, u, t) * mask(t)

    def residuals(self, y: Array, t: Array) -> Array:
        return 2.0**0.5 * _known_rest(y, t)

    def curvature(self, V: Array, W_b: Array, y: Array | None, w: Array | None, t: Array) -> Array:
        """H = 2 sum_i ((V * m_i)'V) * (w_i'w_i), Eq. (95): Eq. (21) over the patterns of each output."""
        m, H = mask(t), 0
        for i in range(t.shape[1]):
            H = H + 2 * gram(V, m[:, i] if w is None else w * m[:, i]) * (W_b[i, :][:, None] * W_b[i, :][None, :])
        return H

    def curvature_multiplies(self, blocks: int, M: int) -> float:
        return M * blocks * (blocks + 3) / 2


def of_targets(loss: Loss, some_unknown: bool) -> Loss:
    """The loss of a network for data: squared error counts the known targets alone if some, but not all of a pattern are NaN."""
    if loss.name != SQUARED_ERROR.name:
        return loss
    return KNOWN_SQUARED_ERROR if some_unknown else SQUARED_ERROR


def _known_rest(y: Array, t: Array) -> Array:
    """m (t - y) (Nv, M)."""
    xp = array_namespace(y)
    return xp.where(xp.isnan(t), xp.zeros_like(y), t - y)


def _are_floats(t: Array) -> bool:
    return bool(array_namespace(t).isdtype(t.dtype, "real floating"))


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """E = -(1/Nv) sum_p log softmax(y_p)[t_p], Eq. (2). Targets t are labels 0..M-1, integers (Nv,)."""

    name: ClassVar[str] = "cross_entropy"
    quadratic: ClassVar[bool] = False
    constant: ClassVar[bool] = False
    bound: ClassVar[float] = 0.5
    classes: ClassVar[bool] = True
    probabilities: ClassVar[bool] = True
    output_steps: ClassVar[int] = 5  # bound steps per output step, Eq. (12); each lowers E and costs a pass

    def check_targets(self, t: Array, n_outputs: int, first_row: int = 0) -> None:
        xp = array_namespace(t)
        if t.ndim != 1:
            raise InputError(
                f"{_spoken(self)} wants one integer label per pattern, shape (patterns,), but {_shape(t)} came"
            )
        if not xp.isdtype(t.dtype, "integral"):
            raise InputError(
                f"{_spoken(self)} wants integer labels 0..{n_outputs - 1}, but an array of {t.dtype} came: "
                "convert it with astype(int)"
            )
        labels = xp.astype(t, xp.int64, copy=False)  # 8 bits can't be compared with more than 256 outputs
        outside = (labels < 0) | (labels >= n_outputs)
        if bool(xp.any(outside)):
            row = int(np.flatnonzero(host(outside))[0])
            raise InputError(
                f"label {host(t)[row]} in row {first_row + row} is outside 0..{n_outputs - 1} for a net with {n_outputs} outputs"
            )

    def errors(self, y: Array, t: Array) -> Array:
        return array_engine(y).cross_entropy_errors(y, t)

    def d(self, y: Array, t: Array) -> Array:
        return self.errors_and_d(y, t)[1]

    def errors_and_d(self, y: Array, t: Array) -> tuple[Array, Array]:
        """-log pi[t] and d = onehot(t) - pi, Eqs. (2), (15)."""
        return array_engine(y).cross_entropy(y, t)

    def quadratic_form(self, y: Array, dy: Array, t: Array) -> Array:
        """dy' S_p dy of each pattern (Nv,), with S_p = diag(pi) - pi pi'."""
        xp = array_namespace(y)
        pi = softmax(y)
        return xp.sum(pi * dy * dy, axis=1) - xp.sum(pi * dy, axis=1) ** 2

    def roots(self, y: Array, t: Array) -> Iterator[Array]:
        """The vectors sqrt(pi_i) (e_i - pi), i = 1..M, Eq. (28)."""
        pi = softmax(y)
        scales = _root_scales(pi)
        for i in range(y.shape[1]):
            v = -pi
            v[:, i] += 1
            yield v * scales[:, i][:, None]

    def drawn_root(self, y: Array, u: Array, t: Array) -> Array:
        """onehot(label) - pi for a label drawn from pi, the one at which the summed probabilities pass u, Eq. (29)."""
        xp = array_namespace(y)
        pi = softmax(y)
        passed = xp.astype(xp.cumulative_sum(pi, axis=1)[:, :-1] <= u[:, None], xp.int64)
        return xp.astype(one_hot(xp.sum(passed, axis=1), y), y.dtype) - pi

    def residuals(self, y: Array, t: Array) -> Array:
        """(onehot(t) - pi) / sqrt(pi)."""
        xp = array_namespace(y)
        pi = softmax(y)
        return (xp.astype(one_hot(t, y), y.dtype) - pi) / _root_scales(pi)

    def curvature(self, V: Array, W_b: Array, y: Array | None, w: Array | None, t: Array) -> Array:
        """Eq. (22): H = sum_i ((V * pi_i)'V) * (w_i'w_i) - U'U with U = V * (pi W_b)."""
        assert y is not None
        pi = softmax(y)
        H = -gram(V * (pi @ W_b), w)
        for i in range(y.shape[1]):
            H = H + gram(V, pi[:, i] if w is None else w * pi[:, i]) * (W_b[i, :][:, None] * W_b[i, :][None, :])
        return H

    def curvature_multiplies(self, blocks: int, M: int) -> float:
        return blocks * M + M * blocks**2 + blocks * (blocks + 1) / 2


def _root_scales(pi: Array) -> Array:
    """sqrt(pi), and never below the root of the precision.

    A class that is almost impossible would have a residual so large that its rounding hides the other patterns' in Eq. (42).
    Any positive scale gives the same d, and this one changes S by less than its own rounding.
    """
    xp = array_namespace(pi)
    return xp.sqrt(at_least(pi, float(xp.finfo(pi.dtype).eps)))


@dataclass(frozen=True)
class OutputReset(Loss):
    """Squared error to targets that move out of the way: being right by more than the margin of 1 costs nothing, Eq. (84).

    Targets t are labels 0..M-1, integers (Nv,). S_p = 2 I is a bound of the curvature, that of the error to fixed targets.
    """

    name: ClassVar[str] = "output_reset"
    quadratic: ClassVar[bool] = False
    constant: ClassVar[bool] = True
    bound: ClassVar[float] = 2.0
    classes: ClassVar[bool] = True
    evidence: ClassVar[bool] = False
    output_steps: ClassVar[int] = 5  # each finds the best weights for the targets at hand, and moves the targets

    check_targets = CrossEntropy.check_targets
    quadratic_form = SquaredError.quadratic_form
    roots = SquaredError.roots
    drawn_root = SquaredError.drawn_root
    curvature = SquaredError.curvature
    curvature_multiplies = SquaredError.curvature_multiplies

    def errors(self, y: Array, t: Array) -> Array:
        return array_namespace(y).sum(reset_residuals(y, t) ** 2, axis=1)

    def d(self, y: Array, t: Array) -> Array:
        return 2 * reset_residuals(y, t)

    def errors_and_d(self, y: Array, t: Array) -> tuple[Array, Array]:
        """Eq. (84), and d = 2 (t + a + d - y)."""
        r = reset_residuals(y, t)
        return array_namespace(y).sum(r * r, axis=1), 2 * r

    def residuals(self, y: Array, t: Array) -> Array:
        """sqrt(2) (t + a + d - y)."""
        return 2.0**0.5 * reset_residuals(y, t)


SQUARED_ERROR, KNOWN_SQUARED_ERROR = SquaredError(), KnownSquaredError()
LOSSES: dict[str, Loss] = {loss.name: loss for loss in (SQUARED_ERROR, CrossEntropy(), OutputReset())}


def _spoken(loss: Loss) -> str:
    """The name of a loss in a sentence."""
    return loss.name.replace("_", "-")


def _shape(t: np.ndarray) -> str:
    return f"an array of shape {t.shape}"
