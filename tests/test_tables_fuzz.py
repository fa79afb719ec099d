"""Tables damaged at random, as in `benchmarks faults`."""

from __future__ import annotations

import os

import pytest

from benchmarks.faults import tables
from benchmarks.faults.outcome import Tally


def test_two_hundred_damaged_tables(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tally = Tally("tables")
    tables.campaign(tally, 200, 0)
    tries, read, refused, _, failed = tally.counts()
    assert (tries, failed) == (200, 0), tally.failures
    assert min(read, refused) > 20  # neither all are read nor all refused


@pytest.mark.slow
def test_two_thousand_damaged_tables(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tally = Tally("tables")
    tables.campaign(tally, 2000, int(os.environ.get("PWL_FUZZ_START", "1000")))
    assert tally.counts()[0] == 2000 and not tally.failures, tally.failures
