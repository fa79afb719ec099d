"""Measurements in a process of their own, whose memory nothing else has touched."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def apart(module: str, *arguments: object) -> Any:
    """The JSON value in the last line that a module prints in a process of its own. CalledProcessError if it fails."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return json.loads(done.stdout.splitlines()[-1])
