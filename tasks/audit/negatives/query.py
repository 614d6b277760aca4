"""One training query: its positives, its negatives one by one, and what was dropped."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from tasks.audit.negatives.audit import Origin, origin_of
from tasks.audit.negatives.effectiveness import neighbours
from tasks.audit.negatives.facts import Fact, compared_videos, facts_of
from tasks.audit.negatives.likeness import Likeness
from tasks.audit.negatives.material import Material, read_material
from tasks.audit.negatives.mix import modalities_of
from tasks.audit.negatives.usage import times_shown
from tasks.lineage.lineage import Lineage
from tasks.shared.artifacts.corpus import Query
from tasks.shared.artifacts.negatives import Dropped, MinedQuery
from tasks.shared.runtime.errors import UserError

NEAR = 3  # ids named where a query has no negatives


@dataclass(frozen=True)
class Shown:
    """A video as people know it.

    Attributes:
        modalities: which it has; None for what cannot be told here.
        training: how often training showed it for this query, by role; None where that cannot be told.
    """

    video_id: str
    title: str | None
    language: str | None
    video_type: str | None
    event: str | None
    modalities: dict[str, bool | None]
    transcript: str | None
    sha256: str
    training: dict[str, int] | None


@dataclass(frozen=True)
class Positive:
    """A judged positive, with its relevance, and score and rank in the mining retriever's list where it has them."""

    video: Shown
    relevance: int | None
    score: float | None
    rank: int | None


@dataclass(frozen=True)
class NegativeOf:
    """A mined negative and what is known of it."""

    video: Shown
    fact: Fact


@dataclass(frozen=True)
class QueryAudit:
    """The answer. `drawn` are negatives that training drew at random."""

    origin: Origin
    query: Query
    wanted: int
    positives: list[Positive]
    negatives: list[NegativeOf]
    drawn: list[Shown]
    dropped: list[Dropped]
    notes: list[str]


def audit_query(lineage: Lineage, query_id: str) -> QueryAudit:
    """Audit one query. Raises UserError where nothing was mined for it."""
    material = read_material(lineage, scored=False)
    mined = next((one for one in material.mined if one.query_id == query_id), None)
    if mined is None:
        raise UserError(_why_none(material, query_id))
    likeness = Likeness(material, compared_videos([mined]))
    shown = times_shown(material, query_id)
    rank_of = {drop.video_id: drop.rank for drop in mined.dropped}
    judged = material.qrels.get(query_id, {})
    positives = [
        Positive(
            _shown(material, video_id, shown),
            judged.get(video_id),
            mined.positive_scores.get(video_id),
            rank_of.get(video_id),
        )
        for video_id in mined.positives
        if video_id in material.videos
    ]
    origin = origin_of(material)
    return QueryAudit(
        origin=origin,
        query=material.queries[query_id],
        wanted=material.keep,
        positives=sorted(positives, key=lambda one: (one.score is None, -(one.score or 0.0), one.video.video_id)),
        negatives=[
            NegativeOf(_shown(material, one.video_id, shown), one) for one in facts_of(material, likeness, [mined])
        ],
        drawn=[
            _shown(material, video_id, shown)
            for video_id, roles in sorted(shown.items())
            if "drawn" in roles and video_id in material.videos
        ],
        dropped=mined.dropped,
        notes=material.notes,
    )


def _shown(material: Material, video_id: str, times: dict[str, dict[str, int]]) -> Shown:
    video = material.videos[video_id]
    return Shown(
        video_id=video_id,
        title=video.title,
        language=video.language,
        video_type=video.video_type,
        event=video.event,
        modalities=modalities_of(material, video_id),
        transcript=(material.texts or {}).get(video_id),
        sha256=video.sha256,
        training=times.get(video_id, {}) if material.exposures is not None else None,
    )


def _why_none(material: Material, query_id: str) -> str:
    if query_id in material.queries:
        return (
            f"query {query_id} has no judged positive in the training qrels, so nothing was mined for it; "
            "add a judgment and run `dvc repro mine`"
        )
    test = next((one for one in material.tested if one.query_id == query_id), None)
    if test is not None:
        near = _nearest(material.mined, material, test)
        hint = f"; nearest to it are {', '.join(near)}" if near else "; there are none here"
        return f"{query_id} is a test query, and negatives are mined for training queries only{hint}"
    close = get_close_matches(query_id, [one.query_id for one in material.mined], n=NEAR)
    hint = f"did you mean {', '.join(close)}?" if close else "results/corpus/queries.parquet has the ids"
    return f"{material.lineage.name} knows no query {query_id}; {hint}"


def _nearest(mined: list[MinedQuery], material: Material, test: Query) -> list[str]:
    trained = [material.queries[one.query_id] for one in mined]
    by_text = neighbours(trained, [test])[test.query_id]
    return (by_text or get_close_matches(test.query_id, [one.query_id for one in mined], n=NEAR, cutoff=0.0))[:NEAR]
