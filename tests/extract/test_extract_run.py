"""The stage over a small corpus of sound, broken, silent and odd files."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tasks.extract.run import plan, run
from tasks.shared.artifacts.corpus import Video, write_videos
from tasks.shared.artifacts.media import read_audio, read_frames, read_media
from tasks.shared.execution.failures import read_failures
from tasks.shared.execution.items import CacheHits, read_cache_hits
from tasks.shared.execution.params import load_params
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.progress import Progress
from tests.conftest import Workspace, make_video
from tests.extract.clips import number, write_clip

COMPONENTS = ("av", "numpy", "pillow")


def describe(videos: dict[str, Path]) -> None:
    """Write a manifest of these files, as the corpus stage would."""
    rows = [
        Video(
            name, path.as_posix(), hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size, None, None, None,
            None, None, None, "test", None,
        )
        for name, path in videos.items()
    ]  # fmt: skip
    folder = Path("results/corpus")
    folder.mkdir(parents=True, exist_ok=True)
    write_videos(folder / "manifest.parquet", rows)


@pytest.fixture
def corpus(workspace: Workspace) -> dict[str, Path]:
    """Six files; `broken` is no video at all, `twin` has the bytes of `both`."""
    data = Path("data")
    videos = {
        "both": make_video(data / "both.mp4", frames=30, audio_seconds=1.0),
        "pictures": write_clip(data / "pictures.webm", 60, codec="libvpx-vp9", codec_options={"cpu-used": "8"}),
        "sound": make_video(data / "sound.m4a", frames=0, audio_seconds=0.5),
        "broken": data / "broken.mp4",
        "twin": data / "twin.mp4",
        "one": make_video(data / "one.mp4", frames=1),
    }
    videos["broken"].write_bytes(videos["both"].read_bytes()[: videos["both"].stat().st_size // 2])
    videos["twin"].write_bytes(videos["both"].read_bytes())
    describe(videos)
    workspace.set_params({"run.max_failed_fraction": 0.2, "run.workers": 1})
    return videos


def published() -> dict[str, bytes]:
    folder = Path("results/extract")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_video_gives_what_it_has(workspace: Workspace, corpus: dict[str, Path], told: list[Progress]) -> None:
    assert [(one.size, len(one.missing())) for one in plan(load_params())] == [(6, 6)]
    manifest = workspace.run("extract", run, COMPONENTS)
    assert Progress("extract", 6, 6, "video") in told
    (planned,) = plan(load_params())
    assert [item.id for item in planned.missing()] == ["broken"], "the others are in the store"
    workspace.set_params({"extract.size": 56})
    assert [len(one.missing()) for one in plan(load_params())] == [6], "what another size would cost"
    media = read_media()
    assert list(media) == ["both", "one", "pictures", "sound", "twin"]
    assert set(published()) == {
        "manifest.json", "media.parquet", "failures.jsonl", "audio/both.flac", "audio/sound.flac", "audio/twin.flac",
        "frames/both.png", "frames/one.png", "frames/pictures.png", "frames/twin.png",
    }  # fmt: skip
    assert manifest["counts"] == {"videos": 6, "extracted": 5, "failed": 1, "silent": 2, "without_picture": 1}
    [failure] = read_failures(Path("results/extract"))
    assert (failure.video_id, failure.step, failure.error) == ("broken", "extract", "UnreadableVideoError")
    assert "cut short" in failure.message

    for name, one in media.items():
        assert (one.frames is None) == (name == "sound")
        assert (one.audio is None) == (name in ("pictures", "one"))
        for file, digest in ((one.frames, one.frames_sha256), (one.audio, one.audio_sha256)):
            if file is not None:
                assert hashlib.sha256((Path("results/extract") / file).read_bytes()).hexdigest() == digest
    frames = read_frames(media["pictures"])
    assert frames is not None and frames.shape == (24, 84, 84, 3)
    assert [number(frame) for frame in frames[:4]] == [0, 3, 5, 8]
    assert media["pictures"].source_frames == 60
    with Image.open("results/extract/frames/pictures.png") as strip:
        assert strip.size == (24 * 84, 84) and strip.info == {}
    assert len(media["one"].times) == 1 and read_frames(media["one"]).shape == (1, 84, 84, 3)  # type: ignore[union-attr]
    audio = read_audio(media["both"])
    assert audio is not None and audio.dtype == np.float32
    assert len(audio) == pytest.approx(16_000, abs=1100) and len(audio) / 16_000 == media["both"].audio_seconds
    assert np.sqrt(np.mean(audio**2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.05)


def test_bytes_do_not_depend_on_store_or_workers(
    workspace: Workspace, corpus: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    workspace.run("extract", run, COMPONENTS)
    first = published()
    workspace.run("extract", run, COMPONENTS)
    assert published() == first
    monkeypatch.setenv("REELTRACE_STORE", str(tmp_path / "another"))
    workspace.set_params({"run.workers": 2})
    workspace.run("extract", run, COMPONENTS)
    assert published() == first


def test_one_more_video_costs_one_video(
    workspace: Workspace, corpus: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.run("extract", run, COMPONENTS)
    decoded: list[str] = []

    def spy(source: Any, folder: Path) -> None:
        decoded.append(Path(source[0].path).name)
        raise RuntimeError("not this time")

    monkeypatch.setattr("tasks.extract.run.extract", spy)
    corpus["new"] = make_video(Path("data/new.mp4"), frames=3, seed=1)
    describe({**corpus, "renamed": corpus["one"]})
    workspace.set_params({"run.max_failed_fraction": 1.0})
    workspace.run("extract", run, COMPONENTS)
    assert sorted(decoded) == ["broken.mp4", "new.mp4"]  # what failed is tried again
    assert {failure.video_id for failure in read_failures(Path("results/extract"))} == {"broken", "new"}
    workspace.set_params({"extract.size": 112})
    decoded.clear()
    workspace.run("extract", run, COMPONENTS)
    assert len(decoded) == 8


def test_jpeg_strips_and_their_limit(workspace: Workspace, corpus: dict[str, Path]) -> None:
    workspace.set_params({"extract.format": "jpeg"})
    workspace.run("extract", run, COMPONENTS)
    media = read_media()
    assert media["pictures"].frames == "frames/pictures.jpg"
    frames = read_frames(media["pictures"])
    assert frames is not None
    assert [number(frame) for frame in frames[:4]] == [0, 3, 5, 8]
    workspace.set_params({"extract.frames": 400, "extract.size": 168})
    with pytest.raises(UserError, match=r"strip of 67200 pixels.*set extract\.format to png"):
        workspace.run("extract", run, COMPONENTS)


def test_a_file_that_changed_since_the_corpus_stage_is_not_taken_for_it(
    workspace: Workspace, corpus: dict[str, Path]
) -> None:
    workspace.set_params({"run.max_failed_fraction": 1.0})
    path = corpus["pictures"]
    data = bytearray(path.read_bytes())
    data[-1] ^= 1  # same size
    path.write_bytes(data)
    corpus["one"].unlink()
    workspace.run("extract", run, COMPONENTS)
    messages = {failure.video_id: failure.message for failure in read_failures(Path("results/extract"))}
    assert messages["pictures"] == "data/pictures.webm has changed since the corpus stage; run `dvc repro`"
    assert messages["one"].startswith("data/one.mp4 is gone since the corpus stage")
    assert set(read_media()) == {"both", "sound", "twin"}


def test_too_many_failures_publish_nothing(workspace: Workspace, corpus: dict[str, Path]) -> None:
    workspace.set_params({"run.max_failed_fraction": 0.1})
    with pytest.raises(UserError, match=r"1 of 6 items failed.*the first is broken"):
        workspace.run("extract", run, COMPONENTS)
    assert not Path("results/extract").exists()


def test_as_a_program_it_is_quiet_and_needs_no_torch(workspace: Workspace, corpus: dict[str, Path]) -> None:
    done = workspace.program("tasks.extract")
    assert done.returncode == 0, done.stderr
    counts = "extract: 6 videos, 5 extracted, 1 failed, 2 silent, 1 without picture\n"
    assert done.stdout == "extract: 0 of 6 videos reused from the store\n" + counts
    assert done.stderr == ""
    again = workspace.program("tasks.extract")
    assert again.stdout == "extract: 5 of 6 videos reused from the store\n" + counts
    assert read_cache_hits(again.stdout.splitlines()[0]) == ("extract", CacheHits(5, 6, "video"))
    seen = subprocess.run(
        [sys.executable, "-c", "import sys, tasks.extract.run; print('torch' in sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert seen.stdout == "False\n"
