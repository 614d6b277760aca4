"""Numbers and digests as the page writes them."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.lineage.picture.graph import whole

MINUS = "\N{MINUS SIGN}"


def decimals(value: float) -> str:
    """Three decimals, as measures are compared."""
    return f"{value:.3f}"


def signed(value: float) -> str:
    """Three decimals with their sign."""
    return f"{value:+.3f}".replace("-", MINUS)


def probability(value: float) -> str:
    """A p-value: three decimals, or `< 0.001`."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def size(count: int) -> str:
    """Bytes in the unit that suits them."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, without leading zeros."""
    total = round(seconds)
    hours, minutes, rest = total // 3600, total // 60 % 60, total % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def counted(count: int, what: str, plural: str | None = None) -> str:
    """`1 query`, `3 queries`."""
    return f"{whole(count)} {what if count == 1 else plural or what + 's'}"


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def shortened(text: str, most: int) -> str:
    """Text on one line, cut at a word's end (or anywhere in scripts without spaces) with an ellipsis."""
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    cut = line[: most - 1]
    head = cut.rsplit(" ", 1)[0]
    return (head if len(head) > most // 2 else cut).rstrip(" ,;:") + "…"
