"""The README's Python runs as it stands, and its tables are the committed results."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_python_blocks_run_in_their_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.S)
    assert len(blocks) == 2
    names: dict = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert (tmp_path / "net.safetensors").exists()
    assert names["record"].stop_code == "iterations"
    assert "output_step" in names["info"]


@pytest.mark.parametrize("name", re.findall(r"<!-- (\w+) -->", README))
def test_tables_are_the_committed_results(name):
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", README, flags=re.S)
    assert found is not None
    assert found[1].strip() == (ROOT / "benchmarks" / "results" / f"{name}.md").read_text().strip()
