"""Words in a picture that nobody has drawn yet: how wide they are, cut and wrapped, and the boxes that hold them.

Widths are estimates on the safe side: those of DejaVu Sans, which is wider than the fonts that most systems have.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

from tasks.lineage.picture.graph import MARKS, Line, Node

PAD = 14
LINE = 17  # from one line of words to the next
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
SIZES = {  # pixels, by style; a bold letter is wider
    "title": 15 * BOLD, "figure": 38 * BOLD, "chip": 10.5 * BOLD,
    "words": 12, "why": 12, "meaning": 12, "label": 11, "digest": 11.5,
}  # fmt: skip
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2


def width(text: str, style: str) -> float:
    """About how wide a line is, in pixels."""
    return sum(_em(letter, style) for letter in text) * SIZES[style]


def _em(letter: str, style: str) -> float:
    if unicodedata.combining(letter) or unicodedata.category(letter) in ("Cf", "Mn", "Me"):
        return 0.0
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.02
    if style == "digest":
        return MONO if letter.isascii() else OTHER
    return WIDTHS.get(letter, OTHER)


def shortened(text: str, most: float, style: str) -> str:
    """A line cut to a width, with an ellipsis where something went."""
    if width(text, style) <= most:
        return text
    ends = [end * SIZES[style] for end in accumulate(_em(letter, style) for letter in text)]
    cut = bisect_right(ends, most - width("…", style))
    while 0 < cut < len(text) and unicodedata.combining(text[cut]):
        cut -= 1  # a letter keeps its accents
    return text[:cut].rstrip(" ,;:·") + "…"


def wrapped(text: str, most: float, style: str, lines: int) -> list[str]:
    """A text on up to so many lines, broken at spaces; what does not fit then is cut."""
    found: list[str] = []
    rest = text.split(" ")
    while rest and len(found) < lines - 1:
        line = rest.pop(0)
        while rest and width(f"{line} {rest[0]}", style) <= most:
            line += f" {rest.pop(0)}"
        if rest and rest[0] == "·":
            rest.pop(0)  # a dot between two things is none at a line's start
        found.append(shortened(line, most, style))
    return [*found, shortened(" ".join(rest), most, style)] if rest else found


def clean(text: str) -> str:
    """A text on one line, without what no XML may hold."""
    return " ".join(NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text).split())


@dataclass(frozen=True)
class Text:
    """A line of text: the place of its baseline at its start, or at its end where `anchor` says so."""

    x: float
    y: float
    text: str
    style: str
    anchor: str = "start"


@dataclass(frozen=True)
class Box:
    """A node with its words, whose places are relative to the box's corner, and where it is."""

    node: Node
    lines: tuple[Text, ...]
    width: float
    height: float
    x: float = 0
    y: float = 0
    hue: int = -1  # tells it and the lines that leave it from the others; -1 of what comes from outside


def box_of(node: Node, wide: float) -> Box:
    """A node's box, as high as its words need when they are wrapped and cut to it."""
    inner = wide - 2 * PAD - 3
    chip = width(MARKS[node.mark][0], "chip") + 24 if node.mark else 0
    y = PAD + 13.0
    found = [Text(PAD + 3, y, shortened(clean(node.title), inner - chip, "title"), "title")]
    for line in (*node.lines, *(Line(text, "why", 2) for text in node.why)):
        for text in wrapped(clean(line.text), inner, line.style, line.most):
            y += 40 if line.style == "figure" else LINE + 3 * (len(found) == 1)
            found.append(Text(PAD + 3, y, text, line.style))
        y += 6 * (line.style == "figure")
    return Box(node, tuple(found), wide, y + PAD - 3)
