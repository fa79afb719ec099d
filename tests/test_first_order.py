"""SGD and Adam: steps worked by hand, the same numbers as PyTorch, rates, and that they run wherever the others do."""

from __future__ import annotations

import dataclasses
import math

import array_api_strict
import numpy as np
import pytest
from toys import LOSSES, curve, curve_network, problem, random_network, short, spirals, take_step, waves

import pwl
from pwl.algorithms.multiplies import own
from pwl.network.layout import HEAD
from pwl.runtime.backend import host

ALGORITHMS = (
    pwl.SGD(0.02),
    pwl.SGD(0.02, momentum=0.0, ridge=0.1, l2=0.2, curve_penalty=0.3),
    pwl.SGD(0.02, nesterov=True, curve_rate=0.05),
    pwl.Adam(0.01),
    pwl.Adam(0.01, 0.8, 0.95, 1e-3, curve_rate=0.05, ridge=0.1, l2=0.2, curve_penalty=0.3),
    pwl.Adam(0.01, weight_decay=0.3),
)


def steps(algorithm, net, batches):
    """The networks after each batch."""
    state, nets = algorithm.init(net, batches[0], 0), []
    for batch in batches:
        net, state, _ = take_step(algorithm, net, batch, state)
        nets.append(net)
    return nets


def batches_of(net, count=20, size=12):
    patterns, rng = problem(net, 60, weights=True), np.random.default_rng(0)
    return [patterns.take(np.sort(rng.permutation(60)[:size])) for _ in range(count)]


# ---- by hand

# One linear unit: W = [0, 1], W_o = [0, 2], and the pattern x = 1, t = 3. Then o = 1, y = 2, d = 2 (t - y) = 2,
# and the negative gradients are d W_oh [1, x] = [4, 4] and d [1, o] = [2, 2].
PATTERN = pwl.Patterns(np.array([[1.0]]), np.array([[3.0]]))
FIRST = np.array([4.0, 4.0, 2.0, 2.0])


def one_unit():
    net = pwl.Network.mlp(1, 1, 1, "identity", bypass=False)
    return dataclasses.replace(net, theta=np.array([0.0, 1.0, 0.0, 2.0]), initialised=True)


def test_two_steps_of_momentum_by_hand():
    first, second = steps(pwl.SGD(0.1, momentum=0.5), one_unit(), [PATTERN] * 2)
    assert np.allclose(first.theta, [0.4, 1.4, 0.2, 2.2], rtol=1e-14)
    # o = 1.8, y = 4.16, d = -2.32: G = [-5.104, -5.104, -2.32, -4.176], v = G + [2, 2, 1, 1]
    assert np.allclose(second.theta, [0.0896, 1.0896, 0.068, 1.8824], rtol=1e-13)


def test_a_step_that_looks_ahead_by_hand():
    (first,) = steps(pwl.SGD(0.1, momentum=0.5, nesterov=True), one_unit(), [PATTERN])
    assert np.allclose(first.theta, one_unit().theta + 0.1 * 1.5 * FIRST, rtol=1e-14)


def test_two_steps_of_adam_by_hand():
    first, second = steps(pwl.Adam(0.1), one_unit(), [PATTERN] * 2)
    assert np.allclose(first.theta, [0.1, 1.1, 0.1, 2.1], rtol=1e-8)  # the first step is as long as the rate
    # o = 1.2, y = 2.62, d = 0.76
    G = np.array([1.596, 1.596, 0.76, 0.912])
    m, v = (0.09 * FIRST + 0.1 * G) / 0.19, (0.000999 * FIRST**2 + 0.001 * G**2) / 0.001999
    assert np.allclose(second.theta, first.theta + 0.1 * m / np.sqrt(v), rtol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 1023, 1024, 1025, 5000])
def test_the_compiled_step_of_adam_has_the_bits_of_the_specification(size, dtype):
    pytest.importorskip("numba", reason="Numba compiles the step")
    from pwl.kernels.cpu.updates import adam_step
    from pwl.kernels.reference import updates

    rng = np.random.default_rng(8)
    theta, G, m, rate = rng.standard_normal((4, size)).astype(dtype)
    v = rng.random(size).astype(dtype)
    before = [a.copy() for a in (theta, G, m, v, rate)]
    for steps, decay in ((1, 0.0), (1000, 0.1)):
        settings = (0.9, 0.999, 1e-8, decay, steps)
        found, wanted = (step(theta, G, m, v, rate, *settings) for step in (adam_step, updates.adam_step))
        for a, b in zip(found, wanted, strict=True):
            assert a.dtype == dtype and a.flags.writeable and np.array_equal(a, b)
    for a, b in zip((theta, G, m, v, rate), before, strict=True):
        assert np.array_equal(a, b)  # states of other networks are left as they are


def test_long_vectors_are_updated_by_the_engine_and_short_ones_without_its_import():
    from pwl.kernels import LONG, engine, reference, update_engine

    short_one, long_one = np.zeros(LONG - 1), np.zeros(LONG)
    assert update_engine(short_one) is reference and update_engine(long_one) is engine(long_one)


def test_decay_shrinks_every_weight_by_itself():
    (plain,), (decayed,) = (steps(pwl.Adam(0.1, weight_decay=w), one_unit(), [PATTERN]) for w in (0.0, 0.5))
    assert np.allclose(decayed.theta, plain.theta - 0.1 * 0.5 * one_unit().theta, rtol=1e-14)


# ---- PyTorch


def torch_loss(torch, net, parts, patterns, penalties):
    """J of a network with one hidden layer of tanh units or of uniform curves from -1.5 to 1.5, by PyTorch alone."""
    x, t = torch.asarray(patterns.x[:]), torch.asarray(patterns.t[:])
    w = torch.asarray(patterns.weights)
    W, W_o, A = parts["0.W"], parts[HEAD], parts.get("1.A")
    n = W[:, 0] + x @ W[:, 1:].T
    if A is None:
        o = torch.tanh(n)
    else:
        position = (n.clamp(-1.5, 1.5) + 1.5) / 3 * (A.shape[1] - 1)
        m = position.detach().floor().long().clamp(0, A.shape[1] - 2)
        unit = torch.arange(A.shape[0])
        o = A[unit, m] + (position - m) * (A[unit, m + 1] - A[unit, m])
    y = torch.cat([torch.ones(len(x), 1), x, o], dim=1) @ W_o.T
    entropy = torch.nn.functional.cross_entropy
    errors = entropy(y, t, reduction="none") if net.loss.classes else ((t - y) ** 2).sum(dim=1)
    J = (w * errors).sum() / w.sum() + penalties.ridge * (W_o[:, 1:] ** 2).sum() + penalties.l2 * (W[:, 1:] ** 2).sum()
    return J if A is None else J + penalties.curves * (A.diff(n=2, dim=1) ** 2).sum()


def torch_optimizer(torch, algorithm, parts):
    groups = [{"params": [p], "lr": algorithm.learning_rate} for key, p in parts.items() if key != "1.A"]
    if "1.A" in parts:
        groups.append({"params": [parts["1.A"]], "lr": algorithm.curve_rate or algorithm.learning_rate})
    if isinstance(algorithm, pwl.SGD):
        return torch.optim.SGD(groups, momentum=algorithm.momentum, nesterov=algorithm.nesterov)
    kind = torch.optim.AdamW if algorithm.weight_decay else torch.optim.Adam
    betas = algorithm.beta1, algorithm.beta2
    return kind(groups, betas=betas, eps=algorithm.epsilon, weight_decay=algorithm.weight_decay)


@pytest.mark.parametrize("activation", ["tanh", curve()], ids=["fixed", "curves"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=short)
def test_pytorch_takes_the_same_steps(algorithm, loss, activation):
    torch = pytest.importorskip("torch")
    net = random_network(activation, loss=loss)
    parts = {key: torch.tensor(part, requires_grad=True) for key, part in net.parts.items()}
    optimizer, batches = torch_optimizer(torch, algorithm, parts), batches_of(net)
    for ours, batch in zip(steps(algorithm, net, batches), batches, strict=True):
        optimizer.zero_grad()
        torch_loss(torch, net, parts, batch, algorithm.penalties).backward()
        optimizer.step()
        for key, part in parts.items():
            np.testing.assert_allclose(ours.parts[key], part.detach().numpy(), rtol=1e-10, atol=1e-12)
    assert np.linalg.norm(ours.theta - net.theta) > 0.1


# ---- rates


@pytest.mark.parametrize("kind", [pwl.SGD, pwl.Adam])
def test_the_curves_rate_moves_their_ordinates_alone(kind):
    net = random_network(curve())
    (same,), (other,) = (steps(kind(0.01, curve_rate=rate), net, batches_of(net, 1)) for rate in (None, 0.03))
    assert np.array_equal(other.W, same.W) and np.array_equal(other.W_o, same.W_o)
    assert np.allclose(other.A - net.A, 3 * (same.A - net.A), rtol=1e-12)
    assert np.any(other.A != same.A)


@pytest.mark.parametrize("algorithm", [pwl.SGD(train_curves=False), pwl.Adam(weight_decay=0.1, train_curves=False)])
def test_curves_that_are_not_trained_stay_to_the_bit(algorithm):
    net = random_network(curve())
    after = steps(algorithm, net, batches_of(net, 3))[-1]
    assert np.array_equal(after.A, net.A)
    assert np.all(after.W != net.W)


@dataclasses.dataclass(frozen=True)
class Halving:
    """A rate that is halved every so many steps, and whose repr says so."""

    start: float
    every: int

    def __call__(self, step):
        return self.start * 0.5 ** (step // self.every)


@pytest.mark.one_process
@pytest.mark.parametrize("kind", [pwl.SGD, pwl.Adam])
def test_a_rate_may_be_a_function_of_the_steps_made(kind):
    net = random_network(curve())
    asked = []

    def rate(step):
        asked.append(step)
        return 0.01

    by_function = steps(kind(rate), net, batches_of(net, 4))[-1]
    assert asked == [0, 1, 2, 3]
    assert np.array_equal(by_function.theta, steps(kind(0.01), net, batches_of(net, 4))[-1].theta)
    early, late = (steps(kind(Halving(0.01, every)), net, batches_of(net, 3)) for every in (1, 3))
    assert np.array_equal(early[0].theta, late[0].theta) and not np.allclose(early[2].theta, late[2].theta)


def test_a_run_with_a_function_resumes_where_its_repr_says_what_it_is(tmp_path):
    algorithm = pwl.SGD(Halving(0.01, 7))
    settings = {"batch_size": 40, "checkpoint": tmp_path / "run"}
    whole, _ = pwl.train(curve_network(), waves(), algorithm, iterations=6, batch_size=40)
    pwl.train(curve_network(), waves(), algorithm, iterations=3, **settings)
    again = pwl.SGD(Halving(0.01, 7))
    resumed, _ = pwl.train(curve_network(), waves(), again, iterations=6, resume=tmp_path / "run", **settings)
    assert np.array_equal(resumed.theta, whole.theta)
    with pytest.raises(pwl.InputError, match="another run: its algorithm is"):
        pwl.train(curve_network(), waves(), pwl.SGD(Halving(0.01, 8)), batch_size=40, resume=tmp_path / "run")


@pytest.mark.parametrize("rate", [-0.1, math.nan, math.inf, "fast", None, True, np.ones(2)])
def test_rates_that_cannot_be(rate):
    for make in (lambda: pwl.SGD(rate), lambda: pwl.Adam(rate)):
        with pytest.raises(pwl.InputError, match="learning rate must be 0 or a positive number"):
            make()
    with pytest.raises(pwl.InputError, match="in step 0"):
        steps(pwl.SGD(lambda step: rate), one_unit(), [PATTERN])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: pwl.SGD(momentum=1.0), "momentum"),
        (lambda: pwl.SGD(curve_rate=-1.0), "learning rate"),
        (lambda: pwl.Adam(beta1=-0.1), "beta1"),
        (lambda: pwl.Adam(beta2="most"), "beta2"),
        (lambda: pwl.Adam(epsilon=0.0), "epsilon"),
        (lambda: pwl.Adam(weight_decay=-1.0), "weight_decay"),
    ],
)
def test_settings_that_cannot_be(make, words):
    with pytest.raises(pwl.InputError, match=words):
        make()


# ---- wherever the others run


@pytest.mark.parametrize("hidden", [4, (4, 3)])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=short)
def test_strict_arrays_take_the_same_steps(algorithm, loss, hidden):
    net = random_network(curve(), hidden, loss=loss)
    wanted = steps(algorithm, net, batches_of(net, 5))[-1]
    found = steps(algorithm, net.to(array_api_strict), batches_of(net, 5))[-1]
    assert type(found.theta) is type(net.to(array_api_strict).theta)
    np.testing.assert_allclose(host(found.theta), wanted.theta, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=short)
def test_float32_networks_stay_so(algorithm):
    net = random_network(curve())
    single = net.with_theta(net.theta.astype(np.float32))
    wanted, found = (steps(algorithm, n, batches_of(net, 5))[-1].theta for n in (net, single))
    assert found.dtype == np.float32
    assert np.allclose(found, wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("batch_size", [25, None])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("algorithm", [pwl.SGD(0.005), pwl.Adam(0.01)], ids=short)
def test_they_learn(algorithm, loss, batch_size):
    x, t = spirals() if loss == "cross_entropy" else waves()
    net = curve_network(x.shape[1], 8, 3 if loss == "cross_entropy" else 2, loss=loss)
    _, record = pwl.train(net, ((x - x.mean(0)) / x.std(0), t), algorithm, iterations=60, batch_size=batch_size)
    assert min(record["error"]) < 0.9 * record["error"][0]
    assert record["gradient_norm"][1] > 0


@pytest.mark.parametrize("algorithm", [pwl.SGD(0.001), pwl.Adam()], ids=short)
def test_a_full_step_takes_a_pass_and_its_record_another(algorithm):
    """The gradient is that of the network as it trains, the error recorded that of the network itself."""
    _, record = pwl.train(curve_network(), waves(), algorithm, iterations=3)
    assert np.array_equal(np.diff(record["passes"]), [2, 2, 2])


def test_multiplies_of_a_pass_do_not_depend_on_the_batches():
    net = curve_network()
    for algorithm in (pwl.SGD(0.001), pwl.Adam()):
        for batch_size in (None, 50):
            _, record = pwl.train(net, waves(120), algorithm, iterations=2, batch_size=batch_size)
            a_pass = own.whole_gradient(net, 120)
            assert record["multiplies"] == record["own_multiplies"] == pytest.approx([0, a_pass, 2 * a_pass])
