"""The audit of all mined negatives of a state: every number, where it comes from, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.lineage.lineage import Lineage
from tasks.negatives import counts
from tasks.negatives.counts import Count, Mix, Quantiles, UsedVideo
from tasks.negatives.data import NegativesData, Origin, read_data
from tasks.negatives.effectiveness import Effectiveness, effectiveness_of
from tasks.negatives.facts import Fact, facts_of

SOME = 0.05  # shares above which something is worth a line of advice
MANY = 0.2
HUBS = 0.1  # share of all negatives that 1 % of the videos may be
MOST = 50  # suspects that are named


@dataclass(frozen=True)
class NegativesAudit:
    """The whole answer. `notes` says what is unknown and why, `advice` what to do where something is bad.

    `suspects` are negatives of their query's event and duplicates of a positive, the highest score first, at most
    `MOST`; `suspected` is how many there are.
    """

    origin: Origin
    queries: int
    negatives: int
    advice: list[str]
    likely_false: dict[str, Count]
    suspected: int
    suspects: list[Fact]
    scores: dict[str, Quantiles | None]
    mixes: dict[str, Mix]
    usage: dict[str, Count]
    most_used: list[UsedVideo]
    training: dict[str, dict[str, int]] | None
    effectiveness: Effectiveness | None
    notes: list[str]


def audit_negatives(lineage: Lineage) -> NegativesAudit:
    """Audit a state's negatives. Raises UserError where mine or corpus are missing."""
    data = read_data(lineage, scored=True)
    facts = facts_of(data, data.mined)
    suspects = [one for one in facts if one.suspect]
    false, scores = counts.likely_false(data, facts), counts.scores_of(data, facts)
    usage, training = counts.usage_of(data), counts.training_of(data)
    if not data.has_scores:
        data.notes.append("mine.source is random: negatives have no scores, and ranks are the order of the draw")
    return NegativesAudit(
        origin=data.origin,
        queries=len(data.mined),
        negatives=len(facts),
        advice=_advice(data, false, scores, usage, training),
        likely_false=false,
        suspected=len(suspects),
        suspects=sorted(suspects, key=lambda one: (-(one.score or 0.0), one.query_id, one.video_id))[:MOST],
        scores=scores,
        mixes=counts.mixes_of(data),
        usage=usage,
        most_used=counts.most_used(data),
        training=training,
        effectiveness=effectiveness_of(data, facts),
        notes=data.notes,
    )


def _advice(
    data: NegativesData,
    false: Mapping[str, Count],
    scores: Mapping[str, Quantiles | None],
    usage: Mapping[str, Count],
    training: Mapping[str, Mapping[str, int]] | None,
) -> list[str]:
    """What to do, the worst first."""
    positives, negatives = scores["positives"], scores["negatives"]
    drawn, mined = (training[role]["times"] for role in ("drawn", "mined")) if training else (0, 0)
    at_random = Count("of the negatives shown in training were drawn at random", drawn, drawn + mined)
    shown = usage.get("shown")
    margin = f"mine.relative_margin = {data.param('mine.relative_margin')}"
    checks = [
        (
            false["judged_relevant"].count,
            f"{false['judged_relevant'].count} negatives are judged relevant: mine read other judgments; "
            "`dvc repro mine`",
        ),
        (
            false["above_own"].count,
            f"{false['above_own'].count} negatives score above what {margin} allows: negatives.jsonl is not as mining "
            "wrote it; `reeltrace audit verify`",
        ),
        (
            positives and negatives and positives["p50"] < negatives["p50"],
            "the mining retriever scores positives below negatives (see the medians): it does not distinguish them; "
            "name another retriever.model, such as a multilingual one",
        ),
        (
            false["above_95"].share > SOME,
            f"{false['above_95']} of the checked negatives score above 95 % of the weakest positive: set "
            "mine.relative_margin to 0.05 and compare with `reeltrace audit diff`, or judge a --sample",
        ),
        (
            data.has_scores and false["unchecked"].share > SOME,
            f"{false['unchecked']} negatives cannot be checked, as no positive of their query has a score (no speech "
            "was recognised in it): no margin protects these queries",
        ),
        (
            false["same_event"].count or false["duplicates"].count,
            f"{false['same_event'].count} negatives are of their query's event, {false['duplicates'].count} duplicate "
            "a positive; judge them (suspects below, or --sample) and add what is relevant to the training qrels",
        ),
        (
            usage["short"].share > SOME,
            f"{usage['short']} {usage['short'].what}; {usage['short_by_margin'].count} of them lost candidates to the "
            "margin: a smaller mine.relative_margin gives these more, a larger mine.depth may give all more",
        ),
        (at_random.share > MANY, f"{at_random} {at_random.what}: mining found too few"),
        (
            shown and shown.share < 1 - MANY,
            f"only {shown} mined negatives were shown in training: train.negatives is smaller than mine.keep, or there "
            "were few epochs",
        ),
        (
            usage["never"].of >= 100 and usage["top"].share > HUBS,
            f"{usage['top']} {usage['top'].what} (hubs): look at them below; another retriever.model or mine.source "
            "spreads them",
        ),
    ]
    return [text for found, text in checks if found]
