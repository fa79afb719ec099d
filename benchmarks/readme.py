"""Puts the committed results into README.md, between <!-- NAME --> and <!-- /NAME -->.

Other benchmarks write results/NAME.md; this one copies each into its place, so that no figure is typed by hand.
"""

from __future__ import annotations

import re
from pathlib import Path

from pwl.files.write import write_atomic

README = Path(__file__).parent.parent / "README.md"


def run(out: Path, quick: bool) -> None:
    text = README.read_text()
    for name in re.findall(r"<!-- (\w+) -->", text):
        results = (out / f"{name}.md").read_text().strip()
        text = re.sub(
            rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", lambda m, r=results: f"{m[1]}{r}\n{m[2]}", text, flags=re.S
        )
    write_atomic(README, text)
