"""On-screen text of a video, each line once.

The same sign, logo or subtitle stands in many frames, read a little differently now and then. Lines are compared by
their letters and digits alone, without case. A line that was there in any frame before is left out. So is one that is
part of a line in the frame just before (half faded, half hidden), and one that continues such a line (written letter
by letter) takes its place.
"""

from __future__ import annotations

from collections.abc import Iterable

SHORTEST = 3  # letters of a line that another one may continue


def distinct_lines(frames: Iterable[str]) -> list[str]:
    """The lines of frames' texts, in the order of their first appearance."""
    lines: list[str] = []
    place: dict[str, int] = {}  # of a line that is kept, by its letters
    seen: set[str] = set()
    before: list[str] = []
    for frame in frames:
        now = []
        for line in frame.split("\n"):
            letters = "".join(one for one in line.casefold() if one.isalnum())
            if not letters:
                continue
            now.append(letters)
            if letters in seen:
                continue
            seen.add(letters)
            if any(letters in other for other in before):
                continue
            grown = next((one for one in before if len(one) >= SHORTEST and one in place and one in letters), None)
            if grown is None:
                place[letters] = len(lines)
                lines.append(" ".join(line.split()))
            else:
                place[letters] = place.pop(grown)
                lines[place[letters]] = " ".join(line.split())
        before = now
    return lines
