"""What the audit of negatives reads of a state: needed are corpus and mine; what else is not to be had is said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tasks.lineage.lineage import Lineage
from tasks.shared.artifacts import exposures, media, negatives, scores, transcripts
from tasks.shared.artifacts.corpus import Qrels, Query, Video, read_qrels, read_queries, read_videos
from tasks.shared.artifacts.exposures import Exposure, read_exposures
from tasks.shared.artifacts.media import Media, read_media
from tasks.shared.artifacts.negatives import MinedQuery, read_negatives
from tasks.shared.artifacts.scores import QueryScores, read_per_query
from tasks.shared.artifacts.transcripts import read_transcripts
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_file

CORPUS = RESULTS / "corpus"
STAGES = ("corpus", "extract", "transcribe", "mine", "train", "evaluate")  # whose results are read here
CHUNK = 20_000  # videos whose transcripts are held at once, with all their segments

T = TypeVar("T")


@dataclass
class Material:
    """What was read.

    Attributes:
        mined: training queries with their negatives.
        videos, queries: of the training split, by id; tested: queries of the test split.
        media: of training videos; None where extraction is not to be had.
        texts: transcripts of training videos in which something was said; None where they are not to be had.
        exposures: what training showed; None where that is not to be had, or was of other negatives.
        scores: of test queries; None where there are none, or of a model that other negatives taught.
        notes: what could not be told, and why.
    """

    lineage: Lineage
    mined: list[MinedQuery]
    videos: dict[str, Video]
    queries: dict[str, Query]
    tested: list[Query]
    qrels: Qrels
    media: dict[str, Media] | None
    texts: dict[str, str] | None
    exposures: list[Exposure] | None
    scores: list[QueryScores] | None
    notes: list[str] = field(default_factory=list)

    @property
    def source(self) -> str:
        """Of the candidates: dense, bm25 or random, which has no scores."""
        return str(self.lineage.execution("mine").param("mine.source"))

    @property
    def keep(self) -> int:
        """How many negatives mining was asked for."""
        return int(self.lineage.execution("mine").param("mine.keep"))

    @property
    def seed(self) -> int:
        """What decides draws here, as it did in mining."""
        return int(self.lineage.execution("mine").param("run.seed"))


def read_material(lineage: Lineage, *, scored: bool) -> Material:
    """Read a state. Raises UserError where corpus or mine are not to be had, or not of each other.

    Args:
        lineage: the state.
        scored: whether test scores are wanted.
    """
    digest = lineage.execution("mine").digest
    videos = {one.video_id: one for one in read_videos(lineage.need(CORPUS / "manifest.parquet"), "train")}
    asked = read_queries(lineage.need(CORPUS / "queries.parquet"))
    notes: list[str] = []

    def told(what: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except UserError as error:
            notes.append(f"{what} cannot be told: {error}")
            return None

    found = Material(
        lineage=lineage,
        mined=read_negatives(lineage.need(negatives.FILE)),
        videos=videos,
        queries={one.query_id: one for one in asked if one.split == "train"},
        tested=[one for one in asked if one.split == "test"],
        qrels=read_qrels(lineage.need(CORPUS / "qrels.train.trec")),
        media=told("pictures and sound", lambda: _media(lineage, videos)),
        texts=told("transcripts", lambda: _texts(lineage, videos)),
        exposures=told("what training showed", lambda: _exposures(lineage, digest)),
        scores=told("the effect on scores", lambda: _scores(lineage, digest)) if scored else None,
        notes=notes,
    )
    _check(found)
    return found


def _media(lineage: Lineage, videos: dict[str, Video]) -> dict[str, Media]:
    folder = lineage.need(media.FOLDER / media.TABLE).parent
    return {video_id: one for video_id, one in read_media(folder).items() if video_id in videos}


def _texts(lineage: Lineage, videos: Iterable[str]) -> dict[str, str]:
    folder = lineage.need(transcripts.FOLDER / transcripts.TABLE).parent
    ordered = sorted(videos)
    texts: dict[str, str] = {}
    for start in range(0, len(ordered), CHUNK):
        for video_id, one in read_transcripts(folder, ordered[start : start + CHUNK]).items():
            if text := " ".join(one.text.split()):
                texts[video_id] = text
    return texts


def _exposures(lineage: Lineage, mine: str) -> list[Exposure]:
    _taught(lineage, mine)
    return read_exposures(lineage.need(exposures.FOLDER / exposures.TABLE).parent)


def _scores(lineage: Lineage, mine: str) -> list[QueryScores]:
    _taught(lineage, mine)
    by_stage = {(one.reader, one.maker): one for one in lineage.links() if one.holds == "no"}
    for reader, maker in (("encode", "train"), ("evaluate", "encode")):
        if (reader, maker) in by_stage:
            raise UserError(f"{RESULTS / reader} was made of another {RESULTS / maker}; `dvc checkout` or `dvc repro`")
    return read_per_query(lineage.need(scores.FOLDER / scores.PER_QUERY).parent)


def _taught(lineage: Lineage, mine: str) -> None:
    """Raise UserError unless these negatives taught the state's checkpoint."""
    read = lineage.execution("train").used
    taught = next((one.sha256 for path, one in read.items() if Path(path).parent == RESULTS / "mine"), None)
    if taught != mine:
        raise UserError(
            f"the checkpoint was taught with other negatives (mine {str(taught)[:12]}, here is {mine[:12]}); "
            "`dvc repro train` teaches it with these"
        )


def _check(found: Material) -> None:
    """Note files that are not as their manifests say; raise UserError where the negatives are of another corpus."""
    for name, path in (("mine", negatives.FILE), ("corpus", CORPUS / "manifest.parquet")):
        recorded = found.lineage.execution(name).digest_of(path)
        if recorded != sha256_file(found.lineage.root / path):
            found.notes.append(
                f"{path} is not the file that its manifest names: it was changed; `reeltrace audit verify`"
            )
    for one in found.lineage.broken("mine"):
        found.notes.append(f"mine read another {one.artifact.path} than lies here; `dvc checkout` or `dvc repro`")
    for mined in found.mined:
        named = [one.video_id for one in mined.negatives] + [one.video_id for one in mined.dropped]
        unknown = [video_id for video_id in named if video_id not in found.videos]
        if mined.query_id not in found.queries or unknown:
            what = f"video {unknown[0]}" if unknown else f"query {mined.query_id}"
            raise UserError(
                f"{negatives.FILE} names {what}, which is not in the corpus's training split: they are of different "
                "runs; `dvc checkout` or `dvc repro mine`"
            )
