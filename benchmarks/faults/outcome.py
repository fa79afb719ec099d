"""What may come of a try, and the count of it."""

from __future__ import annotations

import contextlib
import io
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pwl.cli import main
from pwl.errors import InputError


class Tally:
    """Counts the tries of a campaign by what came of them, and keeps the failures as lines of text."""

    def __init__(self, name: str) -> None:
        self.name, self.found, self.failures = name, Counter[str](), list[str]()

    def passed(self, kind: str) -> None:
        """A try with an allowed end: "sane", "sentence" or "interrupted"."""
        self.found[kind] += 1

    def failed(self, what: str, why: str) -> None:
        """A try that ended in another way."""
        self.found["failed"] += 1
        self.failures.append(f"{self.name}: {what}: {' '.join(why.split())}"[:1000])

    def counts(self) -> tuple[int, ...]:
        """Tries, sane ends, sentences, interrupts and failures."""
        kinds = [self.found[kind] for kind in ("sane", "sentence", "interrupted", "failed")]
        return sum(kinds), *kinds

    def called(self, what: str, f: Callable[[], Any], check: Callable[[Any], str | None] = lambda _: None) -> Any:
        """Counts a call, which may return what `check` finds no fault in, or raise an InputError of one line."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = f()
            fault = check(found)
        except InputError as wrong:
            if "\n" in str(wrong) or not str(wrong):
                return self.failed(what, f"a message that is no line: {wrong!r}")
            return self.passed("sentence")
        except Exception:
            return self.failed(what, traceback.format_exc(limit=-3))
        if fault:
            return self.failed(what, fault)
        self.passed("sane")
        return found

    def commanded(self, line: list[str], made: Path | None = None) -> int | None:
        """Counts a command of the command line. made: a file that must be there after status 0."""
        out, err = io.StringIO(), io.StringIO()
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                status = main(line)
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        except BaseException:
            self.failed(repr(line), traceback.format_exc(limit=-3))
            return None
        words = [text for text in err.getvalue().splitlines() if not text.startswith("pwl: note: ")]
        if status == 0 and line[0] == "predict":  # which tells how good the predictions are
            words = [text for text in words if not text.startswith("pwl: ")]
        if status == 0 and (made is None or made.exists()) and not words:
            self.passed("sane")
        elif status == 2 and len(words) == 1 and words[0].startswith("pwl: "):
            self.passed("sentence")
        else:
            self.failed(repr(line), f"status {status}, {words}")
        return status
