"""Files written whole or not at all, whenever an interrupt or a failure comes."""

from __future__ import annotations

import os

import pytest

from pwl.errors import InputError
from pwl.files.write import write_atomic


@pytest.fixture(params=[None, b"earlier"], ids=["new file", "earlier file"])
def path(request, tmp_path):
    found = tmp_path / "file"
    if request.param is not None:
        found.write_bytes(request.param)
    return found


def interrupted(monkeypatch, *, after: bool) -> None:
    """Ctrl-C comes before os.replace moves the file, or after."""
    replace = os.replace

    def replaced(source, target):
        if after:
            replace(source, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", replaced)


def test_an_interrupt_after_the_move_goes_on_and_the_new_file_is_there(path, monkeypatch):
    interrupted(monkeypatch, after=True)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(path, "new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_an_interrupt_before_the_move_leaves_the_earlier_file_alone(path, monkeypatch):
    before = path.read_bytes() if path.exists() else None
    interrupted(monkeypatch, after=False)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(path, "new")
    assert (path.read_bytes() if path.exists() else None) == before
    assert list(path.parent.iterdir()) == ([] if before is None else [path])


def test_a_failure_is_said_and_leaves_no_temporary_file(path, monkeypatch):
    before = sorted(path.parent.iterdir())

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="file can't be written: No space left on device"):
        write_atomic(path, b"new")
    assert sorted(path.parent.iterdir()) == before


def test_names_that_are_no_text_are_written_as_escapes(path):
    """As on the terminal. A file name of another program may be the reason, and hours of work would be lost."""
    write_atomic(path, "a\udcff")
    assert path.read_bytes() == b"a\\udcff"
