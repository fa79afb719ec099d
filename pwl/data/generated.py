"""Data sets made by a formula with a fixed seed. They need no file and are the same everywhere."""

from __future__ import annotations

import numpy as np


def matrix_inverses(patterns: int = 2000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Mattrn: 2 x 2 matrices (Nv, 4) with entries uniform on [0, 1), and their inverses (Nv, 4).

    The order is a11, a12, a21, a22. Matrices whose determinant is not in [0.3, 2] are drawn again.
    """
    rng = np.random.default_rng(seed)
    kept: list[np.ndarray] = []
    while sum(map(len, kept)) < patterns:
        a = rng.random((patterns, 4))
        determinant = a[:, 0] * a[:, 3] - a[:, 1] * a[:, 2]
        kept.append(a[(determinant >= 0.3) & (determinant <= 2.0)])
    x = np.concatenate(kept)[:patterns]
    return x, np.linalg.inv(x.reshape(-1, 2, 2)).reshape(-1, 4)


def fm_demodulation(patterns: int = 1024) -> tuple[np.ndarray, np.ndarray]:
    """FM: five neighbouring samples (Nv, 5) of a modulated cosine and its message (Nv, 1), at times n = 1, ..., Nv."""
    n = np.arange(1, patterns + 1)[:, None]
    samples = n + np.arange(-2, 3)
    phase = 2 * np.pi * samples * 0.1012878 + 5 * np.sin(2 * np.pi * samples * 0.01106328)
    return 0.5 * np.cos(phase), np.cos(2 * np.pi * n * 0.01106328)
