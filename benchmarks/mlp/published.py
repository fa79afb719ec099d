"""Published figures of MLPs: training and test E over 10 folds, from Table 6.2 of Challagundla's thesis.

The thesis is of the University of Texas at Arlington. E is summed over outputs, in raw units. The thesis's "adaptive
MOLF" is AdAct. Its OWO-MOLF program computes HWO-MOLF, as it is called here.
"""

from __future__ import annotations

from benchmarks.shared import markdown

COLUMNS = {"adaptive MOLF": "hwo-adact", "OWO-MOLF": "hwo-molf", "SCG": "scg", "LM": "lm"}

TABLE: dict[str, tuple[tuple[float, float], ...]] = {  # training, test; in the order of COLUMNS
    "twod": ((0.0888, 0.1172), (0.1554, 0.1731), (1.0985, 1.0945), (0.2038, 0.2205)),
    "single2": ((0.0042, 0.2319), (0.0151, 0.1689), (3.5719, 3.6418), (0.0083, 0.0178)),
    "mattrn": ((0.0011, 0.0013), (0.0027, 0.0032), (4.24, 4.3359), (0.0022, 0.0027)),
    "oh7": ((1.2507, 1.4738), (1.3205, 1.4875), (4.15, 4.1991), (1.1602, 1.4373)),
    "housing": ((2.7274, 19.0627), (3.1318, 24.675), (5.9245, 80.808), (0.9543, 133.99)),
}
HIDDEN = {"twod": 27, "mattrn": 30}  # hidden units in the thesis, for the sets that are available here

NOT_AT_HAND = {  # sets that are not available here, with inputs, outputs and patterns if stated
    "single2": "16 inputs, 3 outputs; published above with 23 units",
    "oh7": "20 inputs, 3 outputs; published above with 23 units",
    "housing": "published above",
    "superconductor": "81 inputs, 1 output, 21263 patterns; in the long version of the AdAct paper",
    "f24": "24 inputs, 1 output, 4823 patterns; in the long version of the AdAct paper",
    "weather": "17 inputs, 1 output, 44022 patterns; in the long version of the AdAct paper",
}


def figures(data: str, algorithm: str) -> tuple[float, float] | None:
    """The published training and test E of one of our algorithms on a set, or None."""
    for column, name in enumerate(COLUMNS.values()):
        if name == algorithm and data in TABLE:
            return TABLE[data][column]
    return None


def table() -> str:
    """The whole published table in Markdown."""
    lines = markdown.head(["data", *COLUMNS])
    for data, pairs in TABLE.items():
        lines.append(markdown.row([data, *(f"{train:g} / {test:g}" for train, test in pairs)]))
    return "\n".join(lines) + "\n"
