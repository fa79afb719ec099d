"""docs/equations.md and the code agree: citations exist, numbers run without gaps, code names are defined."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EQUATIONS = (ROOT / "docs" / "equations.md").read_text(encoding="utf-8")
CITING = ("pwl", "tests", "benchmarks", "examples", "docs", "README.md")

HEADING = re.compile(r"^### Eq\. \((\d+)\) \S", re.MULTILINE)
NUMBER = re.compile(r"\((\d+)\)")
# A list may join its numbers by commas, words or dashes, and may go on in the next line of a comment.
CITATION = re.compile(r"\bEqs?\.[\s#/*]*\(\d+\)(?:(?:[\s#/*,-]|\band\b|\bor\b|\bto\b)*\(\d+\))*")
CODE_LINE = re.compile(r"^Code: (.+)$", re.MULTILINE)
CODE_NAME = re.compile(r"`(pwl/[\w/]+\.py):([\w.]+)`")
RANGE = re.compile(r"\((\d+)\)-\((\d+)\)")


def numbered(text: str) -> list[int]:
    """Numbers of the equations that a document defines, in order."""
    return [int(n) for n in HEADING.findall(text)]


def cited(text: str) -> set[int]:
    """Numbers of the equations that a text cites."""
    return {int(n) for citation in CITATION.findall(text) for n in NUMBER.findall(citation)}


def citing_files() -> list[Path]:
    """Every Python, Markdown and CUDA file of the project that may cite an equation."""
    paths = [ROOT / name for name in CITING]
    files = [p for p in paths if p.is_file()]
    files += [f for p in paths if p.is_dir() for f in p.rglob("*") if f.suffix in {".py", ".md", ".cu"}]
    return sorted(files)


def unknown_citations(text: str) -> set[int]:
    """Numbers that a text cites and docs/equations.md doesn't define."""
    return cited(text) - set(numbered(EQUATIONS))


def definition(path: Path, name: str) -> str | None:
    """Source of the function, class or, as Class.method, method of this name in a Python file; None if there is none."""
    if not path.is_file():
        return None
    source = path.read_text(encoding="utf-8")
    node: ast.AST | None = ast.parse(source)
    for part in name.split("."):
        kinds = (ast.FunctionDef, ast.ClassDef)
        inside = [child for child in ast.iter_child_nodes(node) if isinstance(child, kinds) and child.name == part]
        if not inside:
            return None
        node = inside[0]
    return ast.get_source_segment(source, node)


def covered(text: str) -> set[int]:
    """Numbers of the equations that a text cites, ranges such as Eqs. (15)-(18) filled in."""
    found = cited(text)
    for citation in CITATION.findall(text):
        for first, last in RANGE.findall(citation):
            found |= set(range(int(first), int(last) + 1))
    return found


def code_of_equations() -> list[tuple[int, str, str]]:
    """(number, path, name) for all code that docs/equations.md names."""
    found = []
    for section in re.split(r"^### ", EQUATIONS, flags=re.MULTILINE):
        number = re.match(r"Eq\. \((\d+)\)", section)
        if number:
            for line in CODE_LINE.findall(section):
                found += [(int(number[1]), path, name) for path, name in CODE_NAME.findall(line)]
    return found


def test_numbers_run_from_one_without_gaps_or_repeats():
    numbers = numbered(EQUATIONS)
    assert numbers and numbers == list(range(1, len(numbers) + 1))


def test_every_cited_equation_exists():
    unknown = {str(f.relative_to(ROOT)): unknown_citations(f.read_text(encoding="utf-8")) for f in citing_files()}
    assert not {name: sorted(numbers) for name, numbers in unknown.items() if numbers}


@pytest.mark.parametrize("form", ["Eq. ({})", "Eqs. (1), (2) and ({})", "Eqs. (1)-({})", "# Eqs. (1),\n    # ({})"])
def test_the_citation_check_can_fail(form):
    last = max(numbered(EQUATIONS))
    assert unknown_citations(form.format(last)) == set()
    assert unknown_citations(form.format(last + 1)) == {last + 1}


def test_every_equation_says_its_symbols_code_and_source():
    sections = re.split(r"^##+ ", EQUATIONS, flags=re.MULTILINE)
    for section in (s for s in sections if s.startswith("Eq. (")):
        title = section.splitlines()[0]
        for label in ("Symbols: ", "Code: ", "Source: "):
            assert len(re.findall(f"^{label}", section, re.MULTILINE)) == 1, f"{title}: {label}"


def test_code_lines_are_lists_of_names():
    name = CODE_NAME.pattern
    for line in CODE_LINE.findall(EQUATIONS):
        assert re.fullmatch(f"{name}(, {name})*", line), line


@pytest.mark.parametrize(("number", "path", "name"), code_of_equations())
def test_the_formula_is_where_the_page_says(number, path, name):
    """The code named there is defined, and says itself which equation it is."""
    source = definition(ROOT / path, name)
    assert source is not None, f"{path} does not define {name}"
    assert number in covered(source), f"{path}:{name} does not cite Eq. ({number})"


def test_these_checks_can_fail():
    here = Path(__file__)
    assert "def cited" in (definition(here, "cited") or "")
    assert definition(here, "no_such_name") is None
    assert definition(here.with_name("no_such_file.py"), "cited") is None
    first, second = (definition(ROOT / "pwl/losses.py", f"{name}.curvature") for name in ("SquaredError", "CrossEntropy"))
    assert first != second
    assert covered("Eqs. (15)-(18) and Eq. (3)") == {3, 15, 16, 17, 18}
