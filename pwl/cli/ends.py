"""The ends that others put to a run: a request to end, or a terminal that is gone, ends it as Ctrl-C does, in good order."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class Ended:
    """The signal that came, if any."""

    number = 0

    def __call__(self, number: int, frame: Any) -> None:
        self.number = number
        raise KeyboardInterrupt

    def status(self, status: int) -> int:
        """The exit status: that of the signal for a command that it interrupted."""
        return 128 + self.number if self.number and status == 130 else status


@contextlib.contextmanager
def caught() -> Iterator[Ended]:
    """Context in which SIGTERM and SIGHUP raise KeyboardInterrupt, unless they are ignored, as under nohup."""
    ended, before = Ended(), {}
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            if signal.getsignal(number) == signal.SIG_DFL:
                before[number] = signal.signal(number, ended)
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
