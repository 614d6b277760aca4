"""`reeltrace audit negatives`: how good the mined negatives are, and a sample of them for people to judge.

The answers as tables, the most important first.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from tasks.audit.cli import PER_STRATUM
from tasks.audit.text import as_json, lines, short, shortened, show, table
from tasks.lineage.score import state
from tasks.negatives.audit import NegativesAudit, audit_negatives
from tasks.negatives.counts import POINTS, Count
from tasks.negatives.data import Origin, read_data
from tasks.negatives.effectiveness import EFFECTS, QUALITIES, Effectiveness
from tasks.negatives.facts import Fact, facts_of
from tasks.negatives.judgments import Judgments, Rate, read_judgments
from tasks.negatives.query import QueryAudit, QueryVideo, audit_query
from tasks.negatives.sample import Sample, write_sample
from tasks.negatives.similarity import KINDS
from tasks.shared.artifacts.scores import HEADLINE
from tasks.shared.runtime.errors import UserError

NAMED = 10  # rows of long tables
WORDS, TITLE = 60, 28  # characters of a transcript and of a title
ABOUT = ("language", "lacks", "in training", "title", "transcript")  # columns of `_about`


def answer(chosen: argparse.Namespace) -> int:
    """Print the answer; always 0. Raises UserError for a wrong name, file or combination."""
    if sum(map(bool, (chosen.query, chosen.sample, chosen.judged))) > 1:
        raise UserError("QUERY, --sample and --judged ask for different things; give one of them")
    if chosen.per_stratum and not chosen.sample:
        raise UserError("--per-stratum says how large --sample is; give both")
    lineage = state(chosen.rev)
    found: Any
    view: Callable[[Any], None]
    if chosen.query:
        found, view = audit_query(lineage, chosen.query), show_query
    elif chosen.sample or chosen.judged:
        data = read_data(lineage)
        facts = facts_of(data, data.mined, compared=False)
        if chosen.sample:
            found = write_sample(data, facts, chosen.sample, chosen.per_stratum or PER_STRATUM)
            view = show_sample
        else:
            found, view = read_judgments(data, facts, chosen.judged), show_judgments
    else:
        found, view = audit_negatives(lineage), show_audit
    print(as_json(found)) if chosen.json else view(found)
    return 0


def show_audit(audit: NegativesAudit) -> None:
    """All tables, and what to do first."""
    params = ", ".join(f"{key} {value}" for key, value in audit.origin.params["mine"].items())
    show(f"{audit.negatives} mined negatives of {audit.queries} training queries ({params})")
    _show_origin(audit.origin)
    show(lines("What to do", audit.advice or ["nothing stands out; a --sample judged by people says more"]))
    show(lines("Notes", audit.notes))
    _show_counts("Likely false negatives", "negatives that are", audit.likely_false)
    if audit.suspects:
        columns = ["query", "video", "rank", "score", "gap", "why"]
        rows: list[list[Any]] = [
            [one.query_id, one.video_id, one.rank, one.score, one.gap, _why(one)] for one in audit.suspects[:NAMED]
        ]
        title = f"Suspects: {len(rows)} of {audit.suspected}, highest scores first"
        show(table(title, columns, rows, right=["rank", "score", "gap"]))
    rows = [[name, *found.values()] for name, found in audit.scores.items() if found]
    show(table("By the retriever that mined them", ["", "count", *POINTS], rows, right=["count", *POINTS]))
    if audit.effectiveness is not None:
        _show_effectiveness(audit.effectiveness)
    _show_counts("Use", "", audit.usage)
    if audit.training is not None:
        columns = ["shown in training as", *next(iter(audit.training.values()))]
        rows = [[role, *numbers.values()] for role, numbers in audit.training.items()]
        show(table("", columns, rows, right=columns[1:]))
    if audit.most_used:
        rows = [[one.video_id, one.queries, shortened(one.title or "-", WORDS)] for one in audit.most_used]
        show(table("The most used videos", ["video", "queries", "title"], rows, right=["queries"]))
    names = dict.fromkeys(name for mix in audit.mixes.values() for name in mix)
    rows = [[name, *(mix.get(name, 0) for mix in audit.mixes.values())] for name in names]
    show(table("Videos, each as often as it serves", ["", *audit.mixes], rows, right=audit.mixes))


def show_query(audit: QueryAudit) -> None:
    """A query's positives, its negatives one by one, and what was dropped."""
    query = audit.query
    known = ", ".join(filter(None, [query.language, query.type, query.event and f"event {query.event}"]))
    show(f"query {query.query_id}: “{query.text}” ({known or 'nothing else known'})")
    _show_origin(audit.origin)
    numbers = ["score", "rank", "gap", "relevance"]
    rows: list[list[Any]] = [[v.video.video_id, v.score, v.rank, v.relevance, *_about(v)] for v in audit.positives]
    show(table("Positives", ["video", "score", "rank", "relevance", *ABOUT], rows, right=numbers))
    facts = [(one, one.fact) for one in audit.negatives if one.fact]
    rows = [[f.video_id, f.rank, f.score, f.gap, _why(f), *_about(one)] for one, f in facts]
    title = f"Negatives: {len(rows)} of {audit.wanted} wanted; gap: the weakest scored positive's score less its own"
    show(table(title, ["video", "rank", "score", "gap", "suspect", *ABOUT], rows, right=numbers))
    if audit.drawn:
        rows = [[one.video.video_id, *_about(one)] for one in audit.drawn]
        show(table("Drawn at random in training", ["video", *ABOUT], rows))
    if audit.dropped:
        rows = [[one.rank, one.video_id, one.score, one.reason] for one in audit.dropped[:NAMED]]
        title = f"Dropped: {len(rows)} of {len(audit.dropped)}, by rank"
        show(table(title, ["rank", "video", "score", "reason"], rows, right=numbers))
    show(lines("Notes", audit.notes))


def show_sample(sample: Sample) -> None:
    """What was drawn."""
    show(f"{sample.rows} negatives of mine {short(sample.mine)} in {sample.path} (seed {sample.seed})")
    columns = ["score band, language, event", "negatives", "drawn"]
    rows = [[name, size, sample.drawn[name]] for name, size in sample.strata.items()]
    show(table("Strata", columns, rows, right=columns[1:]))
    show(sample.next_step)


def show_judgments(judged: Judgments) -> None:
    """The rate of false negatives."""
    one = judged.overall
    rate, low, high = _percents(one)
    if rate is None:
        show(f"{judged.path}: no row says yes or no, so there is no rate")
    else:
        show(f"false negatives: {rate} [{low}, {high}] of {one.size} mined negatives")
        by = f"{one.yes + one.no} judgments, {one.yes} of them relevant, weighted by the sizes of their strata"
        show(f"  by {by}; 95 % interval of Wilson for {judged.effective:.1f} effective judgments")
    show(f"  left out: {one.unsure} unsure, {judged.empty} rows without an answer")
    if judged.covered < 1:
        show(f"  strata that were judged hold {judged.covered:.1%} of the negatives; the rest is unknown")
    show(f"  of mine {judged.mine}")
    columns = ["score band, language, event", "negatives", "relevant", "not", "unsure", "rate", "low", "high"]
    rows: list[list[Any]] = [
        [each.stratum, each.size, each.yes, each.no, each.unsure, *_percents(each)] for each in judged.strata
    ]
    show(table("By stratum", columns, rows, right=columns[1:]))
    if judged.relevant:
        rows = [[line, f.query_id, f.video_id, f.rank, f.score] for line, f in judged.relevant.items()]
        title = "Judged relevant: add them to the training qrels, then `dvc repro`"
        show(table(title, ["line", "query", "video", "rank", "score"], rows, right=["line", "rank", "score"]))


def _show_effectiveness(found: Effectiveness) -> None:
    show(f"Quality of negatives and {HEADLINE}: association, which is no proof of a cause")
    explained = lines(
        f"{found.queries} test queries, each beside the negatives of the training queries most like it",
        [
            f"training queries beside each: at most {found.neighbours}",
            f"left out as no training query is like them: {found.left_out}",
            "p: by permutation, Holm-corrected; within: within groups of queries of equal language and type",
            *(f"{name}: {what}" for name, what in [*QUALITIES.items(), *EFFECTS.items()]),
        ],
    )
    columns = ["quality", "effect", "queries", "rank correlation", "p", "within", "p within"]
    rows = [[a.quality, a.effect, a.queries, a.rho, a.p, a.rho_within, a.p_within] for a in found.associations]
    show(explained, table("", columns, rows, right=columns[2:]))


def _show_origin(origin: Origin) -> None:
    more = f" and {len(origin.runs) - 1} more" if len(origin.runs) > 1 else ""
    run = f"{origin.runs[-1]}{more}" if origin.runs else "-"
    changed = f", {len(origin.changed_files)} changed files" if origin.changed_files else ""
    show(f"{origin.state} at commit {origin.commit or '-'}{changed}")
    show(f"mine: manifest {origin.mine}, DVC {origin.dvc or '-'}, MLflow run {run}")


def _show_counts(title: str, what: str, counts: dict[str, Count]) -> None:
    show(table(title, [what, "how many"], [[one.what, str(one)] for one in counts.values()]))


def _why(fact: Fact) -> str | None:
    """What is suspect about a negative; None where nothing is."""
    found = [f"judged {fact.judged}"] if fact.judged is not None else []
    if fact.too_close:
        found.append(f"{'at or above' if fact.band == 'above' else 'above 95 % of'} the weakest positive")
    if fact.event == "same":
        found.append("same event")
    found += [f"{KINDS[one]} as {video_id}" for video_id, kinds in fact.duplicates.items() for one in kinds]
    return ", ".join(found) or None


def _about(video: QueryVideo) -> list[Any]:
    lacks = [name for name, has in video.modalities.items() if has is False]
    times = None
    if video.training is not None:
        times = ", ".join(f"{role} {count}" for role, count in video.training.items()) or "never"
    text = shortened(video.transcript, WORDS) if video.transcript else None
    return [video.video.language, ", ".join(lacks) or None, times, shortened(video.video.title or "-", TITLE), text]


def _percents(one: Rate) -> list[str | None]:
    return [None if value is None else f"{value:.1%}" for value in (one.rate, one.low, one.high)]
