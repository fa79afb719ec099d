"""The site: the reference has all public names, equations and code link to each other, lectures are as short as they say."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

import pwl
from pwl.cli.main import build

DOCS = Path(__file__).resolve().parents[1] / "docs"
spec = importlib.util.spec_from_file_location("sources", DOCS / "sources.py")
sources = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sources)
EQUATIONS = (DOCS / "equations.md").read_text(encoding="utf-8")
MODULES = ("activations", "algorithms", "data", "layers", "models", "plots")


def public_names() -> set[str]:
    """All names that a user finds under pwl, but modules."""
    pwl.schedules, pwl.plots  # noqa: B018 - which are imported when they are asked for
    names = {name for name in pwl.__all__ if not hasattr(getattr(pwl, name), "__path__") and name != "schedules"}
    for module in MODULES:
        inside = getattr(pwl, module)
        names |= {
            f"{module}.{name}"
            for name in inside.__all__
            if callable(getattr(inside, name)) and getattr(pwl, name, None) is not getattr(inside, name)
        }
    return names | {f"training.schedules.{name}" for name in ("Cosine", "Linear", "Steps", "Exponential")}


def test_the_reference_has_all_public_names():
    listed = re.findall(r"^   ([\w.]+)$", (DOCS / "reference.rst").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert public_names() | {"PWLRegressor", "PWLClassifier"} == set(listed)


@pytest.mark.parametrize("name", sorted(public_names()))
def test_public_names_are_documented(name):
    thing = pwl
    for part in name.split("."):
        thing = getattr(thing, part)
    assert thing.__doc__ and thing.__doc__.strip()[0].isupper()


def test_code_on_the_equations_page_becomes_links_to_definitions_that_are_there():
    text = sources.with_links_to_code(EQUATIONS)
    links = re.findall(r'<a href="source/([\w/]+)\.html#([\w.]+)">', text)
    assert len(links) > 100 and "`pwl/" not in text
    for path, name in links:
        code = (DOCS.parent / f"{path}.py").read_text(encoding="utf-8")
        assert name in {one for names in sources.definitions(code).values() for one in names}, (path, name)


def test_citations_become_links_to_equations():
    known = sources.anchors(EQUATIONS)
    assert known["1"] == "eq-1-squared-error" and len(known) > 80
    none = 500  # no such equation
    text = sources.with_links_to_equations(f"<p>by Eqs. (1), (2), ({none})</p>", known, "source/pwl/losses")
    assert '<a href="../../equations.html#eq-1-squared-error">1</a>' in text and ">2</a>" in text and "(500)" in text
    assert sources.with_links_to_equations("no (1)", known, "reference/a") == "no (1)"


def test_definitions_of_a_file():
    code = "class A:\n    def f(self):\n        pass\n\n\ndef g():\n    pass\n"
    assert sources.definitions(code) == {1: ["A"], 2: ["A.f"], 6: ["g"]}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_lectures_take_as_few_lines_as_they_say(capsys):
    by_hand, four, film = blocks("lecturing.md", "python")
    for block, most in ((by_hand, 6), (four, 6), (film, 4)):
        assert len([line for line in block.splitlines() if line]) <= most
        assert max(map(len, block.splitlines())) <= 132
    names: dict = {}
    exec(by_hand, names)
    printed = capsys.readouterr().out
    assert names["molf"].H_molf.shape == (4, 4) and names["molf"].z.shape == (4,) and names["adact"].G_a["1.A"].shape == (4, 5)
    assert printed.count("z\n") == 2 and "H_molf" in printed and "G_a" in printed
    exec(four, names)
    _, multiplies, _ = names["figure"].axes
    assert multiplies.get_xlabel() == "multiplies so far"
    assert {line.get_label() for line in multiplies.get_lines()} >= {"MOLF", "OWO-BP", "CG", "LM"}
    exec(film, names)
    assert len(names["nets"]) == 100 and "<script" in names["film"].to_jshtml()


@pytest.mark.parametrize("page", [page.name for page in sorted(DOCS.glob("*.md"))] + ["../README.md"])
def test_commands_on_the_pages_are_understood(page):
    for block in blocks(page, "sh"):
        for line in re.sub(r"\\\n", " ", block).splitlines():
            words = shlex.split(line, comments=True)
            if words and words[0] == "pwl" and "COMMAND" not in words:
                words = words[1 : words.index("|")] if "|" in words else words[1:]
                words = words[: words.index(">")] if ">" in words else words
                build()[0].parse_args(words)
