"""Skip connections in whole runs, in costs and tables, and joins that cannot be."""

from __future__ import annotations

import dataclasses

import array_api_strict
import numpy as np
import pytest
from test_skip import WIDTH, from_layers, resnet, signals
from toys import LOSSES, block_rows, curve, features, gradients_of, outputs, problem, take_step

import pwl
from pwl.algorithms import multiplies as costs
from pwl.layers import Add, Conv2d, Dense, Flatten, From
from pwl.network.network import Network
from pwl.runtime.backend import host

# ---- runs


def learnable(net, Nv=60):
    """Targets from how bright the channels are."""
    x = problem(net, Nv).x
    low = x.mean(axis=(1, 2))
    if net.loss.classes:
        return pwl.Patterns(x, np.digitize(low[:, 0] - low[:, 1], [-0.15, 0.15]))
    return pwl.Patterns(x, np.stack([low[:, 0], low[:, 1], low[:, 0] - low[:, 1]], axis=1) * 4)


ALGORITHMS = [
    pwl.SGD(0.01),
    pwl.Adam(0.01),
    pwl.AdAct(safeguard=True),
    pwl.LM(solver="cholesky"),
    pwl.LBFGS(),
    pwl.VarPro(),
]


def start(net):
    return dataclasses.replace(net, initialised=False)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda a: type(a).__name__)
def test_runs_lower_the_error_and_resume_to_the_same_bits(algorithm, loss, tmp_path):
    if isinstance(algorithm, pwl.VarPro) and loss == "cross_entropy":
        pytest.skip("VarPro is for squared error")
    net = start(resnet(curve("linear"), loss, dropout=0.1))
    patterns, path = learnable(net), tmp_path / "run"
    options = {"batch_size": 20 if isinstance(algorithm, (pwl.SGD, pwl.Adam)) else None, "seed": 1}
    whole, record = pwl.train(net, patterns, algorithm, iterations=4, **options)
    assert record.iterations == 4 and min(record["error"]) < 0.98 * record["error"][0]
    assert record["own_multiplies"][-1] > 0
    pwl.train(net, patterns, algorithm, iterations=2, checkpoint=path, **options)
    resumed, again = pwl.train(net, patterns, algorithm, iterations=4, resume=path, **options)
    np.testing.assert_array_equal(resumed.theta, whole.theta)
    assert again["error"] == record["error"]
    whole.save(tmp_path / "net.safetensors")
    loaded = Network.load(tmp_path / "net.safetensors")
    assert loaded.layers == whole.layers and hash(loaded.layers) == hash(whole.layers)
    np.testing.assert_array_equal(outputs(loaded, patterns.x), outputs(whole, patterns.x))


@pytest.mark.parametrize("loss", LOSSES)
def test_strict_arrays_take_the_same_steps(loss):
    net = resnet(loss=loss, dropout=0.2)
    patterns = problem(net, 20)
    strict = net.to(array_api_strict)
    for algorithm in (pwl.SGD(0.1), pwl.Adam(0.01), pwl.AdAct(), pwl.LM(solver="cholesky"), pwl.CG()):
        found = []
        for at in (net, strict):
            after, _, _ = take_step(algorithm, at, patterns)
            assert type(after.theta) is type(at.theta)
            found.append(host(after.theta))
        assert np.linalg.norm(found[0] - net.theta) > 1e-6
        assert np.linalg.norm(found[1] - found[0]) < 1e-7 * np.linalg.norm(found[0])


@pytest.mark.one_process
def test_results_do_not_depend_on_blocks():
    net = resnet("tanh", dropout=0.2).training(0, 0)
    wanted = gradients_of(net, problem(net, 50))
    for block_bytes in (1, 300_000):
        patterns = problem(net, 50, block_bytes=block_bytes)
        assert block_rows(patterns, net) < 50
        for key, g in gradients_of(net, patterns).items():
            np.testing.assert_allclose(g, wanted[key], rtol=0, atol=1e-12)


# ---- costs, tables, bad input


def test_joins_cost_no_products_but_the_closed_form_is_not_charged():
    body = [Dense(WIDTH), "tanh"]
    plain, joined = from_layers(body, (WIDTH,)), from_layers([*body, Add(2)], (WIDTH,))
    assert costs.own.whole_gradient(joined, 10) == costs.own.whole_gradient(plain, 10)
    # a backward pass for each of 3 outputs, and products of blocks one root at a time
    assert costs.own.molf(joined, 10, False) > costs.own.molf(plain, 10, False)


def test_summary_shows_joins():
    lines = resnet().summary().splitlines()
    assert [line.split() for line in lines if line.startswith(("Add", "From"))] == [
        ["Add(3)", "5", "x", "4", "x", "3"],
        ["From(5)", "5", "x", "4", "x", "3"],
        ["Add(3)", "3", "x", "2", "x", "4"],
    ]


@pytest.mark.parametrize("back", [0, -1, 1.5, True, None, "all"])
@pytest.mark.parametrize("layer", [Add, From])
def test_how_far_back(layer, back):
    with pytest.raises(
        pwl.InputError,
        match=f"{layer.__name__}'s number of layers to go back must be a whole number, 1 or more, not {back!r}",
    ):
        layer(back)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([Dense(3), Add(2)], r"layer 1, Add\(back=2\): there are 1 layers before it: it can't go back 2"),
        ([Dense(3), "tanh", From(3), Add(1)], r"layer 2, From\(back=3\): there are 2 layers"),
        (
            [Dense(5), "tanh", Add(2)],
            r"layer 2, Add.*shape \(4,\) went into the last 2 layers, but \(5,\) came out.*From",
        ),
        ([Dense(3), "tanh", From(2), Dense(3)], r"layer 2, From.*nothing reads the output of layer 1.*Add"),
        ([Dense(3), "tanh", From(2), Dense(2), Add(2)], r"layer 4, Add.*shape \(3,\).*but \(2,\)"),
    ],
)
def test_joins_that_can_not_be(body, words):
    with pytest.raises(pwl.InputError, match=words):
        Network.from_layers([*body, Dense(2)], (4,))


def test_flattened_signals_may_be_joined():
    body = [Flatten(), Dense(6), "tanh", From(3), Conv2d(1, 3), Flatten(), Add(3)]
    net = from_layers(body, (5, 4, 1))
    x = problem(net, 4).x
    np.testing.assert_array_equal(features(net, x), signals(net, x)[-1])
    assert net.layout.shapes[4] == (5, 4, 1) and net.n_features == 6
