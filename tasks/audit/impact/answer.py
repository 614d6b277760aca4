"""The answer of `audit impact`: what follows from videos, queries and params, and what a change of them would cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tasks.audit.impact.change import StageForecast
from tasks.audit.impact.checkpoints import Checkpoint
from tasks.audit.impact.stale import StaleStage
from tasks.lineage.items import VideoLineage
from tasks.lineage.model import Run
from tasks.shared.artifacts.corpus import Query, Video
from tasks.shared.artifacts.exposures import Exposure
from tasks.shared.artifacts.negatives import MinedQuery


@dataclass(frozen=True)
class Judged:
    """A judgment: of a video for a query, with the query's split."""

    query_id: str
    video_id: str
    relevance: int
    split: str


@dataclass(frozen=True)
class Candidate:
    """A training query whose mining met the video: kept as a negative, or dropped for a reason."""

    query_id: str
    rank: int
    score: float
    dropped: str | None


@dataclass(frozen=True)
class Place:
    """A test query for which a video is judged relevant, or in whose first ten it stands.

    Attributes:
        relevance: 0 where it is not judged.
        ranks: by system; None where it is not ranked.
        scores: nDCG@10 of the query by system; empty where it is not scored.
    """

    query_id: str
    video_id: str
    relevance: int
    ranks: dict[str, int | None]
    scores: dict[str, float]


@dataclass(frozen=True)
class Mean:
    """A mean score that depends on the item.

    Attributes:
        value: the mean nDCG@10 of the system.
        relevant, ranked: scored queries for which the video is relevant, and in whose first ten it stands.
        queries: how many of the scored queries are one or the other, of `of`.
        training: whether it also works through the trained weights.
    """

    system: str
    measure: str
    value: float
    relevant: int
    ranked: int
    queries: int
    of: int
    training: bool


@dataclass(frozen=True)
class VideoImpact:
    """All that follows from one video. What is not to be had is empty, and the answer's notes say why."""

    video: Video
    lineage: VideoLineage | None
    judged: list[Judged]
    mined: list[Candidate]
    exposures: list[Exposure]
    checkpoints: list[Checkpoint]
    vectors: dict[str, str]  # sha256 by system
    places: list[Place]
    means: list[Mean]


@dataclass(frozen=True)
class QueryImpact:
    """All that follows from one query."""

    query: Query
    judged: list[Judged]
    mined: MinedQuery | None
    exposures: list[Exposure]
    checkpoints: list[Checkpoint]
    vectors: dict[str, str]
    scores: dict[str, dict[str, float]]  # by system and measure
    places: list[Place]  # of its judged videos
    means: list[Mean]


@dataclass(frozen=True)
class ParamImpact:
    """What a param decides.

    Attributes:
        present: its value in params.yaml; recorded: by stage, the value its results were made with.
        new: the value it would get; None where none was given, which `given` tells.
        same: whether that is the present one, so that nothing would run.
        stages: by stage, the entries of dvc.yaml that name it.
        downstream: those stages and all that follow from them.
    """

    key: str
    present: Any
    recorded: dict[str, Any]
    given: bool
    new: Any
    same: bool
    stages: dict[str, list[str]]
    downstream: list[str]


@dataclass(frozen=True)
class StageResult:
    """What a stage published that is in reach of the change: digest of its manifest, DVC's md5s, runs in MLflow."""

    stage: str
    manifest: str
    dvc: dict[str, str]
    runs: list[Run]


@dataclass(frozen=True)
class Impact:
    """The answer.

    Attributes:
        state: what was looked at; commit and dirty: its commit of git, and tracked files that differ from it.
        results: of the stages that a change would reach.
        rerun: the forecast of `dvc repro`, by what is done to the items: `changed`, and for videos `removed`.
        stale: what DVC would run already, without that change; None where that cannot be told, or of another state.
        notes: what cannot be told, and on what the forecast rests.
    """

    state: str
    commit: str | None
    dirty: list[str]
    videos: list[VideoImpact]
    queries: list[QueryImpact]
    params: list[ParamImpact]
    results: list[StageResult]
    rerun: dict[str, list[StageForecast]]
    stale: list[StaleStage] | None
    notes: list[str]
