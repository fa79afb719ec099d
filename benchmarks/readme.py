"""Puts the committed results into README.md and pages of docs/, between <!-- NAME --> and <!-- /NAME -->.

Other benchmarks write results/NAME.md; this one copies each file into its place, so that no figure is typed by hand.
"""

from __future__ import annotations

import re
from pathlib import Path

from pwl.files.write import write_atomic

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in ("results", "export", "ranks")))
BLOCK = re.compile(r"<!-- (\w+) -->\n(.*?)<!-- /\1 -->", re.DOTALL)


def run(out: Path, quick: bool) -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        write_atomic(page, filled(text, out))


def filled(page: str, results: Path) -> str:
    """A page's text with every block replaced by the file of its name in the folder of results."""

    def block(found: re.Match[str]) -> str:
        name = found[1]
        table = (results / f"{name}.md").read_text(encoding="utf-8").strip()
        return f"<!-- {name} -->\n{table}\n<!-- /{name} -->"

    return BLOCK.sub(block, page)
