"""Speech recognition by Whisper in CTranslate2 (faster-whisper), made as repeatable as it can be."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.shared.artifacts.media import FOLDER, TABLE, Media, read_audio
from tasks.shared.artifacts.transcripts import Segment, Transcript
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json, sha256_file, write_json
from tasks.shared.runtime.models import Model, loading

if TYPE_CHECKING:
    import numpy as np

    from tasks.shared.execution.params_sections import Transcribe

ITEM = "transcript.json"
NEEDED = ("model.bin", "tokenizer.json")  # without the second, faster-whisper goes to the hub for another's


class Recogniser:
    """A loaded Whisper model. Raises UserError where the model cannot be loaded, or cannot do what `transcribe` in
    params asks."""

    def __init__(self, model: Model, params: Transcribe, threads: int) -> None:
        if model.revision is None:
            for name in NEEDED:
                if not (Path(model.location) / name).is_file():
                    raise UserError(f"transcribe.model: {model.name} is no faster-whisper model: it has no {name}")
        from faster_whisper import WhisperModel

        with loading(model, "transcribe.model"):
            self._whisper = WhisperModel(
                model.location,
                device="auto",
                compute_type=params.compute_type,
                cpu_threads=threads,
                num_workers=1,
                revision=model.revision,
            )
        known = self._whisper.supported_languages
        if params.language is not None and params.language not in known:
            raise UserError(
                f"transcribe.language: {model.name} does not know {params.language!r}, only {', '.join(known[:12])}"
                f"{', ...' if len(known) > 12 else ''}; set one of them, or null"
            )
        self._params = params

    def transcribe(self, track: Media, folder: Path) -> None:
        """Fill `folder` with what is said in an audio track. Raises UserError where the file is missing or is not the
        one under whose digest its transcript is kept."""
        path = FOLDER / str(track.audio)
        if not path.is_file() or sha256_file(path) != track.audio_sha256:
            raise UserError(f"{path}: not what {TABLE} describes; restore it with `dvc checkout`")
        samples = read_audio(track)
        assert samples is not None
        segments, language, probability = self.listen(samples)
        item = {"segments": [asdict(segment) for segment in segments], "language": language, "probability": probability}
        write_json(folder / ITEM, item)

    def listen(self, samples: np.ndarray) -> tuple[list[Segment], str | None, float]:
        """Segments of speech in order in a track, float32 (samples,) at 16 kHz in [-1, 1]; their language, and how
        probable that is (1 where it was given or the model knows one only). No segments, None and 0 where nothing is
        said."""
        from faster_whisper.vad import get_speech_timestamps

        if not get_speech_timestamps(samples):  # a multilingual model would name a language, or fail, over nothing
            return [], None, 0.0
        found, info = self._whisper.transcribe(
            samples,
            language=self._params.language,
            beam_size=self._params.beam_size,
            temperature=0.0,  # no fallback to sampling, whose text differs from run to run
            condition_on_previous_text=False,  # one wrong segment does not infect the rest
            vad_filter=True,  # Whisper invents text over silence and music
        )
        segments = [
            Segment(round(one.start, 2), round(one.end, 2), text)
            for one in found
            if (text := " ".join(one.text.split()))
        ]
        if not segments:
            return [], None, 0.0
        return segments, info.language, round(float(info.language_probability), 4)


def read_transcript(track: Media, entry: Path) -> Transcript:
    """The transcript of a finished item."""
    item = read_json(entry / ITEM)
    segments = [Segment(**one) for one in item["segments"]]
    text = " ".join(segment.text for segment in segments)
    probability = item["probability"]
    return Transcript(track.video_id, text, item["language"], probability, segments, audio_sha256=track.audio_sha256)
