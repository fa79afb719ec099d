"""Several ranks train the network that one process trains, whatever the algorithm, the problem and their shares of it."""

from __future__ import annotations

import numpy as np
import pytest
from fake_ranks import on_ranks
from rank_cases import ALGORITHMS, BATCHES, VECTORS, begun, case, differences, distance, fits, parts, trained
from toys import waves

import pwl

CUTS = [0, 25, 26]  # unlike shares, none of them a whole number of groups
FORMS = [(name, kind, False) for name in ALGORITHMS for kind in VECTORS if fits(name, kind)]
FORMS += [(name, kind, True) for name in BATCHES for kind in ("numbers", "weights", "classes", "images")]
FORMS += [("sgd", "images", False), ("adam", "images", False)]


def one_and_three(name, kind, batches, iterations=1, cuts=CUTS):
    """The results (net, record) of one process, and of the ranks."""
    net, data, options = begun(name, kind, batches)
    if cuts is CUTS and len(data[0]) < cuts[-1]:
        cuts = [0, 5, 6]
    alone = trained(net, data, name, iterations, **options)
    return alone, on_ranks(lambda patterns: trained(net, patterns, name, iterations, **options), parts(data, cuts))


@pytest.mark.parametrize(("name", "kind", "batches"), FORMS)
def test_one_step(name, kind, batches):
    alone, runs = one_and_three(name, kind, batches)
    determined = (name, kind) != ("varpro", "input curves")  # whose basis is dependent: many weights have one and the same E
    for run in runs:
        assert differences(run, alone, determined) < (1e-4 if kind == "float32" else 1e-10)
        assert np.array_equal(run[0].theta, runs[0][0].theta), "ranks have different bits"


@pytest.mark.parametrize("name", ["adact", "lm qr", "minibatch"])
def test_a_rank_without_patterns(name):
    batches = name in BATCHES
    (net, _), runs = one_and_three(name, "classes", batches, cuts=[0, 0, 40])
    for other, _ in runs:
        assert distance(other, net) < 1e-10


def test_batches_smaller_than_the_ranks():
    net, data, _ = case("numbers")
    alone, _ = trained(net, data, "adam", batch_size=2)
    for other, _ in on_ranks(lambda patterns: trained(net, patterns, "adam", batch_size=2), parts(data, CUTS)):
        assert distance(other, alone) < 1e-10


def test_a_sample_for_the_error_is_drawn_from_all_ranks():
    net, data, _ = case("numbers")
    sample = {"batch_size": 30, "error_sample": 25, "seed": 3}
    alone = pwl.train(net, data, pwl.Adam(), iterations=3, **sample)[1]["error"]
    runs = on_ranks(lambda patterns: pwl.train(net, patterns, pwl.Adam(), iterations=3, **sample), parts(data, CUTS))
    for _, record in runs:
        assert np.allclose(record["error"], alone, rtol=1e-10)


def test_the_same_bits_every_time():
    first, second = (one_and_three("adact", "classes", False, 4)[1] for _ in range(2))
    assert np.array_equal(first[0][0].theta, second[0][0].theta)


def test_weights_of_zero_are_absent_on_their_rank():
    x, t = waves(60)
    w = np.ones(60)
    w[20:45] = 0  # the second of three ranks has nothing left
    net = case("numbers").net
    alone, _ = pwl.train(net, (x, t, w), pwl.AdAct(), iterations=1)
    runs = on_ranks(lambda patterns: pwl.train(net, patterns, pwl.AdAct(), iterations=1), parts((x, t, w), [0, 20, 45]))
    for other, _ in runs:
        assert distance(other, alone) < 1e-10
