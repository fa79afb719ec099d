"""A part of the site: a page of each source file, and links both ways between the equations and the code.

The equations page names code as `pwl/losses.py:SquaredError`, which becomes a link to that definition. In the source pages and the
reference, "Eq. (n)" becomes a link to the equation.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PLACE = re.compile(r"`(pwl/[\w/]+\.py):([\w.]+)`")
HEADING = re.compile(r"^### (Eq\. \((\d+)\) .+)$", re.MULTILINE)
CITATION = re.compile(r"\bEqs?\.(?:\s|&#160;|<[^>]+>)*\(\d+\)(?:(?:[\s,-]|and|or|to|<[^>]+>)*\(\d+\))*")


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub and MyST make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(equations: str) -> dict[str, str]:
    """The anchor of each equation by its number."""
    return {number: slug(heading) for heading, number in HEADING.findall(equations)}


def page_of(path: str) -> str:
    """The name of the page of a source file, such as source/pwl/losses."""
    return f"source/{path.removesuffix('.py')}"


def with_links_to_code(equations: str) -> str:
    """The equations page with the code that it names as links."""

    def link(found: re.Match[str]) -> str:
        path, name = found.groups()
        return f'<a href="{page_of(path)}.html#{name}"><code>{path}:{name}</code></a>'

    return PLACE.sub(link, equations)


def with_links_to_equations(body: str, known: dict[str, str], page: str) -> str:
    """HTML of a page with the numbers of equations as links."""
    up = posixpath.relpath("equations.html", posixpath.dirname(page) or ".")

    def link(found: re.Match[str]) -> str:
        return re.sub(r"\((\d+)\)", lambda n: f'(<a href="{up}#{known[n[1]]}">{n[1]}</a>)' if n[1] in known else n[0], found[0])

    return CITATION.sub(link, body)


def definitions(source: str) -> dict[int, list[str]]:
    """Names of the functions, classes and methods that begin in each line, counted from 1."""
    found: dict[int, list[str]] = {}

    def walk(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                found.setdefault(child.lineno, []).append(prefix + child.name)
                walk(child, f"{prefix}{child.name}.")

    walk(ast.parse(source), "")
    return found


def source_pages(app: Any) -> Iterator[tuple[str, dict[str, str], str]]:
    """A page of each source file, with an anchor at each definition."""
    for path in sorted((ROOT / "pwl").rglob("*.py")):
        name, source = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        head, mark, code = app.builder.highlighter.highlight_block(source, "python").partition("<pre>")
        names = definitions(source)
        empty = len(source) - len(source.lstrip("\n"))
        lines = [
            "".join(f'<span id="{one}"></span>' for one in names.get(number, ())) + line
            for number, line in enumerate(code.split("\n"), start=1 + empty)
        ]
        yield page_of(name), {"title": name, "body": f"<h1>{name}</h1>\n{head}{mark}" + "\n".join(lines)}, "page.html"


def read_source(app: Any, docname: str, source: list[str]) -> None:
    if docname == "equations":
        source[0] = with_links_to_code(source[0])


def finish_page(app: Any, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    if pagename.startswith(("source/", "reference/")) and context.get("body"):
        known = anchors((ROOT / "docs" / "equations.md").read_text(encoding="utf-8"))
        context["body"] = with_links_to_equations(context["body"], known, pagename)


def plain_signs(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Docstrings write |w| for a length, which would be a substitution, and (*key, layer), which would be emphasis."""
    lines[:] = [line.replace("|", r"\|").replace("(*", r"(\*") for line in lines]


def setup(app: Any) -> dict[str, bool]:
    app.connect("source-read", read_source)
    app.connect("autodoc-process-docstring", plain_signs, priority=100)
    app.connect("html-collect-pages", source_pages)
    app.connect("html-page-context", finish_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
