"""LAPACK for symmetric positive definite and triangular matrices, in place, without the interpreter's lock.

SciPy's own functions hold the lock while LAPACK works, and trainings in several threads would wait for each other. These call the
same routines, which SciPy offers to compiled code, on one thread: the same bits, whatever the number of cores. Small systems go
through SciPy's functions nevertheless, whose calls cost a third. Matrices are float64 and in Fortran's order, and their lower
triangles count.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import numpy as np

from pwl.runtime.threads import single_threaded_blas

SMALL = 64  # largest size at which LAPACK's work is so short that nobody waits for the lock


def cholesky(A: np.ndarray) -> bool:
    """Replaces the lower triangle of A (n, n) by its factor L, A = L L'. False if A is not positive definite in rounding."""
    return factored(A) == len(A)


def factored(A: np.ndarray) -> int:
    """As `cholesky`. Returns the number of columns that were factored, n if A is positive definite in rounding."""
    if len(A) <= SMALL:
        _check(A)
        with single_threaded_blas():
            failed = _scipy().dpotrf(A, 1, 0, 1)[1]  # lower, clean, overwrite_a: words for them would take as long as the work
    else:
        failed = _call("dpotrf", b"L", len(A), A, len(A))
    return failed - 1 if failed else len(A)


def solve(A: np.ndarray, B: np.ndarray) -> bool:
    """Replaces A (n, n) by its factor as `cholesky` does, and B (n, m) or (n,) by A^-1 B. False as there."""
    return not _call("dposv", b"L", len(A), _columns(B), A, len(A), B, len(A))


def solve_triangular(L: np.ndarray, B: np.ndarray, transposed: bool = False) -> None:
    """Replaces B (n, m) or (n,) by L^-1 B, or by L'^-1 B, for a lower triangular L (n, n) without zeros on its diagonal."""
    if len(L) <= SMALL and B.ndim == 2:
        _check(L, B)
        with single_threaded_blas():
            _scipy().dtrtrs(L, B, 1, int(transposed), 0, len(L), 1)  # lower, trans, unitdiag, lda, overwrite_b
            return
    _call("dtrtrs", b"L", b"T" if transposed else b"N", b"N", len(L), _columns(B), L, len(L), B, len(L))


def solve_upper(R: np.ndarray, b: np.ndarray, transposed: bool = False) -> np.ndarray:
    """R^-1 b, or R'^-1 b, for the upper triangle R of a matrix (n, n) of any order, and b (n,)."""
    with single_threaded_blas():
        return _scipy().dtrtrs(R, b, 0, int(transposed))[0]


def invert_triangular(L: np.ndarray) -> None:
    """Replaces the lower triangle of L (n, n) by that of its inverse."""
    _call("dtrtri", b"L", b"N", len(L), L, len(L))


def _columns(B: np.ndarray) -> int:
    return 1 if B.ndim == 1 else B.shape[1]


def _call(name: str, *arguments: Any) -> int:
    """A routine's own code of failure, 0 if there is none."""
    routine, failed = _routine(name, len(arguments) + 1), ctypes.c_int(0)
    with single_threaded_blas():
        routine(*[_address(a) for a in arguments], ctypes.byref(failed))
    if failed.value < 0:
        raise ValueError(f"argument {-failed.value} of {name} is wrong")
    return failed.value


def _address(a: Any) -> Any:
    """LAPACK takes all arguments by their addresses."""
    if not isinstance(a, np.ndarray):
        return _whole(a) if isinstance(a, int) else a
    _check(a)
    return a.__array_interface__["data"][0]


def _check(*arrays: np.ndarray) -> None:
    for a in arrays:
        flags = a.flags
        assert a.dtype == np.float64 and flags.f_contiguous and flags.writeable


@cache
def _scipy() -> Any:
    from scipy.linalg import lapack

    return lapack


@lru_cache(maxsize=256)
def _whole(n: int) -> Any:
    return ctypes.byref(ctypes.c_int(n))  # LAPACK only reads it


@cache
def _routine(name: str, count: int) -> Callable[..., None]:
    """The routine as a function of this many addresses. Calls of such functions release the lock."""
    from scipy.linalg import cython_lapack  # at the first solve: it is half of the time that `import pwl` would take

    capsule = cython_lapack.__pyx_capi__[name]
    own = ctypes.pythonapi
    own.PyCapsule_GetName.restype, own.PyCapsule_GetName.argtypes = ctypes.c_char_p, [ctypes.py_object]
    own.PyCapsule_GetPointer.restype = ctypes.c_void_p
    own.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    address = own.PyCapsule_GetPointer(capsule, own.PyCapsule_GetName(capsule))
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * count)(address)
