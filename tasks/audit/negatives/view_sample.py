"""A sample that was written, and one that was read back, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasks.audit.text import short, show, table

if TYPE_CHECKING:
    from tasks.audit.negatives.judged import Judged, Rate
    from tasks.audit.negatives.sample import Sample


def show_sample(sample: Sample) -> None:
    """What was drawn."""
    show(f"{sample.rows} negatives of mine {short(sample.mine)} in {sample.path} (seed {sample.seed})")
    rows = [[one.name, one.size, one.drawn] for one in sample.strata]
    columns = ["score band, language, event", "negatives", "drawn"]
    show(table("Strata", columns, rows, right=columns[1:]))
    show(sample.judged)


def show_judged(judged: Judged) -> None:
    """The rate of false negatives."""
    one = judged.overall
    if one.rate is None:
        show(f"{judged.path}: nobody judged yes or no, so no rate can be told")
    else:
        rate, low, high = _percents(one)
        show(f"false negatives: {rate} [{low}, {high}] of {one.size} mined negatives")
        by = f"{one.yes + one.no} judgments, {one.yes} of them relevant, weighted by the sizes of their strata"
        show(f"  by {by}; 95 % interval of Wilson for {judged.effective:.1f} effective judgments")
    show(f"  left out: {one.unsure} unsure, {judged.empty} rows without an answer")
    if judged.covered < 1:
        show(f"  strata that were judged hold {judged.covered:.1%} of the negatives; the rest is not told")
    show(f"  of mine {judged.mine}")
    columns = ["score band, language, event", "negatives", "relevant", "not", "unsure", "rate", "low", "high"]
    rows: list[list[Any]] = [
        [each.stratum, each.size, each.yes, each.no, each.unsure, *_percents(each)] for each in judged.strata
    ]
    show(table("By stratum", columns, rows, right=columns[1:]))
    if judged.relevant:
        rows = [
            [each.line, each.fact.query_id, each.fact.video_id, each.fact.rank, each.fact.score]
            for each in judged.relevant
        ]
        columns = ["line", "query", "video", "rank", "score"]
        title = "Judged relevant: add them to the training qrels, then `dvc repro`"
        show(table(title, columns, rows, right=["line", "rank", "score"]))


def _percents(one: Rate) -> list[str | None]:
    return [None if value is None else f"{value:.1%}" for value in (one.rate, one.low, one.high)]
