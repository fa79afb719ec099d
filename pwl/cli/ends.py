"""The ends that others put to a run: a request to end, or a terminal that is gone, ends it as Ctrl-C does, in good order."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from pwl.early import leave

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
AGAIN = 0.1  # seconds until a signal that came at a bad moment comes again


class Ended:
    """The handler of the signals. number: that of the signal that came, or 0."""

    number = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if _is_called_back(frame):
            again = threading.Timer(AGAIN, os.kill, (os.getpid(), number))
            again.daemon = True
            again.start()
            return
        self.number = number
        raise KeyboardInterrupt

    def status(self, status: int) -> int:
        """The exit status: that of the signal for a command that it interrupted."""
        return 128 + self.number if self.number and status == 130 else status


def _is_called_back(frame: FrameType | None) -> bool:
    """Whether the compiler has called back into Python: it would swallow an exception, and the signal would be lost."""
    return frame is not None and "llvmlite" in frame.f_code.co_filename


@contextlib.contextmanager
def caught() -> Iterator[Ended]:
    """Context in which the signals raise KeyboardInterrupt, unless they are ignored, as under nohup, or handled otherwise."""
    ended, before = Ended(), {}
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler, leave):
                before[number] = signal.signal(number, ended)
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
