"""The ancestry of single videos in a state: file, frames, sound, words, document, row of the index."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.lineage.lineage import Lineage
from tasks.shared.artifacts import exposures, indexed, media, transcripts, vectors
from tasks.shared.artifacts.corpus import Video, read_videos
from tasks.shared.artifacts.document import document_text
from tasks.shared.artifacts.exposures import Altered, Exposure, read_altered, read_exposures
from tasks.shared.artifacts.indexed import IndexedDocument, read_indexed
from tasks.shared.artifacts.media import Media, read_media
from tasks.shared.artifacts.rows import Mismatch
from tasks.shared.artifacts.transcripts import Transcript, read_transcripts
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.failures import FAILURES, Failure, read_failures
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_file

VIDEOS = RESULTS / "corpus" / "manifest.parquet"
READER = {"train": "train", "test": "encode"}  # the stage that makes documents of a split's videos
Ids = Collection[str] | None
TEXT_FIELDS = {"train": "document.train_text", "test": "document.test_text"}  # the param that says of what words


@dataclass(frozen=True)
class Said:
    """A transcript without its times."""

    sha256: str  # of the text
    text: str
    language: str | None
    ocr: str | None


@dataclass(frozen=True)
class VideoLineage:
    """What was made of one video, step by step. A step that it has no part in is None."""

    video: Video
    media: Media | None
    said: Said | None
    document: IndexedDocument | None
    failures: list[Failure]  # steps that could not process it
    without: list[str]  # modalities of its split's documents, where it has none of them and so no document
    mismatches: list[Mismatch]  # rows that were made of something else than what their id has now

    @property
    def left_out(self) -> str:
        """Why it has no document, in words; empty where it has one, or lacks it for another reason."""
        chosen = f"{READER[self.video.split]}.modalities ({', '.join(self.without)})"
        return f"it has nothing of {chosen}" if self.without else ""


def video_lineages(lineage: Lineage, video_ids: Collection[str]) -> dict[str, VideoLineage]:
    """Lineages by video id, in the order asked; those that the corpus does not know are not there.

    No more of any table is read than holds these videos. Raises UserError where a table is not to be had.
    """
    videos = {one.video_id: one for one in read_videos(lineage.need(VIDEOS), video_ids=video_ids)}
    extracted = read_media(lineage.need(media.FOLDER / media.TABLE).parent, video_ids)
    heard = read_transcripts(lineage.need(transcripts.FOLDER / transcripts.TABLE).parent, video_ids)
    indexed_in = _folder_of(lineage, indexed.FOLDER / indexed.TABLE)  # older states do not record it
    rows = read_indexed(indexed_in, video_ids) if indexed_in else {}
    folders = [_folder_of(lineage, RESULTS / stage / FAILURES) for stage in ("extract", "transcribe", "encode")]
    failures = [failure for folder in folders if folder for failure in read_failures(folder)]
    wrong = list(mismatches(lineage, videos, extracted, heard, rows))
    found: dict[str, VideoLineage] = {}
    for key in [key for key in dict.fromkeys(video_ids) if key in videos]:
        video, made, text = videos[key], extracted.get(key), heard.get(key)
        digest = hashlib.sha256(text.text.encode()).hexdigest() if text else ""
        said = Said(digest, text.text, text.language, text.ocr) if text else None
        failed, other = [one for one in failures if one.video_id == key], [one for one in wrong if one.id == key]
        without = _without(lineage, video, made, text)
        found[key] = VideoLineage(video, made, said, rows.get(key), failed, without, other)
    return found


def _without(lineage: Lineage, video: Video, made: Media | None, heard: Transcript | None) -> list[str]:
    """The chosen modalities where a video has none of them; empty where that cannot be told."""
    from tasks.omni.document import document_of

    reader = READER[video.split]
    try:
        manifest = lineage.execution(reader)
        chosen, fields = manifest.param(f"{reader}.modalities"), manifest.param(TEXT_FIELDS[video.split])
    except (UserError, KeyError):  # not run, or by a version that had other params
        return []
    text = document_text(video, heard, fields)
    return [] if made is None or document_of(made, text, chosen, lineage.results / "extract") else list(chosen)


def mismatches(
    lineage: Lineage,
    videos: Mapping[str, Video],
    extracted: Mapping[str, Media],
    heard: Mapping[str, Transcript],
    rows: Mapping[str, IndexedDocument],
    digest: Callable[[Path], str | None] = sha256_file,
) -> Iterator[Mismatch]:
    """The rows, by video id, that were made of something else than the rows before them say, or its files are."""
    yield from media.mismatched(extracted, videos.values())
    for video_id, one in extracted.items():
        for name, recorded in ((one.frames, one.frames_sha256), (one.audio, one.audio_sha256)):
            path = lineage.root / media.FOLDER / name if name else None
            if path and path.is_file() and (found := digest(path)) != recorded:
                yield Mismatch(str(media.FOLDER / media.TABLE), video_id, str(name), recorded, found, "extract")
    yield from transcripts.mismatched(heard, extracted)
    yield from indexed.mismatched(rows, extracted, heard)
    yield from _vectors(lineage, rows)


def _vectors(lineage: Lineage, rows: Mapping[str, IndexedDocument]) -> Iterator[Mismatch]:
    """Vectors, as they were ranked, that are of another document than their id's, or not those of the index."""
    documents = {video_id: one.document_sha256 for video_id, one in rows.items()}
    paths = {system: vectors.FOLDER / f"{system}.videos.parquet" for system in vectors.SYSTEMS if rows}
    encoded = [system for system, path in paths.items() if lineage.has(path)]
    for system in encoded:
        try:
            found = vectors.read_vectors(system, "videos", lineage.need(paths[system]).parent, ids=rows)
        except UserError:  # out of reach, or of a version that recorded no digests with them
            return
        yield from vectors.mismatched(system, "videos", found, documents)
        if system != encoded[0]:  # the first is the one in the index
            continue
        for video_id, vector in zip(found.ids, found.values, strict=True):
            digest, recorded = hashlib.sha256(vector.astype("<f4").tobytes()).hexdigest(), rows[video_id].vector_sha256
            if digest != recorded:
                yield Mismatch(str(paths[system]), video_id, "vector", digest, recorded, "encode")


def exposures_of(lineage: Lineage, *, video_ids: Ids = None, query_ids: Ids = None) -> list[Exposure] | None:
    """What training showed of some videos or for some queries; None where nothing was recorded or trained."""
    folder = _folder_of(lineage, exposures.FOLDER / exposures.TABLE)
    return read_exposures(folder, video_ids, query_ids) if folder else None


def altered_of(lineage: Lineage, *, video_ids: Ids = None, query_ids: Ids = None) -> list[Altered]:
    """What training showed otherwise than it is, of some videos or for some queries."""
    folder = _folder_of(lineage, exposures.FOLDER / exposures.ALTERED)
    return read_altered(folder, video_ids, query_ids) if folder else []


def _folder_of(lineage: Lineage, path: Path) -> Path | None:
    """The folder of a file that not every state has, for its reader."""
    return lineage.need(path).parent if lineage.has(path) else None
