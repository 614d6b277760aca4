"""The transcribe stage: the speech of every video as text, and its on-screen text where params ask for that."""

from __future__ import annotations

from dataclasses import replace

from tasks.shared.artifacts.media import read_media
from tasks.shared.artifacts.transcripts import Transcript, write_transcripts
from tasks.shared.execution.failures import write_failures
from tasks.shared.execution.reused import Reused
from tasks.shared.execution.stage import StageRun
from tasks.transcribe import reader, screen, speech
from tasks.transcribe.part import Part


def run(stage: StageRun) -> None:
    """Write the transcripts and the failures."""
    params, media = stage.params.transcribe, read_media()
    if params.ocr == "rapidocr":
        reader.check_installed()  # before hours of listening
    said = speech.transcribe(stage, media) if params.source == "whisper" else speech.take_shipped(stage, media)
    seen = Part[str]()
    if params.ocr != "none":
        seen = screen.read_screens(stage, media) if params.ocr == "rapidocr" else screen.take_shipped(stage, media)
    silent = {video_id: Transcript(video_id, "", None, 0.0, []) for video_id in seen.found}
    write_transcripts(
        stage.out,
        [replace(one, ocr=seen.found.get(video_id)) for video_id, one in {**silent, **said.found}.items()],
    )
    write_failures(stage.out, [*said.failures, *seen.failures])
    if items := said.items + seen.items:
        unit = "item" if seen.items else "track"
        stage.reused = Reused(said.reused + seen.reused, items, unit)
