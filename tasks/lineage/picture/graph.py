"""A lineage as a graph: what was made, what it was made of, and what of that does not hold any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["source", "stage", "item", "score"]  # a source comes from outside the pipeline, or is only looked up
Mark = Literal["stale", "follows", "broken", "missing"]
Style = Literal["words", "digest", "figure"]

SHORT = 12  # hex digits of a digest in a picture
MARKS: dict[Mark, str] = {
    "stale": "stale",
    "follows": "follows from stale",
    "broken": "broken",
    "missing": "missing",
}


@dataclass(frozen=True)
class Line:
    """A line of a node. A digest is set in fixed pitch and never wrapped; a figure is set large.

    Attributes:
        most: onto so many lines it may be wrapped; what is left then is cut.
    """

    text: str
    style: Style = "words"
    most: int = 1


@dataclass(frozen=True)
class Node:
    """Something that was made or came from outside.

    Attributes:
        key: its identity in the graph.
        mark: what does not hold of it; why: the reasons, in words.
        link: where more is told about it, an address in the page.
        facts: the same for programs, digests in full.
    """

    key: str
    kind: Kind
    title: str
    lines: tuple[Line, ...] = ()
    mark: Mark | None = None
    why: tuple[str, ...] = ()
    link: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Edge:
    """What one node took from another.

    Attributes:
        maker, reader: keys of nodes.
        artifacts: names of what was read; empty where nothing needs to be said.
        broken: whether the reader read something else than the maker has.
    """

    maker: str
    reader: str
    artifacts: tuple[str, ...] = ()
    broken: bool = False

    @property
    def label(self) -> str:
        """The artifacts on one line."""
        return ", ".join(self.artifacts)


@dataclass(frozen=True)
class Graph:
    """A lineage.

    Attributes:
        nodes: makers before their readers; the last one is what the lineage is of.
        legend: what each mark means that a node or an edge can have here.
    """

    title: str
    about: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    legend: dict[Mark, str] = field(default_factory=dict)


def short(digest: str | None) -> str:
    """The first digits of a digest."""
    return digest[:SHORT] if digest else "not known"


def counted(counts: Mapping[str, int]) -> str:
    """Counts in words, those that are zero left out."""
    return " · ".join(f"{whole(count)} {name.replace('_', ' ')}" for name, count in counts.items() if count)


def whole(count: int) -> str:
    """A number with its thousands apart."""
    return f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
