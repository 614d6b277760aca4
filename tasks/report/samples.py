"""Sample queries with what the leading system found for them; without queries, sample videos."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.report.evidence import Evidence
from tasks.report.numbers import shortened
from tasks.report.strips import Picture, filmstrip, spread
from tasks.report.tables import TYPE_ORDER
from tasks.shared.artifacts.corpus import Query, Video, positives_of
from tasks.shared.runtime.progress import progress

KINDS = ("best", "median", "worst")
WORDS = 120  # characters of a transcript that are shown


@dataclass(frozen=True)
class Choice:
    """A query to show, and which of its type it is by nDCG@10 (None where nothing is judged)."""

    query: Query
    kind: str | None


@dataclass(frozen=True)
class Shown:
    """A video as the page shows it."""

    video: Video
    title: str
    strip: list[Picture]
    spoken: str
    spoken_language: str | None
    written: str


@dataclass(frozen=True)
class Result:
    """A ranked video: rank from 1, score, and whether it is judged relevant."""

    rank: int
    score: float
    relevant: bool
    shown: Shown


@dataclass(frozen=True)
class FirstRelevant:
    """At which rank a system has the first relevant video; None where its whole ranking has none."""

    system: str
    rank: int | None
    depth: int


@dataclass(frozen=True)
class Sample:
    """A query of the page: what it scores, its judged positives, first results, and the systems' first right ranks.

    Of the positives only the first that is not among the results has a strip.
    """

    choice: Choice
    ndcg: float | None
    positives: list[Shown]
    results: list[Result]
    first: list[FirstRelevant]


def samples(evidence: Evidence, wanted: int, depth: int) -> list[Sample]:
    """Up to `wanted` test queries with the leading system's first `depth` results; none where nothing was ranked."""
    if evidence.lead is None:
        return []
    chosen = progress(choose(evidence, wanted), "samples", unit="query")
    return [_sample(evidence, choice, depth) for choice in chosen]


def choose(evidence: Evidence, wanted: int) -> list[Choice]:
    """Queries in turn from each type, by turns the best, the median and the worst by the leading system's nDCG@10.

    The choice depends on ids and scores alone. Where nothing is judged: evenly over the ids.
    """
    scored = evidence.ndcg.get(evidence.lead or "", {})
    if not scored:
        queries = evidence.test_queries()
        return [Choice(queries[place], None) for place in spread(len(queries), wanted)]
    by_type: dict[str, list[Query]] = {}
    for query_id in sorted(scored, key=lambda query_id: (-scored[query_id], query_id)):  # best first
        query = evidence.queries[query_id]
        by_type.setdefault(query.type or "", []).append(query)
    known = {kind: place for place, kind in enumerate(TYPE_ORDER)}
    types = sorted(by_type, key=lambda kind: (known.get(kind, len(known)), kind))
    chosen: list[Choice] = []
    while len(chosen) < wanted and any(by_type.values()):
        for query_type in types:
            left = by_type[query_type]
            if left and len(chosen) < wanted:
                kind = KINDS[len(chosen) % len(KINDS)]
                place = {"best": 0, "median": (len(left) - 1) // 2, "worst": len(left) - 1}[kind]
                chosen.append(Choice(left.pop(place), kind))
    return chosen


def _sample(evidence: Evidence, choice: Choice, depth: int) -> Sample:
    query_id, lead = choice.query.query_id, evidence.lead or ""
    positives = positives_of(evidence.qrels, query_id)
    ranking = list(evidence.runs[lead].get(query_id, {}).items())[:depth]
    found = {video_id for video_id, _ in ranking}
    absent = next((video_id for video_id in positives if video_id not in found), None) if found else None
    return Sample(
        choice,
        evidence.ndcg.get(lead, {}).get(query_id),
        [show(evidence, video_id, picture=video_id == absent) for video_id in positives],
        [
            Result(rank, score, video_id in positives, show(evidence, video_id))
            for rank, (video_id, score) in enumerate(ranking, start=1)
        ],
        [_first(name, list(run.get(query_id, {})), set(positives)) for name, run in evidence.runs.items()]
        if positives
        else [],
    )


def _first(system: str, ranking: list[str], positives: set[str]) -> FirstRelevant:
    rank = next((rank for rank, video_id in enumerate(ranking, start=1) if video_id in positives), None)
    return FirstRelevant(system, rank, len(ranking))


def sample_videos(evidence: Evidence, wanted: int) -> list[Shown]:
    """Extracted test videos, evenly over the ids, the ones with picture first."""
    extracted = [video.video_id for video in evidence.test_videos() if video.video_id in evidence.media]
    with_picture = [video_id for video_id in extracted if evidence.media[video_id].frames]
    without = [video_id for video_id in extracted if not evidence.media[video_id].frames]
    chosen = [with_picture[place] for place in spread(len(with_picture), wanted)]
    return [show(evidence, video_id) for video_id in progress((chosen + without)[:wanted], "samples")]


def show(evidence: Evidence, video_id: str, *, picture: bool = True) -> Shown:
    """A video with its strip and the start of its transcript and on-screen text."""
    video = evidence.videos[video_id]
    transcript = evidence.transcripts.get(video_id)
    return Shown(
        video,
        title_of(video),
        filmstrip(evidence.media.get(video_id), evidence.root / "extract") if picture else [],
        shortened(transcript.text, WORDS) if transcript else "",
        transcript.language if transcript else None,
        shortened(transcript.ocr or "", WORDS) if transcript else "",
    )


def title_of(video: Video) -> str:
    """What a video is called: its title, else its caption, else nothing."""
    return shortened(video.title or video.caption or "", 120)
