"""Checks that are caught one by one, so that a failure does not hide what comes after it."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable
from typing import NamedTuple


class Check(NamedTuple):
    """A check by its name. run(): raises if the check fails, otherwise returns what was found, in words."""

    name: str
    run: Callable[[], str]


def passes(check: Check) -> bool:
    """Runs a check and prints a line about it. If it fails, the end of the traceback follows and nothing is raised."""
    begin = time.perf_counter()
    try:
        said = check.run()
    except (Exception, SystemExit) as failure:
        print(f"FAIL {check.name:<34} {type(failure).__name__}: {str(failure)[:600]}", flush=True)
        traceback.print_exc(limit=-6, file=sys.stdout)
        return False
    print(f"ok   {check.name:<34} {time.perf_counter() - begin:7.2f} s  {said}", flush=True)
    return True
