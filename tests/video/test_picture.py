"""Which frames are sampled, seen in the frames themselves."""

from __future__ import annotations

import io
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tasks.video import picture
from tasks.video.container import UnreadableVideoError
from tasks.video.picture import Picture, bounded, read_picture, sample_indices, square, upright
from tests.conftest import make_video
from tests.extract.clips import HEIGHT, WIDTH, number, numbered, write_clip

COUNT, SIZE = 24, 84
SIXTY = [0, 3, 5, 8, 10, 13, 15, 18, 21, 23, 26, 28, 31, 33, 36, 38, 41, 44, 46, 49, 51, 54, 56, 59]  # by hand


def numbers(read: Picture | None) -> list[int]:
    assert read is not None
    assert all((frame.dtype, frame.shape) == (np.uint8, (SIZE, SIZE, 3)) for frame in read.frames)
    assert len(read.frames) == len(read.times)
    return [number(frame) for frame in read.frames]


def test_the_rule_by_hand() -> None:
    assert sample_indices(60, 24) == SIXTY
    assert sample_indices(100, 3) == [0, 50, 99]  # 49.5 goes to the even 50
    assert sample_indices(7, 24) == list(range(7))
    assert sample_indices(24, 24) == list(range(24))
    assert sample_indices(9, 1) == [0]
    assert sample_indices(1, 24) == [0]


@settings(deadline=None)
@given(total=st.integers(1, 10**6), count=st.integers(1, 64))
def test_indices_rise_and_span_the_video(total: int, count: int) -> None:
    indices = sample_indices(total, count)
    assert len(indices) == min(total, count)
    assert all(low < high for low, high in pairwise(indices))
    assert indices[0] == 0 and (count == 1 or indices[-1] == total - 1)
    if 1 < count < total:
        exact = [Fraction(place * (total - 1), count - 1) for place in range(count)]
        away = [abs(index - place) for index, place in zip(indices, exact, strict=True)]
        assert max(away) <= Fraction(1, 2) + Fraction(1, 10**6)  # linspace is of floats


@pytest.mark.parametrize(
    ("name", "codec", "codec_options"),
    [
        ("b-frames.mp4", "libx264", {"bf": "3", "b_strategy": "0"}),
        ("plain.webm", "libvpx-vp9", {"cpu-used": "8", "deadline": "realtime"}),
        ("alt-refs.webm", "libvpx-vp9", {"cpu-used": "8", "auto-alt-ref": "1", "lag-in-frames": "20"}),
        ("av1.mp4", "libsvtav1", {"preset": "12"}),
        ("old.avi", "mpeg4", {"bf": "2"}),
        ("stream.ts", "libx264", {}),
        ("lossless.mkv", "ffv1", {}),
    ],
)
def test_frames_are_those_of_the_rule(tmp_path: Path, name: str, codec: str, codec_options: dict[str, str]) -> None:
    clip = write_clip(tmp_path / name, 60, codec=codec, codec_options=codec_options)
    read = read_picture(clip, COUNT, square(SIZE))
    assert numbers(read) == SIXTY
    assert read is not None
    assert (read.source_frames, read.width, read.height) == (60, WIDTH, HEIGHT)
    slack = 0.11 if name.endswith(".avi") else 0.001  # AVI keeps decoding times only
    assert read.times == pytest.approx([index / 10 for index in SIXTY], abs=slack)


@pytest.mark.parametrize("frames", [1, 2, 23, 24, 25])
def test_short_videos_give_each_frame_once(tmp_path: Path, frames: int) -> None:
    read = read_picture(write_clip(tmp_path / "short.mp4", frames), COUNT, square(SIZE))
    assert numbers(read) == sample_indices(frames, COUNT)
    assert read is not None and read.source_frames == frames


def test_a_variable_frame_rate_is_sampled_by_index(tmp_path: Path) -> None:
    pts = [*range(0, 400, 10), *range(1000, 21_000, 1000)]  # 40 frames in 0.4 s, then 20 in 20 s
    read = read_picture(write_clip(tmp_path / "vfr.mp4", pts=pts), COUNT, square(SIZE))
    assert numbers(read) == SIXTY
    assert read is not None
    assert read.times == pytest.approx([pts[index] / 1000 for index in SIXTY])


def test_times_count_from_the_first_frame(tmp_path: Path) -> None:
    pts = [90_000 + 100 * index for index in range(30)]
    read = read_picture(write_clip(tmp_path / "late.mkv", pts=pts), 3, square(SIZE))
    assert read is not None
    assert read.times == pytest.approx([0, 1.4, 2.9])  # 14.5 goes to the even 14


def test_a_recording_that_was_never_finished_has_no_duration(tmp_path: Path) -> None:
    class Pipe(io.RawIOBase):  # cannot seek, so the muxer cannot go back and fill the header in
        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.data += data
            return len(data)

    pipe = Pipe()
    write_clip(tmp_path, 60, codec="libvpx-vp9", codec_options={"cpu-used": "8"}, form="webm", into=pipe)
    clip = tmp_path / "live.webm"
    clip.write_bytes(pipe.data)
    with av.open(str(clip)) as container:
        assert container.duration is None and container.streams.video[0].frames == 0
    assert numbers(read_picture(clip, COUNT, square(SIZE))) == SIXTY


def test_a_raw_stream_has_neither_times_nor_a_count(tmp_path: Path) -> None:
    read = read_picture(write_clip(tmp_path / "raw.h264", 60, fps=25), COUNT, square(SIZE))
    assert numbers(read) == SIXTY
    assert read is not None
    assert read.times == pytest.approx([index / 25 for index in SIXTY], abs=0.05)


def test_a_header_that_states_a_wrong_count_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = write_clip(tmp_path / "a.ts", 60)
    for wrong in (7, 59, 61, 5000):
        monkeypatch.setattr(picture, "_packets", lambda _path, wrong=wrong: wrong)
        assert numbers(read_picture(clip, COUNT, square(SIZE))) == SIXTY


@pytest.mark.parametrize(
    ("degrees", "matrix"), [(0, (1, 0, 0, 1)), (90, (0, 1, -1, 0)), (180, (-1, 0, 0, -1)), (270, (0, -1, 1, 0))]
)
def test_a_phone_video_stands_upright(tmp_path: Path, degrees: int, matrix: tuple[int, int, int, int]) -> None:
    """The matrix is patched into the track header as a phone writes it: 90 is clockwise when shown."""
    seen = numbered(0b100_000_010_111)
    stored = np.rot90(seen, degrees // 90)  # counterclockwise, for the player to turn back
    clip = write_clip(tmp_path / "phone.mp4", 5, draw=lambda _index: stored)
    data = bytearray(clip.read_bytes())
    start = data.index(b"tkhd") + 4 + 40  # version 0: after 40 bytes of times, ids and volume
    for at, value in zip((start, start + 4, start + 12, start + 16), matrix, strict=True):
        data[at : at + 4] = (value << 16).to_bytes(4, "big", signed=True)
    clip.write_bytes(data)
    read = read_picture(clip, COUNT, square(SIZE))
    assert set(numbers(read)) == {0b100_000_010_111}
    assert read is not None and (read.width, read.height) == (WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("a", "b", "c", "d"),
    [(a, 0, 0, d) for a in (1, -1) for d in (1, -1)] + [(0, b, c, 0) for b in (1, -1) for c in (1, -1)],
)
def test_every_turn_and_mirror_by_its_definition(a: int, b: int, c: int, d: int) -> None:
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    matrix = np.array([a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30], np.int32).tobytes()
    expected = {}
    for y, x in np.ndindex(2, 3):
        expected[a * x + c * y, b * x + d * y] = pixels[y, x, 0]
    left, top = min(x for x, _ in expected), min(y for _, y in expected)
    turned = upright(pixels, matrix)
    assert {(x + left, y + top): turned[y, x, 0] for y, x in np.ndindex(turned.shape[:2])} == expected


def test_odd_sizes_are_kept_and_resized_by_pillow(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 256, (37, 51, 3), np.uint8)
    clip = write_clip(tmp_path / "odd.mkv", 3, codec="ffv1", pix_fmt="bgr0", draw=lambda _index: drawn)
    read = read_picture(clip, COUNT, square(SIZE))
    assert read is not None and (read.width, read.height) == (51, 37)
    expected = np.asarray(Image.fromarray(drawn).resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    assert np.array_equal(np.stack(read.frames), np.stack([expected] * 3))


@pytest.mark.parametrize(
    ("longest", "shape"), [(64, (37, 51, 3)), (51, (37, 51, 3)), (30, (22, 30, 3)), (1, (1, 1, 3))]
)
def test_its_own_aspect_is_kept_where_only_the_longest_side_is_bounded(
    tmp_path: Path, longest: int, shape: tuple[int, int, int]
) -> None:
    drawn = np.random.default_rng(0).integers(0, 256, (37, 51, 3), np.uint8)
    clip = write_clip(tmp_path / "odd.mkv", 3, codec="ffv1", pix_fmt="bgr0", draw=lambda _index: drawn)
    read = read_picture(clip, COUNT, bounded(longest))
    assert read is not None and (read.width, read.height) == (51, 37)
    assert [frame.shape for frame in read.frames] == [shape] * 3
    assert longest < 51 or np.array_equal(read.frames[2], drawn)


def test_colours_survive(tmp_path: Path) -> None:
    quarters = np.zeros((64, 64, 3), np.uint8)
    quarters[:32, :32], quarters[:32, 32:], quarters[32:, :32], quarters[32:, 32:] = (
        (200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 30)
    )  # fmt: skip
    read = read_picture(write_clip(tmp_path / "colours.mp4", 3, draw=lambda _index: quarters), COUNT, square(SIZE))
    assert read is not None
    for y, x in ((21, 21), (21, 63), (63, 21), (63, 63)):
        assert np.abs(read.frames[1][y, x].astype(int) - quarters[y * 64 // SIZE, x * 64 // SIZE]).max() < 12


def test_cover_art_is_no_video(tmp_path: Path) -> None:
    clip = tmp_path / "song.mp3"
    cover = io.BytesIO()
    Image.new("RGB", (32, 32), (255, 0, 0)).save(cover, "PNG")
    make_video(tmp_path / "plain.mp3", frames=0, audio_seconds=0.5, audio_codec="libmp3lame")
    body = b"\0image/png\0\x03\0" + cover.getvalue()  # ID3v2.3 APIC: latin-1, type, front cover, no description
    frame = b"APIC" + len(body).to_bytes(4, "big") + b"\0\0" + body
    size = len(frame)
    sized = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    clip.write_bytes(b"ID3\x03\0\0" + sized + frame + (tmp_path / "plain.mp3").read_bytes())
    with av.open(str(clip)) as container:
        assert len(container.streams.video) == 1
    assert read_picture(clip, COUNT, square(SIZE)) is None


def test_sound_alone_has_no_picture(tmp_path: Path) -> None:
    assert read_picture(make_video(tmp_path / "a.m4a", frames=0, audio_seconds=0.5), COUNT, square(SIZE)) is None


def test_damage_is_an_error_not_a_shorter_video(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "broken.avi", 60, codec="mpeg4", codec_options={"g": "60"})
    data = bytearray(clip.read_bytes())
    for at in range(len(data) // 4, len(data) * 3 // 4, 60):
        data[at] ^= 0xFF
    clip.write_bytes(data)
    with pytest.raises((UnreadableVideoError, av.FFmpegError)):
        read_picture(clip, COUNT, square(SIZE))
