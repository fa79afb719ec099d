"""`pwl finetune` on tables: inputs are those that the network knows by name, whatever the order of the columns."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import pwl
from pwl.cli import main
from pwl.training.saved import load

pytestmark = pytest.mark.usefixtures("empty_folder")

KEEP = ["--keep-outputs", "--iterations", "1", "--learning-rate", "0"]  # the network as it is


def fails(capsys, *arguments):
    assert main(["finetune", *arguments]) == 2
    return capsys.readouterr().err.strip()


def write(name, **columns):
    with Path(name).open("w", newline="") as file:
        csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])


def columns(n=60, seed=0):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=n).round(3), rng.normal(size=n).round(3)
    kind = rng.choice(["p", "q", "r"], n)
    return {"a": a, "kind": kind, "b": b, "y": (np.sin(2 * a) + b**2 + (kind == "q")).round(3)}


def trained(capsys, **more):
    write("t.csv", **columns())
    assert main(["train", "t.csv", "--iterations", "5"]) == 0
    capsys.readouterr()
    return columns() | more


def error_as_it_is(capsys, name, *more):
    assert main(["finetune", "net.safetensors", name, *KEEP, *more]) == 0
    return next(line for line in capsys.readouterr().out.splitlines() if line.startswith("validation error"))


def test_columns_in_any_order_beside_others(capsys):
    c = trained(capsys, id=np.arange(60) + 0.5)
    write("other.csv", id=c["id"], b=c["b"], y=c["y"], kind=c["kind"], a=c["a"])
    same = error_as_it_is(capsys, "t.csv")
    assert error_as_it_is(capsys, "other.csv", "--target", "y") == same
    tuned = load("tuned.safetensors")
    assert tuned.schema.input_names == ("a", "kind=p", "kind=q", "kind=r", "b")
    assert np.array_equal(tuned.net.theta, load("net.safetensors").net.theta)
    write("own.csv", **{name: c[name] for name in ("y", "kind", "b", "a")})
    assert main(["finetune", "net.safetensors", "other.csv", "--target", "y", *KEEP, "--validation", "own.csv"]) == 0
    found = capsys.readouterr().out
    assert main(["finetune", "net.safetensors", "t.csv", *KEEP, "--validation", "t.csv"]) == 0
    assert found.splitlines()[1:] == capsys.readouterr().out.splitlines()[1:]


def test_a_table_with_some_of_the_categories(capsys):
    c = trained(capsys)
    few = np.flatnonzero(c["kind"] != "p")
    write("few.csv", **{name: values[few] for name, values in c.items()})
    assert main(["finetune", "net.safetensors", "few.csv", "--iterations", "2", "--algorithm", "lm"]) == 0
    assert "5 inputs, 3 of them from kind" in capsys.readouterr().out
    strange = np.where(c["kind"] == "p", "s", c["kind"])
    write("strange.csv", **c | {"kind": strange})
    assert "'s'" in fails(capsys, "net.safetensors", "strange.csv")


def test_inputs_that_are_missing_or_put_aside(capsys):
    c = trained(capsys)
    write("lacks.csv", **{name: c[name] for name in ("a", "kind", "y")})
    assert "has no column 'b'" in fails(capsys, "net.safetensors", "lacks.csv")
    said = "'b' is an input of net.safetensors, so that it can't be a target as well"
    assert said in fails(capsys, "net.safetensors", "t.csv", "--target", "b")
    for option in ("--drop", "--group"):
        assert "net.safetensors needs the input 'a'" in fails(capsys, "net.safetensors", "t.csv", option, "a")
    assert "has no input 'a', but net.safetensors needs it" in fails(capsys, "net.safetensors", "concrete")


def test_a_named_set_and_a_network_without_names(capsys):
    assert main(["train", "concrete", "--iterations", "2", "--hidden", "3"]) == 0
    assert error_as_it_is(capsys, "concrete")
    c = columns()
    x, t = np.stack([c["a"], c["b"]], axis=1), c["y"][:, None]
    pwl.initialise(pwl.Network.mlp(2, 4, 1), (x, t)).save("plain.safetensors")
    write("named.csv", b=c["b"], a=c["a"], y=c["y"])  # its inputs come in order
    assert main(["finetune", "plain.safetensors", "named.csv", "--iterations", "1"]) == 0
    assert "takes 2" in fails(capsys, "plain.safetensors", "concrete")


def test_classes_by_words_for_a_network_of_class_numbers(capsys):
    c = columns(80)
    x = np.stack([c["a"], c["b"]], axis=1)
    classes = np.where(c["a"] > 0.3, "red", np.where(c["b"] > 0, "green", "blue"))
    net = pwl.initialise(pwl.Network.mlp(2, 6, 3, loss="cross_entropy", bypass=False), (x, np.arange(80) % 3))
    net.save("numbers.safetensors")
    write("k.csv", a=c["a"], b=c["b"], k=classes)
    assert main(["finetune", "numbers.safetensors", "k.csv", "--iterations", "30", "--algorithm", "lm"]) == 0
    assert main(["predict", "tuned.safetensors", "k.csv", "--out", "k.out"]) == 0
    found = [line.split(",")[-1] for line in Path("k.out").read_text().splitlines()[1:]]
    assert np.mean(np.array(found) == classes) > 0.9
    tuned, _ = pwl.finetune(net, (x, classes), pwl.SCG(), frozen=1, iterations=2)
    assert tuned.preparation.classes == ("blue", "green", "red")
    y = tuned.predict_proba(x)
    assert y.shape == (80, 3) and np.array_equal(tuned.parts["0.W"], net.parts["0.W"])
    write("y.csv", a=c["a"], b=c["b"], y=c["y"])
    said = "numbers came as targets, but the loss 'cross_entropy' of this network wants labels, one per pattern"
    assert said in fails(capsys, "numbers.safetensors", "y.csv")
    assert main(["finetune", "numbers.safetensors", "k.csv", "--iterations", "1", "--keep-outputs"]) == 0
