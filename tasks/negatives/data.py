"""What the audit of negatives reads of a state. Corpus and mine are needed; whatever else is missing becomes a note."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tasks.lineage.lineage import Lineage
from tasks.shared.artifacts import exposures, media, negatives, scores, transcripts
from tasks.shared.artifacts.corpus import Qrels, Query, Video, read_qrels, read_queries, read_videos
from tasks.shared.artifacts.exposures import Exposure
from tasks.shared.artifacts.media import Media
from tasks.shared.artifacts.negatives import MinedQuery
from tasks.shared.artifacts.scores import QueryScores
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_file

CORPUS = RESULTS / "corpus"

T = TypeVar("T")


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

    @property
    def mine(self) -> str:
        """The sha256 of mine's manifest, which identifies the negatives."""
        return self.lineage.execution("mine").digest

    def param(self, name: str) -> Any:
        """A param that mine obeyed, such as `mine.keep`."""
        return self.lineage.execution("mine").param(name)

    @property
    def has_scores(self) -> bool:
        """Whether negatives were ranked by a score, not drawn at random."""
        return bool(self.param("mine.source") != "random")

    def modalities(self, video_id: str) -> dict[str, bool | None]:
        """Whether a video has a picture, sound, recognised speech, and metadata (a text); None: unknown."""
        video, media = self.videos.get(video_id), (self.media or {}).get(video_id)
        return {
            "picture": None if self.media is None else bool(media and media.frames),
            "sound": None if self.media is None else bool(media and media.audio),
            "speech": None if self.texts is None else video_id in self.texts,
            "metadata": bool(video and (video.title or video.description or video.caption)),
        }

    def origin(self) -> dict[str, Any]:
        """What identifies the negatives; `dvc` is DVC's md5 of results/mine, and `runs` are the ids of the MLflow runs
        that published it, the oldest first."""
        return {
            "state": self.lineage.name,
            "commit": self.lineage.commit,
            "changed_files": self.lineage.dirty,
            "mine": self.mine,
            "dvc": self.lineage.outs.get("results/mine"),
            "runs": [one.run_id for one in self.lineage.runs_of("mine")],
            "params": self.lineage.execution("mine").params,
        }


def read_data(lineage: Lineage, *, scored: bool = True) -> NegativesData:
    """Read a state, and what its test queries score where that is asked for.

    Raises UserError where corpus or mine are missing, or do not belong together.
    """
    notes: list[str] = []

    def optional(what: str, table: Path, read: Callable[[Path], T], *fits: tuple[str, str]) -> T | None:
        """What is read from a table's folder; None and a note where it is missing, or stages do not fit together."""
        try:
            _check_fits(lineage, fits)
            return read(lineage.need(table).parent)
        except UserError as error:
            notes.append(f"{what}: unknown, {error}")
            return None

    def texts(folder: Path) -> dict[str, str]:
        read = {video_id: one.text.split() for video_id, one in transcripts.read_transcripts(folder, videos).items()}
        return {video_id: " ".join(words) for video_id, words in read.items() if words}

    if not lineage.runs_of("mine"):
        notes.append(lineage.tracking.problem or "MLflow has no run that published this mine")
    videos = {one.video_id: one for one in read_videos(lineage.need(CORPUS / "manifest.parquet"), "train")}
    queries = read_queries(lineage.need(CORPUS / "queries.parquet"))
    shown, per_query = exposures.FOLDER / exposures.TABLE, scores.FOLDER / scores.PER_QUERY
    chain = (("train", "mine"), ("encode", "train"), ("evaluate", "encode"))
    data = NegativesData(
        lineage=lineage,
        mined=negatives.read_negatives(lineage.need(negatives.FILE)),
        videos=videos,
        queries={one.query_id: one for one in queries if one.split == "train"},
        test_queries=[one for one in queries if one.split == "test"],
        qrels=read_qrels(lineage.need(CORPUS / "qrels.train.trec")),
        media=optional("pictures and sound", media.FOLDER / media.TABLE, lambda one: media.read_media(one, videos)),
        texts=optional("transcripts", transcripts.FOLDER / transcripts.TABLE, texts),
        exposures=optional("what training showed", shown, exposures.read_exposures, *chain[:1]),
        scores=optional("the effect on scores", per_query, scores.read_per_query, *chain) if scored else None,
        notes=notes,
    )
    _check_ids(data)
    changed = [f"mine read another {one.artifact.path} than lies here" for one in lineage.broken("mine")]
    for stage, path in (("mine", negatives.FILE), ("corpus", CORPUS / "manifest.parquet")):
        if lineage.execution(stage).digest_of(path) != sha256_file(lineage.root / path):
            changed.append(f"{path} is not the file that its manifest names: it was changed")
    try:
        different = lineage.unlike_lock("mine")
    except UserError as error:
        different = f"whether mine is what dvc.lock records is unknown, {error}"
    notes += [different] if different else []
    notes += [f"{one}; `reeltrace audit verify` says more, `dvc checkout` or `dvc repro` mends it" for one in changed]
    return data


def _check_fits(lineage: Lineage, pairs: Sequence[tuple[str, str]]) -> None:
    """Raise UserError where a stage of a pair read another result of the second than lies here, or is missing."""
    for reader, _ in pairs:
        lineage.execution(reader)
    for link in lineage.broken(*(reader for reader, _ in pairs)) if pairs else ():
        if (link.reader, link.maker) in pairs:
            other = f"{RESULTS / link.reader} was made from another {RESULTS / str(link.maker)} than lies here"
            raise UserError(f"{other}; `dvc checkout`, or `dvc repro {link.reader}`")


def _check_ids(data: NegativesData) -> None:
    for mined in data.mined:
        named = {*mined.positives, *(one.video_id for one in mined.negatives), *(one.video_id for one in mined.dropped)}
        unknown = [f"video {one}" for one in sorted(named - data.videos.keys())]
        unknown += [] if mined.query_id in data.queries else [f"query {mined.query_id}"]
        if unknown:
            raise UserError(
                f"{negatives.FILE} names {unknown[0]}, which is not in the corpus's training split: they are of "
                "different runs; `dvc checkout` or `dvc repro mine`"
            )
