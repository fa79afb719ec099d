"""A comparison as one HTML page that needs nothing beside itself: pictures inline, no scripts, fit to be printed."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pwl.errors import InputError
from pwl.report import ERRORS, HEADS, mean_std

STYLE = """
body { max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff; font: 16px/1.5 sans-serif; }
h1 { font-size: 1.5rem; font-weight: 600; }
.table { overflow-x: auto; }
table { border-collapse: collapse; margin: 1.5rem 0; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.3rem 0.7rem; text-align: right; white-space: nowrap; }
th { font-weight: 600; border-bottom: 1.5px solid #222; }
td { border-bottom: 1px solid #ddd; }
th:first-child, td:first-child, th:last-child, td:last-child { text-align: left; }
figure { margin: 2.5rem 0; text-align: center; }
img { max-width: 100%; height: auto; }
figcaption { margin-top: 0.4rem; font-size: 0.9rem; color: #444; }
@media print {
  body { max-width: none; margin: 0; font-size: 10pt; }
  table { font-size: 7pt; } th, td { padding: 0.15rem 0.35rem; }
  figure { margin: 1rem 0; break-inside: avoid; } img { max-height: 23cm; }
}
"""


def page(
    title: str,
    intro: Iterable[str],
    rows: Sequence[dict[str, Any]],
    pictures: Iterable[Path | tuple[Path, str]],
) -> str:
    """HTML text of a page: a heading, a paragraph for each line of the introduction, the table, the pictures.

    rows: as from `pwl.report.summarise`. pictures: PNG files, or pairs of a file and its caption as from
    `pwl.plots.draw`. All text is escaped.

    Raises InputError where a picture can't be read.
    """
    paragraphs = "".join(f"<p>{html.escape(line)}</p>\n" for line in intro)
    figures = "".join(figure(p, p.stem) if isinstance(p, Path) else figure(*p) for p in pictures)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{html.escape(title)}</h1>
{paragraphs}{table(rows)}{figures}</body>
</html>
"""


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The table of the algorithms; nothing for no rows."""
    if not rows:
        return ""
    shown = [series for series in ERRORS if series in rows[0]]
    heads = [
        "algorithm",
        *(HEADS[series] for series in shown),
        "iterations",
        "multiplies",
        "seconds",
        "best",
        "stopped",
    ]
    lines = [line("th", heads)]
    for row in rows:
        found = [
            mean_std(row[s], row[f"{s}_std"]).replace("+-", "\N{PLUS-MINUS SIGN}") if s in row else "" for s in shown
        ]
        spent = [
            f"{row['iterations']:.0f}",
            f"{row['multiplies']:.2e}",
            f"{row['seconds']:.2f}",
            f"{row['best_iteration']:.0f}",
        ]
        lines.append(line("td", [row["algorithm"], *found, *spent, row["stopped"]]))
    return '<div class="table"><table>\n' + "".join(lines) + "</table></div>\n"


def line(tag: str, cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells) + "</tr>\n"


def figure(path: Path, caption: str) -> str:
    """A PNG file, inline, with its caption."""
    try:
        data = base64.b64encode(path.read_bytes()).decode("ascii")
    except OSError as failure:
        raise InputError(f"{path} can't be read: {failure.strerror or failure}") from None
    text = html.escape(caption)
    return (
        f'<figure>\n<img alt="{text}" src="data:image/png;base64,{data}">\n<figcaption>{text}</figcaption>\n</figure>\n'
    )
