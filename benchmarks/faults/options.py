"""Options of any kind on the command line: each try draws a command, options and values, some of which fit."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from benchmarks.faults.outcome import Tally
from pwl.cli.main import build
from pwl.learners.named import LEARNERS

WILD = [
    "", "x", "-1", "0", "1", "2", "0.5", "1e3", "1e400", "nan", "inf", "-inf", "10" * 30, "a\nb", "ä", "\udcff", "--", "1,2",
    ",", "0x3",
]  # fmt: skip
FIT = {  # values that fit, by option
    "--hidden": ["3", "2,2"], "--algorithm": list(LEARNERS), "--algorithms": ["molf", "lm,adam"], "--validation": ["0", "0.2"],
    "--hinges": ["auto", "3"], "--start": ["tanh", "relu"], "--activation": ["tanh"], "--device": ["cpu"], "--schedule": ["cosine"],
    "--network": ["mlp"], "--target": ["t"], "--batch-size": ["8"], "--learning-rate": ["0.01"], "--curve-rate": ["0.01"],
    "--patterns": ["30"], "--seed": ["0", "3"], "--max-fail": ["2"], "--max-seconds": ["5"], "--checkpoint-seconds": ["0"],
    "--out": ["out"], "--folds": ["3"], "--data": ["t.csv"], "--drop": ["a"], "--group": ["g"],
}  # fmt: skip
BOUND = {  # options given last, so that no try takes long; a command has one of several such endings
    "train": [["--iterations", "2"], ["--hidden", "2", "--max-seconds", "0.1"]],
    "compare": [["--iterations", "1", "--folds", "3", "--algorithms", "molf"]],
    "predict": [[]], "info": [[]], "check": [[]], "data": [[]], "export": [[]],
}  # fmt: skip
LEFT_OUT = ("--help", "--version", "--jobs", "--iterations", "--folds", "--algorithms")


def campaign(tally: Tally, tries: int, seed: int) -> None:
    """Each try runs one command in a folder of its own."""
    x = np.random.default_rng(0).normal(size=(40, 3))
    table = "a,b,g,t\n" + "".join(f"{a},{b},{row % 7},{c}\n" for row, (a, b, c) in enumerate(x))
    Path("sound").mkdir()
    Path("sound/t.csv").write_text(table)
    _, commands = build()
    names = [name for name in BOUND if name in commands]
    options = {
        name: sorted({o for a in commands[name]._actions for o in a.option_strings if o.startswith("--")} - {*LEFT_OUT})
        for name in names
    }

    @seeded(seed)
    @settings(
        max_examples=tries,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def one(data: st.DataObject) -> None:
        name = data.draw(st.sampled_from([*names, "train", "train"]))
        line = [name]
        if name not in ("data",) and data.draw(st.integers(0, 9)):
            line += data.draw(
                st.lists(st.sampled_from(["t.csv", "t.csv", "net.safetensors", *WILD[:3]]), min_size=1, max_size=2)
            )
        for option in data.draw(st.lists(st.sampled_from(options[name] or ["--x"]), max_size=4)):
            fits = FIT.get(option, [])
            value = data.draw(st.sampled_from(fits * 3 + WILD) | st.text(max_size=5) | st.integers().map(str))
            line += [option] if data.draw(st.integers(0, 9)) == 0 else [option, value.replace("\0", "")]
        tried(tally, line + data.draw(st.sampled_from(BOUND[name])))

    one()


def tried(tally: Tally, line: list[str]) -> None:
    """Runs one command, and looks for what it left behind."""
    shutil.copy("sound/t.csv", "t.csv")
    if Path("sound/net.safetensors").exists():
        shutil.copy("sound/net.safetensors", "net.safetensors")
    status = tally.commanded(line)
    if status == 0 and line[:2] == ["train", "t.csv"] and Path("net.safetensors").exists():
        shutil.copy("net.safetensors", "sound/net.safetensors")
    left = [path.name for path in Path().iterdir() if path.name.startswith(".")]
    if left:
        tally.failed(repr(line), f"left behind: {left}")
    for path in Path().iterdir():
        if path.name != "sound":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
