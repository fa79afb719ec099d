"""The benchmarks' own code on tiny sizes: tables of made-up cells, published figures, rivals on a toy."""

from __future__ import annotations

import argparse
import inspect
import json
import math

import numpy as np
import pytest

import pwl

pytest.importorskip("benchmarks.shared.cells", reason="the benchmarks are not part of the installed package")
from benchmarks import cnn
from benchmarks.mlp import command as mlp
from benchmarks.mlp import published, ranks
from benchmarks.mlp import tables as mlp_tables
from benchmarks.peers import command as peers
from benchmarks.peers import lm as peers_lm
from benchmarks.peers import process, rivals, sinc, traces
from benchmarks.peers import tables as peers_tables
from benchmarks.shared.cells import Cells

SERIES = mlp.SERIES


# ---- ranks


def test_ranks_share_ties_and_put_missing_last():
    found = ranks.ranks(np.array([[1.0, 2.0, 2.0], [3.0, float("nan"), 1.0]]))
    assert found.tolist() == [[1, 2.5, 2.5], [2, 3, 1]]


def test_wilcoxon_of_ten_sets_that_all_agree_is_exact():
    b = np.geomspace(1e-3, 1e6, 10)  # units of the sets don't matter
    a = b * np.linspace(0.5, 0.9, 10)
    assert ranks.paired(a, b) == (10, 10, pytest.approx(2 / 2**10))
    assert ranks.paired(b, b).p == 1


def test_wilcoxon_counts_signs():
    """The smallest of ten differences the other way: rank sum 1, which 2 of 2**10 choices of signs reach on each side."""
    ratio = np.exp(-np.arange(1.0, 11))
    ratio[0] = math.e
    assert ranks.paired(ratio, np.ones(10)).p == pytest.approx(4 / 2**10)


def test_too_few_sets_and_missing_errors_give_no_p():
    few = ranks.paired(np.array([1.0, 2, np.nan, 4, 5]), np.ones(5))
    assert few.pairs == 4 and math.isnan(few.p)
    assert "too few" in ranks.in_words(few, math.nan)


def test_holm():
    found = ranks.holm(np.array([0.01, math.nan, 0.04, 0.03]))
    assert found[[0, 2, 3]] == pytest.approx([0.03, 0.06, 0.06]) and math.isnan(found[1])


# ---- published figures


@pytest.mark.parametrize(
    ("data", "algorithm", "pair"),
    [
        ("twod", "hwo-adact", (0.0888, 0.1172)),
        ("twod", "hwo-molf", (0.1554, 0.1731)),
        ("twod", "scg", (1.0985, 1.0945)),
        ("twod", "lm", (0.2038, 0.2205)),
        ("mattrn", "hwo-adact", (0.0011, 0.0013)),
        ("mattrn", "hwo-molf", (0.0027, 0.0032)),
        ("mattrn", "scg", (4.24, 4.3359)),
        ("mattrn", "lm", (0.0022, 0.0027)),
        ("concrete", "lm", None),
        ("twod", "cg", None),
    ],
)
def test_published_columns(data, algorithm, pair):
    assert published.figures(data, algorithm) == pair


def test_sets_that_are_not_at_hand_are_named():
    text = published.table()
    assert "| housing | 2.7274 / 19.0627 | 3.1318 / 24.675 | 5.9245 / 80.808 | 0.9543 / 133.99 |" in text
    assert {"single2", "oh7", "housing", "superconductor", "f24", "weather"} == set(published.NOT_AT_HAND)


# ---- mlp


def made_up(data, name, fold, test_error):
    at = [0, 1, 10]
    last = dict.fromkeys(SERIES, 1.0) | {"test_error": test_error, "error": test_error / 2}
    series = {part: [3.0, 2.0, last[part]] for part in SERIES}
    series |= {part: [0.0, 1.0, 10.0] for part in ("seconds", "multiplies", "own_multiplies")}
    return {
        "data": data, "algorithm": name, "fold": fold, "iterations": 10, "stop": "iterations", "timing": "one by one",
        "final": last, "best": last, "at": at, "series": series,
    }  # fmt: skip


def test_tables_of_made_up_cells():
    sets, names, folds = ["twod", "a", "b", "c", "d", "e"], ["hwo-adact", "lm"], [0, 1]
    results = {
        (data, name, fold): made_up(data, name, fold, (j + 1) * (1 + fold))
        for data in sets for j, name in enumerate(names) for fold in folds
    }  # fmt: skip
    text = mlp_tables.tables(results, sets, names, folds)
    assert "| hwo-adact | **0.75 ± 0.35** | **1.5 ± 0.71** |" in text
    assert "| 0.0888 / 0.1172 |" in text and "| 0.2038 / 0.2205 |" in text
    assert "| lm | 2 | 2 | 2 | 2 | 2 | 2 | 2.00 | lower on 0 of 6, p 0.031 (0.031) |" in text
    assert "superconductor | not run" in text
    own = {name: [results["a", name, fold] for fold in folds] for name in names}
    assert mlp_tables.picture(own, "a").startswith(b"\x89PNG")


def test_a_mean_line_holds_the_last_error_of_a_run_that_ended():
    long, short = made_up("a", "lm", 0, 1.0), made_up("a", "lm", 1, 1.0)
    short |= {"at": [0, 1], "series": {part: values[:2] for part, values in short["series"].items()}}
    x, y = mlp_tables.mean_line([long, short], "test_error", "seconds")
    assert x.tolist() == [1.0, 5.5] and y.tolist() == [2.0, 1.5]


def test_thinned_iterations_hold_first_best_and_last():
    assert mlp.thinned(1, 0) == [0]
    found = mlp.thinned(1001, 777)
    assert len(found) < 60 and {0, 1, 777, 1000} <= set(found)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hwo-molf", "adam"])
def test_mlp_cells(tmp_path, name, capsys):
    arguments = {"sets": ["fm"], "names": [name, "no-such"], "folds": [0, 3], "iterations": 2}
    mlp.run(tmp_path, False, **arguments)
    assert "no-such" in capsys.readouterr().out
    path = tmp_path / "mlp.jsonl"
    assert [json.loads(line)["key"] for line in path.read_text().splitlines()] == [
        f"fm-{name}-2-{fold}" for fold in (0, 3)
    ]
    found = Cells(path).all()[f"fm-{name}-2-3"]
    assert found["settings"]["seed"] == 3 and found["searched"] == len(mlp.RATES.get(name, [0]))
    assert len(found["series"]["error"]) == 3 and found["final"]["own_multiplies"] > 0
    assert path.stat().st_size < 10_000
    written = path.read_text().replace('"searched"', '"kept"')
    path.write_text(written)
    mlp.run(tmp_path, False, **arguments)
    assert path.read_text() == written
    assert (tmp_path / "mlp_2.md").exists() and (tmp_path / "mlp_2" / "fm.png").exists()  # not of 100 iterations


def test_all_algorithms_start_from_the_same_hidden_weights():
    starts = []
    for name in ("molf", "adact"):
        contender = pwl.learners.named.LEARNERS[name]
        preparation = pwl.Preparation.fit(np.arange(6.0).reshape(3, 2), np.arange(3.0)[:, None])
        starts.append(pwl.learners.named.network(contender, pwl.learners.named.Shape(), (2,), preparation, 5).W)
    assert np.array_equal(*starts)


# ---- peers and sinc


def peer(file, seconds, errors, seed=0):
    trace = [[s, e] for s, e in zip(seconds, errors, strict=True)]
    return {
        "rival": file, "program": f"{file} 1.0", "setting": {"method": "m", "lr": 0.1, "options": {"maxiter": 5}}, "seed": seed,
        "weights": 7, "budget": 2.0, "iterations": 4, "seconds": 2.0, "lowest": errors[-1],
        "to_level": {"0.5": traces.seconds_to(trace, 0.5)}, "at_time": {"1.0": traces.error_at(trace, 1.0)},
        "peak_mib": 100.0, "imported_mib": 60.0, "trace": trace,
    }  # fmt: skip


def test_a_table_of_peers_sorts_and_says_what_is_missing():
    rows = {("slow", "m"): [peer("slow", [0, 2.0], [1.0, 0.9])], ("fast", "m"): [peer("fast", [0, 0.25], [1.0, 0.4])]}
    text = peers_tables.table(rows, {"gone": "not installed"}, "toy", (0.5,), (1.0,))
    lines = text.splitlines()
    assert lines[4].startswith("| fast 1.0 | m | lr 0.1 | 0.25 (1/1) | 0.4 | 0.4 | 500.00 | 100 | 40 |")
    assert "| never (0/1) | 1 | 0.9 |" in lines[5] and lines[6].startswith("| gone | not run (not installed) |")
    assert peers_tables.picture(rows, "toy").startswith(b"\x89PNG")


def test_medians_of_traces_are_steps():
    x, y = peers_tables.median_line([peer("a", [0, 1.0], [4.0, 2.0]), peer("a", [0, 2.0], [8.0, 2.0])])
    assert x.tolist() == [1.0, 2.0] and y.tolist() == [5.0, 2.0]


def test_the_lowest_error_so_far_skips_what_is_not_finite():
    assert traces.lowest_so_far([(0.0, 2.0), (1.0, math.nan), (2.0, 3.0), (3.0, 1.0)]) == [
        (0, 2),
        (1, 2),
        (2, 2),
        (3, 1),
    ]


def test_the_best_setting_runs_from_all_starts(tmp_path, monkeypatch):
    asked = []

    def one(cells, name, file, method, label, setting, seed, budget):
        asked.append((label, seed))
        return {"lowest": {"0": 3.0, "1": 2.0, "1d": 1.0, "1dt": 1.5}[label], "label": label, "seed": seed}

    monkeypatch.setattr(peers, "one", one)
    found = peers.best(Cells(tmp_path / "peers.jsonl"), "concrete-tanh", "torch_lm", "lm", [{"a": 1}, {"a": 2}], 3, 1.0)
    assert [(c["label"], c["seed"]) for c in found] == [("1d", 0), ("1d", 1), ("1d", 2)] and len(asked) == 6


def test_a_process_that_fails_gives_its_last_words():
    with pytest.raises(rivals.NotHere, match="No module named"):
        process.apart("benchmarks.no_such_module", [])


def test_iteration_times_compare_the_better_of_both():
    single = {"ms": {"pwl LM, QR": 4.0, "other": 8.0}, "missing": {"gone": "not installed"}, "threads": 1}
    text = peers_lm.iteration_table(single, {"ms": {"pwl LM, QR": 2.0, "other": 9.0}, "threads": 2})
    assert "| pwl LM, QR | 4.00 | 2.00 | 1.0 |" in text and "| other | 8.00 | 9.00 | 4.0 |" in text
    assert "| gone | not run (not installed) |" in text and "2 threads" in text


def test_memory_of_a_large_problem_is_measured():
    found = peers_lm.large("plain NumPy J'J", 3000, 3, 8)
    assert found["iterations"] == 2 and found["patterns"] == 3000


def test_sinc_conventions_and_starts():
    lm, owo = (sinc.problem_of(name, "sin-10x-over-10x", 0, 101) for name in ("lm-qr", "varpro"))
    assert len(lm.theta) == 61 and lm.t[50, 0] == 1 and lm.t[-1, 0] == pytest.approx(math.sin(10) / 10)
    assert np.array_equal(lm.theta[:40], owo.theta[:40]) and np.all(np.abs(lm.theta) <= 1)
    numpys = sinc.problem_of("lm-qr", "numpy-sinc-10x", 0, 101)
    assert numpys.t[:, 0] == pytest.approx(np.sinc(10 * numpys.x[:, 0]))


def test_sinc_cells_table_and_picture(tmp_path):
    found = [sinc.measure("hwo-molf", "sin-10x-over-10x", seed, 200, 0.1) for seed in (0, 1)]
    assert all(c["lowest"] < c["start"] for c in found)
    text = sinc.table({"hwo-molf": found}, {"gone": "not installed"}, "sin-10x-over-10x", 0.1)
    assert "| gone | not run (not installed) |" in text and "3.31e-07" in text and "| hwo-molf |" in text
    assert sinc.picture({"hwo-molf": found}, "sin-10x-over-10x").startswith(b"\x89PNG")


@pytest.mark.parametrize("module", [mlp, peers, sinc])
def test_options_are_what_run_takes(module):
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    inspect.signature(module.run).bind(out=None, quick=True, **vars(parser.parse_args([])))


def test_a_step_of_a_cnn_beside_itself_with_relu():
    """ReLU .2 s beside PyTorch's .16 and .4: 1.25 of the better; curves .25: 1.25 of our ReLU step, half of PyTorch's .5."""
    cell = {
        "blocks": 2, "patterns": 128,
        "seconds": {
            "relu": {"ours": 0.2, "torch contiguous": 0.16, "torch channels_last": 0.4},
            "curves": {"ours": 0.25, "torch contiguous": 0.8, "torch channels_last": 0.5},
        },
        "peak_mib": {
            "relu": {"ours": 100, "torch contiguous": 150, "torch channels_last": 160},
            "curves": {"ours": 101, "torch contiguous": 250, "torch channels_last": 260},
        },
    }  # fmt: skip
    relu, curves = ([c.strip() for c in line.split("|")[1:-1]] for line in cnn.table([cell]).splitlines()[2:])
    assert relu == ["vgg2, batch 128", "relu", "0.200 s", "0.160 s", "0.400 s", "1.25", "1.00", "100", "150"]
    assert curves == ["vgg2, batch 128", "curves", "0.250 s", "0.800 s", "0.500 s", "0.50", "1.25", "101", "260"]
    for name in ("torch contiguous", "torch channels_last"):
        for part in ("seconds", "peak_mib"):
            for kind in cnn.ACTIVATIONS:
                del cell[part][kind][name]
    assert "not run" in cnn.table([cell])


@pytest.mark.slow
def test_a_cnn_steps_and_its_memory_is_that_of_its_own_process(monkeypatch):
    monkeypatch.setattr(cnn, "has_torch", lambda: False)
    cell = cnn.measure(1, 2, repeats=1)
    for kind in cnn.ACTIVATIONS:
        assert cell["seconds"][kind]["ours"] > 0 and cell["peak_mib"][kind]["ours"] > 1


# ---- activations


def test_activations_are_timed_beside_others():
    from benchmarks.speed import activations

    row = activations.measure("tanh", "float32", 1024)
    assert {"ours", "numpy", "loop"} <= row["nanoseconds"].keys() and min(row["nanoseconds"].values()) > 0
    made_up = row | {"nanoseconds": {"ours": 1.0, "numpy": 4.0, "loop": 0.5}, "register bytes": 32}
    assert activations.table([made_up]).splitlines()[2] == "| tanh, float32 | 1,024 | 32 bytes | 1.00 | 0.25 | 4.00 |  | 0.50 |"
