"""One training query: its positives, its negatives one by one, and what was dropped."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from tasks.lineage.lineage import Lineage
from tasks.negatives.counts import modalities_of
from tasks.negatives.data import NegativesData, Origin, read_data
from tasks.negatives.effectiveness import neighbours
from tasks.negatives.facts import Fact, facts_of
from tasks.shared.artifacts.corpus import Query, Video
from tasks.shared.artifacts.negatives import Dropped
from tasks.shared.runtime.errors import UserError

NEAR = 3  # ids that are suggested where a query has no negatives


@dataclass(frozen=True)
class QueryVideo:
    """A video that was a positive or a negative of the query.

    Attributes:
        modalities: which it has; None for what is unknown.
        training: how often training showed it for this query, by role; None where that is unknown.
        relevance: in the training qrels.
        score, rank: in the mining retriever's list.
        fact: what is known of a mined negative.
    """

    video: Video
    modalities: dict[str, bool | None]
    transcript: str | None
    training: dict[str, int] | None
    relevance: int | None
    score: float | None
    rank: int | None
    fact: Fact | None


@dataclass(frozen=True)
class QueryAudit:
    """The answer; `drawn` are negatives that training drew at random."""

    origin: Origin
    query: Query
    wanted: int
    positives: list[QueryVideo]
    negatives: list[QueryVideo]
    drawn: list[QueryVideo]
    dropped: list[Dropped]
    notes: list[str]


def audit_query(lineage: Lineage, query_id: str) -> QueryAudit:
    """Audit one query. Raises UserError where nothing was mined for it."""
    data = read_data(lineage)
    mined = next((one for one in data.mined if one.query_id == query_id), None)
    if mined is None:
        raise UserError(_why_none(data, query_id))
    facts = {one.video_id: one for one in facts_of(data, [mined])}
    ranks = {one.video_id: one.rank for one in mined.dropped} | {one.video_id: one.rank for one in mined.negatives}
    scores = mined.positive_scores | {one.video_id: one.score for one in facts.values() if one.score is not None}
    shown: dict[str, dict[str, int]] = {}
    for exposure in data.exposures or []:
        if exposure.query_id == query_id:
            shown.setdefault(exposure.video_id, {})[exposure.role] = len(exposure.steps)

    def described(video_id: str) -> QueryVideo:
        return QueryVideo(
            video=data.videos[video_id],
            modalities=modalities_of(data, video_id),
            transcript=(data.texts or {}).get(video_id),
            training=shown.get(video_id, {}) if data.exposures is not None else None,
            relevance=data.qrels.get(query_id, {}).get(video_id),
            score=scores.get(video_id),
            rank=ranks.get(video_id),
            fact=facts.get(video_id),
        )

    positives = [described(video_id) for video_id in mined.positives if video_id in data.videos]
    drawn = sorted(video_id for video_id, roles in shown.items() if "drawn" in roles and video_id in data.videos)
    return QueryAudit(
        origin=data.origin,
        query=data.queries[query_id],
        wanted=data.param("mine.keep"),
        positives=sorted(positives, key=lambda one: (one.score is None, -(one.score or 0.0), one.video.video_id)),
        negatives=[described(video_id) for video_id in facts],
        drawn=[described(video_id) for video_id in drawn],
        dropped=mined.dropped,
        notes=data.notes,
    )


def _why_none(data: NegativesData, query_id: str) -> str:
    if query_id in data.queries:
        return (
            f"query {query_id} has no judged positive in the training qrels, so nothing was mined for it; "
            "add a judgment and run `dvc repro mine`"
        )
    mined = [one.query_id for one in data.mined]
    if test := next((one for one in data.test_queries if one.query_id == query_id), None):
        near = neighbours([data.queries[one] for one in mined], [test])[query_id]
        near = (near or get_close_matches(query_id, mined, n=NEAR, cutoff=0.0))[:NEAR]
        hint = f"nearest to it are {', '.join(near)}" if near else "there are none here"
        return f"{query_id} is a test query, and negatives are mined for training queries only; {hint}"
    close = get_close_matches(query_id, mined, n=NEAR)
    hint = f"did you mean {', '.join(close)}?" if close else "results/corpus/queries.parquet has the ids"
    return f"{data.origin.state} knows no query {query_id}; {hint}"
