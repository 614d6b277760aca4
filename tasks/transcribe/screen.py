"""What is written in the videos: read in their frames, or as the dataset ships it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import av

from tasks.shared.artifacts.corpus import Video, read_videos
from tasks.shared.artifacts.media import Media
from tasks.shared.artifacts.shipped import read_shipped
from tasks.shared.artifacts.transcripts import Transcript
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.engine import process
from tasks.shared.execution.failures import refuse_too_many
from tasks.shared.execution.items import ItemStore
from tasks.shared.execution.plan import Item, Plan
from tasks.shared.execution.stage import StageRun
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json
from tasks.shared.runtime.progress import progress
from tasks.transcribe import reader
from tasks.transcribe.speech import StepResult

SHORTEST = 3  # letters of a line that another one may continue


def plan(media: Mapping[str, Media], root: Path = RESULTS) -> Plan[tuple[Video, int]]:
    """The videos with a picture, whose on-screen text is read. Raises UserError where the reader is not installed."""
    versions = [*reader.check_installed(), av.__version__, av.ffmpeg_version_info]
    store = ItemStore("ocr", "tasks.transcribe.reader", {"versions": versions})
    frames = {video_id: len(one.times) for video_id, one in media.items() if one.frames is not None}
    found = [(one, frames.get(one.video_id)) for one in read_videos(root / "corpus" / "manifest.parquet")]
    wanted = [(one, count) for one, count in found if count is not None]
    return Plan(store, [Item(one.video_id, store.key(one.sha256, str(count)), (one, count)) for one, count in wanted])


def read_screens(stage: StageRun, media: Mapping[str, Media]) -> StepResult:
    """Read every video that has a picture; what was read before is taken from the item store."""
    planned = plan(media)
    stage.components += reader.PACKAGES
    outcome = process("ocr", planned, reader.read_video, workers=stage.params.run.workers, prepare=reader.load)
    refuse_too_many(outcome.failures, planned.size, stage.params.run.max_failed_fraction, "ocr")
    found = {}
    for video_id, entry in progress(outcome.done.items(), "collect"):
        frames, sha256 = read_json(entry / reader.ITEM)["frames"], media[video_id].video_sha256
        found[video_id] = _transcript(video_id, frames, video_sha256=sha256)
    stage.counts |= {**_counts(found), "not_read": len(outcome.failures)}
    stage.metrics |= {"items/read": len(found) - outcome.reused}
    return StepResult(found, outcome.failures, outcome.reused, planned.size)


def take_shipped(stage: StageRun, media: Mapping[str, Media]) -> StepResult:
    """The on-screen text that the dataset ships. Raises UserError where it ships none."""
    found = {
        one.video_id: _transcript(one.video_id, one.frames, shipped_sha256=one.digest())
        for one in read_shipped()
        if one.frames is not None and one.video_id in media
    }
    if media and not found:
        raise UserError("transcribe.ocr: no on-screen text is shipped beside these videos; set it to rapidocr or none")
    stage.counts |= {**_counts(found), "without_ocr": len(media) - len(found)}
    return StepResult(found)


def _transcript(video_id: str, frames: list[str], **digests: str) -> Transcript:
    return Transcript(video_id, "", None, 0.0, [], "\n".join(distinct_lines(frames)), **digests)


def _counts(found: Mapping[str, Transcript]) -> dict[str, int]:
    return {"read": len(found), "without_text": sum(not one.ocr for one in found.values())}


def distinct_lines(frames: Iterable[str]) -> list[str]:
    """The lines of text in a video's frames, each once, in the order of their first appearance.

    The same sign, logo or subtitle stands in many frames, read a little differently now and then. Lines are compared
    by their letters and digits alone, without case. A line that was in any earlier frame is left out. So is a line
    that is part of a line in the frame just before (half faded, half hidden). A line that continues one of the frame
    just before (written letter by letter) replaces it.
    """
    lines: list[str] = []
    place: dict[str, int] = {}  # of a line that is kept, by its letters
    seen: set[str] = set()
    before: list[str] = []
    for frame in frames:
        now = []
        for line in frame.split("\n"):
            letters = "".join(one for one in line.casefold() if one.isalnum())
            if not letters:
                continue
            now.append(letters)
            if letters in seen:
                continue
            seen.add(letters)
            if any(letters in other for other in before):
                continue
            grown = next((one for one in before if len(one) >= SHORTEST and one in place and one in letters), None)
            if grown is None:
                place[letters] = len(lines)
                lines.append(" ".join(line.split()))
            else:
                place[letters] = place.pop(grown)
                lines[place[letters]] = " ".join(line.split())
        before = now
    return lines
