"""Looks of the lines of several algorithms, each its own: up to 32 stay apart without colour, by marker and dashes together."""

from __future__ import annotations

from typing import NamedTuple

# Dark enough for letters on white, 4.5:1, and neighbours differ in lightness too. Pages in dark mode turn the lightness round.
COLOURS = (
    "#000000", "#0b62a8", "#b3470a", "#007a5a", "#9c3587", "#7a5c00", "#3f3f9f", "#5c5c5c", "#a8233a", "#00707f", "#5a6b00",
)  # fmt: skip
MARKERS = "os^DvPX<"
DASHES = ((), (5, 2), (1.5, 1.5), (7, 2, 1.5, 2))  # on, off, ... in widths of the line


class Look(NamedTuple):
    """The colour, the marker and the dashes of a line."""

    colour: str
    marker: str
    dashes: tuple[float, ...]

    @property
    def linestyle(self) -> tuple[float, tuple[float, ...]] | str:
        """The dashes as matplotlib takes them."""
        return (0, self.dashes) if self.dashes else "-"


def look(number: int) -> Look:
    """The look of line `number`, from 0."""
    marker = number % len(MARKERS)
    return Look(
        COLOURS[number % len(COLOURS)], MARKERS[marker], DASHES[(marker + number // len(MARKERS)) % len(DASHES)]
    )
