"""Parts that the benchmarks on images share: patterns on the network's device, and runs that can be interrupted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import pwl
from benchmarks.shared.cells import Cells
from pwl.runtime.backend import beside, like


def patterns(x: np.ndarray, t: np.ndarray, preparation: pwl.Preparation, net: pwl.Network) -> pwl.Patterns:
    """Patterns of images x (Nv, height, width, channels) in bytes and class numbers t (Nv,).

    They are prepared once, in float32, on the device of `net`.
    """
    return pwl.Patterns(like(preparation.transform_inputs(x.astype(np.float32)), net.theta), beside(t, net.theta))


def trained(
    checkpoint: Path,
    net: pwl.Network,
    parts: dict[str, pwl.Patterns],
    algorithm: Any,
    epochs: int,
    batch_size: int,
    seed: int,
    augment: pwl.Augmentation | None = None,
) -> tuple[pwl.Network, pwl.Record]:
    """Trains on parts["train"] for all epochs, and measures the other parts after each of them.

    If the file `checkpoint` exists, the run goes on from there. If Ctrl-C ends the run, KeyboardInterrupt is raised, so
    that half a run never becomes a result.
    """
    net, record = pwl.train(
        net, parts["train"], algorithm, iterations=epochs, batch_size=batch_size, seed=seed, augment=augment,
        validation=parts.get("validation"), test=parts.get("test"), max_fail=epochs + 1,
        checkpoint=pwl.Checkpoint(checkpoint), resume=checkpoint if checkpoint.exists() else None,
    )  # fmt: skip
    if record.stop_code == "interrupted":
        raise KeyboardInterrupt
    return net, record


def run_cell(cells: Cells, key: str, compute: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """A cell whose run can be interrupted. `compute` gets the path of the run's checkpoint.

    Checkpoints are in a folder beside the file of the cells, and git ignores them. A checkpoint is removed when its
    result is written.
    """
    checkpoint = cells.path.with_suffix("") / f"{key}.checkpoint"
    result = cells.cell(key, lambda: compute(checkpoint))
    checkpoint.unlink(missing_ok=True)
    return result


def accuracies(record: pwl.Record, part: str = "") -> list[float]:
    """Percent of a part's patterns that are classified correctly, at the start and after each epoch.

    part: "", "validation_" or "test_".
    """
    return [round(100 * (1 - wrong), 4) for wrong in record[f"{part}classification_error"]]
