"""Factors of batches: gradients and a sampled H_b in one pass, with every row of every parameter a block, Eqs. (28), (29)."""

from __future__ import annotations

from collections.abc import Mapping

from pwl.network.network import HEAD, Network
from pwl.reductions.patterns import Statistic
from pwl.reductions.statistics import by_key, layer_of, over_pixels, scores_and_d
from pwl.runtime.backend import Array, array_namespace, gram


def gradient_and_blocks(keys: tuple[str, ...], D: Mapping[str, Array], u: Array) -> Statistic:
    """(scores, G of each key, H_b): negative gradients of E, and J'SJ with a block for each row of each key, in their order.

    D: directions by slot key. u (Nv,): a uniform number in [0, 1) for each pattern, which draws its root of S_p: H_b has
    one backward pass, is no less than 0, and its mean over u is the exact one. keys: some of the body, and the head's.
    """
    body = [key for key in keys if key != HEAD]
    layers = sorted({layer_of(key) for key in body})
    blocks = sum(D[key].shape[0] for key in keys)

    def compute(net: Network, x: Array, t: Array, w: Array | None, u: Array) -> tuple[Array, ...]:
        signals = net.forward(x, layers[0])
        sums, d = scores_and_d(net, signals.y, t, w)
        B = net.basis(x, signals.o)
        v = net.loss.drawn_root(signals.y, u)
        G, r = {HEAD: d.T @ B}, {HEAD: v * (B @ D[HEAD].T)}
        G |= by_key(net.gradients(signals.saved, d, layers))
        for index, g in net.backpropagate(signals.saved, v, layers):
            p, b = net.layer_parameters[index], net.layer_buffers[index]
            for name in p:
                U = net.layers[index].tangent(p, b, signals.saved[index], {name: D[f"{index}.{name}"]}, None)
                r[f"{index}.{name}"] = over_pixels(g * U)
        H = gram(array_namespace(x).concat([r[key] for key in keys], axis=1), w)
        return sums, *(G[key] for key in keys), H

    return Statistic(compute, floats=2 * blocks, beside=u)
