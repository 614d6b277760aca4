"""A stratified sample of mined negatives as a CSV for people to judge.

A stratum is a score band (facts.Band), whether the negative is in the query's language, and whether it shows the
query's event: what decides how likely it is relevant, and all of it from corpus and mine alone, so that the sizes of
strata are the same whenever the file is read back. Within a stratum negatives are drawn without replacement in the
order of sha256(seed, query, video): the same negatives give the same sample, and a larger one holds a smaller.

The file opens right in spreadsheets: UTF-8 with a byte order mark, all cells quoted, texts on one line. A text that a
spreadsheet would run as a formula starts with an apostrophe (OWASP, CSV injection), and so do texts that start with
one themselves, and ids that start with a digit, which would be taken for numbers or dates.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.audit.negatives.facts import Fact
from tasks.audit.negatives.material import Material
from tasks.shared.artifacts import media as media_artifact
from tasks.shared.artifacts.types import RESULTS
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
class Stratum:
    """A stratum by name, its size and how many of it were drawn."""

    name: str
    size: int
    drawn: int


@dataclass(frozen=True)
class Sample:
    """A sample that was written.

    Attributes:
        mine: sha256 of the manifest of mine, which the file names in every row.
    """

    path: str
    mine: str
    seed: int
    rows: int
    strata: list[Stratum]
    judged: str | None  # how to read it back


def stratum_of(fact: Fact) -> str:
    """The name of a negative's stratum."""
    language = {"same": "same language", "other": "other language", "unknown": "language unknown"}[fact.language]
    event = {"same": "same event", "other": "other event", "unknown": "event unknown"}[fact.event]
    return f"{fact.band}, {language}, {event}"


def strata_of(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    """Negatives by stratum, strata by name."""
    found: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        found[stratum_of(fact)].append(fact)
    return dict(sorted(found.items()))


def draw(facts: Sequence[Fact], count: int, seed: int) -> list[Fact]:
    """The first `count` of a stratum in an order that the seed decides."""
    return sorted(facts, key=lambda one: _lot(seed, one))[:count]


def write_sample(material: Material, facts: Sequence[Fact], path: Path, per_stratum: int) -> Sample:
    """Write the CSV, rows by query. Raises UserError where the file is there already: it may have been judged."""
    if path.exists():
        raise UserError(f"{path} is there already, and may have been judged; name another file or remove it")
    if not facts:
        raise UserError("there are no mined negatives to sample")
    strata = strata_of(facts)
    drawn = {name: draw(members, per_stratum, material.seed) for name, members in strata.items()}
    rows = sorted((one for members in drawn.values() for one in members), key=lambda one: (one.query_id, one.rank))
    mine = material.lineage.execution("mine").digest
    cells = [_row(material, one, mine) for one in rows]
    try:
        write_text(path, BOM + as_csv(cells))
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); name a file in a folder of yours") from None
    return Sample(
        path=str(path),
        mine=mine,
        seed=material.seed,
        rows=len(rows),
        strata=[Stratum(name, len(members), len(drawn[name])) for name, members in strata.items()],
        judged=f"write yes, no or unsure into the column `relevant`, then: reeltrace audit negatives --judged {path}",
    )


def as_csv(rows: Iterable[Mapping[str, str]]) -> str:
    """A CSV with a header line (RFC 4180)."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, quoting=csv.QUOTE_ALL)
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def guarded(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(DANGEROUS) else text


def guarded_id(text: str) -> str:
    """An id that no spreadsheet takes for a formula, a number or a date."""
    return f"'{text}" if text[:1].isdigit() else guarded(text)


def unguarded(cell: str) -> str:
    """What was guarded."""
    return cell.removeprefix("'")


def _row(material: Material, fact: Fact, mine: str) -> dict[str, str]:
    video = material.videos[fact.video_id]
    said = (material.texts or {}).get(fact.video_id, "")
    media = (material.media or {}).get(fact.video_id)
    strip = f"{media_artifact.FOLDER.as_posix()}/{media.frames}" if media and media.frames else None
    return {
        "query_id": guarded_id(fact.query_id),
        "query": _line(material.queries[fact.query_id].text),
        "video_id": guarded_id(fact.video_id),
        "title": _line(video.title or ""),
        "transcript": _line(said if len(said) <= EXCERPT else said[: EXCERPT - 1] + "…"),
        "video": guarded(_place(material, video.path)),
        "frames": guarded(_place(material, strip)) if strip else "",
        "score": "" if fact.score is None else f"{fact.score:.6f}",
        "rank": str(fact.rank),
        "stratum": stratum_of(fact),
        "relevant": "",
        "mine_manifest": mine,
    }


def _place(material: Material, path: str) -> str:
    """Where a file lies: results of another state than the workspace's are brought to where they can be opened."""
    if material.lineage.objects is None or RESULTS not in Path(path).parents:
        return path
    try:
        return str(material.lineage.need(path))
    except UserError:
        return path


def _line(text: str) -> str:
    return guarded(" ".join(text.split()))


def _lot(seed: int, fact: Fact) -> bytes:
    return hashlib.sha256(f"{seed}\n{fact.query_id}\n{fact.video_id}".encode()).digest()
