"""What is written in the videos: read in their frames, or as the dataset ships it.

The frames are those that extract samples, but from the video itself, in its own aspect and up to `LONGEST` pixels a
side: what extract keeps is too small to read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import av

from tasks.shared.artifacts.corpus import read_videos
from tasks.shared.artifacts.media import Media
from tasks.shared.artifacts.publish import RESULTS
from tasks.shared.artifacts.shipped import read_shipped
from tasks.shared.artifacts.transcripts import Transcript
from tasks.shared.execution.engine import Job, process
from tasks.shared.execution.failures import refuse_too_many
from tasks.shared.execution.items import ItemStore, code_digest
from tasks.shared.execution.stage import StageRun
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json, write_json
from tasks.shared.runtime.progress import progress
from tasks.transcribe import reader
from tasks.transcribe.lines import distinct_lines
from tasks.transcribe.part import Part
from tasks.video import container, picture
from tasks.video.container import UnreadableVideoError, check_unchanged, check_whole
from tasks.video.picture import bounded, read_picture

ITEM = "frames.json"
LONGEST = 1280  # pixels a side


@dataclass(frozen=True)
class Source:
    """A video as the manifest has it, and how many of its frames to read."""

    path: Path
    sha256: str
    bytes: int
    frames: int


def read_screens(stage: StageRun, media: Mapping[str, Media]) -> Part[Transcript]:
    """Read every video that has a picture; what was read before is taken from the item store."""
    versions = reader.check_installed()
    stage.components += reader.PACKAGES
    store = ItemStore(
        "ocr",
        {
            "longest": LONGEST,
            "versions": [*versions, av.__version__, av.ffmpeg_version_info],
            "code": code_digest(reader, container, picture),
        },
    )
    seen = {video_id: len(one.times) for video_id, one in media.items() if one.frames is not None}
    jobs = [
        Job(
            one.video_id,
            store.key(one.sha256, str(seen[one.video_id])),
            Source(Path(one.path), one.sha256, one.bytes, seen[one.video_id]),
        )
        for one in read_videos(RESULTS / "corpus" / "manifest.parquet")
        if one.video_id in seen
    ]
    outcome = process("ocr", store, jobs, read_video, workers=stage.params.run.workers, prepare=reader.load)
    refuse_too_many(outcome.failures, len(jobs), stage.params.run.max_failed_fraction, "ocr")
    entries = progress(outcome.done.items(), "collect")
    found = {
        video_id: _transcript(video_id, read_json(entry / ITEM)["frames"], video_sha256=media[video_id].video_sha256)
        for video_id, entry in entries
    }
    stage.counts |= {**_counts(found), "not_read": len(outcome.failures)}
    stage.metrics |= {"items/read": len(found) - outcome.reused}
    return Part(found, outcome.failures, outcome.reused, len(jobs))


def read_video(source: Source, folder: Path) -> None:
    """Fill `folder` with what is written in each frame of a video.

    Raises what the reading of video files raises, and UnreadableVideoError for one that is not the manifest's.
    """
    check_unchanged(source.path, source.sha256, source.bytes)
    check_whole(source.path)
    found = read_picture(source.path, source.frames, bounded(LONGEST))
    if found is None:
        raise UnreadableVideoError("no picture in it")
    write_json(folder / ITEM, {"frames": ["\n".join(reader.lines_in(frame)) for frame in found.frames]})


def take_shipped(stage: StageRun, media: Mapping[str, Media]) -> Part[Transcript]:
    """The on-screen text that the dataset ships. Raises UserError where it ships none."""
    found = {
        one.video_id: _transcript(one.video_id, one.frames, shipped_sha256=one.digest())
        for one in read_shipped()
        if one.frames is not None and one.video_id in media
    }
    if media and not found:
        raise UserError("transcribe.ocr: no on-screen text is shipped beside these videos; set it to rapidocr or none")
    stage.counts |= {**_counts(found), "without_ocr": len(media) - len(found)}
    return Part(found)


def _transcript(video_id: str, frames: list[str], **digests: str) -> Transcript:
    return Transcript(video_id, "", None, 0.0, [], "\n".join(distinct_lines(frames)), **digests)


def _counts(found: Mapping[str, Transcript]) -> dict[str, int]:
    return {"read": len(found), "without_text": sum(not one.ocr for one in found.values())}
