"""The specification of convolution in plain Array API code: patches of a moving window, and one matrix product.

Images are (Nv, height, width, channels), and weights are (filters, window height, window width, channels).
"""

from __future__ import annotations

from pwl.kernels.window import Window
from pwl.runtime.backend import Array, array_namespace


def pad(x: Array, window: Window) -> Array:
    """Images with their borders of zeros."""
    xp = array_namespace(x)
    (top, bottom), (left, right) = window.padding
    Nv, height, _, channels = x.shape

    def zeros(h: int, w: int) -> Array:
        return xp.zeros((Nv, h, w, channels), dtype=x.dtype)

    if left or right:
        x = xp.concat([zeros(height, left), x, zeros(height, right)], axis=2)
    if top or bottom:
        x = xp.concat([zeros(top, x.shape[2]), x, zeros(bottom, x.shape[2])], axis=1)
    return x


def shifts(x: Array, window: Window) -> list[Array]:
    """The pixels that each place in the window sees (Nv, out height, out width, channels), row by row of the window."""
    H, W = window.output(x.shape[1], x.shape[2])
    x = pad(x, window)
    (sv, sh), (dv, dh) = window.stride, window.dilation
    return [
        x[:, i * dv : i * dv + (H - 1) * sv + 1 : sv, j * dh : j * dh + (W - 1) * sh + 1 : sh, :]
        for i in range(window.size[0])
        for j in range(window.size[1])
    ]


def patches(x: Array, window: Window) -> Array:
    """Patches of all places of the window, (Nv, out height, out width, window places x channels)."""
    return array_namespace(x).concat(shifts(x, window), axis=3)


def convolve(x: Array, W: Array, window: Window, threshold: Array | None = None) -> Array:
    """out[p, i, j, f] = threshold[f] + sum of W[f, a, b, c] x[p, i sv + a dv - top, j sh + b dh - left, c], Eq. (53)."""
    xp = array_namespace(x)
    columns = patches(x, window)
    n = xp.reshape(columns, (-1, columns.shape[3])) @ xp.reshape(W, (W.shape[0], -1)).T
    if threshold is not None:
        n += threshold
    return xp.reshape(n, (*columns.shape[:3], W.shape[0]))


def weight_gradient(x: Array, g: Array, window: Window) -> Array:
    """Sum over patterns and places of g[p, i, j, f] times the patch, (filters, window height, window width, channels), Eq. (54)."""
    xp = array_namespace(x)
    columns = patches(x, window)
    G = xp.reshape(g, (-1, g.shape[3])).T @ xp.reshape(columns, (-1, columns.shape[3]))
    return xp.reshape(G, (g.shape[3], *window.size, x.shape[3]))


def input_gradient(g: Array, W: Array, window: Window, height: int, width: int) -> Array:
    """The transpose of `convolve`, Eq. (54): g (Nv, out height, out width, filters) carried back to the inputs
    (Nv, height, width, channels)."""
    xp = array_namespace(g)
    Nv, H, V, filters = g.shape
    channels = W.shape[3]
    places = window.size[0] * window.size[1]
    back = xp.reshape(xp.reshape(g, (-1, filters)) @ xp.reshape(W, (filters, -1)), (Nv, H, V, places, channels))
    (top, bottom), (left, right) = window.padding
    dx = xp.zeros((Nv, height + top + bottom, width + left + right, channels), dtype=g.dtype)
    (sv, sh), (dv, dh) = window.stride, window.dilation
    for place in range(places):
        i, j = divmod(place, window.size[1])
        rows = slice(i * dv, i * dv + (H - 1) * sv + 1, sv)
        columns = slice(j * dh, j * dh + (V - 1) * sh + 1, sh)
        dx[:, rows, columns, :] = dx[:, rows, columns, :] + back[:, :, :, place, :]
    return dx[:, top : top + height, left : left + width, :]
