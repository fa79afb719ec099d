"""A comparison as one HTML page that needs no other file to be read. It links to the files beside it, and prints well.

Its frame, style and script are files in `web/`. The script sorts tables and draws errors and curves at an iteration of the reader's
choice. Without scripts the page shows pictures of the same.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from string import Template
from typing import Any

from pwl.errors import InputError
from pwl.plots import Picture
from pwl.study.page_data import as_script
from pwl.study.report import HEADS, Row, cells

MOST_COLUMNS = 10  # of a table in letters of ordinary size
WIDE = 500  # points: wider pictures may be moved sideways on a narrow screen
CAPTION = (
    "Errors as mean ± standard deviation over the folds. p is that of the difference from the winner, after correction."
)
Lines = Sequence[Sequence[str]]  # of a table, heads first


@dataclass(frozen=True)
class Report:
    """What a page says.

    Attributes
    ----------
    title, summary : str
        Heading, and the data in a line.
    verdict : sequence of str
        Who wins, in sentences.
    meaning : str
        What the errors are.
    rows : sequence of dict
        From `pwl.study.report.summarise`.
    best : str
        The winner, whose row is marked.
    targets : lines of a table
        Errors of each target; empty for classes.
    pictures : sequence of Picture
        From `pwl.plots.draw`.
    facts : mapping
        Settings by name, in words.
    links : mapping of str to sequence of str
        Names of files beside the page, by kind.
    live : dict
        From `pwl.study.page_data.live`, for the script.
    """

    title: str
    summary: str = ""
    verdict: Sequence[str] = ()
    meaning: str = ""
    rows: Sequence[Row] = ()
    best: str = ""
    targets: Lines = ()
    pictures: Sequence[Picture] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, Sequence[str]] = field(default_factory=dict)
    live: Mapping[str, Any] = field(default_factory=lambda: {"series": [], "last": 0, "lines": [], "curves": []})


def page(report: Report) -> str:
    """Writes the HTML text of a page. All text is escaped.

    Parameters
    ----------
    report : Report

    Returns
    -------
    str

    Raises
    ------
    InputError
        If a picture can't be read.
    """
    sections = [
        ("result", "Result", _result(report)),
        ("errors", "Errors", _errors(report)),
        ("curves", "Curves", _curves(report)),
        ("predictions", "Predictions", _pictures(report, ("predicted", "residuals", "confusion"))),
        ("settings", "Settings", _facts(report.facts)),
        ("files", "Files", _links(report.links)),
    ]
    there = [(name, head, body) for name, head, body in sections if body]
    return Template(_web("page.html")).substitute(
        title=html.escape(report.title),
        summary=html.escape(report.summary),
        css=_web("page.css"),
        contents="".join(f'<li><a href="#{name}">{head}</a></li>\n' for name, head, _ in there),
        sections="".join(f'<section id="{name}">\n<h2>{head}</h2>\n{body}</section>\n' for name, head, body in there),
        data=as_script(report.live),
        js=_web("page.js"),
    )


def _web(name: str) -> str:
    return (files("pwl.study") / "web" / name).read_text(encoding="utf-8")


# ---- sections


def _result(report: Report) -> str:
    said = "".join(f"<p>{html.escape(sentence)}</p>\n" for sentence in report.verdict)
    text = f'<div class="verdict">\n{said}</div>\n' if said else ""
    text += f"<p>{_text(report.meaning)}</p>\n" if report.meaning else ""
    if report.rows:
        heads, *lines = cells(report.rows, p=True)
        keys = [_sort_keys(row, heads) for row in report.rows]
        text += table(CAPTION, [heads, *lines], keys, report.best)
    if report.targets:
        caption = "Root mean squared error and R² of the predictions for the test patterns of all folds together."
        text += table(caption, report.targets, best=report.best)
    return text


def _sort_keys(row: Row, heads: Sequence[str]) -> list[Any]:
    """Values that the cells of a row are sorted by, where their text is none."""
    by_head = {head: row.get(series) for head, series in KEYS.items()}
    return [by_head.get(head) for head in heads]


KEYS = {head: series for series, head in HEADS.items()} | {
    "p": "p_against_best", "iterations": "iterations", "multiplies": "multiplies", "seconds": "seconds",
    "best": "best_iteration",
}  # fmt: skip


def table(caption: str, lines: Lines, keys: Sequence[Sequence[Any]] = (), best: str = "") -> str:
    """A table with heads in the first line and in the first column. keys: what each cell is sorted by, if not its text."""
    head, *rows = lines
    text = "".join(f'<th scope="col"{_words(name)}>{_text(name)}</th>' for name in head)
    body = ""
    for number, row in enumerate(rows):
        cells_ = ""
        for column, cell in enumerate(row[1:], start=1):
            key = keys[number][column] if keys else None
            value = f' data-value="{key:.8g}"' if isinstance(key, (int, float)) else ""
            value = ' data-value=""' if cell in ("", "-") else value
            cells_ += f"<td{_words(head[column])}{value}>{_text(cell)}</td>"
        marked = ' class="best"' if row[0] == best else ""
        body += f'<tr{marked}><th scope="row">{_text(row[0])}</th>{cells_}</tr>\n'
    many = " many" if len(head) > MOST_COLUMNS else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{_text(caption)}">\n<table class="sortable{many}">\n'
        f"<caption><span>{_text(caption)}</span></caption>\n<thead><tr>{text}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n</div>\n"
    )


def _words(head: str) -> str:
    return ' class="words"' if head == "stopped" else ""


def _text(cell: Any) -> str:
    return html.escape(str(cell)).replace("+-", "±").replace("R^2", "R²")


def _errors(report: Report) -> str:
    still = _pictures(report, ("errors", "classification-errors"))
    if not report.live["lines"]:
        return still
    last = report.live["last"]
    series = "".join(f'<option value="{i}">{_text(name)}</option>' for i, name in enumerate(report.live["series"]))
    return f"""<div class="live">
<p>Medians over the folds. The slider chooses the iteration whose values stand beside the names.</p>
<div class="controls">
<label>Show <select id="series">{series}</select></label>
<label>against <select id="against"><option>iterations</option><option>multiplies</option><option>seconds</option></select></label>
<label><input type="checkbox" id="log-x" checked> logarithmic across</label>
<label><input type="checkbox" id="log-y" checked> logarithmic upwards</label>
{_slider(last)}</div>
<div class="chart" id="chart"></div>
<fieldset class="key" id="key"><legend>Lines, on and off, and their values at the iteration</legend></fieldset>
</div>
<div class="still">
{still}</div>
"""


def _slider(last: int) -> str:
    return (
        f'<label class="long">iteration <input type="range" class="iteration" min="0" max="{last}" value="{last}"> '
        f'<output class="iteration">{last}</output></label>\n'
    )


def _curves(report: Report) -> str:
    still = _pictures(report, ("curves", "input-curves"))
    if not report.live["curves"]:
        return still
    names = "".join(f'<option value="{i}">{_text(own["name"])}</option>' for i, own in enumerate(report.live["curves"]))
    fold = report.live["curves"][0]["fold"]
    return f"""<div class="live">
<p>Output against net of the first hidden units, fold {fold}.
Dashed: after the first iteration. Dots: hinges. Few iterations are kept, more of the early ones.</p>
<div class="controls">
<label>Curves of <select id="curves-of">{names}</select></label>
{_slider(report.live["last"])}<span id="curves-at" role="status"></span>
</div>
<div class="units" id="units"></div>
</div>
<h3>After training</h3>
{still}"""


def _pictures(report: Report, kinds: Sequence[str]) -> str:
    """The pictures of some kinds, those of one algorithm under its name."""
    text = ""
    chosen = [picture for picture in report.pictures if _kind(picture) in kinds]
    for name in dict.fromkeys(picture.of for picture in chosen):
        own = "".join(figure(picture) for picture in chosen if picture.of == name)
        text += (
            f'<div class="group">\n<h4>{_text(name)}</h4>\n<div class="pair">\n{own}</div>\n</div>\n' if name else own
        )
    return text


def _kind(picture: Picture) -> str:
    """What a picture shows, by the name of its file."""
    return picture.path.stem.removesuffix(f"-{picture.of}") if picture.of else picture.path.stem


def figure(picture: Picture) -> str:
    """An SVG file as an inline figure with its caption, and the text for those who do not see it."""
    try:
        text = picture.path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as failure:
        raise InputError(f"{picture.path} can't be read: {getattr(failure, 'strerror', None) or failure}") from None
    start = text.find("<svg")
    if start < 0:
        raise InputError(f"{picture.path} can't be read: it is no SVG file")
    width = float(found[1]) if (found := re.search(r'width="([\d.]+)pt"', text[start:])) else 0.0
    label = html.escape(picture.alternative or picture.caption)
    inline = re.sub(r"<metadata>.*?</metadata>", "", text[start:], flags=re.DOTALL)
    inline = inline.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
    wide = ' wide" tabindex="0" role="region" aria-label="picture' if width > WIDE else ""
    caption = f"<figcaption>{html.escape(picture.caption)}</figcaption>"
    return f'<figure>\n<div class="scroll{wide}">\n{inline}</div>\n{caption}\n</figure>\n'


def _facts(facts: Mapping[str, str]) -> str:
    body = "".join(f"<dt>{_text(name)}</dt><dd>{html.escape(value)}</dd>\n" for name, value in facts.items())
    return f"<dl>\n{body}</dl>\n" if body else ""


def _links(links: Mapping[str, Iterable[str]]) -> str:
    if not links:
        return ""
    body = ""
    for kind, names in links.items():
        listed = ", ".join(
            f'<a href="{html.escape(name, quote=True)}">{_text(name.rpartition("/")[2])}</a>' for name in names
        )
        body += f'<tr><th scope="row">{_text(kind)}</th><td>{listed}</td></tr>\n'
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Files beside this page">\n<table class="files">\n'
        "<caption><span>Files beside this page. pwl predict reads the networks.</span></caption>\n"
        f'<thead><tr><th scope="col">what</th><th scope="col" class="words">files</th></tr></thead>\n<tbody>\n{body}</tbody>\n'
        "</table>\n</div>\n"
    )
