"""A comparison as one HTML page that needs no other file. Its pictures are inline, it has no scripts, and it prints well."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from pathlib import Path

from pwl.errors import InputError
from pwl.study.report import Row, cells

MOST_COLUMNS = 9  # of a table in letters of ordinary size; wider tables have smaller letters

STYLE = """
body { max-width: 66rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff; font: 16px/1.5 sans-serif; }
h1 { font-size: 1.5rem; font-weight: 600; }
.table { overflow-x: auto; }
table { border-collapse: collapse; margin: 1.5rem 0; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.3rem 0.7rem; text-align: right; white-space: nowrap; }
th { font-weight: 600; border-bottom: 1.5px solid #222; }
td { border-bottom: 1px solid #ddd; }
th:first-child, td:first-child, th:last-child, td:last-child { text-align: left; }
.wide table { font-size: 0.75rem; }
.wide th, .wide td { padding: 0.3rem; }
.wide th, .wide td:last-child { white-space: normal; }
figure { margin: 2.5rem 0; text-align: center; }
img { max-width: 100%; height: auto; }
figcaption { margin-top: 0.4rem; font-size: 0.9rem; color: #444; }
@media print {
  body { max-width: none; margin: 0; font-size: 10pt; }
  table, .wide table { font-size: 7pt; } th, td { padding: 0.15rem 0.35rem; }
  figure { margin: 1rem 0; break-inside: avoid; } img { max-height: 23cm; }
}
"""


def page(
    title: str,
    intro: Iterable[str],
    rows: Sequence[Row],
    pictures: Iterable[Path | tuple[Path, str]],
) -> str:
    """Writes the HTML text of a page: a heading, a paragraph per line of the introduction, the table and the pictures.

    All text is escaped.

    Parameters
    ----------
    title : str
    intro : iterable of str
    rows : sequence of dict
        From `pwl.study.report.summarise`.
    pictures : iterable of Path or (Path, str)
        PNG files, or pairs of a file and its caption, as from `pwl.plots.draw`.

    Returns
    -------
    str

    Raises
    ------
    InputError
        If a picture can't be read.
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


def table(rows: Sequence[Row]) -> str:
    """The table of the algorithms, or nothing if there are no rows. A table of many columns is small and narrow."""
    if not rows:
        return ""
    heads, *lines = cells(rows)
    text = line("th", heads) + "".join(line("td", own) for own in lines)
    wide = " wide" if len(heads) > MOST_COLUMNS else ""
    return f'<div class="table{wide}"><table>\n{text.replace("+-", chr(0xB1))}</table></div>\n'


def line(tag: str, cells: Iterable[str]) -> str:
    """A line of a table, with its cells in a tag, "th" or "td"."""
    return "<tr>" + "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells) + "</tr>\n"


def figure(path: Path, caption: str) -> str:
    """A PNG file as an inline figure with its caption."""
    try:
        data = base64.b64encode(path.read_bytes()).decode("ascii")
    except OSError as failure:
        raise InputError(f"{path} can't be read: {failure.strerror or failure}") from None
    text = html.escape(caption)
    return (
        f'<figure>\n<img alt="{text}" src="data:image/png;base64,{data}">\n<figcaption>{text}</figcaption>\n</figure>\n'
    )
