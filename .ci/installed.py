"""The Python of the README, from an empty folder, with the package as it was installed. Run it by the environment's Python."""

import os
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path = [path for path in sys.path if Path(path or ".").resolve() not in (ROOT, ROOT / ".ci")]
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    import pwl

    assert ROOT not in Path(pwl.__file__).parents or ".venv" in pwl.__file__, f"{pwl.__file__} is not the installed package"
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, "README.md", "exec"), names)
    assert names["net"].to_c().startswith("/* net.h"), "the header's functions are in the package"
    print(f"pwl {pwl.__version__} at {Path(pwl.__file__).parent}: the README's Python runs")
    os.chdir(ROOT)
