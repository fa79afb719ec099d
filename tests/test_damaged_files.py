"""Files from elsewhere: what is damaged or forged is refused in a sentence, and what is read is whole."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pwl
from pwl.cli import main
from pwl.data.images import BATCH, _labels, read_cifar_pickle
from pwl.files.tensors import checksum, read_tensors
from pwl.training.run import Job
from pwl.training.saved import load
from pwl.training.states import check


def data():
    x = np.random.default_rng(0).normal(size=(40, 3))
    return x, np.sin(x[:, :1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A net and a checkpoint, and the net that the checkpoint leads to."""
    here = tmp_path_factory.mktemp("files")
    net, record = pwl.train(network(), data(), pwl.LM(), iterations=3, checkpoint=here / "run")
    net.with_preparation(pwl.Preparation.fit(*data())).save(here / "net", record)
    return here


def network():
    return pwl.Network.mlp(3, 3, 1, pwl.PiecewiseLinear(hinges=5))


def resumed(path):
    return pwl.train(network(), data(), pwl.LM(), iterations=5, resume=path)[0]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["net", "run"]), st.floats(0, 1, exclude_max=True), st.integers(0, 7))
def test_any_bit_that_changed_is_noticed(folder, name, place, bit):
    content = bytearray((folder / name).read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    (folder / "damaged").write_bytes(content)
    try:
        found = load(folder / "damaged").net if name == "net" else resumed(folder / "damaged")
    except pwl.InputError:
        return
    wanted = load(folder / name).net if name == "net" else resumed(folder / name)
    np.testing.assert_array_equal(found.theta, wanted.theta)  # blanks of the header may be other blanks


def forge(path, change, arrays=None, old=False):
    """The file with its header changed, and a checksum that fits, or none as in files of 0.1.0."""
    from safetensors.numpy import save

    kind = "pwl checkpoint" if path.name == "run" else "pwl network"
    found, header = read_tensors(path, kind, 99)
    change(header)
    found = {name: a for name, a in (found | (arrays or {})).items() if a is not None}
    metadata = {"format": kind, "format_version": "1" if old else "2", "header": json.dumps(header)}
    if not old:
        metadata["checksum"] = checksum(metadata, found)
    (path.parent / "forged").write_bytes(save(found, metadata))
    return path.parent / "forged"


OTHER_FORMS = {
    pwl.BayesianLM: [{}, {"groups": "inputs", "starts": (0.1, 0.0)}, {"solver": "rows"}], pwl.LM: [{}, {"scaling": "diagonal"}],
    pwl.OWOBP: [{}, {"step_rule": "heuristic"}], pwl.AdAct: [{}, {"direction": "hwo"}], pwl.MOLF: [{}, {"direction": "hwo"}],
}  # fmt: skip


def deep(n=100_000):
    return "[" * n + "]" * n


NETS = {
    "no network": lambda h: h.pop("network"),
    "layers of texts": lambda h: h["network"].update(layers=["x"]),
    "a layer without a name": lambda h: h["network"]["layers"][0].pop("name"),
    "an option of no layer": lambda h: h["network"]["layers"][0].update(colour=1),
    "units below 0": lambda h: h["network"]["layers"][0].update(units=-3),
    "units of another kind": lambda h: h["network"]["layers"][0].update(units=None),
    "units without end": lambda h: h["network"]["layers"][0].update(units=10**40),
    "an unknown loss": lambda h: h["network"].update(loss="x"),
    "a loss that is a list": lambda h: h["network"].update(loss=[]),
    "no inputs": lambda h: h["network"].update(input_shape=[]),
    "inputs below 1": lambda h: h["network"].update(input_shape=[0]),
    "inputs of another kind": lambda h: h["network"].update(input_shape="abc"),
    "outputs of another kind": lambda h: h["network"].update(n_outputs=1.0),
    "a flag of another kind": lambda h: h["network"].update(bypass="yes"),
    "a preparation without inputs": lambda h: h["preparation"].update(inputs=None),
    "a preparation of other columns": lambda h: h["preparation"]["inputs"].update(offset=[0.0, 1.0]),
    "versions that are a list": lambda h: h.update(versions=[1, 2]),
    "a schema that is a list": lambda h: h.update(schema=[]),
    "a schema of other columns": lambda h: h.update(schema={"inputs": [], "targets": [], "header": True, "width": 0}),
    "a record that is a list": lambda h: h.update(record=[1]),
    "a best iteration that is none": lambda h: h["record"].update(best_iteration=99),
    "series of other lengths": lambda h: h["record"]["series"]["error"].pop(),
    "errors that are texts": lambda h: h["record"]["series"].update(error=["a", "b", "c", "d"]),
    "no errors": lambda h: h["record"].update(series={}),
}


@pytest.mark.parametrize("old", [False, True], ids=["checksum", "of 0.1.0"])
@pytest.mark.parametrize("name", NETS)
def test_forged_headers_of_nets(folder, name, old, capsys):
    path = forge(folder / "net", NETS[name], old=old)
    with pytest.raises(pwl.InputError, match="forged") as wrong:
        load(path)
    assert len(str(wrong.value).splitlines()) == 1
    assert main(["info", str(path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("theta", lambda a: a * np.nan), ("theta", lambda a: a[:-1]), ("theta", lambda a: a.astype(np.float16)),
        ("theta", lambda a: a.reshape(1, -1)), ("theta", lambda a: np.zeros(())), ("theta", lambda a: None),
        ("theta", lambda a: a.astype(np.int64)), ("buffer.1.ns", lambda a: None), ("buffer.1.ns", lambda a: a[:-1]),
        ("buffer.1.ns", lambda a: np.zeros(())), ("buffer.1.ns", lambda a: a + np.inf), ("buffer.x", lambda a: np.zeros(3)),
        ("buffer.1.ns", lambda a: a.astype(np.float32)),
    ],
)  # fmt: skip
def test_forged_arrays_of_nets(folder, name, make):
    arrays, _ = read_tensors(folder / "net", "pwl network", 99)
    path = forge(folder / "net", lambda h: None, {name: make(arrays.get(name))})
    with pytest.raises(pwl.InputError, match="forged"):
        load(path)


def inner(key, change):
    """A change of the record or the state, which a checkpoint's header holds as texts."""

    def changed(header):
        found = json.loads(header[key])
        change(found)
        header[key] = json.dumps(found)

    return changed


CHECKPOINTS = {
    "another key": inner("record", lambda r: r.update(Best_iteration=r.pop("best_iteration"))),
    "no state": lambda h: h.pop("state"),
    "no structure": lambda h: h.pop("structure"),
    "a state that is a list": lambda h: h.update(state="[]"),
    "a state of great depth": lambda h: h.update(state=deep()),
    "mu below 0": inner("state", lambda s: s.update(mu=-1.0)),
    "mu of 0": inner("state", lambda s: s.update(mu=0)),
    "mu that is no number": inner("state", lambda s: s.update(mu=float("nan"))),
    "mu that is a text": inner("state", lambda s: s.update(mu="x")),
    "mu that is missing": inner("state", lambda s: s.pop("mu")),
    "an order of other arrays": lambda h: h.update(order=["x"]),
    "errors that are None": inner("record", lambda r: r["series"].update(error=[None] * 4)),
    "settings that are a list": inner("record", lambda r: r.update(settings=[])),
}


@pytest.mark.parametrize("old", [False, True], ids=["checksum", "of 0.1.0"])
@pytest.mark.parametrize("name", CHECKPOINTS)
def test_forged_checkpoints(folder, name, old):
    path = forge(folder / "run", CHECKPOINTS[name], old=old)
    with pytest.raises(pwl.InputError) as wrong:
        resumed(path)
    assert len(str(wrong.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["net.theta", "best.theta", "state.Q"])
def test_checkpoints_with_numbers_that_are_none(folder, name):
    arrays, header = read_tensors(folder / "run", "pwl checkpoint", 99)
    assert name in arrays, header["order"]
    for old in (False, True):
        path = forge(folder / "run", lambda h: None, {name: arrays[name] * np.nan}, old=old)
        with pytest.raises(pwl.InputError, match="NaN|not finite"):
            resumed(path)


STATES = {  # arrays of a checkpoint in another form, by algorithm
    pwl.LM(): {"state.Q": lambda a: a[:1], "state.scores": lambda a: a.reshape(1, 1)},
    pwl.BayesianLM(): {"state.A": lambda a: a[:5], "state.g": lambda a: a[None]},
    pwl.SCG(): {"state.G": lambda a: np.append(a, a), "state.d": lambda a: a[:-1]},
    pwl.AdAct(direction="hwo"): {"state.R.0.W": lambda a: a[:2], "state.G.0.W": lambda _: np.ones((4, 3)), "state.G.x": np.ones},
    pwl.LBFGS(): {"state.S": lambda a: a[:1], "state.Y": lambda a: a.reshape(-1)},
    pwl.Adam(): {"state.m": lambda a: a.astype(np.int64), "state.v": lambda a: np.zeros(()), "state.x": lambda _: np.ones(3)},
    pwl.MinibatchAdAct(): {"state.z": lambda a: np.zeros((2, 0)), "state.H": lambda a: a[0], "x": lambda _: np.ones(3)},
}


@pytest.mark.parametrize("algorithm", STATES, ids=lambda algorithm: type(algorithm).__name__)
def test_states_have_the_shapes_of_their_algorithm(tmp_path, algorithm):
    given = {} if algorithm.full_batch else {"batch_size": 10}
    pwl.train(network(), data(), algorithm, iterations=3, checkpoint=tmp_path / "run", **given)
    arrays, _ = read_tensors(tmp_path / "run", "pwl checkpoint", 99)

    def resume(name):
        return pwl.train(network(), data(), algorithm, iterations=5, resume=tmp_path / name, **given)

    resume("run")
    for name, change in STATES[algorithm].items():
        other = change(arrays.get(name, 3))
        named = sorted(arrays.keys() | {name})
        forge(tmp_path / "run", lambda h, named=named: h.update(order=named), {name: np.ascontiguousarray(other)})
        with pytest.raises(pwl.InputError, match="its parts do not fit"):
            resume("forged")


def test_states_of_every_algorithm_have_the_shapes_that_it_names():
    """`Algorithm.shapes` against what runs leave, so that no sound checkpoint is refused."""
    for loss, t in (("squared_error", data()[1]), ("cross_entropy", np.arange(40) % 3)):
        net = pwl.Network.mlp(3, 3, 3 if t.ndim == 1 else 1, pwl.PiecewiseLinear(hinges=5), input_hinges=3, loss=loss)
        for made in vars(pwl.algorithms).values():
            if isinstance(made, type) and hasattr(made, "shapes") and made is not pwl.algorithms.Algorithm:
                for options in OTHER_FORMS.get(made, [{}]):
                    states = []
                    patterns = pwl.Patterns(data()[0], t)
                    job = Job(patterns, patterns, {}, made(**options), None, 0, 0.0, 0)
                    try:
                        run = job.first(net)
                    except pwl.InputError:  # as VarPro for classes
                        assert loss == "cross_entropy"
                        continue
                    for _ in range(3):
                        states.append(run.state)
                        run = job.next(run)
                    for state in states:
                        check(state, job.algorithm.shapes(run.net))
                        assert job.algorithm.shapes(run.net)


def test_headers_of_great_depth_or_of_no_dictionary(folder):
    from safetensors.numpy import save

    for header in (deep(), "[]", "3", "{", ""):
        metadata = {"format": "pwl network", "format_version": "1", "header": header}
        (folder / "odd").write_bytes(save({"theta": np.zeros(3)}, metadata))
        with pytest.raises(pwl.InputError, match="odd"):
            load(folder / "odd")
    content = (folder / "net").read_bytes()
    (folder / "odd").write_bytes(struct.pack("<Q", 2**60) + content[8:])
    with pytest.raises(pwl.InputError, match="damaged"):
        load(folder / "odd")


def test_a_file_without_the_checksum_that_its_version_has(folder):
    path = forge(folder / "net", lambda h: None)
    path.write_bytes(path.read_bytes().replace(b'"checksum"', b'"checksun"'))
    with pytest.raises(pwl.InputError, match="checksum"):
        load(path)


@pytest.mark.parametrize("content", ["[]", "3", "{", "", '{"k": 3}', '{"data": []}', deep()])
def test_damaged_lists_of_comparisons(tmp_path, houses, content, capsys):
    (tmp_path / "c" / "unfinished").mkdir(parents=True)
    (tmp_path / "c" / "unfinished" / "comparison.json").write_text(content)
    line = [
        "compare",
        str(houses),
        "--iterations",
        "1",
        "--folds",
        "3",
        "--algorithms",
        "molf",
        "--out",
        str(tmp_path / "c"),
    ]
    assert main([*line, "--resume"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    "labels", [[0.5] * BATCH, [[1, 2]] * BATCH, None, [None] * BATCH, ["1"] * BATCH, [1] * 3, [1.0] * BATCH]
)
def test_labels_of_cifar_pickles(tmp_path, labels):
    import pickle

    (tmp_path / "b").write_bytes(pickle.dumps({b"data": np.zeros((BATCH, 3072), np.uint8), b"labels": labels}))
    with pytest.raises(ValueError, match="whole numbers|not a batch"):
        read_cifar_pickle(tmp_path / "b")
    assert _labels(np.array([0, 9])).tolist() == [0, 9]
