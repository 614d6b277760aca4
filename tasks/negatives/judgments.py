"""What people judged of a sample, read back: how many mined negatives are relevant after all."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

from tasks.negatives.data import NegativesData
from tasks.negatives.facts import Fact
from tasks.negatives.sample import strata_of, unguarded
from tasks.shared.runtime.errors import UserError

ANSWERS = ("yes", "no", "unsure")
NEEDED = ("query_id", "video_id", "relevant", "mine_manifest")
Z = 1.959963984540054  # of 95 %


@dataclass(frozen=True)
class Rate:
    """Share of relevant ones among those judged yes or no, with its 95 % interval (Wilson 1927); None without any.

    `size` is that of the stratum, or of all.
    """

    stratum: str
    size: int
    yes: int
    no: int
    unsure: int
    rate: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Judgments:
    """What the file says of these negatives.

    Attributes:
        overall: weighted by the sizes of the strata that were judged. Its interval is Wilson's for as many judgments
            as the weights leave, `effective` = (sum of weights)^2 / sum of weight^2 / judged (Kish 1965).
        covered: share of all negatives that are in strata with a judgment: the rate says nothing of the rest.
        empty: rows without an answer.
        relevant: negatives judged relevant, by the line of the file that says so.
    """

    path: str
    mine: str
    overall: Rate
    effective: float
    covered: float
    empty: int
    strata: list[Rate]
    relevant: dict[int, Fact]


def read_judgments(data: NegativesData, facts: Sequence[Fact], path: Path) -> Judgments:
    """Read a judged sample. Raises UserError where it is of other negatives, or a line is wrong."""
    mine = data.origin.mine
    known = {(one.query_id, one.video_id): one for one in facts}
    rows = _rows(path)
    answers: dict[tuple[str, str], str] = {}
    relevant: dict[int, Fact] = {}
    for line, row in rows:
        key = (unguarded(row["query_id"].strip()), unguarded(row["video_id"].strip()))
        answer, drawn_from = row["relevant"].strip().lower(), row["mine_manifest"].strip()
        wrong = None
        if drawn_from != mine:
            wrong = (
                f"drawn from other negatives (mine {drawn_from[:12] or 'unnamed'}) than those of {data.origin.state} "
                f"(mine {mine[:12]}); name their state with --rev"
            )
        elif key not in known:
            wrong = f"{key[1]} is not a mined negative of query {key[0]}; restore the row"
        elif key in answers:
            wrong = "the same negative as in a line above; leave one of them"
        elif answer not in ("", *ANSWERS):
            wrong = f"relevant is {answer!r}; write {', '.join(ANSWERS)} or nothing"
        if wrong:
            raise UserError(f"{path}:{line}: {wrong}")
        answers[key] = answer
        if answer == "yes":
            relevant[line] = known[key]
    if not any(answers.values()):
        raise UserError(f"{path} has no judgment; write {', '.join(ANSWERS)} into the column `relevant`")
    strata = [
        _rate(name, len(members), [answers.get((one.query_id, one.video_id), "") for one in members])
        for name, members in strata_of(facts).items()
    ]
    overall, effective = weighted(strata)
    return Judgments(
        path=str(path),
        mine=mine,
        overall=overall,
        effective=effective,
        covered=sum(one.size for one in strata if one.rate is not None) / max(1, len(facts)),
        empty=sum(not answer for answer in answers.values()),
        strata=strata,
        relevant=relevant,
    )


def wilson(rate: float, count: float) -> tuple[float, float]:
    """95 % score interval of a share observed in `count` trials, which need not be a whole number (Wilson 1927)."""
    square = Z * Z / count
    middle = (rate + square / 2) / (1 + square)
    half = Z / (1 + square) * sqrt(rate * (1 - rate) / count + square / (4 * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def weighted(strata: Sequence[Rate]) -> tuple[Rate, float]:
    """The rate over all strata that have one, and the effective number of judgments; see `Judgments.overall`."""
    rated = [(one.size, one.yes + one.no, one.rate) for one in strata if one.rate is not None]
    size, yes, no, unsure = (sum(getattr(one, name) for one in strata) for name in ("size", "yes", "no", "unsure"))
    if not rated:
        return Rate("all", size, yes, no, unsure, None, None, None), 0.0
    total = sum(weight for weight, _, _ in rated)
    rate = sum(weight * one for weight, _, one in rated) / total
    effective = total**2 / sum(weight**2 / judged for weight, judged, _ in rated)
    return Rate("all", size, yes, no, unsure, rate, *wilson(rate, effective)), effective


def _rate(stratum: str, size: int, answers: Sequence[str]) -> Rate:
    yes, no, unsure = (answers.count(one) for one in ANSWERS)
    judged = yes + no
    interval = wilson(yes / judged, judged) if judged else (None, None)
    return Rate(stratum, size, yes, no, unsure, yes / judged if judged else None, *interval)


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Rows with the line that each ends at. Comma, semicolon or tab: spreadsheets save what their country uses."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        header = text.split("\n", 1)[0]
        reader = csv.DictReader(io.StringIO(text), delimiter=max(",;\t", key=header.count), strict=True)
        rows = [(reader.line_num, row) for row in reader if any(row.values())]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", error)  # an OSError's text repeats the path
        raise UserError(f"{path} cannot be read ({reason}); name a file that --sample wrote, as CSV UTF-8") from None
    if absent := [name for name in NEEDED if name not in (reader.fieldnames or ())]:
        raise UserError(f"{path} has no column {', '.join(absent)}; name a file that --sample wrote")
    if not rows:
        raise UserError(f"{path} has no rows; name a file that --sample wrote")
    for line, row in rows:
        if None in row or None in row.values():  # too many cells, or too few
            raise UserError(f"{path}:{line}: not as many cells as the header has; restore the row")
    return rows
