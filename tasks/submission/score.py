"""What a file of rankings scores, by the measures of the evaluate stage, and whether that is the published number."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from tasks.corpus.check import each_once
from tasks.corpus.multivent import read_judgments as read_multivent
from tasks.corpus.tables import read_judgments as read_trec
from tasks.evaluate.measures import means, per_query
from tasks.shared.artifacts.corpus import Qrels
from tasks.shared.artifacts.scores import HEADLINE, MEASURES
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.submission.layouts import read_layout

QRELS = RESULTS / "corpus" / "qrels.test.trec"


@dataclass(frozen=True)
class Scored:
    """Means by measure over the queries that have a relevant video.

    Attributes:
        queries: how many these are; ranked: for how many of them the file has a ranking. The others score 0.
        unjudged: rankings of queries without a relevant video, which count for nothing.
    """

    means: dict[str, float]
    queries: int
    ranked: int
    unjudged: int


def score(path: Path, judgments: Path = QRELS) -> Scored:
    """Score a file of rankings. Raises UserError for one that is malformed, and for judgments without a positive."""
    run, qrels = read_layout(path), read_judged(judgments)
    judged = {query_id: of for query_id, of in qrels.items() if any(relevance > 0 for relevance in of.values())}
    if not judged:
        raise UserError(f"{judgments} judges no video relevant: there is nothing to score by")
    if not run.keys() & judged.keys():
        raise UserError(f"{path} and {judgments} have no query in common; one of them is of another split or corpus")
    values = means(per_query(run, judged))
    return Scored(values, len(judged), len(run.keys() & judged.keys()), len(run.keys() - judged.keys()))


def read_judged(path: Path) -> Qrels:
    """Judgments of a TREC qrels file, or of MultiVENT's JSON Lines, by its suffix."""
    try:
        rows = read_multivent(path, {}) if path.suffix == ".jsonl" else read_trec(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); name judgments with --qrels") from None
    qrels: Qrels = {}
    for one in each_once(rows):
        qrels.setdefault(one.query_id, {})[one.video_id] = one.relevance
    return qrels


def table(scored: Scored) -> str:
    """The means, a measure a line."""
    head = f"{scored.ranked} of {scored.queries} judged queries are ranked"
    if scored.unjudged:
        head += f"; {scored.unjudged} others have no relevant video and count for nothing"
    return "\n".join([head, "", *(f"{name:<9}{scored.means[name]:.5f}" for name in MEASURES)])


def verdict(scored: Scored, expected: str, measure: str = HEADLINE) -> tuple[bool, str]:
    """Whether a measure equals a published number at its digits, and that in words."""
    if measure not in MEASURES:
        raise UserError(f"--measure {measure}: known are {', '.join(MEASURES)}")
    try:
        digits = -int(Decimal(expected).as_tuple().exponent)
    except (InvalidOperation, ValueError):
        raise UserError(f"--expect {expected}: not a number such as 0.30364") from None
    found = f"{scored.means[measure]:.{max(digits, 0)}f}"
    same = Decimal(found) == Decimal(expected)
    return same, f"{measure} is {found}, {'as' if same else f'not {expected} as'} expected"
