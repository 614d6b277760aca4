"""The audit of negatives as tables for people, the most important first."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tasks.audit.cli import PER_STRATUM
from tasks.audit.negatives.advice import share
from tasks.audit.negatives.effectiveness import EFFECTS, QUALITIES, Test
from tasks.audit.negatives.likeness import WAYS
from tasks.audit.negatives.mix import MODALITIES
from tasks.audit.negatives.view_parts import flags, show_lines, show_origin
from tasks.audit.text import as_json, plain, shortened, show, table
from tasks.lineage.score import state
from tasks.shared.artifacts.scores import HEADLINE

if TYPE_CHECKING:
    from tasks.audit.negatives.audit import Audit
    from tasks.audit.negatives.effectiveness import Effectiveness
    from tasks.audit.negatives.scores import Spread

NAMED = 10  # suspects that the table has
WORDS = 60  # characters of a text
POINTS = ("count", "min", "p5", "p25", "p50", "p75", "p95", "max")


def show_audit(audit: Audit) -> None:
    """All tables, and what to do first."""
    found = audit.likely_false
    params = ", ".join(f"{key} {value}" for key, value in audit.origin.params["mine"].items())
    show(f"{found.negatives} mined negatives of {audit.queries} training queries ({params})")
    show_origin(audit.origin)
    show_lines("What to do", audit.advice or ["nothing stands out; a --sample judged by people says more"])
    show_lines("What cannot be told, or is not as recorded", audit.notes)
    _show_margins(audit)
    _show_likely_false(audit)
    if audit.effectiveness is not None:
        _show_effectiveness(audit.effectiveness)
    _show_usage(audit)
    _show_mix(audit)


def _show_margins(audit: Audit) -> None:
    margins, scores = audit.margins, audit.scores
    rows: list[list[Any]] = [
        ["at or above the weakest scored positive", share(margins.at_or_above, margins.checked)],
        ["above 95 % of it (TopK-PercPos)", share(margins.above_95, margins.checked)],
        ["queries with one above 95 %", share(margins.queries, audit.queries)],
        [
            "not checked: no positive of the query has a score",
            f"{margins.unchecked} of {margins.unchecked_queries} queries",
        ],
    ]
    show(table("Margin violations", ["negatives", "how many"], rows))
    spreads = {
        "negatives' scores": scores.negatives,
        "positives' scores": scores.positives,
        "gap to the weakest positive": scores.gaps,
        "negatives' ranks": scores.ranks,
        "ranks dropped as positive": audit.drops.ranks["positive"],
        "ranks dropped by margin": audit.drops.ranks["margin"],
    }
    shown = [[name, *_points(one, ranks="rank" in name)] for name, one in spreads.items() if one is not None]
    show(table("By the retriever that mined them", ["", *POINTS], shown, right=POINTS))


def _show_likely_false(audit: Audit) -> None:
    found = audit.likely_false
    chance = "" if found.same_event_by_chance is None else f"; drawn at random {found.same_event_by_chance:.1f}"
    rows: list[list[Any]] = [
        ["of the query's event", f"{share(found.same_event, found.events_known)}{chance}", "-"],
        *(
            [name, share(found.twins.get(way, 0), found.negatives), share(found.twin_pairs.get(way, 0), found.pairs)]
            for way, name in WAYS.items()
        ),
        ["any of these likenesses", share(found.twins_any, found.negatives), share(found.twin_pairs_any, found.pairs)],
        ["judged not relevant in the training qrels", share(found.judged_irrelevant, found.negatives), "-"],
    ]
    columns = ["negatives that are", "to a positive of the query", "pairs of one query's negatives"]
    show(table("Likely false negatives, and duplicates", columns, rows))
    if found.suspects:
        rows = [
            [one.query_id, one.video_id, one.rank, one.score, one.gap, flags(one)] for one in found.suspects[:NAMED]
        ]
        columns = ["query", "video", "rank", "score", "gap", "why"]
        title = f"Suspects: {len(rows)} of {found.suspected}, highest scores first"
        show(table(title, columns, rows, right=["rank", "score", "gap"]))


def _show_effectiveness(found: Effectiveness) -> None:
    beside = f"{found.queries} test queries, each beside the negatives of the {found.neighbours} training queries most"
    show(f"Quality of negatives and {HEADLINE}: association, which is no proof of a cause")
    show(f"  {beside} like it; left out as no training query is like them: {found.left_out}")
    show(
        plain("  gain: tuned less base; p: permutation, Holm; in groups: of equal language and type; -: does not vary")
    )
    if found.warning:
        show(f"  warning: {found.warning}")
    columns = ["rank correlation of", "n"]
    columns += [name for effect in EFFECTS for name in (f"{effect} rho", "p", "in groups rho", "p")]
    show(table("", columns, _tests(found.tests, groups=True), right=columns[1:]))
    columns = ["the same of group means", "groups"]
    columns += [name for effect in EFFECTS for name in (f"{effect} rho", "p")]
    show(table("", columns, _tests(found.group_tests, groups=False), right=columns[1:]))
    rows = [
        [
            f"{one.facet} {one.value}",
            one.training,
            one.test,
            *(one.quality.get(name) for name in QUALITIES),
            *(one.effect.get(name) for name in EFFECTS),
        ]
        for one in found.groups
    ]
    columns = ["queries of", "training", "test", *QUALITIES, *EFFECTS]
    show(table("Means: negatives of training queries, scores of test queries", columns, rows, right=columns[1:]))
    show_lines("Qualities", [f"{name}: {what}" for name, what in QUALITIES.items()])


def _show_usage(audit: Audit) -> None:
    used, drops = audit.usage, audit.drops
    bins = ", ".join(f"{times}: {count}" for times, count in used.histogram.items())
    rows: list[list[Any]] = [
        ["training videos by how many queries they serve", bins],
        ["serve for none", share(used.never, used.videos)],
        ["Gini coefficient (0 even, 1 one video for all)", used.gini],
        ["share of all negatives that the most used 1 % are", used.top_share],
        ["dropped: judged relevant", drops.counts["positive"]],
        ["dropped: above the margin", drops.counts["margin"]],
        ["queries short of mine.keep", f"{share(drops.short, drops.queries)}; {drops.none} with none, "
                                       f"{drops.short_by_margin} lost candidates to the margin"],
    ]  # fmt: skip
    if audit.training is not None:
        for role, one in audit.training.roles.items():
            told = (
                f"{one.times} times, {one.pairs} pairs, {one.videos} videos; {one.in_batch} times an in-batch negative"
            )
            rows.append([f"shown in training as {role}", told])
        rows.append(["mined and never shown", audit.training.mined_unseen])
        rows.append(["drawn at random, of the query's event", audit.training.drawn_same_event])
    show(table("Use", ["", ""], rows))
    if used.most:
        rows = [[one.video_id, one.times, f"{one.share:.1%}", shortened(one.title or "-", WORDS)] for one in used.most]
        columns = ["video", "queries", "share", "title"]
        show(table("The most used", columns, rows, right=["queries", "share"]))


def _show_mix(audit: Audit) -> None:
    spoken = audit.languages
    names = sorted({name for row in spoken.table.values() for name in row})
    rows: list[list[Any]] = [[asked, *(row.get(name, 0) for name in names)] for asked, row in spoken.table.items()]
    same, of_positives = share(spoken.same, spoken.known), share(spoken.positives_same, spoken.positives_known)
    show(f"In their query's language: negatives {same}, positives {of_positives}")
    show(table("Language of the query, and of its negatives", ["query", *names], rows, right=names))
    types = sorted({name for one in audit.mixes.values() for name in one.types})
    rows = [
        [name, one.videos, *(_percent(one.modalities[each], one.videos) for each in MODALITIES),
         *(_percent(one.types.get(each, 0), one.videos) for each in types)]
        for name, one in audit.mixes.items()
    ]  # fmt: skip
    columns = ["", "videos", *MODALITIES, *types]
    show(table("Modalities and video types, as often as a video serves", columns, rows, right=columns[1:]))


def _points(one: Spread, *, ranks: bool) -> list[Any]:
    values = asdict(one)
    return [
        values["count"],
        *(f"{values[name]:.1f}".removesuffix(".0") if ranks else values[name] for name in POINTS[1:]),
    ]


def _tests(tests: list[Test], *, groups: bool) -> list[list[Any]]:
    """A row a quality, its effects side by side."""
    rows: dict[str, list[Any]] = {}
    for one in tests:
        row = rows.setdefault(one.quality, [one.quality, one.found.n])
        row += [one.found.rho, one.p_holm]
        row += [one.found.rho_within, one.p_within_holm] if groups else []
    return list(rows.values())


def _percent(part: int | None, whole: int) -> str | None:
    return None if part is None or not whole else f"{100 * part / whole:.0f} %"


def answer(chosen: argparse.Namespace) -> int:
    """Print the answer. Raises UserError for a wrong name, file or combination."""
    from tasks.audit.negatives import audit, view_query, view_sample
    from tasks.audit.negatives.judged import read_judged
    from tasks.audit.negatives.query import audit_query
    from tasks.audit.negatives.sample import write_sample
    from tasks.shared.runtime.errors import UserError

    if sum(map(bool, (chosen.query, chosen.sample, chosen.judged))) > 1:
        raise UserError("QUERY, --sample and --judged ask for different things; give one of them")
    if chosen.per_stratum and not chosen.sample:
        raise UserError("--per-stratum says how large --sample is; give both")
    lineage = state(chosen.rev)
    if chosen.query:
        one = audit_query(lineage, chosen.query)
        print(as_json(one)) if chosen.json else view_query.show_query(one)
    elif chosen.sample:
        sample = write_sample(*audit.sampled(lineage), chosen.sample, chosen.per_stratum or PER_STRATUM)
        print(as_json(sample)) if chosen.json else view_sample.show_sample(sample)
    elif chosen.judged:
        judged = read_judged(*audit.sampled(lineage), chosen.judged)
        print(as_json(judged)) if chosen.json else view_sample.show_judged(judged)
    else:
        whole = audit.audit(lineage)
        print(as_json(whole)) if chosen.json else show_audit(whole)
    return 0
