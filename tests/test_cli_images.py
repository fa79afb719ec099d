"""The command line on images: rates, schedules, augmentation, data by word or option, comparisons that go on."""

from __future__ import annotations

import dataclasses
import json
import shlex

import numpy as np
import pytest
from refusals import fails
from test_models import mnist  # noqa: F401  (a fixture)

import pwl
import pwl.study.compare
from pwl.cli import main, source
from pwl.cli.kept import FOLDER
from pwl.data.sets import DATA_SETS
from pwl.learners.named import LEARNERS, Shape
from pwl.study.compare import Settings
from pwl.training.schedules import Cosine

pytestmark = pytest.mark.usefixtures("mnist", "quick_pictures")

QUICK = ["--network", "vgg1", "--batch-size", "40", "--hinges", "9", "--patterns", "60"]


def trained(*options):
    """Settings and network of `pwl train` on the tiny set."""
    assert main(["train", "--data", "mnist", *QUICK, "--iterations", "2", *options]) == 0
    saved = pwl.training.saved.load("net.safetensors")
    return saved.record.settings, saved.net


# ---- the data


def test_the_default_learner_of_a_named_set_tells_its_test_part(capsys):
    assert main(["train", "mnist", "--max-seconds", "1"]) == 0
    assert "the default learner" in (said := capsys.readouterr().out)
    x, t = pwl.data.load("mnist", "test")
    right = np.mean(pwl.Ensemble.load("net.safetensors").predict_proba(x.reshape(len(x), -1)).argmax(axis=1) == t)
    assert f"test accuracy: {right:.2%} of 30 patterns" in said


def test_the_data_by_word_or_option(capsys):
    run = [*QUICK, "--iterations", "1", "--algorithm", "adam"]
    for data in (["mnist"], ["--data", "mnist"], ["mnist", "--data", "mnist"]):
        assert main(["train", *data, *run]) == 0
        assert "mnist: 60 patterns, images of 28x28x1" in capsys.readouterr().out
    words = fails(capsys, "train", "mnist", "--data", "cifar-10", *run)
    assert "mnist and --data cifar-10 came, wanted one of them: leave out the other" in words
    assert "mnist and --data fashion-mnist came" in fails(capsys, "compare", "mnist", "--data", "fashion-mnist")
    assert main(["check", "--data", "concrete", "--hidden", "2", "--activation", "tanh"]) == 0
    assert main(["check", "concrete", "--hidden", "2", "--activation", "tanh"]) == 0
    assert "a.csv and --data b.csv came" in fails(capsys, "check", "n.safetensors", "a.csv", "--data", "b.csv")


def test_the_test_part_of_cifar_10_may_be_missing(capsys, tmp_path, monkeypatch):
    """Its training batches in a folder without the test batch: said after training, which is not in vain."""
    tiny = dataclasses.replace(
        DATA_SETS["cifar-10"],
        train=tuple(dataclasses.replace(file, md5=None, bytes=20 * 3073) for file in DATA_SETS["cifar-10"].train),
    )
    monkeypatch.setitem(DATA_SETS, "cifar-10", tiny)
    monkeypatch.setattr("pwl.data.images.BATCH", 20)
    rng = np.random.default_rng(0)
    for file in tiny.train:
        rows = rng.integers(0, 256, (20, 3073), dtype=np.uint8)
        rows[:, 0] = np.arange(20) % 10
        path = tmp_path / "data" / file.path
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(rows.tobytes())
    assert main(["train", "--network", "vgg1", "--data", "cifar-10", "--algorithm", "adam", "--iterations", "1"]) == 0
    printed = capsys.readouterr().out
    assert "cifar-10: 100 patterns, images of 32x32x3, 10 classes" in printed
    assert "test accuracy: not measured, cifar-10-batches-bin/test_batch.bin is not in" in printed
    assert source.test_part("cifar-10").startswith("cifar-10-batches-bin/test_batch.bin is not in")


# ---- rates


def test_curves_of_images_go_on_beyond_their_hinges():
    """With constant ends long steps drove nets out of their hinges, where nothing moves them any more."""
    made = {name: Shape(network=name, start="relu").activation(True).outside for name in ("mlp", "vgg1", "vgg3")}
    assert made == {"mlp": "constant", "vgg1": "linear", "vgg3": "linear"}
    assert Shape(network="vgg1", start="relu").activation(False) == "relu"


def test_rates_and_schedules_reach_the_algorithm():
    """54 patterns train, 40 and 14 a step: 2 steps in each of 2 iterations."""
    about, _ = trained("--algorithm", "curved-adam", "--learning-rate", "0.003", "--curve-rate", "0.01")
    assert "learning_rate=0.003" in about["algorithm"] and "curve_rate=0.01" in about["algorithm"]
    about, _ = trained("--algorithm", "curved-adam", "--learning-rate", "0.003", "--schedule", "cosine")
    assert f"learning_rate={Cosine(0.003, 4)!r}" in about["algorithm"] and "curve_rate=None" in about["algorithm"]
    about, _ = trained("--algorithm", "sgd", "--schedule", "one_cycle")
    assert f"learning_rate={Cosine(0.01, 4, warmup=1)!r}" in about["algorithm"]
    about, _ = trained("--algorithm", "adam")
    assert about["algorithm"] == repr(pwl.Adam()) and about["augment"] is None


def test_a_schedule_counts_the_steps_of_all_iterations():
    shape = Shape(batch_size=7, learning_rate=0.5, curve_rate=0.25, schedule="linear")
    algorithm = shape.algorithm(LEARNERS["curved-sgd"], range(30), 4)
    assert algorithm.learning_rate == pwl.schedules.Linear(0.5, 20)
    assert algorithm.curve_rate == pwl.schedules.Linear(0.25, 20)
    assert shape.algorithm(LEARNERS["sgd"], range(30), 4).curve_rate is None
    assert shape.algorithm(LEARNERS["molf"], range(30), 4) is LEARNERS["molf"].algorithm
    assert Shape().algorithm(LEARNERS["adam"], range(30), 4) == pwl.Adam()


def test_rates_of_tables(capsys):
    run = ["train", "concrete", "--hidden", "3", "--iterations", "2", "--algorithm", "adam"]
    assert main([*run, "--learning-rate", "0.01", "--schedule", "linear"]) == 0
    assert "Linear(rate=0.01, steps=58" in pwl.training.saved.load("net.safetensors").record.settings["algorithm"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("train --algorithm adact --learning-rate 0.1", "--learning-rate is not for adact: the algorithms adam, "),
        ("train --algorithm molf --schedule cosine", "--schedule is not for molf: the algorithms adam, "),
        ("train --algorithm adam --curve-rate 0.1", "--curve-rate is not for adam: the algorithms curved-adam, curved-sgd have"),
        ("compare --algorithms lm,molf --learning-rate 0.1", "--learning-rate is not for lm, molf"),
        ("compare --algorithms adam,sgd --curve-rate 0.1", "--curve-rate is not for adam, sgd"),
        ("train --algorithm adam --learning-rate -1", "--learning-rate must be 0 or a positive number, not -1.0"),
        ("train --algorithm curved-adam --curve-rate nan", "--curve-rate must be 0 or a positive number, not nan"),
        ("train --algorithm adam --learning-rate fast", "invalid float value: 'fast'"),
        ("train --algorithm adam --schedule cosin", "invalid choice: 'cosin'"),
        ("train --algorithm adam --shift 4", "--shift is for networks for images: choose one with --network (vgg1, vgg2, vgg3)"),
        ("train mnist --algorithm adam --flip", "--flip is for networks for images"),
        ("train mnist --network vgg1 --shift -1", "--shift must be a whole number of pixels, 0 or more, not -1"),
        ("train mnist --network vgg1 --algorithm molf --flip", "of batches, but molf has no batches: give it a --batch-size"),
        ("compare mnist --network vgg1 --algorithms adam,cg --shift 2", "but cg has no batches: choose another algorithm"),
        ("train mnist --network vgg1 --algorithm adam --shift 28", "a shift of 28 pixels moves images of 28 x 28 out of sight"),
        ("train concrete --network vgg1 --algorithm adam --flip", "is for images, but concrete has none: choose one of"),
        ("train --algorithm molf --error-sample 9", "--error-sample is for training by batches, but molf has none: leave it out"),
        ("train --algorithm adam --error-sample 0", "--error-sample must be a whole number of patterns, 1 or more, not 0"),
        ("train --error-sample 9", "--error-sample is for training by batches, but BayesianLM has none: leave it out"),
        ("compare --resume", "holds no unfinished comparison: a finished one has nothing left to do"),
    ],
)  # fmt: skip
def test_what_does_not_apply(capsys, line, words):
    assert words in fails(capsys, *shlex.split(line))


# ---- augmentation


def test_augmentation_reaches_the_run_and_resumes(capsys):
    about, _ = trained("--algorithm", "adam", "--shift", "3", "--flip")
    assert about["augment"] == "Augmentation(shift=3, flip=True)"
    assert trained("--algorithm", "adam", "--flip")[0]["augment"] == "Augmentation(shift=0, flip=True)"
    capsys.readouterr()
    assert trained("--algorithm", "adam", "--error-sample", "20")[0]["error_sample"] == 20
    assert "; the training errors are those of 20 patterns\n" in capsys.readouterr().out
    about, whole = trained("--algorithm", "adam", "--shift", "3")
    assert about["augment"] == "Augmentation(shift=3, flip=False)"
    run = ["train", "mnist", *QUICK, "--algorithm", "adam", "--out", "cut.net"]
    assert main([*run, "--shift", "3", "--iterations", "1"]) == 0
    assert "its augment is 'Augmentation(shift=3, flip=False)'" in fails(capsys, *run, "--resume")
    assert main([*run, "--shift", "3", "--iterations", "2", "--resume"]) == 0
    assert np.array_equal(pwl.Network.load("cut.net").theta, whole.theta)


# ---- comparisons


RUNS = ["--algorithms", "adam,curved-adam", "--folds", "3", "--iterations", "1"]
COMPARE = ["compare", "--data", "mnist", *QUICK, *RUNS]


@pytest.mark.slow
def test_compare_takes_rates_and_augmentation(capsys, tmp_path):
    options = ["--learning-rate", "0.002", "--curve-rate", "0.004", "--schedule", "cosine", "--shift", "2", "--flip"]
    assert main([*COMPARE, *options]) == 0
    assert "mnist: 60 patterns, images of 28x28x1" in capsys.readouterr().out
    folder = tmp_path / "pwl-compare"
    plain, curved = (
        json.loads((folder / "records" / f"{name}-fold1.json").read_text())["settings"]
        for name in ("adam", "curved-adam")
    )
    assert f"learning_rate={Cosine(0.002, 1)!r}" in plain["algorithm"] and "curve_rate=None" in plain["algorithm"]
    assert f"curve_rate={Cosine(0.004, 1)!r}" in curved["algorithm"]
    assert plain["augment"] == curved["augment"] == "Augmentation(shift=2, flip=True)"
    about = json.loads((folder / "settings.json").read_text())
    assert (about["learning_rate"], about["schedule"]) == (0.002, "cosine")
    assert about["augment"] == {"shift": 2, "flip": True}
    assert "<dt>augment</dt><dd>shift 2, flip True</dd>" in (folder / "report.html").read_text()
    assert not (folder / FOLDER).exists()


def cut_after(monkeypatch, count):
    """Ctrl-C in the run after so many."""
    run, made = pwl.study.compare.run, []

    def counted(problem, name, number, watch=None):
        if len(made) == count:
            raise KeyboardInterrupt
        made.append((name, number))
        return run(problem, name, number, watch)

    monkeypatch.setattr("pwl.study.compare.run", counted)
    return made


@pytest.mark.slow
def test_a_comparison_goes_on_where_it_was_cut_short(capsys, tmp_path, monkeypatch):
    folder = tmp_path / "pwl-compare"
    with monkeypatch.context() as patch:
        cut_after(patch, 4)
        assert main(COMPARE) == 130
    out = capsys.readouterr()
    assert "finished runs follow; --resume goes on after them" in out.err and "2 of 3" in out.out
    kept = {path.name for path in (folder / FOLDER).iterdir()}
    runs = {f"{name}-fold{fold}.safetensors" for name in ("adam", "curved-adam") for fold in (0, 1)}
    assert kept == {"comparison.json", *runs}
    assert "its iterations is 1, this one's 2" in fails(capsys, *COMPARE[:-1], "2", "--resume")
    assert "its seed is 0, this one's 5" in fails(capsys, *COMPARE, "--seed", "5", "--resume")
    with monkeypatch.context() as patch:
        made = cut_after(patch, 9)
        assert main([*COMPARE, "--resume"]) == 0
    assert made == [("adam", 2), ("curved-adam", 2)]
    assert not (folder / FOLDER).exists()
    again = (folder / "records" / "curved-adam-fold0.json").read_text()
    assert main([*COMPARE, "--out", "whole"]) == 0
    whole = json.loads((tmp_path / "whole" / "records" / "curved-adam-fold0.json").read_text())
    for name in ("error", "validation_error", "test_error", "test_classification_error"):
        assert json.loads(again)["series"][name] == whole["series"][name]
    assert json.loads(again)["settings"] == whole["settings"]


@pytest.mark.slow
def test_processes_go_on_as_well(capsys, monkeypatch, tmp_path):
    run = ["compare", "concrete", "--hidden", "2", "--iterations", "2", "--folds", "3", "--algorithms", "molf,owo-bp"]
    with monkeypatch.context() as patch:
        cut_after(patch, 3)
        assert main(run) == 130
    assert main([*run, "--resume", "--jobs", "2"]) == 0
    assert main([*run, "--out", "whole"]) == 0
    one, other = ((tmp_path / name / "table.csv").read_text().splitlines() for name in ("pwl-compare", "whole"))
    for a, b in zip(one, other, strict=True):
        assert a.split(",")[:9] == b.split(",")[:9]


def test_a_new_comparison_forgets_the_one_cut_short_and_leaves_other_files(monkeypatch, tmp_path):
    run = ["compare", "concrete", "--hidden", "2", "--iterations", "2", "--folds", "3", "--algorithms", "molf"]
    with monkeypatch.context() as patch:
        cut_after(patch, 1)
        assert main(run) == 130
    (tmp_path / "pwl-compare" / FOLDER / "mine.txt").write_text("mine")
    assert main([*run, "--seed", "1"]) == 0
    assert [path.name for path in (tmp_path / "pwl-compare" / FOLDER).iterdir()] == ["mine.txt"]


def test_the_contenders_of_a_comparison_keep_their_own_rates_otherwise():
    settings = Settings(hidden=(2,), iterations=2, k=3, learning_rate=0.02)
    x, t = np.random.default_rng(0).normal(size=(2, 30, 3))
    found = {
        o.name: o.record.settings["algorithm"] for o in pwl.study.compare.compare(x, t, ["adam", "molf"], settings)
    }
    assert "learning_rate=0.02" in found["adam"] and found["molf"] == repr(pwl.MOLF())
