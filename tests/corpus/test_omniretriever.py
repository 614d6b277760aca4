"""OmniRetriever-Bench as it is laid out, with tiny clips of our own."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tasks.corpus.check import checked
from tasks.corpus.omniretriever import read_omniretriever
from tasks.corpus.run import run
from tasks.extract.item import read_sound
from tasks.shared.artifacts.corpus import read_queries, read_videos
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_file
from tests.conftest import Workspace, make_video

TOP = Path("bench")


def manifest(*rows: dict[str, Any], name: str = "omniretriever_bench") -> None:
    path = TOP / "manifests" / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def triple(number: int, **other: Any) -> dict[str, Any]:
    clip = f"videos/{number}.mp4"
    return {"id": f"{number:05d}", "text": f"text {number}", "video": clip, "audio": clip, **other}


def write_wav(path: Path, hertz: float) -> None:
    samples = (12_000 * np.sin(2 * np.pi * hertz * np.arange(16_000) / 16_000)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(samples.tobytes())


def pitch(path: Path) -> float:
    """The loudest frequency of a file's sound as the pipeline reads it, in hertz."""
    sound = read_sound(path, 10)
    assert sound is not None
    return float(np.argmax(np.abs(np.fft.rfft(sound))) * 16_000 / len(sound))


def pictures(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.fixture
def clips(workspace: Workspace) -> Workspace:
    for number in range(3):
        make_video(TOP / f"videos/{number}.mp4", audio_seconds=1.0, seed=number)
    workspace.set_params({"corpus.source": "omniretriever", "corpus.path": TOP.as_posix()})
    return workspace


def test_every_triple_is_a_test_video_whose_caption_is_the_text(clips: Workspace) -> None:
    manifest(triple(1), triple(0, video="anything/videos/0.mp4", audio=None), {**triple(2), "timestamps": [0, 1]})
    counts = clips.run("corpus", run)["counts"]
    assert (counts["videos"], counts["test_videos"], counts["test_queries"], counts["train_queries"]) == (3, 3, 0, 0)
    assert "left_out" not in counts
    videos = read_videos(Path("results/corpus/manifest.parquet"))
    assert [(one.video_id, one.caption, one.path, one.split) for one in videos] == [
        (f"{number:05d}", f"text {number}", f"bench/videos/{number}.mp4", "test") for number in range(3)
    ]
    assert read_queries(Path("results/corpus/queries.parquet")) == []
    assert Path("results/corpus/qrels.test.trec").read_text() == ""


def test_a_sound_in_a_file_of_its_own_is_the_clips_sound(clips: Workspace) -> None:
    write_wav(TOP / "videos/1.wav", 1000)
    manifest(triple(0), triple(1, video="bench/videos/1.mp4", audio="bench/videos/1.wav"))
    own, other = checked(read_omniretriever(TOP, 1)).videos
    assert (pitch(Path(own.path)), pitch(Path(other.path))) == (pytest.approx(440, abs=2), pytest.approx(1000, abs=2))
    assert Path(other.path).suffix == ".mkv" and other.sha256 == sha256_file(Path(other.path))
    assert other.duration == pytest.approx(1.0, abs=0.1)
    with av.open(other.path) as container:
        assert len(container.streams.audio) == len(container.streams.video) == 1
    for made, given in zip(pictures(Path(other.path)), pictures(TOP / "videos/1.mp4"), strict=True):
        assert (made == given).all(), "the picture is not encoded again"

    path = Path(other.path)
    first = path.stat().st_mtime_ns
    assert read_omniretriever(TOP, 1).videos == [own, other] and path.stat().st_mtime_ns == first
    path.unlink()
    assert read_omniretriever(TOP, 1).videos == [own, other], "made again it has the same bytes"


def test_what_is_missing_or_damaged_is_left_out_counted_and_told(
    clips: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wav(TOP / "videos/1.wav", 1000)
    whole = (TOP / "videos/2.mp4").read_bytes()
    (TOP / "videos/2.mp4").write_bytes(whole[: len(whole) // 2])
    manifest(
        triple(0), triple(1, audio="videos/gone.wav"), triple(2, audio="videos/1.wav"),
        triple(3, audio="videos/1.wav"), triple(4, video="videos/1.wav", audio="videos/0.mp4"),
    )  # fmt: skip
    counts = clips.run("corpus", run)["counts"]
    assert (counts["videos"], counts["left_out"]) == (1, 4)
    told = next(line for line in capsys.readouterr().err.splitlines() if "left out" in line)
    assert told.startswith(
        "corpus: left out, files missing or damaged: 00001 (videos/gone.wav), 00003 (videos/3.mp4), "
    )
    assert "00002 (bench/videos/2.mp4: cut short" in told and "00004 (bench/videos/1.wav: no picture in it)" in told


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "no triple has its files, the first: it is empty"),
        ([triple(7)], r"no triple has its files, the first: 00007 \(videos/7.mp4\)"),
        ([triple(0, text=" ")], r"omniretriever_bench.jsonl:1: no text; every row needs one"),
        ([triple(0), {"id": "1", "text": "x"}], r"omniretriever_bench.jsonl:2: no video; every row needs one"),
        ([triple(0, audio="../../etc/passwd")], r"jsonl:1: ../../etc/passwd leads out of bench"),
        ([triple(0), triple(0)], "video id 00000 is that of"),
        ([triple(0, id="a b")], "white space"),
    ],
)
def test_a_mistake_is_one_line(clips: Workspace, rows: list[dict[str, Any]], says: str) -> None:
    manifest(*rows)
    with pytest.raises(UserError, match=says):
        checked(read_omniretriever(TOP, 1))


def test_which_manifest(clips: Workspace) -> None:
    with pytest.raises(UserError, match=r"bench has no manifests/omniretriever_bench\*.jsonl; write a line"):
        read_omniretriever(TOP, 1)
    (TOP / "OmniRetriever-Bench.csv").touch()
    with pytest.raises(UserError, match=r"OmniRetriever-Bench.csv names clips by address and time: fetch and cut"):
        read_omniretriever(TOP, 1)
    manifest(triple(0), name="omniretriever_bench_final")
    assert len(read_omniretriever(TOP, 1).videos) == 1
    manifest(triple(0))
    with pytest.raises(UserError, match=r"omniretriever_bench.jsonl and omniretriever_bench_final.jsonl in manifests/"):
        read_omniretriever(TOP, 1)
