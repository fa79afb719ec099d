"""Dates and times of day as days since 1 January 1970."""

from __future__ import annotations

import re
from datetime import date

ORDERS = ("ymd", "dmy", "mdy")
TIME = r"(?P<h>\d{1,2}):(?P<min>\d\d)(?::(?P<s>\d\d(?:[.,]\d+)?))?\s?(?:Z|UTC|(?P<zone>[+-]\d\d:?\d\d))?"
DAY = r"(?P<a>\d{1,4})(?P<sep>[-/.])(?P<b>\d{1,2})(?P=sep)(?P<c>\d{1,4})\.?"
_DATE = re.compile(rf"{DAY}(?:[T ]\s?{TIME})?")
_TIME = re.compile(TIME)
START = date(1970, 1, 1).toordinal()


def is_date(cell: str) -> bool:
    """Whether a cell looks like a date, with or without a time, or like a time of day."""
    text = cell.strip()
    return _DATE.fullmatch(text) is not None or _TIME.fullmatch(text) is not None


def to_days(cell: str, order: str) -> float:
    """Days since 1 January 1970, or the share of a day for a time alone. Raises ValueError for what is not a date in this order."""
    text = cell.strip()
    found = _DATE.fullmatch(text)
    if found is None and (found := _TIME.fullmatch(text)) is not None:
        return _share(found)
    if found is None:
        raise ValueError(f"{text[:60]!r} is in a column of dates; write it as the others")
    parts = dict(zip(order if len(found["a"]) < 4 else "ymd", (found["a"], found["b"], found["c"]), strict=True))
    if len(parts["y"]) == 3 or (len(parts["y"]) == 1):
        raise ValueError(f"{text!r} is not a date in the order {order} (--dates)")
    year = int(parts["y"]) if len(parts["y"]) == 4 else int(parts["y"]) + (2000 if int(parts["y"]) < 69 else 1900)
    try:
        day = date(year, int(parts["m"]), int(parts["d"])).toordinal() - START
    except ValueError:
        raise ValueError(f"{text!r} is not a date in the order {order} (--dates)") from None
    return day + (_share(found) if found["h"] else 0.0)


def _share(found: re.Match[str]) -> float:
    """The share of a day that a time is, at Greenwich if the zone is known."""
    hours, minutes, seconds = int(found["h"]), int(found["min"]), float((found["s"] or "0").replace(",", "."))
    if hours > 24 or minutes > 59 or seconds >= 61:
        raise ValueError(f"{found.group()!r} is not a time of day")
    zone = found["zone"] or "+00:00"
    shift = (int(zone[1:3]) * 60 + int(zone[-2:])) * (-1 if zone[0] == "-" else 1)
    return (hours * 3600 + (minutes - shift) * 60 + seconds) / 86400
