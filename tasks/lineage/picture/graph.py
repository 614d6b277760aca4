"""A lineage as a graph: what was made, what it was made of, and what of that does not hold any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["source", "stage", "item", "score"]  # a source comes from outside the pipeline, or is only looked up
Mark = Literal["stale", "follows", "broken", "missing"]
Style = Literal["words", "digest", "figure", "why"]

SHORT = 12  # hex digits of a digest in a picture
MARKS: dict[Mark, tuple[str, str]] = {  # the words on a box, and what they mean
    "stale": (
        "stale",
        "DVC would run this stage again: a param, a source file or a file it read or made has changed since",
    ),
    "follows": ("follows from stale", "unchanged itself, but made of what is stale, broken or missing"),
    "broken": ("broken", "what was read is not, byte for byte, what its maker has here: the two are not of one run"),
    "missing": ("missing", "its manifest is not to be had in this state"),
}


@dataclass(frozen=True)
class Line:
    """A line of a node. A digest is set in fixed pitch, a figure large; words may be wrapped onto `most` lines."""

    text: str
    style: Style = "words"
    most: int = 1


@dataclass(frozen=True)
class Node:
    """Something that was made or came from outside."""

    key: str
    kind: Kind
    title: str
    lines: tuple[Line, ...] = ()
    mark: Mark | None = None  # what does not hold of it
    why: tuple[str, ...] = ()  # the reasons of that, in words
    link: str | None = None  # where more is told about it, an address in the page
    facts: dict[str, Any] = field(default_factory=dict)  # the same for programs, digests in full


@dataclass(frozen=True)
class Edge:
    """What one node took from another, by their keys."""

    maker: str
    reader: str
    artifacts: tuple[str, ...] = ()  # names of what was read; empty where nothing needs to be said
    broken: bool = False  # the reader read something else than the maker has

    @property
    def label(self) -> str:
        """The artifacts on one line, and whether they are what the maker has."""
        return f"{', '.join(self.artifacts)}{': broken' if self.broken else ''}"


@dataclass(frozen=True)
class Graph:
    """A lineage. Makers come before their readers; the last node is what the lineage is of."""

    title: str
    about: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def short(digest: str | None) -> str:
    """The first digits of a digest."""
    return digest[:SHORT] if digest else "not known"


def digests(*texts: str) -> list[Line]:
    """Lines in fixed pitch."""
    return [Line(text, "digest") for text in texts]


def counted(counts: Mapping[str, int]) -> str:
    """Counts in words, those that are zero left out."""
    return " · ".join(f"{whole(count)} {name.replace('_', ' ')}" for name, count in counts.items() if count)


def whole(count: int) -> str:
    """A number with its thousands apart."""
    return f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
