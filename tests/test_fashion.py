"""The benchmark fashion: its tables, what decides, runs that resume, the rival in PyTorch, and the cost of a step."""

from __future__ import annotations

import numpy as np
import pytest

import pwl
from pwl.network.passes import outputs

pytest.importorskip("benchmarks.shared.cells", reason="the benchmarks are not part of the installed package")
from benchmarks.fashion import command as fashion
from benchmarks.fashion import schedule_free, steps
from benchmarks.fashion import tables as fashion_tables
from benchmarks.shared.cells import Cells


def fashion_cell(method, rate, seed, test, validation=80.0, stop="iterations"):
    return {
        "method": method, "rate": rate, "seed": seed, "network": "small", "patterns": 20_000, "epochs": 4, "batch_size": 128,
        "parameters": 107_322, "seconds": 30.0, "validation_accuracy": validation, "test_accuracy": test, "stop": stop,
    }  # fmt: skip


def fashion_rows(adact=87.0):
    tests = {"adact": adact, "adact-plain": 96.0, "adact-falling": 95.0}
    tests |= {"sgd": 87.5, "adam": 88.0, "sgd-one-cycle": 87.0, "adam-one-cycle": 89.0}
    rows = {
        m: [fashion_cell(m, None if m.startswith("adact") else 0.01, s, test + d) for s, d in enumerate((-1, 0, 1))]
        for m, test in tests.items()
    }
    rows["adact"][0]["test_accuracy"] += 0.3
    rows["adact"][2]["test_accuracy"] -= 0.3
    return rows


def test_fashion_table():
    tried = {
        "sgd": {0.01: fashion_cell("sgd", 0.01, 0, 0, 81.5), 0.1: fashion_cell("sgd", 0.1, 0, 0, 20, "non_finite")}
    }
    text = fashion_tables.table(fashion_rows(), tried)
    # AdAct 86.3, 87, 87.7: .7/sqrt(3) = .40; less SGD's 86.5, 87.5, 88.5: -.2, -.5, -.8, standard error .3/sqrt(3) = .17
    assert "| AdAct, no rate |  | 30 | 80.00 ± 0.00 | 87.00 ± 0.40 |  |" in text
    assert "| SGD | 0.01 | 30 | 80.00 ± 0.00 | 87.50 ± 0.58 | -0.50 ± 0.17 |" in text
    assert "best at a constant rate, Adam, AdAct is 1.00 points below (missed)" in text
    assert "best of all, Adam, one-cycle, AdAct is 2.00 points below (missed)" in text
    assert "- SGD: 0.01: **81.50**; 0.1: 20.00 (stopped: non_finite)" in text


def test_the_aim_is_half_a_point():
    text = fashion_tables.distances(fashion_rows(87.5))
    assert "constant rate, Adam, AdAct is 0.50 points below (reached)" in text and "The aim is 0.5 points at most below" in text


def test_the_best_rival_is_of_the_highest_test_accuracy():
    text = fashion_tables.distances(fashion_rows(90.0))
    assert "constant rate, Adam, AdAct is 2.00 points above (reached)" in text
    assert "of all, Adam, one-cycle, AdAct is 1.00 points above (reached)" in text


def test_rates_are_chosen_by_validation_accuracy():
    cells = {
        rate: fashion_cell("adam", rate, 0, test, v)
        for rate, test, v in ((0.1, 90, 70), (0.01, 50, 75), (0.001, 60, 75))
    }
    assert fashion.best_rate(cells) == 0.001


def test_fashion_parts_share_no_image():
    rows = fashion.split(6000, 700)
    assert len(rows["validation"]) == 5000 and len(rows["train"]) == 700
    assert not set(rows["train"]) & set(rows["validation"])
    assert np.array_equal(fashion.split(6000, 300)["validation"], rows["validation"])
    with pytest.raises(pwl.InputError, match="1000 training images"):
        fashion.split(6000, 1001)


def test_fashion_optimisers():
    protocol = fashion.Protocol("small", 20_000, 4)
    assert fashion.optimiser("adact", None, protocol) == pwl.MinibatchAdAct()
    assert fashion.optimiser("adact-falling", None, protocol) == pwl.MinibatchAdAct(
        holding=0, measure_every=1, largest_side=1
    )
    assert fashion.optimiser("sgd", 0.1, protocol) == pwl.SGD(0.1, momentum=0.9)
    assert fashion.optimiser("adam", 0.01, protocol) == pwl.Adam(0.01)
    assert fashion.optimiser("adam-one-cycle", 0.01, protocol).learning_rate.steps == 4 * 157


@pytest.mark.usefixtures("few_images")
def test_fashion_runs_tune_with_one_seed_and_resume(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fashion, "VALIDATION", 100)
    monkeypatch.setattr(fashion, "GRIDS", {"sgd": (0.01, 0.1), "adam": (0.001, 0.01)})
    options = {"quick": True, "network": "small", "patterns": 256, "epochs": 2, "seeds": 2, "device": "cpu"}
    fashion.run(tmp_path, **options)
    cells = Cells(tmp_path / "fashion.jsonl").all()
    methods = sorted(c["method"] for c in cells.values())
    assert methods == ["adact"] * 2 + ["adact-falling"] * 2 + ["adact-plain"] * 2 + ["adam"] * 3 + ["sgd"] * 3
    assert {"small-256-2/adact-1", "small-256-2/sgd-0.1-0"} < cells.keys()
    for c in cells.values():
        assert c["validation_accuracy"] == c["accuracies"][c["best_epoch"]]
        assert c["validation_error"][c["best_epoch"]] == min(c["validation_error"])
    first = capsys.readouterr().out
    monkeypatch.setattr(fashion, "measure", None)
    fashion.run(tmp_path, **options)
    assert capsys.readouterr().out == "\n".join(line for line in first.splitlines() if not line.startswith("  ")) + "\n"
    assert (tmp_path / "fashion_small-256-2.md").exists()


@pytest.mark.slow
def test_the_rival_has_our_network_and_learns():
    torch = pytest.importorskip("torch", reason="the rival is PyTorch's")
    pytest.importorskip("schedulefree", reason="the rival's optimiser")
    net, rng = fashion.network("small", 3), np.random.default_rng(0)
    x, t = rng.normal(size=(96, 28, 28, 1)).astype(np.float32), np.arange(96) % 10
    x[np.arange(96), 2 * t, :8] += 4
    model = schedule_free.torch_net(torch, net)
    with torch.no_grad():
        y = model(schedule_free.channels_first(torch, 3 * x)).numpy()
    np.testing.assert_allclose(y, outputs(net, 3 * x), rtol=0, atol=1e-5 * np.abs(y).max())
    parts = dict.fromkeys(("train", "validation", "test"), pwl.Patterns(x, t))
    found = schedule_free.run(net, parts, 0.01, 8, 32, 0)
    assert found["validation_error"][0] == pytest.approx(pwl.evaluate(net, (x, t)).error, rel=1e-5)
    assert found["test_accuracy"] == found["accuracies"][found["best_epoch"]] > 50


def test_what_a_step_costs(monkeypatch):
    monkeypatch.setattr(steps, "BATCH", 4)
    monkeypatch.setattr(steps, "ROUNDS", 1)
    x, t = np.random.default_rng(0).integers(0, 256, (96, 8, 8, 1), dtype=np.uint8), np.arange(96) % 10
    text = steps.table(fashion.network("small", 0, (8, 8, 1)), x, t)
    assert "| Adam |" in text and "| 1.00 |" in text and text.count("\n| AdAct") == 3
