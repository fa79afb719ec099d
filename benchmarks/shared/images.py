"""What the benchmarks on images share: patterns where the network is, and runs that go on where they were cut off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import pwl
from benchmarks.shared.cells import Cells
from pwl.runtime.backend import beside, like


def patterns(x: np.ndarray, t: np.ndarray, preparation: pwl.Preparation, net: pwl.Network) -> pwl.Patterns:
    """Images x (Nv, height, width, channels) of bytes and class numbers t (Nv,): prepared once, in float32, where `net` is."""
    return pwl.Patterns(like(preparation.transform_inputs(x.astype(np.float32)), net.theta), beside(t, net.theta))


def trained(
    checkpoint: Path,
    net: pwl.Network,
    parts: dict[str, pwl.Patterns],
    algorithm: Any,
    epochs: int,
    batch_size: int,
    seed: int,
) -> tuple[pwl.Network, pwl.Record]:
    """`pwl.train` on parts["train"]; other parts are measured after each epoch. `checkpoint`: a file.

    The run goes on from the checkpoint where there is one, and all epochs are run. Raises KeyboardInterrupt where Ctrl-C
    ended it, so that half a run becomes no result.
    """
    net, record = pwl.train(
        net, parts["train"], algorithm, iterations=epochs, batch_size=batch_size, seed=seed,
        validation=parts.get("validation"), test=parts.get("test"), max_fail=epochs + 1,
        checkpoint=pwl.Checkpoint(checkpoint), resume=checkpoint if checkpoint.exists() else None,
    )  # fmt: skip
    if record.stop_code == "interrupted":
        raise KeyboardInterrupt
    return net, record


def run_cell(cells: Cells, key: str, compute: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """`cells.cell` of a run that is `trained`, which gets its checkpoint; once its result is written, the checkpoint goes.

    Checkpoints lie in a folder beside the file of the cells, one each; git ignores them.
    """
    checkpoint = cells.path.with_suffix("") / f"{key}.checkpoint"
    result = cells.cell(key, lambda: compute(checkpoint))
    checkpoint.unlink(missing_ok=True)
    return result


def accuracies(record: pwl.Record, part: str = "") -> list[float]:
    """Percent of a part's patterns in their right class, at the start and after each epoch. part: "", "validation_", "test_"."""
    return [round(100 * (1 - wrong), 4) for wrong in record[f"{part}classification_error"]]
