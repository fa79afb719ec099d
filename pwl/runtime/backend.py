"""Array libraries: namespaces, and copies to and from the host. The arrays decide where the work is done."""

from __future__ import annotations

import functools
from typing import Any

import array_api_compat
import numpy as np
from array_api_compat import is_array_api_obj, is_cupy_array

from pwl.errors import InputError
from pwl.runtime.given import plain_array

Array = Any  # an array of any Array API namespace; NumPy, CuPy and array_api_strict are tested

__all__ = [
    "Array",
    "array_namespace",
    "as_array",
    "at_least",
    "at_most",
    "at_rows",
    "augmented",
    "beside",
    "device_named",
    "finfo",
    "gram",
    "host",
    "in_double",
    "is_cupy_array",
    "is_numpy_array",
    "is_out_of_memory",
    "like",
    "memory_bytes",
    "namespace_named",
    "namespace_of",
    "number_bytes",
    "on_cores",
    "plus_diagonal",
    "product",
    "product_of_rows",
    "read_only",
    "reshaped",
    "side_by_side",
    "total",
    "transposed",
    "weighted",
]

NUMPY = (np.ndarray, np.generic)  # arrays and single numbers, for the look that the functions below take at every argument
NARROW = (np.uint8, np.float32)  # moved as they are, and converted to a wider dtype on arrival


def array_namespace(a: Array) -> Any:
    """The Array API namespace of an array."""
    return np if isinstance(a, NUMPY) else array_api_compat.array_namespace(a)


def is_numpy_array(a: Any) -> bool:
    """Whether `a` is an array or a single number of NumPy."""
    return isinstance(a, NUMPY)


def as_array(a: Any, name: str) -> Array:
    """`a` itself if it is an array of any kind (or a memory map). Data frames and all else become NumPy arrays.

    Raises InputError for what can't be one, such as a frame with a column of text, masked values, or a sparse matrix.
    """
    foreign = isinstance(a, np.ma.MaskedArray) or hasattr(a, "to_numpy") or hasattr(a, "toarray")
    if foreign or not (hasattr(a, "shape") and hasattr(a, "dtype")):
        return plain_array(a, name)
    return a.detach() if getattr(a, "requires_grad", False) else a  # PyTorch's, without their way back


def host(a: Array) -> np.ndarray:
    """`a` copied to host memory as a NumPy array. A NumPy array is returned unchanged."""
    if isinstance(a, np.ndarray):
        return a
    if hasattr(a, "get"):  # CuPy
        return a.get()
    try:
        return np.asarray(a)
    except TypeError:
        raise InputError(f"an array of {a.dtype} came, a type that NumPy doesn't have: convert it to float32") from None


def read_only(a: Array) -> Array:
    """A view of `a` that can't be written to, or `a` itself if its library has no such views."""
    if not isinstance(a, NUMPY) or not a.flags.writeable:
        return a
    view = a.view()
    view.flags.writeable = False
    return view


def like(a: Array, reference: Array) -> Array:
    """Array `a` with the namespace, device and dtype of `reference`."""
    if isinstance(reference, NUMPY):
        return np.asarray(host(a), dtype=reference.dtype)
    xp = array_namespace(reference)
    if type(a) is not type(reference) and host(a).dtype not in NARROW:
        return xp.asarray(host(a), dtype=reference.dtype, device=reference.device)
    return xp.astype(beside(a, reference), reference.dtype, copy=False)


def beside(a: Array, reference: Array) -> Array:
    """Array `a` with the namespace and device of `reference`. The dtype does not change."""
    if type(a) is type(reference) and a.device == reference.device:  # no detour through the host
        return a
    return array_namespace(reference).asarray(host(a), device=reference.device)


def in_double(a: Array) -> Array:
    """`a` in float64."""
    xp = array_namespace(a)
    return a if a.dtype == xp.float64 else xp.astype(a, xp.float64)


def at_rows(a: Array, rows: np.ndarray) -> Array:
    """a[rows] for whole numbers `rows` on the host. If `a` is elsewhere, only `rows` are moved."""
    if isinstance(a, NUMPY) or not isinstance(rows, np.ndarray) or not is_array_api_obj(a):  # such as a file's rows
        return a[rows]
    xp = array_namespace(a)
    return xp.take(a, xp.asarray(rows, device=a.device), axis=0)


def at_least(a: Array, low: Any) -> Array:
    """`a`, or `low` where that is larger; NaN stays. On a GPU `clip` would take many passes and wait for each bound."""
    return array_namespace(a).maximum(a, low)


def at_most(a: Array, high: Any) -> Array:
    """`a`, or `high` where that is smaller; NaN stays."""
    return array_namespace(a).minimum(a, high)


def on_cores(a: Array) -> bool:
    """Whether this machine's cores work on arrays like `a`, so that blocks of patterns run side by side in their caches.

    A GPU takes one block after another, each as large as its memory allows.
    """
    return isinstance(a, NUMPY)


def memory_bytes(a: Array) -> int | None:
    """Bytes of memory of the device that `a` is on, or None if it does not report it."""
    kind: Any = type(a.device)
    return _memory_bytes(kind, a.device.id) if hasattr(a.device, "mem_info") else None


@functools.cache
def _memory_bytes(kind: Any, number: int) -> int:
    """Of a device by its class and number, because CuPy's devices have no hash."""
    return int(kind(number).mem_info[1])  # free and total


def is_out_of_memory(failure: Exception) -> bool:
    """Whether a device ran out of memory. CuPy's exception is known by its name, because CuPy may not be installed."""
    return type(failure).__name__ == "OutOfMemoryError"


def gram(a: Array, w: Array | None = None) -> Array:
    """Gram matrix A' diag(w) A of rows `a` (Nv x B). NumPy's BLAS recognises A'A and takes half the multiplies."""
    return a.T @ a if w is None else a.T @ (a * w[:, None])


def reshaped(a: Array, shape: tuple[int, ...]) -> Array:
    """`a` in another shape. NumPy's own method is asked, as its function would look for it in every array anew."""
    return a.reshape(shape) if isinstance(a, NUMPY) else array_namespace(a).reshape(a, shape)


def total(a: Array, axis: int | None = None) -> Array:
    """The sum over an axis or over all numbers. For NumPy it is the sum itself, without the search for other kinds of arrays."""
    return np.add.reduce(a, axis=axis) if isinstance(a, NUMPY) else array_namespace(a).sum(a, axis=axis)


def weighted(a: Array, w: Array | None) -> Array:
    """Rows of `a` times the weights of their patterns."""
    if w is None:
        return a
    return a * (w if a.ndim == 1 else array_namespace(a).reshape(w, (-1,) + (1,) * (a.ndim - 1)))


def plus_diagonal(A: Array, d: Array) -> Array:
    """A (n, n) with d (n,) added to its diagonal, as a new array."""
    if isinstance(A, NUMPY):
        found = np.array(A, order="C")
        found.reshape(-1)[:: len(found) + 1] += d
        return found
    return A + array_namespace(A).eye(A.shape[0], dtype=A.dtype, device=A.device) * d


@functools.cache
def _finfo(xp: Any, dtype: Any) -> Any:
    return xp.finfo(dtype)


def finfo(a: Array) -> Any:
    """Facts on the numbers of an array of reals: `eps`, `bits` and others of the Array API standard."""
    return _finfo(np if isinstance(a, NUMPY) else array_namespace(a), a.dtype)


def number_bytes(a: Array) -> int:
    """Bytes of one number of an array of reals."""
    return a.itemsize if isinstance(a, NUMPY) else finfo(a).bits // 8


def product(v: Array, W: Array) -> Array:
    """v W for v (Nv, M) and W (M, units). At M = 1 it is an outer product, which would take BLAS five times as long.

    NumPy's einsum makes the same products in two thirds of the time of `v * W`, which begins anew in every row.
    """
    if W.shape[0] > 1:
        return v @ W
    return np.einsum("i,j->ij", v[:, 0], W[0, :]) if isinstance(v, np.ndarray) else v * W


def side_by_side(a: Array) -> bool:
    """Whether the rows of a NumPy array (Nv x n) lie side by side in memory, as far as that makes a difference."""
    return is_numpy_array(a) and a.ndim == 2 and a.flags.f_contiguous and not a.flags.c_contiguous


def product_of_rows(x: Array, W: Array) -> Array:
    """x W' (Nv, units) for W (units, n). Its rows lie in memory as those of x."""
    return (W @ x.T).T if side_by_side(x) else x @ W.T


def augmented(x: Array) -> Array:
    """[1, x] (Nv, n + 1) for x (Nv, n), so that one product includes the thresholds or their gradient."""
    xp = array_namespace(x)
    return xp.concat([xp.ones((x.shape[0], 1), dtype=x.dtype), x], axis=1)


def transposed(a: Array) -> Array:
    """a.T of rows a (Nv x B). Patterns lie side by side in memory if the library has a choice."""
    return np.ascontiguousarray(a.T) if isinstance(a, NUMPY) else a.T


def device_named(device: str) -> str:
    """The device, "cpu" or "cuda", that "auto" means on this machine. Raises InputError as `namespace_named` does."""
    return "cpu" if namespace_named(device) is np else "cuda"


def namespace_of(where: Any) -> Any:
    """The namespace of a device by name, or `where` itself if it is a namespace. Raises InputError as `namespace_named` does."""
    xp = namespace_named(where) if isinstance(where, str) else where
    if not hasattr(xp, "asarray"):
        raise InputError(f'a device must be "cpu", "cuda", "auto" or a module such as cupy, not {where!r}')
    return xp


def namespace_named(device: str) -> Any:
    """NumPy for "cpu", CuPy for "cuda", and for "auto" CuPy if it works. Raises InputError if "cuda" does not work."""
    if device == "cpu":
        return np
    if device == "auto":
        try:
            return namespace_named("cuda")
        except InputError:
            return np
    if device != "cuda":
        raise InputError(f'unknown device {device!r}: use "cpu", "cuda" or "auto"')
    try:
        import cupy

        if cupy.cuda.runtime.getDeviceCount() > 0:
            ones = cupy.ones((2, 2))  # 1 x 1 would be no product for cuBLAS
            float(cupy.sum(ones @ ones))  # a missing library shows here, not in the middle of a step
            return cupy
        reason = "no GPU was found"
    except Exception as failure:  # a missing package, library or driver raises its own kind of exception
        reason = str(failure).splitlines()[0] if str(failure) else type(failure).__name__
    raise InputError(
        f"the GPU can't be used: {reason}. Install CuPy with pip install 'pwl[cuda12]' or 'pwl[cuda13]', whichever fits the "
        "driver, check the driver, or stay on the CPU"
    )
