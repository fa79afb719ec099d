"""The campaigns of damage in small."""

from __future__ import annotations

import pytest

from benchmarks.faults.command import CAMPAIGNS, run
from benchmarks.faults.outcome import Tally


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in ("interrupts", "kills", "options") else name for name in CAMPAIGNS],
)
def test_a_campaign_in_small(name, tmp_path, capsys):
    run(tmp_path, quick=True, only=name)
    assert capsys.readouterr().out.split("\n")[1].split()[-2] == "0", "failed"
    assert (tmp_path / "faults.txt").read_text().startswith("seed 0\n")


def test_what_is_not_allowed_is_counted_as_a_failure():
    tally = Tally("t")
    tally.called("a bug", lambda: 1 / 0)
    tally.called("NaN", lambda: 1, lambda _: "not finite")
    tally.called("sane", lambda: 1)
    assert tally.counts() == (3, 1, 0, 0, 2) and "ZeroDivisionError" in tally.failures[0]
    tally.commanded(["data"])
    tally.commanded(["nonsense"])
    assert tally.counts() == (5, 2, 1, 0, 2)
