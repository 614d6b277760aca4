"""What people judged of a sample, read back: how many mined negatives are relevant after all."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

from tasks.audit.negatives.facts import Fact
from tasks.audit.negatives.material import Material
from tasks.audit.negatives.sample import strata_of, stratum_of, unguarded
from tasks.shared.runtime.errors import UserError

ANSWERS = ("yes", "no", "unsure")
NEEDED = ("query_id", "video_id", "relevant", "mine_manifest")
SHOWN = 3  # mistakes that one line names
Z = 1.959963984540054  # of 95 %


@dataclass(frozen=True)
class Verdict:
    """A person's word on a negative, and the line of the file where it stands."""

    line: int
    fact: Fact
    answer: str


@dataclass(frozen=True)
class Rate:
    """Share of relevant ones among those judged yes or no, with its 95 % interval (Wilson 1927); None without any.

    Attributes:
        size: negatives in the stratum, or in all.
        unsure: left out of the rate.
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
class Judged:
    """What the file says of these negatives.

    Attributes:
        overall: weighted by the sizes of the strata that were judged. Its interval is Wilson's for as many judgments
            as the weights leave, `effective` = (sum of weights)^2 / sum of weight^2 / judged (Kish 1965).
        covered: share of all negatives that are in strata with a judgment: the rate says nothing of the rest.
        empty: rows without an answer.
        relevant: negatives judged relevant.
    """

    path: str
    mine: str
    overall: Rate
    effective: float
    covered: float
    empty: int
    strata: list[Rate]
    relevant: list[Verdict]


def read_judged(material: Material, facts: Sequence[Fact], path: Path) -> Judged:
    """Read a judged sample. Raises UserError where it is none of these negatives, or a line is wrong."""
    mine = material.lineage.execution("mine").digest
    rows = _rows(path)
    _same_negatives(path, rows, mine, material.lineage.name)
    verdicts, empty = _verdicts(path, rows, facts)
    by_stratum: dict[str, list[str]] = {}
    for one in verdicts:
        by_stratum.setdefault(stratum_of(one.fact), []).append(one.answer)
    strata = [_rate(name, len(members), by_stratum.get(name, [])) for name, members in strata_of(facts).items()]
    overall, effective = weighted(strata)
    decided = sum(one.size for one in strata if one.rate is not None)
    return Judged(
        path=str(path),
        mine=mine,
        overall=overall,
        effective=effective,
        covered=decided / len(facts) if facts else 0.0,
        empty=empty,
        strata=strata,
        relevant=[one for one in verdicts if one.answer == "yes"],
    )


def wilson(rate: float, count: float) -> tuple[float, float]:
    """95 % score interval of a share observed in `count` trials (Wilson 1927)."""
    square = Z * Z / count
    middle = (rate + square / 2) / (1 + square)
    half = Z / (1 + square) * sqrt(rate * (1 - rate) / count + square / (4 * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def weighted(strata: Sequence[Rate]) -> tuple[Rate, float]:
    """The rate over all strata that have one, and the effective number of judgments; see `Judged.overall`."""
    told = [one for one in strata if one.rate is not None]
    yes, no, unsure = (sum(getattr(one, name) for one in strata) for name in ("yes", "no", "unsure"))
    size = sum(one.size for one in strata)
    if not told:
        return Rate("all", size, yes, no, unsure, None, None, None), 0.0
    total = sum(one.size for one in told)
    rate = sum(one.size * one.rate for one in told if one.rate is not None) / total
    effective = total**2 / sum(one.size**2 / (one.yes + one.no) for one in told)
    return Rate("all", size, yes, no, unsure, rate, *wilson(rate, effective)), effective


def _rate(stratum: str, size: int, answers: Sequence[str]) -> Rate:
    yes, no, unsure = (answers.count(one) for one in ANSWERS)
    if not yes + no:
        return Rate(stratum, size, yes, no, unsure, None, None, None)
    rate = yes / (yes + no)
    return Rate(stratum, size, yes, no, unsure, rate, *wilson(rate, yes + no))


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Rows with the line that each starts at. Comma, semicolon or tab: spreadsheets save what their country uses."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            text = stream.read()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); name a file that --sample wrote") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 ({error.reason} at byte {error.start}); save it as CSV UTF-8") from None
    header = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count), strict=True)
    rows: list[tuple[int, dict[str, str]]] = []
    names: list[str] = []
    line = 1
    try:
        for cells in reader:
            if not names:
                names = [cell.strip() for cell in cells]
                if absent := [name for name in NEEDED if name not in names]:
                    raise UserError(f"{path} has no column {', '.join(absent)}; name a file that --sample wrote")
            elif any(cell.strip() for cell in cells):
                if len(cells) != len(names):
                    raise UserError(
                        f"{path}:{line}: {len(cells)} cells where the header has {len(names)}; restore the row"
                    )
                rows.append((line, dict(zip(names, cells, strict=True))))
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}:{line}: not CSV ({error}); save it as CSV UTF-8") from None
    if not rows:
        raise UserError(f"{path} has no rows; name a file that --sample wrote")
    return rows


def _same_negatives(path: Path, rows: Sequence[tuple[int, Mapping[str, str]]], mine: str, state: str) -> None:
    for line, row in rows:
        if (other := row["mine_manifest"].strip()) != mine:
            raise UserError(
                f"{path}:{line}: drawn from other negatives (mine {other[:12] or 'unnamed'}) than those of {state} "
                f"(mine {mine[:12]}); name their state with --rev"
            )


def _verdicts(
    path: Path, rows: Sequence[tuple[int, Mapping[str, str]]], facts: Sequence[Fact]
) -> tuple[list[Verdict], int]:
    known = {(one.query_id, one.video_id): one for one in facts}
    first: dict[tuple[str, str], int] = {}
    found: list[Verdict] = []
    wrong: list[str] = []
    for line, row in rows:
        key = (unguarded(row["query_id"].strip()), unguarded(row["video_id"].strip()))
        answer = row["relevant"].strip().lower()
        if key not in known:
            wrong.append(f"line {line}: {key[1]} is no mined negative of query {key[0]}")
        elif key in first:
            wrong.append(f"line {line}: the same negative as in line {first[key]}; leave one of them")
        elif answer and answer not in ANSWERS:
            wrong.append(f"line {line}: relevant is {row['relevant'].strip()!r}; write {', '.join(ANSWERS)} or nothing")
        elif answer:
            found.append(Verdict(line, known[key], answer))
        first.setdefault(key, line)
    if wrong:
        more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise UserError(f"{path}: {'; '.join(wrong[:SHOWN])}{more}")
    if not found:
        raise UserError(f"{path} has no judgment; write {', '.join(ANSWERS)} into the column `relevant`")
    return found, len(rows) - len(found)
