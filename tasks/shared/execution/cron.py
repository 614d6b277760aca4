"""Cron expressions of five fields, checked before a scheduler reads them."""

from __future__ import annotations

import re

FIELDS = {"minute": (0, 59), "hour": (0, 23), "day of the month": (1, 31), "month": (1, 12), "day of the week": (0, 7)}
NAMES = {
    "month": ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    "day of the week": ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
}
TERM = re.compile(r"(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d+))?", re.ASCII)
DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]  # of each month, at most


def check_cron(text: str) -> str:
    """The expression as given.

    A field is `*`, a number, a name (of months and days of the week) or a range, each with or without a step, or
    several of these by comma. Raises ValueError that names the wrong field, or says that no such day exists.
    """
    fields = text.split()
    if len(fields) != len(FIELDS):
        raise ValueError(f"a cron has five fields ({', '.join(FIELDS)}), not {len(fields)}")
    values = {name: _values(name, field) for name, field in zip(FIELDS, fields, strict=True)}
    if min(values["day of the month"]) > max(DAYS[month - 1] for month in values["month"]):
        raise ValueError("no such day exists")
    return text


def _values(name: str, field: str) -> set[int]:
    """The numbers that a field stands for."""
    low, high = FIELDS[name]
    found: set[int] = set()
    for term in field.split(","):
        if (parts := TERM.fullmatch(term)) is None:
            raise _wrong(name, term)
        step = int(parts["step"] or 1)
        first = _number(name, parts["first"]) if parts["first"] else low
        last = _number(name, parts["last"]) if parts["last"] else high if parts["step"] or not parts["first"] else first
        if not (low <= first <= last <= high and 1 <= step <= high):
            raise _wrong(name, term)
        found.update(range(first, last + 1, step))
    return found


def _number(name: str, text: str) -> int:
    if text.lower() in NAMES.get(name, []):
        return FIELDS[name][0] + NAMES[name].index(text.lower())
    if not text.isdecimal():
        raise _wrong(name, text)
    return int(text)


def _wrong(name: str, term: str) -> ValueError:
    low, high = FIELDS[name]
    return ValueError(f"{term!r} is no {name}, which is {low} to {high} in a cron")
