"""The linear maps of Winograd's convolution, Eqs. (105), (106): squares of 2 x 2 places, whose windows see 4 x 4 pixels.

Each map turns 3 or 4 numbers in a row into others, first along the rows of a square and then along its columns, for as many
channels or filters at a time as fill a register. The 16 numbers of a square come to lie in 16 planes, one square after the other.
"""

from __future__ import annotations

from pwl.kernels.cpu.compiled import compiled
from pwl.kernels.cpu.vectors import inlined, lanes, load_whole, put, spread, table

# ---- the maps, of registers


@inlined
def _seen(a, b, c, d):
    """B' of Eq. (105), for four pixels."""
    return a - c, b + c, c - b, b - d


@inlined
def _kept(a, b, c, d):
    """A' of Eq. (105): two nets from four products."""
    return a + b + c, b - c - d


@inlined
def _carried(a, b):
    """A of Eq. (106), for two signals."""
    return a, a + b, a - b, spread(b, 0) - b


@inlined
def _weighted(a, b, c):
    """F of Eq. (105), for three weights."""
    half = spread(a, 0.5)
    outer, inner = (a + c) * half, b * half
    return a, outer + inner, outer - inner, c


@inlined
def _gathered(a, b, c, d):
    """F' of Eq. (106): the gradient of three weights from four sums."""
    half = spread(a, 0.5)
    outer = (b + c) * half
    return a + outer, (b - c) * half, outer + d


# ---- rows and columns of registers


@inlined
def _three(source, at, step):
    return load_whole(source, at), load_whole(source, at + step), load_whole(source, at + 2 * step)


@inlined
def _four(source, at, step):
    return (
        load_whole(source, at), load_whole(source, at + step), load_whole(source, at + 2 * step), load_whole(source, at + 3 * step)
    )  # fmt: skip


@inlined
def _put_three(column, goal, at, step):
    put(column[0], goal, at)
    put(column[1], goal, at + step)
    put(column[2], goal, at + 2 * step)


@inlined
def _put_four(column, goal, at, step):
    put(column[0], goal, at)
    put(column[1], goal, at + step)
    put(column[2], goal, at + 2 * step)
    put(column[3], goal, at + 3 * step)


# ---- squares: arrays are rows of numbers; plane = numbers from a plane to the next, pitch = numbers from a square to the next


@compiled
def see_pixels(frames, places, first, count, line, channels, pitch, plane, V):
    """V = B' x B of `count` squares from square `first` on, Eq. (105).

    places: the offset of each square's 4 x 4 pixels in frames. line: numbers in a row of pixels.
    """
    source, goal = table(frames, 0), table(V, 0)
    for t in range(count):
        for c in range(0, channels, lanes(frames)):
            at, here = places[first + t] + c, t * pitch + c
            p = _seen(*_four(source, at, channels))
            q = _seen(*_four(source, at + line, channels))
            r = _seen(*_four(source, at + 2 * line, channels))
            s = _seen(*_four(source, at + 3 * line, channels))
            _put_four(_seen(p[0], q[0], r[0], s[0]), goal, here, 4 * plane)
            _put_four(_seen(p[1], q[1], r[1], s[1]), goal, here + plane, 4 * plane)
            _put_four(_seen(p[2], q[2], r[2], s[2]), goal, here + 2 * plane, 4 * plane)
            _put_four(_seen(p[3], q[3], r[3], s[3]), goal, here + 3 * plane, 4 * plane)


@compiled
def keep_nets(N, first, count, filters, pitch, plane, across, out):
    """The nets A' N A of `count` squares, Eq. (105), to images of which each has an even number of rows of 2 `across` places."""
    source, goal, line = table(N, 0), table(out, 0), 2 * across * filters
    for t in range(count):
        row, column = divmod(first + t, across)
        for f in range(0, filters, lanes(N)):
            at, here = t * pitch + f, 2 * (row * line + column * filters) + f
            p = _kept(*_four(source, at, plane))
            q = _kept(*_four(source, at + 4 * plane, plane))
            r = _kept(*_four(source, at + 8 * plane, plane))
            s = _kept(*_four(source, at + 12 * plane, plane))
            above, below = _kept(p[0], q[0], r[0], s[0])
            put(above, goal, here)
            put(below, goal, here + line)
            above, below = _kept(p[1], q[1], r[1], s[1])
            put(above, goal, here + filters)
            put(below, goal, here + line + filters)


@compiled
def carry_signals(g, first, count, filters, pitch, plane, across, D):
    """D = A g A' for the signals g of `count` squares, Eq. (106), which lie as nets do in `keep_nets`."""
    source, goal, line = table(g, 0), table(D, 0), 2 * across * filters
    for t in range(count):
        row, column = divmod(first + t, across)
        for f in range(0, filters, lanes(g)):
            at, here = 2 * (row * line + column * filters) + f, t * pitch + f
            p = _carried(load_whole(source, at), load_whole(source, at + filters))
            q = _carried(load_whole(source, at + line), load_whole(source, at + line + filters))
            _put_four(_carried(p[0], q[0]), goal, here, 4 * plane)
            _put_four(_carried(p[1], q[1]), goal, here + plane, 4 * plane)
            _put_four(_carried(p[2], q[2]), goal, here + 2 * plane, 4 * plane)
            _put_four(_carried(p[3], q[3]), goal, here + 3 * plane, 4 * plane)


@compiled
def weigh(w, plane, U):
    """U = F w F' (bands, 16, plane), Eq. (105), of weights w (bands, 9, plane); plane: a band's filters, channel by channel."""
    source, goal = table(w, 0), table(U, 0)
    for band in range(w.size // (9 * plane)):
        for c in range(0, plane, lanes(w)):
            at, here = 9 * band * plane + c, 16 * band * plane + c
            p = _weighted(*_three(source, at, plane))
            q = _weighted(*_three(source, at + 3 * plane, plane))
            r = _weighted(*_three(source, at + 6 * plane, plane))
            _put_four(_weighted(p[0], q[0], r[0]), goal, here, 4 * plane)
            _put_four(_weighted(p[1], q[1], r[1]), goal, here + plane, 4 * plane)
            _put_four(_weighted(p[2], q[2], r[2]), goal, here + 2 * plane, 4 * plane)
            _put_four(_weighted(p[3], q[3], r[3]), goal, here + 3 * plane, 4 * plane)


@compiled
def gather_gradient(S, plane, own, G):
    """The gradient F' S F (bands, 9, own), Eq. (106), from sums S (bands, 16, plane), of which the first `own` numbers count."""
    source, goal = table(S, 0), table(G, 0)
    for band in range(S.size // (16 * plane)):
        for c in range(0, own, lanes(S)):
            at, here = 16 * band * plane + c, 9 * band * own + c
            p = _gathered(*_four(source, at, plane))
            q = _gathered(*_four(source, at + 4 * plane, plane))
            r = _gathered(*_four(source, at + 8 * plane, plane))
            s = _gathered(*_four(source, at + 12 * plane, plane))
            _put_three(_gathered(p[0], q[0], r[0], s[0]), goal, here, 3 * own)
            _put_three(_gathered(p[1], q[1], r[1], s[1]), goal, here + own, 3 * own)
            _put_three(_gathered(p[2], q[2], r[2], s[2]), goal, here + 2 * own, 3 * own)
