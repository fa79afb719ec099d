"""The algorithms in plain NumPy, a page each: lessons, and the measure of what a small problem should cost.

One hidden layer, squared error, bypass: y = [1, x, o] W_o', Eq. (9). Every function takes inputs x (Nv, N), targets
t (Nv, M), hidden weights W (Nh, N+1) and output weights W_o (M, Nu), and returns the E of each network that it met. They
have no safeguards: dependent functions, for one, are not dropped.
"""

from __future__ import annotations

import numpy as np


def augmented(x):
    """[1, x]."""
    return np.hstack([np.ones((len(x), 1)), x])


def sigmoid(n):
    return 1 / (1 + np.exp(-n))


def owo(B, t):
    """W_o with R W_o' = C, Eq. (10)."""
    return np.linalg.solve(B.T @ B, B.T @ t).T


def molf(x, t, W, W_o, iterations):
    """OWO-MOLF along the gradient, Eqs. (10), (15), (16), (21)."""
    Nv, first, X = len(x), x.shape[1] + 1, augmented(x)
    o = sigmoid(X @ W.T)
    B = np.hstack([X, o])
    errors = []
    for _ in range(iterations):
        e = t - B @ W_o.T
        errors.append(np.sum(e * e) / Nv)
        W_oh, slope = W_o[:, first:], o * (1 - o)
        G = 2 / Nv * ((e @ W_oh) * slope).T @ X
        V = (X @ G.T) * slope
        H = 2 / Nv * (V.T @ V) * (W_oh.T @ W_oh)
        z = np.linalg.solve(H, np.sum(G * G, axis=1))
        W = W + z[:, None] * G
        o = sigmoid(X @ W.T)
        B = np.hstack([X, o])
        W_o = owo(B, t)
    e = t - B @ W_o.T
    return [*errors, np.sum(e * e) / Nv]


def located(n, ns):
    """Segment and position of nets among uniform hinges ns (K,), Eqs. (5), (6)."""
    u = np.clip((n - ns[0]) / (ns[1] - ns[0]), 0, len(ns) - 1)
    m = np.minimum(u.astype(int), len(ns) - 2)
    return m, u - m


def curves(n, ns, A):
    """Curves and their slopes at nets n (Nv, Nh), ordinates A (Nh, K), Eq. (3)."""
    m, u = located(n, ns)
    k = np.arange(len(A))
    rise = A[k, m + 1] - A[k, m]
    return A[k, m] + u * rise, np.where((n >= ns[0]) & (n < ns[-1]), rise / (ns[1] - ns[0]), 0)


def adact(x, t, W, W_o, ns, A, iterations):
    """Algorithm 1: MOLF along the gradient, the curves' ordinates along G_a, OWO; Eqs. (17), (24)."""
    Nv, first, X = len(x), x.shape[1] + 1, augmented(x)
    k = np.arange(len(A))
    o, slope = curves(X @ W.T, ns, A)
    B = np.hstack([X, o])
    errors = []
    for _ in range(iterations):
        e = t - B @ W_o.T
        errors.append(np.sum(e * e) / Nv)
        W_oh = W_o[:, first:]
        G = 2 / Nv * ((e @ W_oh) * slope).T @ X
        V = (X @ G.T) * slope
        H = 2 / Nv * (V.T @ V) * (W_oh.T @ W_oh)
        H.flat[:: len(H) + 1] += 1e-15 * np.trace(H)  # a unit whose nets have all left its hinges has a row of zeros
        z = np.linalg.solve(H, np.sum(G * G, axis=1))
        W = W + z[:, None] * G
        n = X @ W.T
        o, slope = curves(n, ns, A)
        B[:, first:] = o
        d = 2 / Nv * (t - B @ W_o.T) @ W_oh
        m, u = located(n, ns)
        G_a = np.zeros_like(A)
        np.add.at(G_a, (k, m), d * (1 - u))
        np.add.at(G_a, (k, m + 1), d * u)
        dy = curves(n, ns, G_a)[0] @ W_oh.T
        A = A + np.sum(G_a * G_a) / (2 / Nv * np.sum(dy * dy)) * G_a
        o, slope = curves(n, ns, A)
        B[:, first:] = o
        W_o = owo(B, t)
    e = t - B @ W_o.T
    return [*errors, np.sum(e * e) / Nv]


def lm(x, t, W, W_o, iterations, mu=1e-3):
    """Levenberg-Marquardt by J'J and a linear solve, one output, Eq. (41); mu by the ratio of real to foreseen decrease."""
    Nv, first, X = len(x), x.shape[1] + 1, augmented(x)
    w, split, nu = np.concatenate([W.ravel(), W_o.ravel()]), W.size, 2.0

    def outputs(w):
        o = sigmoid(X @ w[:split].reshape(W.shape).T)
        return o, np.hstack([X, o])

    o, B = outputs(w)
    r = t[:, 0] - B @ w[split:]
    E, errors = np.sum(r * r) / Nv, []
    for _ in range(iterations):
        errors.append(E)
        back = w[split + first :] * o * (1 - o)
        J = np.hstack([(back[:, :, None] * X[:, None, :]).reshape(Nv, -1), B])
        A, g = J.T @ J / Nv, J.T @ r / Nv
        while True:
            step = np.linalg.solve(A + mu * np.eye(len(A)), g)
            o, B = outputs(w + step)
            r = t[:, 0] - B @ (w + step)[split:]
            new = np.sum(r * r) / Nv
            if new < E:
                break
            mu, nu = mu * nu, nu * 2
            if mu > 1e10:  # at a minimum
                return [*errors, E]
        ratio = (E - new) / (g @ step + mu * step @ step)
        mu, nu = mu * max(1 / 3, 1 - (2 * ratio - 1) ** 3), 2.0
        w, E = w + step, new
    return [*errors, E]
