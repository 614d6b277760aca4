"""What is said in the videos: recognised by Whisper, or as the dataset ships it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path

from tasks.shared.artifacts.media import Media
from tasks.shared.artifacts.shipped import read_shipped
from tasks.shared.artifacts.transcripts import Transcript
from tasks.shared.execution.engine import process
from tasks.shared.execution.failures import Failure, refuse_too_many
from tasks.shared.execution.items import ItemStore
from tasks.shared.execution.params import Params
from tasks.shared.execution.plan import Item, Plan
from tasks.shared.execution.stage import StageRun
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import write_json
from tasks.shared.runtime.gpu import visible_gpus
from tasks.shared.runtime.models import resolve_model
from tasks.shared.runtime.progress import Bar, progress
from tasks.transcribe.recogniser import Recogniser, read_transcript

MODEL = "model.json"


@dataclass(frozen=True)
class StepResult:
    """What one source of text gives: speech, or on-screen text."""

    found: dict[str, Transcript] = field(default_factory=dict)  # by video id
    failures: list[Failure] = field(default_factory=list)
    reused: int = 0  # of the items, out of the store
    items: int = 0


def plan(params: Params, media: Mapping[str, Media]) -> Plan[Media]:
    """The audio tracks that are transcribed."""
    settings = params.transcribe
    store = ItemStore(
        "transcribe",
        "tasks.transcribe.recogniser",
        {
            "params": settings.model_dump(include={"language", "compute_type", "beam_size"}),
            "model": resolve_model(settings.model, settings.revision, "transcribe").digest(),
            "threads": params.run.threads,
            "device": "cuda" if visible_gpus() else "cpu",
            "versions": [version(name) for name in ("faster-whisper", "ctranslate2", "onnxruntime", "tokenizers")],
        },
    )
    tracks = [one for one in media.values() if one.audio is not None]
    return Plan(store, [Item(one.video_id, store.key(str(one.audio_sha256)), one) for one in tracks], "track")


def transcribe_tracks(stage: StageRun, media: Mapping[str, Media]) -> StepResult:
    """Transcribe every audio track; what the same model transcribed before is taken from the item store."""
    params, threads = stage.params.transcribe, stage.params.run.threads
    model = resolve_model(params.model, params.revision, "transcribe")
    planned = plan(stage.params, media)

    @cache
    def whisper() -> Recogniser:
        stage.take_gpus()
        with Bar(f"load {model.name}", 1, "model") as bar:
            loaded = Recogniser(model, params, threads)
            bar.to(1)
        return loaded

    def transcribe(one: Media, folder: Path) -> None:
        whisper().transcribe(one, folder)

    outcome = process("transcribe", planned, transcribe, workers=1, prepare=whisper)
    refuse_too_many(outcome.failures, planned.size, stage.params.run.max_failed_fraction, "transcribe")
    entries = progress(outcome.done.items(), "collect", unit="track")
    found = {video_id: read_transcript(media[video_id], entry) for video_id, entry in entries}
    write_json(stage.out / MODEL, {"model": params.model, "revision": params.revision, "digest": model.digest()})
    stage.counts |= {
        "tracks": planned.size,
        "transcribed": len(found),
        "without_speech": sum(not one.text for one in found.values()),
        "failed": len(outcome.failures),
    }
    stage.metrics |= {"items/heard": len(found) - outcome.reused}
    return StepResult(found, outcome.failures, outcome.reused, planned.size)


def take_shipped(stage: StageRun, media: Mapping[str, Media]) -> StepResult:
    """The transcripts that the dataset ships, without times and language. Raises UserError where it ships none."""
    found = {
        one.video_id: Transcript(
            one.video_id, " ".join(one.transcript.split()), None, 0.0, [], shipped_sha256=one.digest()
        )
        for one in read_shipped()
        if one.transcript is not None and one.video_id in media
    }
    if media and not found:
        raise UserError("transcribe.source: no transcript is shipped beside these videos; set it to whisper")
    write_json(stage.out / MODEL, {"model": None, "revision": None, "digest": None})
    stage.counts |= {
        "transcribed": len(found),
        "without_speech": sum(not one.text for one in found.values()),
        "without_transcript": len(media) - len(found),
    }
    return StepResult(found)
