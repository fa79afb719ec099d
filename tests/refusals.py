"""What must fail, and the one sentence that says why."""

from __future__ import annotations

import pytest

import pwl
from pwl.cli import main


def refuses(f, *words):
    """f raises InputError, and its sentence has each of the words."""
    with pytest.raises(pwl.InputError) as caught:
        f()
    sentence = str(caught.value)
    for word in words:
        assert word in sentence, f"{word!r} is not in: {sentence}"


def fails(capsys, *arguments):
    """The one sentence of a command that must fail with status 2."""
    assert main([str(a) for a in arguments]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("pwl: "), lines
    return lines[0]
