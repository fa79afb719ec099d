"""The commands on the pages run as they stand, on small data in an empty folder, or say here why they can't."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from pwl.cli.main import main

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(?:sh|console|bash)\n(.*?)^```", re.MULTILINE | re.DOTALL)
NOT_HERE = {  # commands by their beginning, and why they are not run
    "python3 -m venv": "makes an environment and fetches packages; CI runs it",
    "python -m pytest": "is this",
    "pip install": "fetches packages",
    "srun": "needs a batch system",
    "pwl train /mnt/shared": "needs a cluster's folder",
    "pwl train houses.csv --target price --device cuda": "needs a GPU",
    "pwl check --device cuda": "needs a GPU",
    "pwl finetune resnet18": "needs torchvision's weights",
}
SLOW = ("pwl compare", "pwl train birds/", "pwl predict birds", "pwl finetune birds")
NAMED = ("cifar-10", "fashion-mnist")  # whose place a few random images take


def commands(page: Path) -> list[str]:
    """The commands of a page, one a line, without prompts, comments and the launcher of ranks, which train one network."""
    found = []
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        for line in re.sub(r"\\\n *", "", block).splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words and not words[0].startswith(("#", "export", "OMP")) and "=" not in words[0]:
                alone = re.sub(r"^mpiexec (-\w+ \S+ )+(?=pwl)", "", shlex.join(words))
                found.append(f"{alone} --single" if words[0] == "mpiexec" and "train" in words else alone)
    return found


def reason(command: str) -> str | None:
    """The beginning of a command that is not run here."""
    return next((begin for begin in NOT_HERE if command.startswith(begin)), None)


def with_data(folder: Path) -> None:
    """Small tables under the names that the pages use."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))  # too few for curves on inputs, which the default learner would train long
    price = 100 + 20 * x[:, 0] + 10 * np.abs(x[:, 1]) + rng.normal(size=40)
    kinds = rng.choice(["brick", "wood"], 40)
    head, lines = "area,age,distance,kind,price", []
    for row, kind, value in zip(x, kinds, price, strict=True):
        lines.append(",".join([*(f"{v:.4f}" for v in row), kind, f"{value:.3f}"]))
    for name in ("houses.csv", "big.csv"):
        (folder / name).write_text("\n".join([head, *lines]) + "\n")
    (folder / "new.csv").write_text("\n".join(line.rpartition(",")[0] for line in [head, *lines[:9]]) + "\n")
    np.save(folder / "big.npy", np.c_[x, price])
    images, labels = rng.integers(0, 256, (150, 8, 8, 3), dtype=np.uint8), np.arange(150) % 3
    np.savez(folder / "images.npz", x_train=images, y_train=labels)


def with_images(folder: Path) -> None:
    """Folders of small pictures under the names that the page on images uses."""
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for name, count in (("birds/crow", 50), ("birds/swan", 50), ("owls/barn", 40), ("owls/eagle", 40), ("photos", 3)):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 128, (20, 24, 3)) + 100 * (name[-1] == "n")
            image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")


def run(page: Path, folder: Path, slow: bool) -> int:
    """Runs the commands of a page in their order, and gives their number."""
    with_data(folder)
    if page.name == "images.md":
        with_images(folder)
    if page.name == "export.md":
        pytest.importorskip("onnx")
    ran = 0
    for command in commands(page):
        if reason(command) is None and command.startswith(SLOW) == slow:
            words = ["images.npz" if word in NAMED else word for word in shlex.split(command)]
            assert words[0] == "pwl", f"{command}: neither run nor named as one that can't be"
            missing = [
                w
                for w in words[2:]
                if w.endswith(".safetensors") and "--out" not in words and not (folder / w).exists()
            ]
            for name in missing:  # of an earlier page
                assert main(["train", "houses.csv", "--target", "price", "--out", name, "--iterations", "2"]) == 0
            assert main(words[1:]) == 0, command
            ran += 1
    return ran


@pytest.mark.parametrize("page", [p for p in PAGES if any(reason(c) is None and not c.startswith(SLOW) for c in commands(p))],
                         ids=lambda page: page.name)  # fmt: skip
def test_commands_of_the_pages_run(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(page, tmp_path, slow=False) > 0


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in PAGES if any(reason(c) is None and c.startswith(SLOW) for c in commands(p))],
                         ids=lambda page: page.name)  # fmt: skip
def test_slow_commands_of_the_pages_run(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(page, tmp_path, slow=True) > 0
    made = tmp_path / ("found.csv" if page.name == "images.md" else "pwl-compare/report.html")
    assert made.stat().st_size > 0


def test_every_command_that_is_left_out_is_on_a_page():
    everything = [command for page in PAGES for command in commands(page)]
    assert {reason(command) for command in everything} - {None} == set(NOT_HERE)
    assert len(everything) > 25
