"""What is said in the videos: heard by Whisper, or as the dataset ships it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.shared.artifacts import transcripts
from tasks.shared.artifacts.media import FOLDER, TABLE, Media, read_audio
from tasks.shared.artifacts.shipped import read_shipped
from tasks.shared.artifacts.transcripts import Segment, Transcript
from tasks.shared.execution.engine import Job, process
from tasks.shared.execution.failures import refuse_too_many
from tasks.shared.execution.items import ItemStore, code_digest
from tasks.shared.execution.stage import StageRun
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json, sha256_file, write_json
from tasks.shared.runtime.gpu import visible_gpus
from tasks.shared.runtime.models import resolve_model
from tasks.shared.runtime.progress import progress
from tasks.transcribe import recogniser
from tasks.transcribe.part import Part
from tasks.transcribe.recogniser import Recogniser

if TYPE_CHECKING:
    import numpy as np

ITEM = "transcript.json"
MODEL = "model.json"


def hear(stage: StageRun, media: Mapping[str, Media]) -> Part[Transcript]:
    """Transcribe every audio track; what was heard before by the same model is taken from the item store."""
    params, threads = stage.params.transcribe, stage.params.run.threads
    model = resolve_model(params.model, params.revision, "transcribe")
    digest = model.digest()
    store = ItemStore(
        "transcribe",
        {
            "params": params.model_dump(include={"language", "compute_type", "beam_size"}),
            "model": digest,
            "threads": threads,
            "device": "cuda" if visible_gpus() else "cpu",
            "versions": [version(name) for name in ("faster-whisper", "ctranslate2", "onnxruntime", "tokenizers")],
            "code": code_digest(recogniser, transcripts),
        },
    )
    tracks = [one for one in media.values() if one.audio is not None]
    jobs = [Job(one.video_id, store.key(str(one.audio_sha256)), one) for one in tracks]
    whisper: Recogniser | None = None

    def load() -> None:
        nonlocal whisper
        stage.take_gpus()
        whisper = Recogniser(model, params, threads)

    def transcribe(one: Media, folder: Path) -> None:
        assert whisper is not None
        samples = _samples(one)
        segments, language, probability = whisper.listen(samples)
        item = {"segments": [asdict(segment) for segment in segments], "language": language, "probability": probability}
        write_json(folder / ITEM, item)

    outcome = process("transcribe", store, jobs, transcribe, workers=1, prepare=load, unit="track")
    refuse_too_many(outcome.failures, len(tracks), stage.params.run.max_failed_fraction, "transcribe")
    entries = progress(outcome.done.items(), "collect", unit="track")
    heard = {video_id: _read(media[video_id], entry) for video_id, entry in entries}
    write_json(stage.out / MODEL, {"model": params.model, "revision": params.revision, "digest": digest})
    stage.counts |= {
        "tracks": len(tracks),
        "transcribed": len(heard),
        "without_speech": sum(not one.text for one in heard.values()),
        "failed": len(outcome.failures),
    }
    stage.metrics |= {"items/heard": len(heard) - outcome.reused}
    return Part(heard, outcome.failures, outcome.reused, len(tracks))


def take_shipped(stage: StageRun, media: Mapping[str, Media]) -> Part[Transcript]:
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
    return Part(found)


def _samples(one: Media) -> np.ndarray:
    """A track, proved to be the one under whose digest its transcript is kept."""
    path = FOLDER / str(one.audio)
    if not path.is_file() or sha256_file(path) != one.audio_sha256:
        raise UserError(f"{path}: not what {TABLE} describes; restore it with `dvc checkout`")
    samples = read_audio(one)
    assert samples is not None
    return samples


def _read(track: Media, entry: Path) -> Transcript:
    item = read_json(entry / ITEM)
    segments = [Segment(**one) for one in item["segments"]]
    text = " ".join(segment.text for segment in segments)
    probability = item["probability"]
    return Transcript(track.video_id, text, item["language"], probability, segments, audio_sha256=track.audio_sha256)
