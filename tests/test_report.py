"""The report of a comparison: its verdict, its page, and that both can be read by everyone."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from comparisons import record_of

from pwl.errors import InputError
from pwl.learners.outcome import Outcome
from pwl.plots import Picture
from pwl.plots.style import look
from pwl.study.page import Report, page
from pwl.study.page_data import as_script, live
from pwl.study.report import summarise
from pwl.study.verdict import holm, paired_p, verdict

WEB = Path(__file__).resolve().parents[1] / "pwl" / "study" / "web"
SVG = '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="600pt" height="9pt" viewBox="0 0 9 9"></svg>'


def outcome(name: str, fold: int, errors: list[float], **settings) -> Outcome:
    record = record_of(errors)
    record.series |= {
        "validation_error": errors, "test_error": errors, "multiplies": list(range(len(errors))),
        "own_multiplies": list(range(len(errors))), "seconds": list(range(len(errors))),
    }  # fmt: skip
    record.settings |= {"folds": 5, **settings}
    record.best_iteration = len(errors) - 1
    return Outcome(name, fold, None, record)


def outcomes_of(**errors: list[float]) -> list[Outcome]:
    return [outcome(name, fold, [9.0, e]) for name, own in errors.items() for fold, e in enumerate(own)]


# ---- the verdict


def test_the_corrected_paired_t_test_in_numbers():
    # mean 3, variance 2.5, so t^2 = 9 / (2.5 (1/5 + 1/3)) = 6.75; with 4 degrees of freedom p = 1 - s (3 - s^2) / 2, where
    # s^2 = t^2 / (4 + t^2)
    s = (6.75 / 10.75) ** 0.5
    assert paired_p(np.arange(1.0, 6.0), 300, 100) == pytest.approx(1 - s * (3 - s**2) / 2, rel=1e-12)
    assert paired_p(np.zeros(5), 3, 1) == 1.0
    assert paired_p(np.ones(5), 3, 1) == 0.0


def test_holms_correction_in_numbers():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]


def test_a_clear_winner_is_said_to_be_one():
    good, bad = [1.0, 1.1, 0.9, 1.0, 1.05], [2.0, 2.1, 1.95, 2.0, 2.1]
    found = verdict(outcomes_of(b=bad, a=good), (300, 100))
    first, second, third = found.sentences()
    assert first == "a wins: its mean test E over 5 folds is 1.01, which is 1 (50 %) below that of b, the next."
    assert second.startswith("This lead is significant (corrected paired t-test of Nadeau and Bengio, p = ")
    assert "Holm" not in second  # one pair needs no correction
    assert third == "a is significantly better than b (p < 0.05)."


def test_a_lead_by_chance_is_said_to_be_none_and_all_pairs_are_corrected():
    found = verdict(outcomes_of(a=[1, 2, 3, 1, 2], b=[2, 1, 3, 2, 2], c=[10, 11, 12, 10, 11]), (300, 100))
    first, second, third = found.sentences()
    assert first.startswith("a wins") and second.startswith("This lead is not significant")
    assert "after Holm's correction for 3 pairs" in second
    assert third == "a is significantly better than c, but not than b (p < 0.05)."


def test_algorithms_that_are_level_have_no_winner():
    said = verdict(outcomes_of(a=[1.0, 2.0], b=[2.0, 1.0], c=[3.0, 3.0]), (3, 1)).sentences()
    assert said[0] == "a and b are level: their mean test E over 2 folds is 1.5."
    assert len(said) == 2 and said[1].startswith("a is not significantly better than any other")


def test_equal_algorithms_differ_rarely():
    rng = np.random.default_rng(0)
    drawn = [verdict(outcomes_of(**{n: list(1 + 0.1 * rng.normal(size=5)) for n in "abcd"}), (3, 1)) for _ in range(200)]
    assert sum(min(found.p.values()) < 0.05 for found in drawn) <= 10


def test_what_can_not_be_compared_is_not():
    assert verdict([], (1, 1)) is None
    assert verdict(outcomes_of(a=[1.0, 2.0]), (3, 1)).sentences() == []
    assert "one fold" in " ".join(verdict(outcomes_of(a=[1.0], b=[2.0]), (3, 1)).sentences())
    assert verdict(outcomes_of(a=[float("nan")], b=[2.0]), (3, 1)) is None
    found = verdict(outcomes_of(a=[1.0, 2.0, 3.0], b=[1.0, 2.0]), (3, 1))  # b's last fold was not run
    assert found.folds == 2 and found.means["a"] == 1.5


# ---- looks


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def turned(colour: str) -> str:
    """A colour after the filter invert(1) hue-rotate(180deg), by the matrix of the CSS specification."""
    r, g, b = (1 - int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    rows = [(-0.574, 1.430, 0.144), (0.426, 0.430, 0.144), (0.426, 1.430, -0.856)]
    return "#" + "".join(f"{round(255 * min(max(x * r + y * g + z * b, 0), 1)):02x}" for x, y, z in rows)


def tokens(dark: bool) -> dict[str, str]:
    """The page's colours by name."""
    css = (WEB / "page.css").read_text()
    found = re.findall(r":root \{([^}]*)\}", css)
    return dict(re.findall(r"--(\w+): (#\w{6})", found[dark]))


def test_contrast_can_be_computed():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert turned("#000000") == "#ffffff" and turned("#ffffff") == "#000000"


@pytest.mark.parametrize("dark", [False, True])
def test_letters_stand_out(dark):
    found = tokens(dark)
    for letters in ("ink", "soft", "link"):
        for ground in ("paper", "band"):
            assert contrast(found[letters], found[ground]) >= 4.5, (letters, ground)


@pytest.mark.parametrize("dark", [False, True])
def test_lines_and_their_names_stand_out(dark):
    for number in range(17):
        colour = turned(look(number).colour) if dark else look(number).colour
        assert contrast(colour, tokens(dark)["paper"]) >= 4.5


def test_seventeen_lines_differ_in_colour_and_without_it():
    looks = [look(number) for number in range(17)]
    assert len({(one.marker, one.dashes) for one in looks}) == 17
    assert len(set(looks)) == 17
    for one, next_ in itertools.pairwise(looks):
        assert one.colour != next_.colour and one.marker != next_.marker and one.dashes != next_.dashes


# ---- the page


class Reader(HTMLParser):
    """Collects tags with their attributes, and text; complains about tags that are not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.text += data

    def of(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def report(tmp_path) -> Report:
    outcomes = outcomes_of(a=[1.0, 1.1], b=[2.0, 2.1])
    outcomes[0].record.series["curves"] = [None, {"ns": [[-1.0, 0.0, 1.0]], "A": [[0.0, 0.5, 1.0]]}]
    path = tmp_path / "predicted-a.svg"
    path.write_text(SVG)
    rows = [{**row, "p_against_best": p} for row, p in zip(summarise(outcomes), (None, 0.25), strict=True)]
    return Report(
        "a <b> & c", summary="x < y", verdict=["a wins.", "It does."], meaning="mean +- deviation", rows=rows, best="a",
        targets=[["algorithm", "test RMSE", "R^2"], ["a", "1.0", "0.9"], ["b", "2.0", "0.8"]],
        pictures=[Picture(path, "a: a caption", 'points "around" a line', "a")],
        facts={"seed": "0"}, links={"table": ["table.csv"], "a: networks": ["networks/a-fold0.safetensors"]}, live=live(outcomes),
    )  # fmt: skip


def test_the_page_says_everything_and_needs_nothing(report):
    text = page(report)
    reader = Reader(text)
    for words in ("a <b> & c", "x < y", "a wins.", "0.25", "R²", "±", "a: a caption"):
        assert words in reader.text
    assert not re.search(r"(?:src|href)=\"(?:https?:|//)|url\((?!#)|@import", text.replace("http://www.w3.org/2000/svg", ""))
    assert [link["href"] for link in reader.of("a") if "#" not in link["href"]] == ["table.csv", "networks/a-fold0.safetensors"]


def test_contents_lead_to_headings_and_ids_are_there_once(report):
    reader = Reader(page(report))
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"][1:] for link in reader.of("a") if link["href"].startswith("#")} <= set(ids)
    levels = [int(tag[1]) for tag, _ in reader.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and levels.count(1) == 1


def test_tables_have_captions_and_scopes_and_pictures_say_what_is_to_be_seen(report):
    reader = Reader(page(report))
    assert len(reader.of("caption")) == len(reader.of("table")) == 3
    assert {head["scope"] for head in reader.of("th")} == {"row", "col"}
    (svg,) = reader.of("svg")
    assert svg["role"] == "img" and svg["aria-label"] == 'points "around" a line'
    assert all(control.get("id") or control.get("class") for control in reader.of("input"))


def test_a_page_of_little(tmp_path):
    text = page(Report("t"))
    assert "<table" not in text and '<nav aria-label="Contents">' in text
    with pytest.raises(InputError, match="can't be read"):
        page(Report("t", pictures=[Picture(tmp_path / "errors.svg", "c")]))
    (tmp_path / "errors.svg").write_text("nothing")
    with pytest.raises(InputError, match="no SVG"):
        page(Report("t", pictures=[Picture(tmp_path / "errors.svg", "c")]))


def test_the_numbers_of_the_script():
    runs = [outcome("a", 0, [4.0, 2.0, 1.0]), outcome("a", 1, [8.0, float("inf")])]
    found = live(runs)
    assert found["last"] == 2
    assert found["lines"][0]["values"]["test E"] == [6.0, None, None]  # a run that ended keeps its last error
    assert found["lines"][0]["multiplies"] == [0.0, 1.0, 1.5]
    assert json.loads(as_script({"a": "</script>"})) == {"a": "</script>"} and "</" not in as_script({"a": "</script>"})


def test_the_script_works_in_a_browser(report, tmp_path):
    browsers = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or pytest.skip("no chromium")
    (tmp_path / "report.html").write_text(page(report), encoding="utf-8")
    faults: list[str] = []
    with browsers.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        at = browser.new_page(viewport={"width": 400, "height": 800})
        at.on("pageerror", lambda fault: faults.append(str(fault)))
        at.goto((tmp_path / "report.html").as_uri())
        assert at.evaluate("document.documentElement.scrollWidth") == 400
        first = "table.sortable tbody tr:first-child th"
        at.click("table.sortable thead th:nth-child(4) button")
        at.click("table.sortable thead th:nth-child(4) button")
        assert at.locator(first).first.inner_text() == "b"
        assert at.locator("#chart path").count() and at.locator("#value-a").inner_text() == "1.05"
        at.locator("#errors input.iteration").fill("0")
        assert at.locator("#value-a").inner_text() == "9"
        lines = at.locator("#chart path[stroke='#000000']").count()
        at.locator("#key input").first.uncheck()
        assert lines > 0 and at.locator("#chart path[stroke='#000000']").count() == 0
        for control in ("#log-x", "#log-y"):
            at.locator(control).uncheck()
        assert at.locator("#units svg").count() == 1
        browser.close()
    assert faults == []
