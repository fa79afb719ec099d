"""Exports as they are asked for: `pwl export`, files, names, types, and what can't be exported."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
from refusals import fails

import pwl
from pwl.activations.parameterless import Parameterless
from pwl.cli import main
from pwl.export.compiled import Compiled

pytestmark = pytest.mark.usefixtures("empty_folder")
onnx = pytest.importorskip("onnx", reason="exports to ONNX need the package onnx")


def small(dtype=np.float64, activation="tanh"):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 2)) + 5
    net = pwl.Network.mlp(2, 3, 1, activation, dtype=dtype).with_preparation(pwl.Preparation.fit(x, x[:, :1]))
    return pwl.initialise(net, (x, x[:, :1])), x


# ---- the command


def test_the_command_writes_what_predict_gives(capsys):
    net, x = small()
    net.save("houses.safetensors")
    assert main(["export", "houses.safetensors", "--to", "c"]) == 0
    assert capsys.readouterr().out == f"houses.h: {Path('houses.h').stat().st_size:,} bytes\n"
    np.testing.assert_allclose(Compiled("houses.h").predict(x)[0], net.predict(x), rtol=1e-12)
    assert Path("houses.h").read_text() == net.to_c(name="houses")
    assert main(["export", "houses.safetensors", "--out", "made/house.onnx", "--dtype", "float32"]) == 0
    assert onnx.load("made/house.onnx") == net.to_onnx(dtype="float32")


def test_the_command_takes_ensembles_and_names_of_columns(capsys):
    Path("t.csv").write_text(
        "area,colour,price\n" + "".join(f"{i},{'red' if i % 3 else 'blue'},{i * i}\n" for i in range(60))
    )
    assert (
        main(["train", "t.csv", "--target", "price", "--iterations", "3", "--hidden", "2", "--out", "n.safetensors"])
        == 0
    )
    assert main(["export", "n.safetensors", "-o", "n.h", "--name", "price_of"]) == 0
    text = Path("n.h").read_text()
    assert "0 area\n     1 colour=blue\n     2 colour=red */" in text and "price_of_predict(" in text
    net, x = small()
    pwl.Ensemble([net, net.with_theta(1.1 * net.theta)]).save("e.safetensors")
    assert main(["export", "e.safetensors", "--to", "c"]) == 0
    np.testing.assert_allclose(Compiled("e.h").predict(x)[0], pwl.Ensemble.load("e.safetensors").predict(x), rtol=1e-12)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--to onnx or --to c was wanted"),
        (["--to", "onx"], "did you mean 'onnx'"),
        (["-o", "n.txt"], "--to onnx or --to c was wanted"),
        (["--to", "c", "-o", "n.safetensors"], "is read as well as written"),
        (["--to", "c", "--name", "9lives"], "must be a name in C"),
        (["--to", "c", "--name", "while"], "must be a name in C"),
        (["--to", "onnx", "--name", "a"], "--name is for headers in C"),
        (["--to", "c", "--dtype", "float16"], "dtype must be float32 or float64"),
        (["--to", "c", "--dtype", "double precision"], "dtype must be float32 or float64"),
    ],
)
def test_bad_requests_are_one_sentence(words, said, capsys):
    small()[0].save("n.safetensors")
    assert said in fails(capsys, "export", "n.safetensors", *words)


# ---- the methods


def test_types_and_names_of_a_model():
    net, _ = small()
    model = net.to_onnx("n.onnx", names=["width", "height"])
    assert onnx.load("n.onnx") == model
    assert model.opset_import[0].version == 17 and [o.domain for o in model.opset_import] == [""]
    assert {p.key: p.value for p in model.metadata_props} == {"inputs": "width\nheight"}
    assert [node for node in model.graph.node if node.domain] == []
    kinds = {node.op_type for node in small(activation=pwl.PiecewiseLinear("tanh", 5))[0].to_onnx().graph.node}
    assert "Gather" in kinds


def test_float32_networks_equal_their_own_predict():
    """The network's rounding and the export's together."""
    runtime = pytest.importorskip("onnxruntime", reason="ONNX models are run by ONNX Runtime")
    net, x = small(np.float32, pwl.PiecewiseLinear("tanh", 9))
    x = x.astype(np.float32)
    net.to_c("net.h")
    session = runtime.InferenceSession(net.to_onnx().SerializeToString(), providers=["CPUExecutionProvider"])
    for y in (Compiled("net.h").predict(x)[0], session.run(None, {"x": x})[0]):
        assert y.dtype == np.float32
        np.testing.assert_allclose(y, net.predict(x), rtol=1e-5)


def test_offsets_lose_no_digits_in_float32():
    """Inputs that lie 1000 deviations from 0: x - offset in one float32 number would be wrong by 3e-5 deviations."""
    rng = np.random.default_rng(0)
    x = (1e4 + rng.normal(size=(50, 1))).astype(np.float32)
    t = np.sin(x.astype(float))
    net = pwl.Network.mlp(1, 4, 1, "tanh").with_preparation(pwl.Preparation.fit(x, t))
    net, _ = pwl.train(net, (x, t), pwl.LM(), iterations=20)
    net.to_c("net.h", dtype="float32")
    np.testing.assert_allclose(Compiled("net.h").predict(x)[0], net.predict(x.astype(float)), atol=1e-5)


class Mine(Parameterless):
    name = "mine"

    def f(self, n):
        return n * n

    def df(self, n, o):
        return 2 * n


class MyDense(pwl.layers.Dense):
    """A layer that derives from one of pwl's, and may compute anything."""


def forms(net):
    return (lambda: net.to_onnx(), lambda: net.to_c())


def test_what_cannot_be_exported_is_said():
    net, _ = small()
    cases = [
        (pwl.Network.mlp(2, 3, 1), "not been initialised"),
        (dataclasses.replace(net, theta=net.theta * np.nan), "not finite numbers"),
        (small(activation=Mine())[0], "Mine.* is not part of pwl"),
        (small(activation=pwl.activations.Fixed("relu", np.abs, np.sign))[0], "is not part of pwl"),
        (
            pwl.Network.from_layers([MyDense(2), "relu", pwl.layers.Dense(1)], (2,), loss="squared_error"),
            "MyDense.* not part of pwl",
        ),
    ]
    for wrong, said in cases:
        for form in forms(wrong):
            with pytest.raises(pwl.InputError, match=said):
                form()
    with pytest.raises(pwl.InputError, match="names must be 2 texts"):
        net.to_onnx(names=["a"])
    for names in (3, "ab", [1, 2], {"a": 1, "b": 2}, True):
        with pytest.raises(pwl.InputError, match="names must be 2 texts"):
            net.to_c(names=names)
    for dtype in ({"a": np.ones(2)}, "f,", np.int64, object(), "float16"):
        with pytest.raises(pwl.InputError, match="dtype must be float32 or float64"):
            net.to_c(dtype=dtype)
        with pytest.raises(pwl.InputError, match="dtype must be float32 or float64"):
            pwl.Network.mlp(2, 2, 1, dtype=dtype)
    with pytest.raises(pwl.InputError, match="path must be"):
        net.to_c(3)
    Path("file").write_text("")
    with pytest.raises(pwl.InputError, match="can't be written"):
        net.to_onnx("file/n.onnx")


def test_numbers_beyond_float32_are_refused():
    net, _ = small()
    far = net.with_theta(net.theta * 1e39)
    for form in (far.to_onnx, far.to_c):
        with pytest.raises(pwl.InputError, match="float32 can't hold"):
            form(dtype="float32")
    far.to_c()


def test_decorrelated_inputs_that_float32_cannot_tell_apart_are_refused():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 2))
    x[:, 1] = x[:, 0] + 1e-5 * x[:, 1]
    net = pwl.Network.mlp(2, 3, 1).with_preparation(pwl.Preparation.fit(x, x[:, :1], inputs="decorrelate"))
    net = pwl.initialise(net, (x, x[:, :1]))
    net.to_c("net.h")
    np.testing.assert_allclose(Compiled("net.h").predict(x)[0], net.predict(x), atol=1e-9)
    with pytest.raises(pwl.InputError, match="dtype='float64'"):
        net.to_c(dtype="float32")


def test_without_onnx_a_sentence_says_what_to_install(monkeypatch):
    net, _ = small()
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(pwl.InputError, match="pip install 'pwl\\[onnx\\]'"):
        net.to_onnx()
    assert net.to_c().startswith("/* net.h")


def test_a_compiler_that_is_missing_or_refuses_is_said(monkeypatch):
    net, _ = small()
    net.to_c("net.h")
    with pytest.raises(pwl.InputError, match="compiler refused"):
        Compiled("net.h", ["-no-such-flag"])
    Path("other.h").write_text("int x;\n")
    with pytest.raises(pwl.InputError, match="not a header"):
        Compiled("other.h")
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(pwl.InputError, match="no C compiler"):
        Compiled("net.h")
