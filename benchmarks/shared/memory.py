"""The memory of this process."""

from __future__ import annotations

import threading
import time
from pathlib import Path


def memory(kind: str) -> float:
    """MiB of this process as Linux reports them, or NaN on other systems.

    kind: VmRSS is its memory now, VmHWM its peak so far, and RssAnon its private memory, without mapped files.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return float("nan")
    return next(int(line.split()[1]) for line in lines if line.startswith(kind)) / 1024


def private() -> float:
    """MiB of private memory now."""
    return memory("RssAnon")


class Peak:
    """The peak of private memory in MiB above `start`, watched from a thread."""

    def __init__(self, start: float) -> None:
        self.start, self.most, self.going = start, 0.0, True
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self) -> None:
        while self.going:
            self.most = max(self.most, private() - self.start)
            time.sleep(0.002)

    def stop(self) -> float:
        self.going = False
        self.thread.join()
        return self.most
