"""What the audit of negatives reads of a state. Corpus and mine are needed; whatever else is missing becomes a note."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

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

T = TypeVar("T")


@dataclass(frozen=True)
class Origin:
    """What identifies the negatives: `mine` is the sha256 of mine's manifest, `dvc` DVC's md5 of results/mine, `runs`
    are the ids of the MLflow runs that published it, the oldest first, and `params` are those of mine."""

    state: str
    commit: str | None
    changed_files: list[str]
    mine: str
    dvc: str | None
    runs: list[str]
    params: dict[str, Any]


@dataclass(frozen=True)
class NegativesData:
    """What was read.

    Attributes:
        mined: training queries with their negatives.
        videos, queries: of the training split, by id.
        media: of training videos; None where extract is missing.
        texts: transcripts of training videos with speech; None where transcribe is missing.
        exposures: what training showed; None where train is missing, or was trained with other negatives.
        scores: of test queries; None where they are missing, or of a model trained with other negatives.
        notes: what could not be read, and why.
    """

    lineage: Lineage
    origin: Origin
    mined: list[MinedQuery]
    videos: dict[str, Video]
    queries: dict[str, Query]
    test_queries: list[Query]
    qrels: Qrels
    media: dict[str, Media] | None
    texts: dict[str, str] | None
    exposures: list[Exposure] | None
    scores: list[QueryScores] | None
    notes: list[str]

    def param(self, name: str) -> Any:
        """A param that mine obeyed, such as `mine.keep`."""
        return self.lineage.execution("mine").param(name)

    @property
    def has_scores(self) -> bool:
        """Whether negatives were ranked by a score, not drawn at random."""
        return bool(self.param("mine.source") != "random")

    def location(self, path: str) -> str:
        """Where a file can be opened: results of another state than the workspace are fetched from DVC's cache."""
        elsewhere = self.lineage.objects is not None and RESULTS in Path(path).parents
        try:
            return str(self.lineage.need(path)) if elsewhere else path
        except UserError:
            return path


def read_data(lineage: Lineage, *, scored: bool = False) -> NegativesData:
    """Read a state, with the test scores where `scored`. Raises UserError where corpus or mine are missing, or do not
    belong together."""
    notes: list[str] = []

    def optional(what: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except UserError as error:
            notes.append(f"{what}: unknown, {error}")
            return None

    origin = _origin(lineage, notes)
    different = optional("whether mine is what dvc.lock records", lambda: lineage.unlike_lock("mine"))
    videos = {one.video_id: one for one in read_videos(lineage.need(CORPUS / "manifest.parquet"), "train")}
    queries = read_queries(lineage.need(CORPUS / "queries.parquet"))
    data = NegativesData(
        lineage=lineage,
        origin=origin,
        mined=read_negatives(lineage.need(negatives.FILE)),
        videos=videos,
        queries={one.query_id: one for one in queries if one.split == "train"},
        test_queries=[one for one in queries if one.split == "test"],
        qrels=read_qrels(lineage.need(CORPUS / "qrels.train.trec")),
        media=optional(
            "pictures and sound", lambda: read_media(lineage.need(media.FOLDER / media.TABLE).parent, videos)
        ),
        texts=optional("transcripts", lambda: _texts(lineage, videos)),
        exposures=optional("what training showed", lambda: _exposures(lineage, origin.mine)),
        scores=optional("the effect on scores", lambda: _scores(lineage, origin.mine)) if scored else None,
        notes=notes,
    )
    _check_ids(data)
    notes += [different] if different else []
    notes += _changed_files(lineage)
    return data


def _origin(lineage: Lineage, notes: list[str]) -> Origin:
    manifest = lineage.execution("mine")
    runs = lineage.runs_of("mine")
    if lineage.tracking.problem:
        notes.append(lineage.tracking.problem)
    elif not runs:
        notes.append(f"MLflow has no run that published mine {manifest.digest[:12]}")
    return Origin(
        state=lineage.name,
        commit=lineage.commit,
        changed_files=lineage.dirty,
        mine=manifest.digest,
        dvc=lineage.outs.get("results/mine"),
        runs=[one.run_id for one in runs],
        params=manifest.params,
    )


def _texts(lineage: Lineage, videos: Collection[str]) -> dict[str, str]:
    read = read_transcripts(lineage.need(transcripts.FOLDER / transcripts.TABLE).parent, videos)
    return {video_id: text for video_id, one in read.items() if (text := " ".join(one.text.split()))}


def _exposures(lineage: Lineage, mine: str) -> list[Exposure]:
    _check_trained_with(lineage, mine)
    return read_exposures(lineage.need(exposures.FOLDER / exposures.TABLE).parent)


def _scores(lineage: Lineage, mine: str) -> list[QueryScores]:
    _check_trained_with(lineage, mine)
    for link in lineage.broken("encode", "evaluate"):
        if (link.reader, link.maker) in (("encode", "train"), ("evaluate", "encode")):
            read = f"{RESULTS / link.reader} was made from another {RESULTS / str(link.maker)}"
            raise UserError(f"{read}; `dvc checkout` or `dvc repro`")
    return read_per_query(lineage.need(scores.FOLDER / scores.PER_QUERY).parent)


def _check_trained_with(lineage: Lineage, mine: str) -> None:
    read = lineage.execution("train").used
    used = next((one.sha256 for path, one in read.items() if Path(path).parent == RESULTS / "mine"), None)
    if used != mine:
        raise UserError(
            f"the checkpoint was trained with other negatives (mine {str(used)[:12]}, here is {mine[:12]}); "
            "`dvc repro train` trains it with these"
        )


def _check_ids(data: NegativesData) -> None:
    for mined in data.mined:
        named = {one.video_id for one in mined.negatives} | {one.video_id for one in mined.dropped}
        unknown = [f"video {one}" for one in sorted(named - data.videos.keys())]
        unknown += [] if mined.query_id in data.queries else [f"query {mined.query_id}"]
        if unknown:
            raise UserError(
                f"{negatives.FILE} names {unknown[0]}, which is not in the corpus's training split: they are of "
                "different runs; `dvc checkout` or `dvc repro mine`"
            )


def _changed_files(lineage: Lineage) -> list[str]:
    """Files that are not as a manifest records them."""
    changed = [f"mine read another {one.artifact.path} than lies here" for one in lineage.broken("mine")]
    for stage, path in (("mine", negatives.FILE), ("corpus", CORPUS / "manifest.parquet")):
        if lineage.execution(stage).digest_of(path) != sha256_file(lineage.root / path):
            changed.append(f"{path} is not the file that its manifest names: it was changed")
    return [f"{one}; `reeltrace audit verify` says more, `dvc checkout` or `dvc repro` mends it" for one in changed]
