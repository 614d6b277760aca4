"""A stratified sample of mined negatives as a CSV for people to judge, and what they judged read back.

A stratum is a score band, whether the negative is in the query's language, and whether it shows the query's event: all
of it from corpus and mine alone, so that the sizes of strata are the same whenever the file is read back. Within one,
negatives are drawn in the order of sha256(seed, query, video): equal negatives give equal samples, and a larger sample
holds a smaller.

Cells that a spreadsheet would run as a formula, or ids that it would take for a number or a date, start with an
apostrophe (OWASP, CSV injection), and so do texts that start with one themselves.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import groupby
from math import sqrt
from pathlib import Path
from typing import Any

from tasks.corpus.tables import csv_rows
from tasks.negatives.data import NegativesData
from tasks.negatives.facts import Fact
from tasks.shared.artifacts import media as media_artifact
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import write_text

EXCERPT = 300  # characters of a transcript
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")
ANSWERS = ("yes", "no", "unsure")
NEEDED = ("query_id", "video_id", "relevant", "mine_manifest")
Z = 1.959963984540054  # of 95 %


def stratum_of(fact: Fact) -> str:
    """The name of a negative's stratum."""
    names = {True: "same", False: "other", None: "unknown"}
    language, event = names[fact.same_language], names[fact.same_event]
    return f"{fact.band or 'unchecked'}, {language} language, {event} event"


def strata_of(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    """Negatives by stratum, strata by name."""
    return {name: list(found) for name, found in groupby(sorted(facts, key=stratum_of), key=stratum_of)}


def write_sample(data: NegativesData, facts: Sequence[Fact], path: Path, per_stratum: int) -> dict[str, Any]:
    """Write the CSV, rows by query; what was drawn of every stratum. UserError where there is such a file already."""
    if path.exists():
        raise UserError(f"{path} is there already, and may have been judged; name another file or remove it")
    if not facts:
        raise UserError("there are no mined negatives to sample")
    seed = data.param("run.seed")

    def order(one: Fact) -> bytes:
        return hashlib.sha256(f"{seed}\n{one.query_id}\n{one.video_id}".encode()).digest()

    strata = strata_of(facts)
    drawn = [fact for members in strata.values() for fact in sorted(members, key=order)[:per_stratum]]
    rows = [_row(data, one) for one in sorted(drawn, key=lambda one: (one.query_id, one.rank))]
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), quoting=csv.QUOTE_ALL)
    table.writeheader()
    table.writerows(rows)
    try:
        write_text(path, "\ufeff" + text.getvalue())  # spreadsheets know UTF-8 by this mark
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); name a file in a folder of yours") from None
    return {
        "path": str(path),
        "mine": data.mine,
        "seed": seed,
        "rows": len(rows),
        "strata": [
            {"stratum": name, "negatives": len(members), "drawn": min(len(members), per_stratum)}
            for name, members in strata.items()
        ],
        "next_step": f"write yes, no or unsure in column `relevant`, then: reeltrace audit negatives --judged {path}",
    }


def guarded(text: str) -> str:
    return f"'{text}" if text.startswith(DANGEROUS) else text


def guarded_id(text: str) -> str:
    return f"'{text}" if text[:1].isdigit() else guarded(text)


def unguarded(cell: str) -> str:
    return cell.removeprefix("'")


def _row(data: NegativesData, fact: Fact) -> dict[str, str]:
    def line(text: str | None) -> str:
        return guarded(" ".join((text or "").split()))

    def place(path: str) -> str:
        """Where a file can be opened: results of another state than the workspace are fetched from DVC's cache."""
        with suppress(UserError):
            if data.lineage.objects is not None and RESULTS in Path(path).parents:
                return guarded(str(data.lineage.need(path)))
        return guarded(path)

    video = data.videos[fact.video_id]
    text = (data.texts or {}).get(fact.video_id, "")
    media = (data.media or {}).get(fact.video_id)
    strip = f"{media_artifact.FOLDER.as_posix()}/{media.frames}" if media and media.frames else ""
    return {
        "query_id": guarded_id(fact.query_id),
        "query": line(data.queries[fact.query_id].text),
        "video_id": guarded_id(fact.video_id),
        "title": line(video.title),
        "transcript": line(text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…"),
        "video": place(video.path),
        "frames": place(strip),
        "score": "" if fact.score is None else f"{fact.score:.6f}",
        "rank": str(fact.rank),
        "stratum": stratum_of(fact),
        "relevant": "",
        "mine_manifest": data.mine,
    }


def read_judgments(data: NegativesData, facts: Sequence[Fact], path: Path) -> dict[str, Any]:
    """Read a judged sample: rates of relevant ones among those judged yes or no, by stratum and `overall`.

    `overall` is weighted by the sizes of the strata that were judged, which hold a share `covered` of all negatives: it
    says nothing of the rest. Raises UserError where the file is of other negatives, or a line is wrong.
    """
    try:
        rows = [row for row in csv_rows(str(path), path.read_bytes()) if any(row.fields.values())]
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); name a file that --sample wrote") from None
    if not rows or set(NEEDED) - rows[0].fields.keys():
        raise UserError(f"{path} has no rows with {', '.join(NEEDED)}; name a file that --sample wrote")
    known = {(one.query_id, one.video_id): one for one in facts}
    answers: dict[tuple[str, str], str] = {}
    relevant = []
    for row in rows:
        query_id, video_id, answer, drawn_from = ((row.fields[name] or "") for name in NEEDED)
        key, answer = (unguarded(query_id), unguarded(video_id)), answer.lower()
        mistakes = {
            f"drawn from other negatives (mine {drawn_from[:12] or 'unnamed'}) than those of {data.lineage.name} "
            f"(mine {data.mine[:12]}); name their state with --rev": drawn_from != data.mine,
            f"{key[1]} is not a mined negative of query {key[0]}; restore the row": key not in known,
            "the same negative as in a line above; leave one of them": key in answers,
            f"relevant is {answer!r}; write {', '.join(ANSWERS)} or nothing": answer not in ("", *ANSWERS),
        }
        if wrong := next((text for text, made in mistakes.items() if made), None):
            raise UserError(f"{row.where}: {wrong}")
        answers[key] = answer
        if answer == "yes":
            relevant.append({"line": row.where, **known[key].record()})
    if not any(answers.values()):
        raise UserError(f"{path} has no judgment; write {', '.join(ANSWERS)} into the column `relevant`")
    strata: list[dict[str, Any]] = []
    for name, members in strata_of(facts).items():
        given = [answers.get((one.query_id, one.video_id)) for one in members]
        yes, no, unsure = (given.count(one) for one in ANSWERS)
        numbers = {"size": len(members), "yes": yes, "no": no, "unsure": unsure}
        strata.append({"stratum": name, **numbers, **rate_of(yes / max(1, yes + no), yes + no)})
    overall, effective = weighted(strata)
    percents = [f"{overall[name]:.1%}" if effective else "unknown" for name in ("rate", "low", "high")]
    return {
        "summary": "false negatives: {} [{}, {}], weighted by the sizes of the strata".format(*percents),
        "path": str(path),
        "mine": data.mine,
        "overall": overall,
        "effective": effective,
        "covered": sum(one["size"] for one in strata if one["rate"] is not None) / len(facts),
        "empty": sum(not answer for answer in answers.values()),
        "strata": strata,
        "relevant": relevant,
    }


def rate_of(rate: float, count: float) -> dict[str, float | None]:
    """A share of `count` trials, which may be no whole number, and its 95 % score interval (Wilson 1927)."""
    if not count:
        return {"rate": None, "low": None, "high": None}
    square = Z * Z / count
    middle = (rate + square / 2) / (1 + square)
    half = Z / (1 + square) * sqrt(rate * (1 - rate) / count + square / (4 * count))
    return {"rate": rate, "low": max(0.0, middle - half), "high": min(1.0, middle + half)}


def weighted(strata: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], float]:
    """The numbers of all strata, and the effective count: (sum of weights)^2 / sum of weight^2 / judged (Kish 1965)."""
    rated = [(one["size"], one["yes"] + one["no"], one["rate"]) for one in strata if one["rate"] is not None]
    total = sum(weight for weight, _, _ in rated)
    rate = sum(weight * one for weight, _, one in rated) / max(1, total)
    effective = total**2 / sum(weight**2 / judged for weight, judged, _ in rated) if rated else 0.0
    sums = {name: sum(one[name] for one in strata) for name in ("size", "yes", "no", "unsure")}
    return {**sums, **rate_of(rate, effective)}, effective
