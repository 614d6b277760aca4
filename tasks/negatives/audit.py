"""The audit of all mined negatives of a state, and of one query's: plain data, which the view prints."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from difflib import get_close_matches
from typing import Any

from tasks.negatives import counts
from tasks.negatives.data import NegativesData
from tasks.negatives.effectiveness import effectiveness_of, neighbours
from tasks.negatives.facts import facts_of
from tasks.shared.runtime.errors import UserError

MOST = 50  # suspects that are named
TOP = 10  # most used videos that are named
NEAR = 3  # ids that are suggested where a query has no negatives


def audit_negatives(data: NegativesData) -> dict[str, Any]:
    """Audit all negatives; `advice` says what to do where something is bad.

    `suspects` are negatives of their query's event and duplicates of a positive, the highest score first, at most
    `MOST`; `suspected` is how many there are.
    """
    facts = facts_of(data, data.mined)
    suspects = [one for one in facts if one.suspect]
    times = Counter(one.video_id for one in facts)
    if not data.has_scores:
        data.notes.append("mine.source is random: negatives have no scores, and ranks are the order of the draw")
    highest = sorted(suspects, key=lambda one: (-(one.score or 0.0), one.query_id, one.video_id))[:MOST]
    most_used = sorted(times, key=lambda one: (-times[one], one))[:TOP]
    answer: dict[str, Any] = {
        "queries": len(data.mined),
        "negatives": len(facts),
        "advice": [],
        "notes": data.notes,
        "likely_false": counts.likely_false(data, facts),
        "suspected": len(suspects),
        "suspects": [one.record() for one in highest],
        "scores": {
            "negatives": counts.quantiles(one.score for one in facts),
            "positives": counts.quantiles(score for one in data.mined for score in one.positive_scores.values()),
            "gap": counts.quantiles(one.gap for one in facts),
            "rank": counts.quantiles(one.rank for one in facts),
        },
        "effectiveness": effectiveness_of(data, facts),
        "usage": counts.usage_of(data, times),
        "training": counts.training_of(data),
        "most_used": [{"video_id": one, "queries": times[one], "title": data.videos[one].title} for one in most_used],
        "mixes": counts.mixes_of(data),
        "origin": data.origin(),
    }
    advice = [line for group in ("likely_false", "usage") for one in answer[group].values() for line in one.warning()]
    positives, negatives = answer["scores"]["positives"], answer["scores"]["negatives"]
    if positives and negatives and positives["p50"] < negatives["p50"]:
        advice.append(
            "the mining retriever scores positives below negatives (see the medians): it does not distinguish them; "
            "name another retriever.model, such as a multilingual one"
        )
    answer["advice"] += advice or ["nothing stands out; a --sample judged by people says more"]
    return answer


def audit_query(data: NegativesData, query_id: str) -> dict[str, Any]:
    """Audit one query. Raises UserError where nothing was mined for it.

    Rows of videos have score and rank in the mining retriever's list, relevance in the training qrels, the modalities
    that are lacking, and how often training showed the video for this query, by role (None where that is unknown);
    those of negatives also what is known of the negative. `drawn` are negatives that training drew at random.
    """
    mined = next((one for one in data.mined if one.query_id == query_id), None)
    if mined is None:
        raise UserError(_why_none(data, query_id))
    ranks = {one.video_id: one.rank for one in mined.dropped}
    shown: dict[str, dict[str, int]] = {}
    for exposure in data.exposures or []:
        if exposure.query_id == query_id:
            shown.setdefault(exposure.video_id, {})[exposure.role] = len(exposure.steps)

    def described(video_id: str) -> dict[str, Any]:
        video = data.videos[video_id]
        return {
            "video_id": video_id,
            "language": video.language,
            "lacks": [name for name, has in data.modalities(video_id).items() if has is False],
            "training": shown.get(video_id, {}) if data.exposures is not None else None,
            "title": video.title,
            "transcript": (data.texts or {}).get(video_id),
        }

    positives = [
        {
            **described(video_id),
            "score": mined.positive_scores.get(video_id),
            "rank": ranks.get(video_id),
            "relevance": data.qrels.get(query_id, {}).get(video_id),
        }
        for video_id in mined.positives
    ]
    drawn = sorted(video_id for video_id, roles in shown.items() if "drawn" in roles and video_id in data.videos)
    return {
        "query": asdict(data.queries[query_id]),
        "wanted": data.param("mine.keep"),
        "positives": sorted(positives, key=lambda one: (one["score"] is None, -(one["score"] or 0), one["video_id"])),
        "negatives": [one.record() | described(one.video_id) for one in facts_of(data, [mined])],
        "drawn": [described(video_id) for video_id in drawn],
        "dropped": [asdict(one) for one in mined.dropped],
        "notes": data.notes,
        "origin": data.origin(),
    }


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
    return f"{data.lineage.name} knows no query {query_id}; {hint}"
