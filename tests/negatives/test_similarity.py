"""Duplicates and near-duplicates: of bytes, frames, sound, words and pictures."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.lineage.open import workspace
from tasks.negatives.audit import audit_negatives
from tasks.negatives.data import read_data
from tasks.negatives.similarity import BITS, FRAMES, LIMIT, Similarity, distance, hash_strip
from tests.negatives.small_results import lay, media, mined, query, said, video

TWELVE = "one two three four five six seven eight nine ten eleven twelve"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REELTRACE_STORE", str(tmp_path / "store"))
    return tmp_path


def strip(path: Path, seed: int, frames: int = 12, size: int = 84) -> Path:
    """A strip of frames of coarse random patches, as pictures have large areas; seed -1 is black."""
    rng = np.random.default_rng(abs(seed))
    patches = rng.integers(0, 256, (frames, 6, 6, 3), np.uint8) * (seed >= 0)
    whole = [np.asarray(Image.fromarray(one).resize((size, size), Image.Resampling.BICUBIC)) for one in patches]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(whole, axis=1)).save(path)
    return path


def copied(source: Path, target: Path) -> Path:
    """The same pictures smaller, darker, with JPEG's noise."""
    with Image.open(source) as image:
        small = image.resize((image.width * 60 // 84, 60), Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    small.point(lambda value: value * 0.8 + 10).save(stream, "JPEG", quality=40)
    Image.open(stream).convert("RGB").save(target)
    return target


def test_a_copy_looks_alike_and_another_video_does_not(tmp_path: Path) -> None:
    one = hash_strip(strip(tmp_path / "a.png", 1), 12)
    same = hash_strip(copied(tmp_path / "a.png", tmp_path / "b.png"), 12)
    other = hash_strip(strip(tmp_path / "c.png", 2), 12)
    assert distance(one, one) == 0
    near, far = distance(one, same), distance(one, other)
    assert near is not None and far is not None
    assert near <= LIMIT < 20 < far


def test_frames_without_contrast_are_not_compared(tmp_path: Path) -> None:
    black = hash_strip(strip(tmp_path / "a.png", -1), 12)
    assert (black == -1).all()
    assert distance(black, black) is None


def test_distance_counts_bits_of_frames_seen_in_both() -> None:
    dark = np.zeros((FRAMES, BITS), np.int8)
    one, half, less = dark.copy(), dark.copy(), dark.copy()
    one[-1] = 1
    half[: FRAMES // 2] = less[: FRAMES // 2 + 1] = -1
    assert distance(dark, one) == BITS / FRAMES
    assert distance(one, half) == 2 * BITS / FRAMES
    assert distance(one[::-1], half) == 0
    assert distance(dark, less) is None


def test_bits_say_that_the_right_neighbour_is_lighter(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 255, 90).astype(np.uint8), (80, 1))
    Image.fromarray(ramp).save(tmp_path / "up.png")
    Image.fromarray(ramp[:, ::-1].copy()).save(tmp_path / "down.png")
    assert (hash_strip(tmp_path / "up.png", 1) == 1).all()
    assert (hash_strip(tmp_path / "down.png", 1) == 0).all()


def test_a_strip_that_cannot_be_read_is_a_note(here: Path) -> None:
    pictures = [media(name, frames=f"frames/{name}.png", frames_sha256=name, times=[0.0] * 12) for name in "abcd"]
    lay(
        here,
        [video(name) for name in "abcd"],
        [query("q")],
        [mined("q", {"b": 0.2, "c": 0.1, "d": 0.0}, {"a": 1.0})],
        extracted=pictures,
    )
    whole = strip(here / "results/extract/frames/a.png", 1).read_bytes()
    copied(here / "results/extract/frames/a.png", here / "results/extract/frames/d.png")
    (here / "results/extract/frames/b.png").write_bytes(whole[: len(whole) // 2])
    (here / "results/extract/frames/c.png").write_bytes(b"no picture")
    data = read_data(workspace())
    similarity = Similarity(data)
    assert similarity.kinds("a", "d") == ["pictures"]
    assert similarity.kinds("a", "b") == similarity.kinds("b", "c") == []
    (note,) = similarity.notes()
    assert note.startswith("2 frame strips cannot be read, the first is of b (")


def test_ways(here: Path) -> None:
    names = "abcdefgh"
    lay(
        here,
        [video(name, sha256="same" if name in "ab" else name) for name in names],
        [query("q")],
        [mined("q", {"b": 0.2, "c": 0.1}, {"a": 1.0})],
        extracted=[
            media("a", frames="frames/a.png", frames_sha256="f", times=[0.0] * 12, audio="a", audio_sha256="s"),
            media("b", frames="frames/a.png", frames_sha256="f", times=[0.0] * 12),
            media("c", frames="frames/c.png", frames_sha256="g", times=[0.0] * 12, audio="c", audio_sha256="s"),
        ],
        transcripts=[
            said("a", TWELVE),
            said("b", TWELVE.upper() + "!"),
            said("c", TWELVE + " thirteen"),  # 10 of 11 shingles shared
            said("d", TWELVE.replace("twelve", "dozen")),  # 9 shared of 11
            said("e", TWELVE.replace("six", "half a dozen")),
            said("f", "thank you"),
            said("g", "Thank you."),
            said("h", ""),
        ],
    )
    strip(here / "results/extract/frames/a.png", 1)
    copied(here / "results/extract/frames/a.png", here / "results/extract/frames/c.png")
    similarity = Similarity(read_data(workspace()))
    assert similarity.kinds("a", "b") == ["bytes", "frames", "transcript"]
    assert similarity.kinds("a", "c") == ["audio", "near transcript", "pictures"]
    assert similarity.kinds("a", "d") == ["near transcript"]
    assert similarity.kinds("a", "e") == []
    assert similarity.kinds("f", "g") == []  # two words say nothing
    assert similarity.kinds("h", "h") == similarity.kinds("f", "h") == []


def test_near_means_four_fifths(here: Path) -> None:
    eleven = TWELVE.removesuffix(" twelve")
    lay(
        here,
        [video(name) for name in "abcd"],
        [query("q")],
        [mined("q", {"b": 0.2, "c": 0.1}, {"a": 1.0})],
        transcripts=[
            said("d", f"{eleven} v w x y"),  # holds a whole: 9 of 13
            said("a", eleven),
            said("b", eleven.replace("eleven", "x")),  # 8 shared of 10: 0.8
            said("c", eleven.replace("eleven", "x").replace("one", "y")),  # 7 of 11, of a
        ],
    )
    similarity = Similarity(read_data(workspace()))
    assert similarity.kinds("a", "b") == ["near transcript"]
    assert similarity.kinds("a", "c") == similarity.kinds("a", "d") == similarity.kinds("d", "a") == []


def test_rates(here: Path) -> None:
    lay(
        here,
        [video("a"), video("b", sha256="x"), video("c", sha256="x"), video("d", sha256="sha of a")],
        [query("q1"), query("q2")],
        [mined("q1", {"b": 0.3, "c": 0.2, "d": 0.1}, {"a": 1.0}), mined("q2", {"b": 0.3}, {"a": 1.0})],
    )
    found = audit_negatives(read_data(workspace()))
    counts = {name: one.count for name, one in found["likely_false"].items()}
    assert (counts["bytes"], counts["frames"], counts["duplicates"], found["likely_false"]["bytes"].of) == (1, 0, 1, 4)
    (suspect,) = found["suspects"]
    assert (suspect["video_id"], suspect["duplicates"]) == ("d", {"a": ["bytes"]})
    assert suspect["suspect"] == "equal bytes of the video file as a"
    assert any("negatives duplicate a positive in any of these: judge them" in line for line in found["advice"])
