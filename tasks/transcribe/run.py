"""The transcribe stage: speech to text, for every video that has sound."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.shared.artifacts import transcripts
from tasks.shared.artifacts.media import FOLDER, TABLE, Media, read_audio, read_media
from tasks.shared.artifacts.transcripts import Segment, Transcript, write_transcripts
from tasks.shared.engine import Job, process
from tasks.shared.errors import UserError
from tasks.shared.failures import refuse_too_many, write_failures
from tasks.shared.files import read_json, sha256_file, write_json
from tasks.shared.gpu import visible_gpus
from tasks.shared.items import ItemStore, code_digest
from tasks.shared.models import resolve_model
from tasks.shared.progress import progress
from tasks.shared.reused import Reused
from tasks.shared.stage import StageRun
from tasks.transcribe import recogniser
from tasks.transcribe.recogniser import Recogniser

if TYPE_CHECKING:
    import numpy as np

ITEM = "transcript.json"


def run(stage: StageRun) -> None:
    """Transcribe every audio track; what was heard before by the same model is taken from the item store."""
    params, threads = stage.params.transcribe, stage.params.run.threads
    model = resolve_model(params.model, params.revision, "transcribe")
    digest = model.digest()
    store = ItemStore(
        "transcribe",
        {
            "params": params.model_dump(exclude={"model", "revision"}),
            "model": digest,
            "threads": threads,
            "device": "cuda" if visible_gpus() else "cpu",
            "versions": [version(name) for name in ("faster-whisper", "ctranslate2", "onnxruntime", "tokenizers")],
            "code": code_digest(recogniser, transcripts),
        },
    )
    media = [one for one in read_media().values() if one.audio is not None]
    jobs = [Job(one.video_id, store.key(str(one.audio_sha256)), one) for one in media]
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
    refuse_too_many(outcome.failures, len(media), stage.params.run.max_failed_fraction, "transcribe")
    entries = progress(outcome.done.items(), "collect", unit="track")
    heard = [_read(video_id, entry) for video_id, entry in entries]
    write_transcripts(stage.out, heard)
    write_failures(stage.out, outcome.failures)
    write_json(stage.out / "model.json", {"model": params.model, "revision": params.revision, "digest": digest})
    stage.counts = {
        "tracks": len(media),
        "transcribed": len(heard),
        "without_speech": sum(not one.text for one in heard),
        "failed": len(outcome.failures),
    }
    stage.reused = Reused(outcome.reused, len(media), "track")
    stage.metrics = {"items/heard": len(heard) - outcome.reused}


def _samples(one: Media) -> np.ndarray:
    """A track, proved to be the one under whose digest its transcript is kept."""
    path = FOLDER / str(one.audio)
    if not path.is_file() or sha256_file(path) != one.audio_sha256:
        raise UserError(f"{path}: not what {TABLE} describes; restore it with `dvc checkout`")
    samples = read_audio(one)
    assert samples is not None
    return samples


def _read(video_id: str, entry: Path) -> Transcript:
    item = read_json(entry / ITEM)
    segments = [Segment(**one) for one in item["segments"]]
    text = " ".join(segment.text for segment in segments)
    return Transcript(video_id, text, item["language"], item["probability"], segments)
