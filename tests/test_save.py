"""Networks as files: what is saved comes back, and what isn't ours is said to be so."""

from __future__ import annotations

import json

import numpy as np
import pytest

import pwl
from pwl.data import Column, Schema
from pwl.network.save import save
from pwl.training.saved import load


def trained(activation=None, loss="squared_error", hidden=4, dtype=np.float64):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    t = x[:, :2] ** 2 if loss == "squared_error" else (x[:, 0] > 0).astype(int)
    prep = pwl.Preparation.fit(x, t)
    net = pwl.Network.mlp(3, hidden, 2, activation or pwl.PiecewiseLinear(hinges=5), loss=loss, dtype=dtype)
    net, record = pwl.train(net, prep.transform(x, t), pwl.MOLF(), iterations=3)
    return net.with_preparation(prep), record, x


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "activation",
    [
        "relu",
        "sigmoid",
        pwl.PiecewiseLinear("tanh", 7, span=(-1, 2), outside="linear"),
        pwl.PiecewiseLinear("relu", 6, span="nets"),
        pwl.PiecewiseLinear("leaky_relu", [-1.0, 0.0, 0.7]),
    ],
)
@pytest.mark.parametrize("hidden", [4, (3, 2)])
def test_round_trip_predicts_the_same_bits(tmp_path, activation, loss, dtype, hidden):
    net, record, x = trained(activation, loss, hidden, dtype)
    net.save(tmp_path / "net.safetensors", record)
    again = pwl.Network.load(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(again.predict(x), net.predict(x))
    assert again.layers == net.layers
    assert again.theta.dtype == dtype


def test_hinges_inserted_per_unit_come_back(tmp_path):
    net, _, x = trained(pwl.PiecewiseLinear("relu", 6, span="nets"))
    net = pwl.insert_hinge(net, 0.123)
    net.save(tmp_path / "n")
    np.testing.assert_array_equal(pwl.Network.load(tmp_path / "n").predict(x), net.predict(x))


def test_record_schema_and_versions_come_back(tmp_path):
    net, record, _ = trained()
    schema = Schema((Column("a"), Column("b", ("x", "y"))), (Column("t"), Column("u")), True, 4)
    save(net, tmp_path / "n", record, schema)
    saved = load(tmp_path / "n")
    assert saved.record["error"] == record["error"]
    assert saved.record.stop_reason == record.stop_reason
    assert saved.record["z"] == record["z"]
    assert saved.schema == schema
    assert saved.versions["pwl"] == pwl.__version__


def test_an_earlier_file_survives_a_failed_save(tmp_path, monkeypatch):
    net, _, _ = trained()
    path = tmp_path / "n"
    net.save(path)
    before = path.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(pwl.InputError, match="No space left on device"):
        net.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["n"]  # no half-written file is left beside it


def test_curves_started_from_a_function_have_no_name_to_save(tmp_path):
    net, _, _ = trained(pwl.PiecewiseLinear(np.sin))
    with pytest.raises(pwl.InputError, match="function"):
        net.save(tmp_path / "n")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_a_file_cut_short_is_said_to_be(tmp_path, share):
    net, _, _ = trained()
    path = tmp_path / "n"
    net.save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(pwl.InputError, match="damaged|cut short"):
        pwl.Network.load(path)


def test_files_of_others_and_newer_ones(tmp_path):
    from safetensors.numpy import save_file

    save_file({"a": np.zeros(3)}, tmp_path / "other")
    with pytest.raises(pwl.InputError, match="not a pwl network"):
        pwl.Network.load(tmp_path / "other")
    save_file({"a": np.zeros(3)}, tmp_path / "newer", {"format": "pwl network", "format_version": "99", "header": "{}"})
    with pytest.raises(pwl.InputError, match="version 99.*upgrade"):
        pwl.Network.load(tmp_path / "newer")
    header = json.dumps({"network": {}})
    save_file({"a": np.zeros(3)}, tmp_path / "odd", {"format": "pwl network", "format_version": "1", "header": header})
    with pytest.raises(pwl.InputError, match="damaged"):
        pwl.Network.load(tmp_path / "odd")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(pwl.InputError, match="text is not a pwl network"):
        pwl.Network.load(tmp_path / "text")
    with pytest.raises(pwl.InputError, match="is not there"):
        pwl.Network.load(tmp_path / "absent")
    with pytest.raises(pwl.InputError, match="is not a file"):
        pwl.Network.load(tmp_path)


def test_preparation_must_fit():
    net, _, x = trained()
    with pytest.raises(pwl.InputError, match="3 inputs and 2 outputs"):
        net.with_preparation(pwl.Preparation.fit(x[:, :2], x[:, :1]))
