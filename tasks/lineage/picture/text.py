"""How wide words are in a picture that nobody has drawn yet, and words cut, wrapped and escaped for it.

Widths are estimates on the safe side: those of DejaVu Sans, which is wider than the fonts that most systems have.
"""

from __future__ import annotations

import re
import unicodedata
from xml.sax.saxutils import escape, quoteattr

WIDTHS = {  # of the size, by letter
    letter: ems
    for ems, letters in {
        0.33: "'ijlIJ ,.·",
        0.37: "/:;\\|f-",
        0.42: "()[]t!r",
        0.54: '"*_`sz“”?',
        0.61: "cLFkvxyPTYao",
        0.65: "eESbdghnpqu$0123456789{}",
        0.70: "KAVBRXZC",
        0.80: "UHNDG&OQ",
        0.87: "w#+<=>^~×✓✗M",
        1.00: "%mW@…—",
    }.items()
    for letter in letters
}
OTHER = 0.8  # letters that DejaVu Sans has in other scripts are up to 0.94, and 0.67 on average
MONO = 0.61
BOLD = 1.13
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2


def width(text: str, size: float, *, mono: bool = False, bold: bool = False) -> float:
    """About how wide a line is, in the unit of its font's size."""
    total = sum(_em(letter, mono) for letter in text)
    return total * size * (BOLD if bold else 1)


def _em(letter: str, mono: bool) -> float:
    if unicodedata.combining(letter) or unicodedata.category(letter) in ("Cf", "Mn", "Me"):
        return 0.0
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.02
    if mono:
        return MONO if letter.isascii() else OTHER
    return WIDTHS.get(letter, OTHER)


def shortened(text: str, most: float, size: float, *, mono: bool = False, bold: bool = False) -> str:
    """A line cut to a width, with an ellipsis where something went."""
    if width(text, size, mono=mono, bold=bold) <= most:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if width(text[:middle].rstrip() + "…", size, mono=mono, bold=bold) <= most:
            low = middle
        else:
            high = middle - 1
    while 0 < low < len(text) and unicodedata.combining(text[low]):
        low -= 1  # a letter keeps its accents
    return text[:low].rstrip(" ,;:·") + "…"


def wrapped(text: str, most: float, size: float, lines: int) -> list[str]:
    """A text on up to so many lines, broken at spaces; what does not fit then is cut."""
    found: list[str] = []
    rest = text.split(" ")
    while rest and len(found) < lines - 1:
        line = rest.pop(0)
        while rest and width(f"{line} {rest[0]}", size) <= most:
            line += f" {rest.pop(0)}"
        if rest and rest[0] == "·":
            rest.pop(0)  # a dot between two things is none at a line's start
        found.append(shortened(line, most, size))
    if rest:
        found.append(shortened(" ".join(rest), most, size))
    return found


def clean(text: str) -> str:
    """A text on one line, without what no XML may hold."""
    return " ".join(NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text).split())


def xml(text: str) -> str:
    """Text for an XML element or an HTML one."""
    return escape(clean(text), {'"': "&quot;"})


def attribute(text: str) -> str:
    """Text as the value of an attribute, quotes around it."""
    return quoteattr(clean(text))
