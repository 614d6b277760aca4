"""One line for everything about the negatives that is bad, and what to do about it."""

from __future__ import annotations

from tasks.audit.negatives.false_negatives import LikelyFalse
from tasks.audit.negatives.material import Material
from tasks.audit.negatives.scores import Margins, ScoreSpreads
from tasks.audit.negatives.usage import Drops, Training, Usage

SOME = 0.05  # shares above which a thing is bad
MANY = 0.2
HUBS = 0.1  # share of all negatives that 1 % of the videos may be


def advise(
    material: Material,
    scores: ScoreSpreads,
    margins: Margins,
    false: LikelyFalse,
    usage: Usage,
    drops: Drops,
    training: Training | None,
) -> list[str]:
    """The worst first."""
    return [
        *_contradictions(margins, false),
        *_blind(scores),
        *_too_close(material, margins),
        *_likely_relevant(false),
        *_too_few(material, drops, training),
        *_hubs(usage),
    ]


def _contradictions(margins: Margins, false: LikelyFalse) -> list[str]:
    lines = []
    if false.judged_relevant:
        lines.append(
            f"negatives judged relevant: {false.judged_relevant}; results/mine is not of these judgments; "
            "`dvc repro mine`"
        )
    if margins.above_own:
        lines.append(
            f"{margins.above_own} negatives score above what mine.relative_margin = {margins.own} allows: "
            "negatives.jsonl is not as mining wrote it; `reeltrace audit verify`"
        )
    return lines


def _blind(scores: ScoreSpreads) -> list[str]:
    if scores.positives is None or scores.negatives is None or scores.positives.p50 >= scores.negatives.p50:
        return []
    return [
        f"the mining retriever scores positives (median {scores.positives.p50:.3f}) below negatives (median "
        f"{scores.negatives.p50:.3f}): it does not tell them apart for these queries; name another "
        "retriever.model, such as a multilingual one"
    ]


def _too_close(material: Material, margins: Margins) -> list[str]:
    lines = []
    if margins.checked and margins.above_95 > SOME * margins.checked:
        lines.append(
            f"{share(margins.above_95, margins.checked)} of the checked negatives score above 95 % of the weakest "
            "positive: set mine.relative_margin to 0.05 and compare with `reeltrace audit diff`, or judge a --sample"
        )
    if material.source != "random" and margins.unchecked > SOME * (margins.checked + margins.unchecked):
        lines.append(
            f"{margins.unchecked} negatives of {margins.unchecked_queries} queries cannot be checked, as no positive "
            "of theirs has a score: nothing was said in them, and no margin protects these queries"
        )
    return lines


def _likely_relevant(false: LikelyFalse) -> list[str]:
    lines = []
    if false.same_event:
        lines.append(
            f"negatives of their query's event: {false.same_event}; judge them (--sample has strata of them) and add "
            "what is relevant to the training qrels"
        )
    if false.twins_any:
        lines.append(
            f"negatives that duplicate a positive of their query: {false.twins_any}; judge them (suspects below) and "
            "add what is relevant to the training qrels"
        )
    if false.pairs and false.twin_pairs_any > SOME * false.pairs:
        lines.append(
            f"{share(false.twin_pairs_any, false.pairs)} of the pairs of negatives of one query are alike and teach "
            "the same twice: remove duplicates from the corpus, or mine deeper"
        )
    return lines


def _too_few(material: Material, drops: Drops, training: Training | None) -> list[str]:
    lines = []
    if drops.short > SOME * drops.queries:
        why = (
            f"{drops.short_by_margin} of them lost candidates to the margin: a smaller mine.relative_margin or a "
            "larger mine.depth gives more"
            if drops.short_by_margin
            else "a larger mine.depth gives more, where more videos have a transcript"
        )
        lines.append(f"{drops.short} of {drops.queries} queries have fewer than {material.keep} negatives; {why}")
    if training is not None:
        drawn, mined = training.roles["drawn"].times, training.roles["mined"].times
        if drawn > MANY * (drawn + mined):
            lines.append(
                f"{share(drawn, drawn + mined)} of the negatives shown in training were drawn at random, as mining "
                "found too few: these taught little"
            )
        if training.mined_unseen > MANY * max(1, sum(len(one.negatives) for one in material.mined)):
            width = material.lineage.execution("train").param("train.negatives")
            lines.append(
                f"{training.mined_unseen} mined negatives were never shown: train.negatives is {width} and mine.keep "
                f"{material.keep}"
            )
    return lines


def _hubs(usage: Usage) -> list[str]:
    if usage.top_share is None or usage.videos < 100 or usage.top_share <= HUBS:
        return []
    return [
        f"the most used 1 % of the videos are {usage.top_share:.1%} of all negatives (hubs): look at them below; "
        "another retriever.model or mine.source spreads them"
    ]


def share(part: int, whole: int) -> str:
    """`12 of 80 (15.0 %)`."""
    return f"{part} of {whole} ({100 * part / whole:.1f} %)" if whole else f"{part} of 0"
