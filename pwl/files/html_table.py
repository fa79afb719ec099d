"""Tables that notebooks show."""

from __future__ import annotations

from collections.abc import Sequence


def html_table(lines: Sequence[Sequence[str]], caption: str) -> str:
    """Lines of cells, heads first, as an HTML table with a caption. The first column names the rows."""
    import html  # two thousand names of characters, which `import pwl` need not read

    head, *rows = lines
    heads = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row" style="text-align:left">{html.escape(row[0])}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
        + "</tr>\n"
        for row in rows
    )
    title = f'<caption style="text-align:left">{html.escape(caption)}</caption>'
    return f"<table>{title}\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}</tbody></table>"
