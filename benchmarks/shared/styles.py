"""Markers, dashes and colours that tell the lines of a picture apart."""

MARKERS, DASHES = "os^DvPX<>*hd", ("-", "--", ":", "-.")
COLOURS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#aa4499", "#8c6d1f", "#56b4e9", "#777777")
