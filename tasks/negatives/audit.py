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
    """The whole answer. `notes` says what could not be told and why, `advice` what to do where something is bad.

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
        advice=[*_advice_on_facts(data, false, scores), *_advice_on_use(usage, training)],
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


def share(part: int, whole: int) -> str:
    """`12 of 80 (15.0 %)`."""
    return f"{part} of {whole} ({100 * part / whole:.1f} %)" if whole else f"{part} of 0"


def _advice_on_facts(
    data: NegativesData, false: Mapping[str, Count], scores: Mapping[str, Quantiles | None]
) -> list[str]:
    """The worst first."""
    lines = []
    if relevant := false["judged_relevant"].count:
        lines.append(f"{relevant} negatives are judged relevant: mine read other judgments; `dvc repro mine`")
    if above := false["above_own"].count:
        lines.append(
            f"{above} negatives score above what mine.relative_margin = {data.param('mine.relative_margin')} allows: "
            "negatives.jsonl is not as mining wrote it; `reeltrace audit verify`"
        )
    positives, negatives = scores["positives"], scores["negatives"]
    if positives and negatives and positives["p50"] < negatives["p50"]:
        lines.append(
            f"the mining retriever scores positives (median {positives['p50']:.3f}) below negatives (median "
            f"{negatives['p50']:.3f}): it does not tell them apart for these queries; name another retriever.model, "
            "such as a multilingual one"
        )
    if _exceeds(false["above_95"], SOME):
        lines.append(
            f"{_share(false['above_95'])} of the checked negatives score above 95 % of the weakest positive: set "
            "mine.relative_margin to 0.05 and compare with `reeltrace audit diff`, or judge a --sample"
        )
    if data.has_scores and _exceeds(false["unchecked"], SOME):
        lines.append(
            f"{_share(false['unchecked'])} negatives cannot be checked, as no positive of their query has a score "
            "(no speech was recognised in it): no margin protects these queries"
        )
    for name, what in (("same_event", "of their query's event"), ("duplicates", "that duplicate a positive")):
        if found := false[name].count:
            lines.append(
                f"negatives {what}: {found}; judge them (suspects below, or --sample) and add what is relevant to the "
                "training qrels"
            )
    return lines


def _advice_on_use(usage: Mapping[str, Count], training: Mapping[str, Mapping[str, int]] | None) -> list[str]:
    lines = []
    if _exceeds(usage["short"], SOME):
        by_margin = usage["short_by_margin"].count
        why = (
            f"{by_margin} of them lost candidates to the margin: a smaller mine.relative_margin or a larger mine.depth "
            "gives more"
            if by_margin
            else "a larger mine.depth gives more, where more videos have a transcript"
        )
        lines.append(f"{_share(usage['short'])} {usage['short'].what}; {why}")
    if training is not None:
        drawn, shown = training["drawn"]["times"], training["drawn"]["times"] + training["mined"]["times"]
        if drawn > MANY * shown:
            lines.append(
                f"{share(drawn, shown)} of the negatives shown in training were drawn at random: mining found too few"
            )
        if usage["shown"].count < (1 - MANY) * usage["shown"].of:
            lines.append(
                f"only {_share(usage['shown'])} mined negatives were shown in training: train.negatives is smaller "
                "than mine.keep, or there were few epochs"
            )
    if usage["never"].of >= 100 and _exceeds(usage["top"], HUBS):
        lines.append(
            f"{_share(usage['top'])} {usage['top'].what} (hubs): look at them below; another retriever.model or "
            "mine.source spreads them"
        )
    return lines


def _exceeds(count: Count, limit: float) -> bool:
    return count.count > limit * count.of


def _share(count: Count) -> str:
    return share(count.count, count.of)
