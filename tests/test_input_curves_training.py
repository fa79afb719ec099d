"""Networks with curves on their inputs in training: every algorithm, penalties, files, checkpoints, threads, commands, pictures."""

from __future__ import annotations

import dataclasses

import array_api_strict
import numpy as np
import pytest
from test_input_curves import data, started

import pwl
from pwl.algorithms.multiplies import own
from pwl.cli.main import main
from pwl.network.input_curves import curves_of, strengths
from pwl.network.layout import HEAD
from pwl.runtime.threads import workers

FULL = {
    "adact": pwl.AdAct(),
    "hwo-adact": pwl.AdAct(direction="hwo", curve_factor="unit"),
    "molf": pwl.MOLF(),
    "hwo-molf": pwl.MOLF(direction="hwo"),
    "owo-bp": pwl.OWOBP(),
    "cg": pwl.CG(),
    "scg": pwl.SCG(),
    "lbfgs": pwl.LBFGS(),
    "lm": pwl.LM(),
    "lm-cholesky": pwl.LM(solver="cholesky"),
    "varpro": pwl.VarPro(),
    "bayesian": pwl.BayesianLM(),
}
BATCHES = {"sgd": pwl.SGD(learning_rate=0.003), "adam": pwl.Adam(), "minibatch": pwl.MinibatchAdAct()}
SQUARED = ("varpro", "bayesian")  # not for classes


def network(curves, hidden=6, loss="squared_error", outputs=2, dtype=np.float64, hinges=5):
    activation = pwl.PiecewiseLinear("tanh", 9) if curves else "tanh"
    return pwl.Network.mlp(5, hidden, outputs, activation, loss=loss, dtype=dtype, input_hinges=hinges)


@pytest.mark.parametrize("name", [*FULL, *BATCHES])
@pytest.mark.parametrize("hidden", [6, (4, 3)])
def test_every_algorithm_lowers_the_error(name, hidden):
    x, t = data()
    w = np.random.default_rng(0).uniform(0.5, 2, len(x))
    algorithm, batch = (FULL | BATCHES)[name], 30 if name in BATCHES else None
    net, record = pwl.train(
        network("adact" in name or name == "minibatch", hidden), (x, t, w), algorithm, iterations=8, batch_size=batch
    )
    assert record["error"][record.best_iteration] < record["error"][0]
    assert net.W.shape[1] == 19 and np.any(net.W[:, 6:])


@pytest.mark.parametrize("name", [name for name in (*FULL, *BATCHES) if name not in SQUARED])
@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.slow)])
def test_every_algorithm_for_classes(name, dtype):
    x, _ = data()
    t = (x[:, 0] > 0).astype(int) + (x[:, 1] ** 2 > 1)
    algorithm, batch = (FULL | BATCHES)[name], 30 if name in BATCHES else None
    net = network("adact" in name or name == "minibatch", 6, "cross_entropy", 3, dtype)
    net, record = pwl.train(net, (x, t), algorithm, iterations=8, batch_size=batch)
    assert record["error"][record.best_iteration] < record["error"][0] and net.theta.dtype == dtype


@pytest.mark.parametrize("name", ["hwo-adact", "molf", "lbfgs", "lm"])
def test_other_namespaces_give_the_same(name):
    x, t = data()
    start = network(True)
    wanted, _ = pwl.train(start, (x, t), FULL[name], iterations=3)
    found, _ = pwl.train(start.to(array_api_strict), (x, t), FULL[name], iterations=3)
    np.testing.assert_allclose(np.asarray(found.predict(x)), wanted.predict(x), rtol=0, atol=1e-10)


def test_a_known_part_of_r_gives_the_same_step():
    x, t = data()
    net = pwl.initialise(network(False), (x, t))
    patterns, algorithm = pwl.Patterns(x, t), pwl.MOLF()
    by_state = algorithm.step(net, patterns, algorithm.init(net, patterns, 0)).net
    by_hand, _ = pwl.molf_step(net, patterns)
    by_hand, _ = pwl.owo_step(by_hand, patterns)
    np.testing.assert_allclose(by_state.predict(x), by_hand.predict(x), rtol=0, atol=1e-9)


def test_the_penalty_on_rises_is_that_of_the_equation():
    net, _, _ = started()
    penalties = pwl.Penalties(input_curves=0.3)
    rises, head = net.W[:, 6:], net.W_o[:, 6:-7]
    assert penalties.value(net) == pytest.approx(0.3 * (np.sum(rises**2) + np.sum(head**2)), rel=1e-13)
    G = penalties.add_gradient(net, {key: np.zeros_like(net.parts[key]) for key in ("0.W", HEAD)})
    np.testing.assert_allclose(G["0.W"][:, 6:], -0.6 * rises)
    np.testing.assert_allclose(G[HEAD][:, 6:-7], -0.6 * head)
    assert not np.any(G["0.W"][:, :6]) and not np.any(G[HEAD][:, :6]) and not np.any(G[HEAD][:, -7:])
    D = np.random.default_rng(0).standard_normal(net.W.shape)
    np.testing.assert_allclose(penalties.curvature(net, "0.W", D), 0.6 * np.sum(D[:, 6:] ** 2, axis=1))
    rows, residuals = penalties.rows(net, ("0.W", HEAD))
    assert np.sum(residuals**2) == pytest.approx(penalties.value(net), rel=1e-13)
    assert rows.shape == (len(residuals), net.n_parameters)


@pytest.mark.parametrize("name", ["hwo-adact", "hwo-molf", "lm", "varpro", "lbfgs"])
def test_a_large_penalty_makes_all_curves_straight(name):
    x, t = data()
    algorithm = dataclasses.replace(FULL[name], penalties=pwl.Penalties(input_curves=1e6))
    net, _ = pwl.train(network(name == "hwo-adact"), (x, t), algorithm, iterations=5)
    assert np.max(np.abs(net.W[:, 6:])) < 1e-4 and np.max(np.abs(net.W_o[:, 6:-6])) < 1e-4


def test_no_output_step_can_lower_the_penalised_objective():
    net, x, t = started()
    penalties = pwl.Penalties(ridge=0.01, input_curves=0.2)
    net, info = pwl.owo_step(net, (x, t), penalties)
    J = pwl.evaluate(net, (x, t)).error + penalties.value(net) - 0.2 * np.sum(net.W[:, 6:] ** 2)
    assert info["owo_objective"] == pytest.approx(J, rel=1e-9)
    for seed in range(5):
        other = net.moved({HEAD: 1e-3 * np.random.default_rng(seed).standard_normal(net.W_o.shape)})
        assert pwl.evaluate(other, (x, t)).error + penalties.value(other) > J


def test_files_and_checkpoints_keep_the_bits(tmp_path):
    x, t = data()
    net, record = pwl.train(network(True), (x, t), FULL["hwo-adact"], iterations=6)
    net.save(tmp_path / "n", record)
    loaded = pwl.Network.load(tmp_path / "n")
    assert loaded.layers[0] == net.layers[0]
    np.testing.assert_array_equal(loaded.predict(x), net.predict(x))
    file = tmp_path / "c"
    pwl.train(
        network(True), (x, t), FULL["hwo-adact"], iterations=3, checkpoint=pwl.training.checkpoint.Checkpoint(file, 0)
    )
    again, _ = pwl.train(network(True), (x, t), FULL["hwo-adact"], iterations=6, resume=file)
    np.testing.assert_array_equal(again.theta, net.theta)


def test_threads_do_not_change_a_bit(monkeypatch):
    x, t = data(3000)
    found = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        assert workers() >= 1
        patterns = pwl.Patterns(x, t, block_bytes=1 << 21)
        net, _ = pwl.train(network(True), patterns, FULL["hwo-adact"], iterations=3)
        found.append(net.theta)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_blocks_do_not_change_the_sums():
    x, t = data(2000)
    whole, _ = pwl.train(network(False), (x, t), FULL["hwo-molf"], iterations=2)
    parts, _ = pwl.train(network(False), pwl.Patterns(x, t, block_bytes=1 << 20), FULL["hwo-molf"], iterations=2)
    np.testing.assert_allclose(parts.predict(x), whole.predict(x), rtol=0, atol=1e-7)


def test_multiplies_count_two_for_an_input_with_hinges():
    few, many, plain = (pwl.initialise(network(False, hinges=h), data()) for h in (4, 6, None))
    assert own.error(few, 10) == own.error(many, 10)  # the number of hinges costs nothing
    inputs, curved, units, outputs = 5, 4, 6, 2
    assert own.error(plain, 1) == units * (1 + inputs) + outputs * (inputs + units)
    assert own.error(few, 1) == units * (1 + inputs + curved) + outputs * (inputs + curved + units)
    assert "CurvedDense" in few.summary()


def test_strengths_are_deviations_of_contributions():
    net, x, _ = started(hidden=3, outputs=1)
    w = np.abs(net.W_o[0, -3:])
    wanted = []
    for j in range(5):
        own_, past = curves_of(net, j, x[:, j])
        wanted.append(np.sqrt(np.sum(np.var(own_ * w, axis=0)) + np.sum(np.var(past, axis=0))))
    np.testing.assert_allclose(strengths(net), np.array(wanted) / np.sum(wanted), rtol=1e-10)


def test_contributions_of_the_inputs_sum_to_the_nets():
    net, x, _ = started()
    layer, p, b = net.layer(0)
    total = sum(curves_of(net, j, x[:, j])[0] for j in range(5)) + net.W[:, 0]
    np.testing.assert_allclose(total, layer.apply(p, b, x), rtol=1e-11, atol=1e-11)


def test_an_input_that_the_targets_need_is_the_strongest():
    x, _ = data(400)
    net, _ = pwl.train(network(False, outputs=1), (x, np.sin(3 * x[:, 1])), FULL["lm"], iterations=20)
    assert np.argmax(strengths(net)) == 1
    with pytest.raises(pwl.InputError, match="no curves on its inputs"):
        strengths(network(False, hinges=None))


def test_pictures_show_the_inputs(tmp_path):
    pytest.importorskip("matplotlib")
    net, x, _ = started()
    figure = pwl.plots.input_curves(net, x, names=list("abcde"), most=4)
    assert len(figure.axes) == 4
    strongest = "abcde"[np.argmax(strengths(net))]
    assert figure.axes[0].get_title().startswith(f"{strongest} (")
    assert pwl.plots.png(figure).startswith(b"\x89PNG")


def test_commands_know_input_hinges(tmp_path, capsys, monkeypatch, quick_pictures):
    quick_pictures.add("input-curves-hwo-molf")
    monkeypatch.chdir(tmp_path)
    assert (
        main(["train", "--input-hinges", "5", "--algorithm", "hwo-molf", "--iterations", "3", "--out", "n.safetensors"])
        == 0
    )
    assert main(["info", "n.safetensors"]) == 0
    text = capsys.readouterr().out
    assert "CurvedDense(units=20, hinges=5, counts=(5," in text and "inputs by their share" in text and "cement" in text
    assert main(["check", "n.safetensors", "--data", "concrete"]) == 0
    assert (
        main(["compare", "--input-hinges", "auto", "--algorithms", "hwo-molf", "--folds", "3", "--iterations", "2"])
        == 0
    )
    assert "</g>" in (tmp_path / "pwl-compare" / "input-curves-hwo-molf.svg").read_text()
    assert main(["train", "--input-hinges", "1"]) == 2
    assert main(["train", "--input-hinges", "5", "--network", "vgg1"]) == 2
    assert "--input-hinges is for an mlp" in capsys.readouterr().err
