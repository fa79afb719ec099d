"""Patterns in groups: the default learner's networks leave whole groups out, in Python and on the command line."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pwl
from pwl.cli.main import main
from pwl.learners.forms import MOLF, Form
from pwl.learners.levels import levels
from pwl.learners.parts import part, part_of_groups, tell_of_classes
from pwl.learners.plan import TENTHS, plan


def people(seed, count=60, each=10):
    """People who are measured several times: two inputs tell them apart, and each has an offset of its own."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(count), each)
    x = np.column_stack([rng.normal(size=(count, 2))[group], rng.normal(size=count * each)])
    return x, x[:, 2] + x[:, 0] + rng.normal(size=count)[group] + 0.1 * rng.normal(size=count * each), group


@given(st.lists(st.integers(1, 30), min_size=2, max_size=40), st.integers(2, 10), st.integers(0, 5))
def test_groups_stay_whole_and_parts_are_level(sizes, parts, seed):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    parts = min(parts, len(sizes))
    own = np.stack([part(len(groups), parts, parts, number, seed, groups) for number in range(parts)])
    assert np.all(own.sum(axis=0) == 1)
    assert all(len(np.unique(own[:, groups == group], axis=1).T) == 1 for group in range(len(sizes)))
    counts = own.sum(axis=1)
    assert counts.min() > 0 and counts.max() - counts.min() <= max(sizes)


def test_large_groups_come_first():
    assert part_of_groups(np.array([1, 4, 2, 2, 1]), np.arange(5), 2).tolist() == [0, 0, 1, 1, 1]


def test_each_round_divides_the_groups_anew():
    groups = np.repeat(np.arange(30), 3)
    rounds = range(10), range(10, 20)
    first, second = (np.stack([part(90, 10, 10, number, 3, groups) for number in numbers]) for numbers in rounds)
    assert np.all(second.sum(axis=0) == 1) and not np.array_equal(first, second)


def test_folds_keep_groups_whole():
    groups = [f"p{g}" for g in np.random.default_rng(0).permutation(np.repeat(np.arange(11), np.arange(3, 14)))]
    found = pwl.data.folds(len(groups), 4, seed=1, groups=groups, labels=np.arange(len(groups)) % 2)
    assert np.array_equal(np.sort(np.concatenate([fold.test for fold in found])), np.arange(len(groups)))
    assert np.array_equal(np.sort(np.concatenate([fold.validation for fold in found])), np.arange(len(groups)))
    for fold in found:
        parts = [{groups[row] for row in rows} for rows in fold]
        assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2]) and all(parts)
    with pytest.raises(pwl.InputError, match="12 parts need 12 groups, but there are 11: take k <= 11"):
        pwl.data.folds(len(groups), 12, groups=groups)


def test_comparisons_keep_groups_whole(monkeypatch):
    from pwl.study import baselines
    from pwl.study.compare import compare

    x, t, group = people(0)
    weights, seen = np.where(np.arange(len(t)) % 7, 1.0, 0.0), []

    def learn(patterns, *rest, groups, **options):
        seen.append((patterns.x[:][:, 0], groups))
        return pwl.learners.learn.learn(patterns, *rest, groups=groups, **options)

    monkeypatch.setattr(baselines, "learn", learn)
    outcomes = list(compare(x, t, ["ridge", "default"], k=3, weights=weights, groups=group))
    for fold in range(3):
        settings = outcomes[2 * fold + 1].record.settings
        assert "each network leaves whole groups out" in settings["learner"]
        people_of, groups = seen[fold]
        assert len(np.unique(people_of)) == len(np.unique(groups)) == len(set(zip(people_of, groups, strict=True))) == 20


@pytest.mark.one_process
def test_ranks_know_a_group_by_its_name():
    """A group that two ranks share, and others that one of them has: the same folds as in one process."""
    from fake_ranks import on_comms

    from pwl.study.compare import compare

    x, t, group = people(0, 12, 10)
    names = np.array([f"p{g}" for g in group])
    parts = slice(0, 37), slice(37, None)

    def errors(rows, comm=None):
        how = {"k": 4, "iterations": 2, "hidden": (3,), "groups": names[rows], "comm": comm}
        return [outcome.record["test_error"][-1] for outcome in compare(x[rows], t[rows], ["molf"], **how)]

    for found in on_comms(lambda comm: errors(parts[comm.rank], comm), 2):
        np.testing.assert_allclose(found, errors(slice(None)), rtol=1e-6)


def test_plans_have_no_more_parts_than_groups_and_all_leave_them_out():
    for classes in (False, True):
        for Nv, groups in ((40, 4), (300, 4), (300, 50), (20_000, 50)):
            found = plan(Nv, 5, 3, classes=classes, groups=groups)
            assert all(2 <= form.training.parts <= min(TENTHS, groups) for form in found.forms)
            assert "whole groups" in found.words(False) and "groups" not in found.words(True)
    assert plan(2_000_000, 5, 1, groups=50) == plan(2_000_000, 5, 1)  # one network, which leaves nothing out


@pytest.mark.slow
def test_errors_and_deviations_are_those_for_new_groups():
    x, t, group = people(0)
    new, target, _ = people(1, count=400, each=1)

    def of(groups):
        net = pwl.PWLRegressor().fit(x, t, groups=groups)
        y, std = net.predict(new, return_std=True)
        return np.mean((target - y) ** 2), np.mean(np.abs(target - y) < 1.645 * std)

    (square, cover), (grouped_square, grouped_cover) = of(None), of(group)
    assert cover < 0.7 and 0.8 < grouped_cover < 0.97  # a pattern left out is predicted by the others of its person
    assert grouped_square < 0.8 * square


def test_what_tells_groups_apart_gets_no_levels():
    """An input with a level for each person, or one whose levels people have in common."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(12), 40)
    hour = rng.integers(0, 8, size=480)
    t = rng.normal(size=12)[group] + rng.normal(size=8)[hour] + 0.1 * rng.normal(size=480)
    patterns = pwl.Patterns(np.column_stack([group, hour]).astype(float), t[:, None])
    form = Form((8,), 7, 1, MOLF)
    assert levels(patterns, form, 1) == (0, 1)
    assert levels(patterns, form, 1, group) == (1,)


def test_classes_in_groups():
    x, t, group = people(0, 20, 6)
    net = pwl.PWLClassifier(hidden=4, max_seconds=1).fit(x, np.where(t > 0, "up", "down"), groups=[f"person {g}" for g in group])
    assert "whole groups" in net.record_.settings["learner"] and net.score(x, np.where(t > 0, "up", "down")) > 0.7


@pytest.mark.parametrize("classes", [False, True])
def test_groups_are_held_out_as_a_whole(classes, monkeypatch):
    import pwl.estimators.base as base

    seen = []

    def train(net, patterns, *rest, validation, **options):
        seen.append((patterns.x[:], validation.x[:]))
        return pwl.train(net, patterns, *rest, validation=validation, **options)

    monkeypatch.setattr(base, "train", train)
    x, t, group = people(0)
    weights = np.where(np.arange(len(t)) % 7, 1.0, 0.0)
    kind = pwl.PWLClassifier if classes else pwl.PWLRegressor
    kind(4, iterations=1, validation_fraction=0.2).fit(x, t > 0 if classes else t, weights, groups=group)
    kept, out = (set(np.unique(part[:, 0])) for part in seen[0])  # the first input tells people apart
    assert not kept & out and len(kept) + len(out) == 60 and 10 <= len(out) <= 14


def test_groups_that_nothing_can_be_done_with():
    x, t, group = people(0)
    gaps = np.where(group == 3, np.nan, group)
    alone = "one network is trained on all of them: leave groups out, or set validation_fraction"
    for options, more, groups, said in (
        ({"iterations": 1}, {}, group, f"but none are, because {alone}"),
        ({}, {"X_val": x, "y_val": t}, group, "but none are, because X_val validates: leave groups out$"),
        ({}, {}, group[1:], r"groups came with shape \(599,\), wanted one per pattern"),
        ({}, {}, "person", r"wanted one per pattern, not the name of a column: \(600,\)"),
        ({}, {}, 0 * group, "all 600 patterns are of one group, wanted two or more"),
        ({"validation_fraction": 0.1}, {}, 0 * group, "all 600 patterns are of one group, which is not divided"),
        ({}, {}, gaps, "the groups hold 10 missing values"),
        ({}, {}, ["a", None] * 300, "the groups hold 300 missing values"),
    ):
        with pytest.raises(pwl.InputError, match=said):
            pwl.PWLRegressor(**options).fit(x, t, **more, groups=groups)


def test_a_class_within_one_group_is_told_of():
    with pytest.warns(UserWarning, match="do not know the class: b, d"):
        tell_of_classes(np.array([0, 0, 1, 2, 2, 1]), np.array([0, 1, 0, 2, 3, 2]), ["a", "b", "c", "d"])


def test_a_fold_with_one_group_leaves_patterns_out():
    from pwl.study.compare import compare

    x, t, group = people(0, 3, 60)
    found = list(compare(x, t, ["default"], k=3, groups=group))
    assert "each network leaves a tenth" in found[0].record.settings["learner"]


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x, t, group = people(0)
    rows = [f"p{g},{','.join(map(str, row))},{y}" for g, row, y in zip(group, x.tolist(), t.tolist(), strict=True)]
    (tmp_path / "people.csv").write_text("\n".join(["person,a,b,c,y", *rows]) + "\n")


QUICK = ["--target", "y", "--hidden", "4", "--max-seconds", "1"]


def test_networks_of_a_command_leave_groups_out(table, capsys):
    assert main(["train", "people.csv", *QUICK, "--group", "person"]) == 0
    said = capsys.readouterr().out
    assert "each network leaves whole groups out" in said and "600 patterns in 60 groups, 3 inputs" in said
    grouped = float(re.search(r"as if left out: RMSE ([\d.]+)", said)[1])
    assert main(["train", "people.csv", *QUICK, "--drop", "person"]) == 0
    alone = float(re.search(r"as if left out: RMSE ([\d.]+)", capsys.readouterr().out)[1])
    assert alone < 0.7 * grouped


@pytest.mark.slow
def test_a_comparison_goes_on_only_with_the_same_groups(table, capsys, monkeypatch):
    rows = open("people.csv").read().splitlines()
    other = [rows[0], *(f"q{i // 20}," + row.split(",", 1)[1] for i, row in enumerate(rows[1:]))]
    how = ["--target", "y", "--algorithms", "ridge,owo-bp", "--iterations", "2", "--folds", "3", "--group", "person"]
    import pwl.study.compare as module

    run = module.run

    def interrupted(problem, name, number, *rest):
        if number:
            raise KeyboardInterrupt
        return run(problem, name, number, *rest)

    monkeypatch.setattr(module, "run", interrupted)
    assert main(["compare", "people.csv", *how]) == 130
    monkeypatch.setattr(module, "run", run)
    open("people.csv", "w").write("\n".join(other) + "\n")
    assert main(["compare", "people.csv", *how, "--resume"]) == 2
    open("people.csv", "w").write("\n".join(rows) + "\n")
    assert main(["compare", "people.csv", *how, "--resume"]) == 0
    assert "3 inputs" in capsys.readouterr().out


def test_parts_of_groups_validate_in_their_place(table, capsys):
    assert main(["train", "people.csv", *QUICK, "--group", "person", "--validation", "0.2", "--test", "0.1"]) == 0
    said = capsys.readouterr().out
    assert "whole groups out" not in said and "validation of y: RMSE" in said and "test of y: RMSE" in said


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--group", "person", "--validation", "people.csv"], "--group holds out whole groups, but nothing is held out"),
        (["--ordered", "--validation", "0"], "--ordered holds out the last patterns, but nothing is held out"),
        (["--group", "a", "--weights", "a"], "'a' can't hold both weights and groups"),
        (["--task", "classification"], "the target 'y' has 600 different values in 600 rows, too many for classes"),
    ],
)
def test_what_commands_refuse(table, capsys, more, said):
    assert main(["train", "people.csv", *QUICK, *more]) == 2
    assert said in capsys.readouterr().err


def test_a_missing_group_is_refused(table, capsys):
    rows = open("people.csv").read().replace("p7,", "NA,", 1)
    open("gap.csv", "w").write(rows)
    assert main(["train", "gap.csv", *QUICK, "--group", "person"]) == 2
    assert "the group is missing" in capsys.readouterr().err


def test_networks_do_not_go_on_from_an_older_single_one(table, capsys):
    assert main(["train", "people.csv", *QUICK, "--drop", "person", "--single"]) == 0
    assert main(["train", "people.csv", *QUICK, "--drop", "person"]) == 0
    saved = open("net.safetensors", "rb").read()
    assert main(["train", "people.csv", *QUICK, "--drop", "person", "--resume"]) == 2
    assert "holds several networks, but net.safetensors.checkpoint is of a single one" in capsys.readouterr().err
    assert open("net.safetensors", "rb").read() == saved
