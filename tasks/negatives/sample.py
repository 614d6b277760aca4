"""A stratified sample of mined negatives as a CSV for people to judge.

A stratum is a score band, whether the negative is in the query's language, and whether it shows the query's event: what
decides how likely it is relevant, and all of it from corpus and mine alone, so that the sizes of strata are the same
whenever the file is read back. Within a stratum negatives are drawn without replacement in the order of
sha256(seed, query, video): the same negatives give the same sample, and a larger one holds a smaller.

The file opens right in spreadsheets: UTF-8 with a byte order mark, all cells quoted, texts on one line. A text that a
spreadsheet would run as a formula starts with an apostrophe (OWASP, CSV injection), and so do texts that start with
one themselves, and ids that start with a digit, which would be taken for numbers or dates.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.negatives.data import NegativesData
from tasks.negatives.facts import Fact
from tasks.shared.artifacts import media as media_artifact
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import write_text

COLUMNS = (
    "query_id", "query", "video_id", "title", "transcript", "video", "frames", "score", "rank", "stratum", "relevant",
    "mine_manifest",
)  # fmt: skip
EXCERPT = 300  # characters of a transcript
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")
BOM = "\ufeff"


@dataclass(frozen=True)
class Sample:
    """A sample that was written.

    Attributes:
        mine: sha256 of mine's manifest, which the file names in every row.
        strata: how many negatives each stratum has, by name; drawn: how many of them the sample has.
        next_step: how to read it back.
    """

    path: str
    mine: str
    seed: int
    rows: int
    strata: dict[str, int]
    drawn: dict[str, int]
    next_step: str


def strata_of(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    """Negatives by stratum, strata by name."""
    found: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        found[stratum_of(fact)].append(fact)
    return dict(sorted(found.items()))


def stratum_of(fact: Fact) -> str:
    """The name of a negative's stratum."""
    language, event = (
        f"{name} unknown" if value == "unknown" else f"{value} {name}"
        for name, value in (("language", fact.language), ("event", fact.event))
    )
    return f"{fact.band}, {language}, {event}"


def write_sample(data: NegativesData, facts: Sequence[Fact], path: Path, per_stratum: int) -> Sample:
    """Write the CSV, rows by query. Raises UserError where the file is there already: it may have been judged."""
    if path.exists():
        raise UserError(f"{path} is there already, and may have been judged; name another file or remove it")
    if not facts:
        raise UserError("there are no mined negatives to sample")
    seed = data.param("run.seed")
    strata = strata_of(facts)
    drawn = {
        name: sorted(found, key=lambda one: _draw_order(seed, one))[:per_stratum] for name, found in strata.items()
    }
    rows = sorted((one for found in drawn.values() for one in found), key=lambda one: (one.query_id, one.rank))
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, quoting=csv.QUOTE_ALL)
    table.writeheader()
    table.writerows(_row(data, one) for one in rows)
    try:
        write_text(path, BOM + text.getvalue())
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); name a file in a folder of yours") from None
    return Sample(
        path=str(path),
        mine=data.origin.mine,
        seed=seed,
        rows=len(rows),
        strata={name: len(found) for name, found in strata.items()},
        drawn={name: len(found) for name, found in drawn.items()},
        next_step=f"write yes, no or unsure in column `relevant`, then: reeltrace audit negatives --judged {path}",
    )


def guarded(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(DANGEROUS) else text


def guarded_id(text: str) -> str:
    """An id that no spreadsheet takes for a formula, a number or a date."""
    return f"'{text}" if text[:1].isdigit() else guarded(text)


def unguarded(cell: str) -> str:
    """What was guarded."""
    return cell.removeprefix("'")


def _row(data: NegativesData, fact: Fact) -> dict[str, str]:
    video = data.videos[fact.video_id]
    text = (data.texts or {}).get(fact.video_id, "")
    media = (data.media or {}).get(fact.video_id)
    strip = f"{media_artifact.FOLDER.as_posix()}/{media.frames}" if media and media.frames else None
    return {
        "query_id": guarded_id(fact.query_id),
        "query": _text_cell(data.queries[fact.query_id].text),
        "video_id": guarded_id(fact.video_id),
        "title": _text_cell(video.title or ""),
        "transcript": _text_cell(text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…"),
        "video": guarded(data.location(video.path)),
        "frames": guarded(data.location(strip)) if strip else "",
        "score": "" if fact.score is None else f"{fact.score:.6f}",
        "rank": str(fact.rank),
        "stratum": stratum_of(fact),
        "relevant": "",
        "mine_manifest": data.origin.mine,
    }


def _text_cell(text: str) -> str:
    return guarded(" ".join(text.split()))


def _draw_order(seed: int, fact: Fact) -> bytes:
    return hashlib.sha256(f"{seed}\n{fact.query_id}\n{fact.video_id}".encode()).digest()
