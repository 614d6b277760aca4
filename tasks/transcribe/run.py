"""The transcribe stage: what is said in every video, and what is written in it where params ask for that."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from tasks.shared.artifacts.corpus import read_videos
from tasks.shared.artifacts.media import mismatched, read_media
from tasks.shared.artifacts.rows import refuse
from tasks.shared.artifacts.transcripts import Transcript, read_transcripts, write_transcripts
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.failures import write_failures
from tasks.shared.execution.items import CacheHits
from tasks.shared.execution.params import Params
from tasks.shared.execution.plan import Plan
from tasks.shared.execution.stage import StageRun
from tasks.transcribe import reader, screen, speech
from tasks.transcribe.speech import StepResult


def plan(params: Params, root: Path = RESULTS) -> list[Plan[Any]]:
    """The tracks to transcribe and the videos whose on-screen text is to be read, of a results folder."""
    media, found = read_media(root / "extract"), list[Plan[Any]]()
    if params.transcribe.source == "whisper":
        found.append(speech.plan(params, media))
    if params.transcribe.ocr == "rapidocr":
        found.append(screen.plan(media, root))
    return found


def write_expected(params: Params, before: Params, changed: Collection[str], present: Path, root: Path) -> None:
    """The table of transcripts as far as plans read it, with unknown words of changed videos; of all, where they come
    from elsewhere than before."""
    media, rows = read_media(root / "extract"), read_transcripts(present / "transcribe")
    sources = [(one.transcribe.source, one.transcribe.ocr) for one in (before, params)]
    unknown = changed if sources[0] == sources[1] else media
    found = {video_id: one for video_id, one in rows.items() if video_id in media}
    for video_id in media:
        if video_id in unknown:
            seen = None if params.transcribe.ocr == "none" else f"text in {video_id}, not read yet"
            found[video_id] = Transcript(video_id, f"speech in {video_id}, not heard yet", None, 0.0, [], seen)
    write_transcripts(root / "transcribe", found.values())


def run(stage: StageRun) -> None:
    """Write the transcripts and the failures."""
    params, media = stage.params.transcribe, read_media()
    refuse(mismatched(media, read_videos(RESULTS / "corpus" / "manifest.parquet")))
    if params.ocr == "rapidocr":
        reader.check_installed()  # before hours of transcription
    spoken = speech.transcribe_tracks(stage, media) if params.source == "whisper" else speech.take_shipped(stage, media)
    written = StepResult()
    if params.ocr != "none":
        written = screen.read_screens(stage, media) if params.ocr == "rapidocr" else screen.take_shipped(stage, media)
    found = {**written.found, **spoken.found}
    write_transcripts(stage.out, [_with_screen(one, written.found.get(video_id)) for video_id, one in found.items()])
    write_failures(stage.out, [*spoken.failures, *written.failures])
    if items := spoken.items + written.items:
        unit = "item" if written.items else "track"
        stage.reused = CacheHits(spoken.reused + written.reused, items, unit)


def _with_screen(one: Transcript, screen: Transcript | None) -> Transcript:
    """What is said in a video, with what is written in it."""
    if screen is None:
        return one
    shipped = one.shipped_sha256 or screen.shipped_sha256
    return replace(one, ocr=screen.ocr, video_sha256=screen.video_sha256, shipped_sha256=shipped)
