"""What `trace` answers: a score, a query's ranking, or one video's rank, with all that it follows from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tasks.audit.chain import Stage
from tasks.audit.items import Lineage
from tasks.shared.artifacts.corpus import Query
from tasks.shared.artifacts.exposures import Altered, Exposure


@dataclass(frozen=True)
class Ancestry:
    """Where a result is and what it follows from.

    Attributes:
        state: workspace, revision or run.
        commit: of git: the state's; a run's own is with the run.
        changed_files: tracked files of the workspace that differ from the commit.
        stages: as each feeds the next; the last one made the result.
        broken: links of the chain that do not hold, in words.
        notes: what could not be told, and what to beware of.
        retriever: the model that mined the negatives, as mine recorded it; None where none did.
    """

    state: str
    commit: str | None
    changed_files: list[str]
    stages: list[Stage]
    broken: list[str]
    notes: list[str]
    retriever: dict[str, Any] | None


@dataclass(frozen=True)
class ScoreTrace:
    """A number. `system` and `value` are None where nothing is judged, or where a run of another stage was named."""

    measure: str
    system: str | None
    value: float | None
    interval: list[float] | None
    queries: int | None
    videos: int | None
    note: str | None
    ancestry: Ancestry


@dataclass(frozen=True)
class Ranked:
    """A video of a ranking: rank from 1, similarity, relevance (None where it is not judged), and its own lineage."""

    rank: int
    similarity: float
    relevance: int | None
    lineage: Lineage


@dataclass(frozen=True)
class QueryTrace:
    """A query: what every system scores for it, and what one system ranked.

    Attributes:
        values: by system and measure.
        system: whose ranking is shown; None for a training query, for which nothing is ranked.
        ranked: how many videos the ranking has; results: the first of them.
        unranked: judged relevant, and not among the results shown: video id and rank, None where it is not ranked.
        shown: what training showed for it, where it is a training query.
        altered: what of it was shown otherwise than it is.
    """

    query: Query
    values: dict[str, dict[str, float]]
    system: str | None
    ranked: int
    results: list[Ranked]
    unranked: dict[str, int | None]
    shown: list[Exposure] | None
    altered: list[Altered]
    ancestry: Ancestry


@dataclass(frozen=True)
class Place:
    """A video's place in one system's ranking; rank is None where the ranking does not have it."""

    rank: int | None
    similarity: float | None
    ranked: int


@dataclass(frozen=True)
class Neighbour:
    """A video ranked just above or below."""

    rank: int
    video_id: str
    similarity: float
    relevance: int | None


@dataclass(frozen=True)
class PairTrace:
    """Why a video has its rank for a query.

    Attributes:
        places: by system.
        neighbours: in the final system's ranking, from the first to those around the video.
        gain: what the video adds to the final system's nDCG@10 of the query, and ndcg, all of it; None unjudged.
        shown: what training showed of the video; None where that was not recorded or nothing was trained.
        altered: how training showed it otherwise than it is, or something of it in another one's place.
    """

    query: Query
    lineage: Lineage
    relevance: int | None
    system: str | None
    places: dict[str, Place]
    neighbours: list[Neighbour]
    gain: float | None
    ndcg: float | None
    shown: list[Exposure] | None
    altered: list[Altered]
    ancestry: Ancestry
