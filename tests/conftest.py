"""What the tests share: where the data are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_home() -> Path:
    """Folder of the data sets, PWL_DATA_HOME; tests that need real data are skipped where it is not set."""
    home = os.environ.get("PWL_DATA_HOME", "")
    if not home:
        pytest.skip("PWL_DATA_HOME is not set: it names the folder of the data sets")
    if not Path(home).is_dir():
        pytest.skip(f"PWL_DATA_HOME is {home}, which is not a folder")
    return Path(home)
