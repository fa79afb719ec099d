"""The table of one problem of `benchmarks peers`, and its picture of error against seconds."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.peers.traces import steps
from benchmarks.shared import markdown
from benchmarks.shared.styles import COLOURS, DASHES, MARKERS
from pwl.plots.figure import INK, panels, png
from pwl.plots.ticks import plain_ticks

SHOWN_OF_OURS = 3  # of our algorithms in the picture, the best ones; every other rival shows its best method

Cell = dict[str, Any]
Rows = dict[tuple[str, str], list[Cell]]


def table(rows: Rows, missing: dict[str, str], name: str, levels: tuple[float, ...], times: tuple[float, ...]) -> str:
    """A Markdown table with the lowest median error first. Rivals that could not run are last, with the reason."""
    some = next(iter(rows.values()), [{"budget": 0.0, "weights": 0}])
    about = f"**{name}**, {some[0]['weights']} weights, {some[0]['budget']:g} s a run, medians over {len(some)} starts"
    heads = [
        "rival", "method", "setting", *(f"s to {level:g}" for level in levels), *(f"E at {s:g} s" for s in times),
        "lowest E", "ms an iteration", "peak MiB", "above imports",
    ]  # fmt: skip
    lines = [about, "", *markdown.head(heads)]
    for (_, method), cells in sorted(rows.items(), key=lambda item: median([c["lowest"] for c in item[1]])):
        setting = {key: value for key, value in cells[0]["setting"].items() if key != "method"}
        line = [
            cells[0]["program"], method, words(setting),
            *(seconds([c["to_level"][str(level)] for c in cells]) for level in levels),
            *(number([c["at_time"][str(s)] for c in cells]) for s in times),
            number([c["lowest"] for c in cells]),
            f"{1000 * median([c['seconds'] / max(c['iterations'], 1) for c in cells]):.2f}",
            f"{median([c['peak_mib'] for c in cells]):.0f}",
            f"{median([c['peak_mib'] - c['imported_mib'] for c in cells]):.0f}",
        ]  # fmt: skip
        lines.append(markdown.row(line))
    for rival, reason in missing.items():
        lines.append(f"| {rival} | not run ({reason}) |" + " |" * (len(heads) - 2))
    return "\n".join(lines) + "\n"


def words(setting: dict[str, Any]) -> str:
    flat = {**setting, **setting.get("options", {})}
    flat.pop("options", None)
    hidden = ("maxiter", "maxfun", "ftol", "gtol")  # they only prevent an early stop
    return ", ".join(f"{key} {'all' if value is None else value}" for key, value in flat.items() if key not in hidden)


def median(values: list[float]) -> float:
    return float(np.median(values))


def seconds(values: list[float | None]) -> str:
    """The median if most starts reach the level, and the number of starts that reach it."""
    there = [value for value in values if value is not None]
    middle = median([np.inf if value is None else value for value in values])
    return (
        f"{middle:.3g} ({len(there)}/{len(values)})" if np.isfinite(middle) else f"never ({len(there)}/{len(values)})"
    )


def number(values: list[float | None]) -> str:
    middle = median([np.inf if value is None else value for value in values])
    return f"{middle:.4g}" if np.isfinite(middle) else "none"


def picture(rows: Rows, name: str) -> bytes:
    """Median error so far against seconds, for our best algorithms and the best method of each rival."""
    figure, (ax,) = panels(1, 1, 7, 5)
    for number_, (file, method) in enumerate(shown(rows)):
        x, y = median_line(rows[file, method])
        ax.loglog(
            x, y, DASHES[number_ // 3 % len(DASHES)], marker=MARKERS[number_ % len(MARKERS)], markersize=5,
            color=COLOURS[number_ % len(COLOURS)], markerfacecolor="white", linewidth=1.3,
            markevery=(0.02 + 0.015 * number_, 0.15), label=f"{rows[file, method][0]['program']}, {method}",
        )  # fmt: skip
    if rows:
        for axis in (ax.xaxis, ax.yaxis):
            plain_ticks(axis)
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8, handlelength=4)
        ax.set_xlim(left=1e-3)
    ax.set(xlabel="seconds", ylabel="lowest E so far")
    ax.grid(True, which="major", color="0.92", linewidth=0.7)
    figure.suptitle(f"{name}: medians over the starts", fontsize=10, color=INK)
    return png(figure)


def shown(rows: Rows) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for file in dict.fromkeys(file for file, _ in rows):
        own = [key for key in rows if key[0] == file]
        own.sort(key=lambda key: median([c["lowest"] for c in rows[key]]))
        found += own[: SHOWN_OF_OURS if file == "own" else 1]
    return found


def median_line(cells: list[Cell]) -> tuple[np.ndarray, np.ndarray]:
    times, errors = steps([c["trace"] for c in cells])
    return times, np.median(errors, axis=0)
