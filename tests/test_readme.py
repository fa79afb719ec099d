"""README and docs: their Python runs as it stands, their tables are the committed results, what they link to exists."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from urllib.parse import unquote

import pytest

from benchmarks.readme import BLOCK, PAGES, filled

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
DOCS = (README, *sorted((ROOT / "docs").glob("*.md")))
RESULTS = ROOT / "benchmarks" / "results"

PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FILE = re.compile(r"`((?:pwl|tests|benchmarks|docs|examples)/[\w/]+\.\w+)")


def of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


NEEDS = {"export.md": ("onnx", "onnxruntime", "skl2onnx")}  # extras that a page's Python needs


def run_blocks(page: Path) -> dict:
    """Names that a page's Python leaves, all blocks run in their order."""
    names: dict = {}
    for block in PYTHON.findall(of(page)):
        exec(compile(block, name(page), "exec"), names)
    return names


def anchors(text: str) -> set[str]:
    """Places within a page that a link can name, as GitHub spells them."""
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in HEADING.findall(FENCED.sub("", text))}


def broken_links(text: str, folder: Path) -> list[str]:
    """Links of a page in this folder to files or places that aren't there."""
    broken = []
    for link in LINK.findall(FENCED.sub("", text)):
        file, _, place = unquote(link).partition("#")
        if re.match(r"[a-z]+:", file):
            continue
        path = folder / file
        if not path.exists() or (place and place not in anchors(of(path) if file else text)):
            broken.append(link)
    return broken


# ---- Python


def test_the_readmes_first_lines_train_and_save(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(PYTHON.findall(of(README))[0], "README.md", "exec"), names)
    assert (tmp_path / "net.safetensors").exists()
    assert names["record"].stop_code == "iterations"


def test_the_readmes_python_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert len(PYTHON.findall(of(README))) == 2
    info = run_blocks(README)["info"]
    assert {"R", "C", "dependent"} <= set(info)


@pytest.mark.parametrize("page", [page for page in DOCS[1:] if PYTHON.search(of(page))], ids=name)
def test_python_of_the_docs_runs_as_it_stands(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for package in NEEDS.get(page.name, ()):
        pytest.importorskip(package, reason=f"the page's Python needs {package}")
    run_blocks(page)


def test_the_picture_can_be_drawn_again(tmp_path):
    path = tmp_path / "curves.png"
    runpy.run_path(str(ROOT / "docs" / "images" / "make_curves.py"))["main"](path, iterations=1)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert (ROOT / "docs" / "images" / "curves.png").stat().st_size < 150_000


# ---- tables


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_tables_are_the_committed_results(page):
    assert filled(of(page), RESULTS) == of(page)


def test_every_table_is_found_and_its_name_closed():
    text = of(ROOT / "docs" / "results.md")
    assert [found[0] for found in BLOCK.findall(text)] == re.findall(r"<!-- (\w+) -->", text)
    assert len(BLOCK.findall(text)) > 10


def test_a_changed_figure_is_put_right(tmp_path):
    (tmp_path / "speed.md").write_text("| a | b |\n| 1 | 2 |\n")
    page = "before\n<!-- speed -->\n| a | b |\n| 1 | 3 |\n<!-- /speed -->\nafter\n"
    assert filled(page, tmp_path) == page.replace("3", "2")


# ---- pages


def test_readme_is_short():
    assert len(of(README).splitlines()) <= 130


def test_the_first_line_about_pytest_is_the_command_that_runs_the_tests():
    first = next(line for line in of(README).splitlines() if "pytest" in line)
    assert first.startswith("python3 -m venv .venv && ") and first.endswith(" -m pytest -q -n auto")


@pytest.mark.parametrize("page", DOCS, ids=name)
def test_links_lead_somewhere(page):
    assert broken_links(of(page), page.parent) == []


def test_the_link_check_can_fail():
    text = "# Speed of light\n[a](README.md) [b](no.md) [c](#speed-of-light) [d](#slow) [e](https://example.org)"
    assert broken_links(text, ROOT) == ["no.md", "#slow"]


@pytest.mark.parametrize("page", DOCS, ids=name)
def test_files_that_are_named_exist(page):
    assert [file for file in FILE.findall(of(page)) if not (ROOT / file).exists()] == []


def test_the_index_lists_every_page():
    listed = set(LINK.findall(of(ROOT / "docs" / "index.md")))
    assert {page.name for page in DOCS[1:]} - {"index.md"} <= listed
