"""Files that are cut short, and files that are none of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.video.container import UnreadableVideoError, check_whole, open_video
from tests.conftest import make_video


@pytest.mark.parametrize(
    ("name", "codec", "audio_codec"),
    [("a.mp4", "libx264", "aac"), ("a.mov", "libx264", "aac"), ("a.webm", "libvpx-vp9", "libopus"),
     ("a.mkv", "libx264", "aac"), ("a.avi", "mpeg4", "libmp3lame")],
)  # fmt: skip
def test_a_file_cut_short_is_told_from_a_whole_one(tmp_path: Path, name: str, codec: str, audio_codec: str) -> None:
    clip = make_video(tmp_path / name, codec=codec, audio_codec=audio_codec, audio_seconds=1.0)
    check_whole(clip)
    data = clip.read_bytes()
    for keep in (len(data) - 1, len(data) * 2 // 3, len(data) // 8):
        clip.write_bytes(data[:keep])
        with pytest.raises(UnreadableVideoError, match=f"cut short: it has {keep} of at least"):
            check_whole(clip)
    clip.write_bytes(data + b"\0" * 3)  # what follows does not matter
    check_whole(clip)


def test_what_states_no_extent_is_taken_as_it_is(tmp_path: Path) -> None:
    stream = make_video(tmp_path / "a.ts")
    stream.write_bytes(stream.read_bytes()[:-1000])
    check_whole(stream)
    live = make_video(tmp_path / "a.webm", codec="libvpx-vp9")
    data = bytearray(live.read_bytes())
    at = data.index(b"\x18\x53\x80\x67") + 4
    data[at : at + 8] = b"\x01" + b"\xff" * 7  # a segment of unknown size, as a live recording has
    live.write_bytes(data)
    check_whole(live)
    for text in (b"", b"x", b"no video at all, but long enough to have a header"):
        live.write_bytes(text)
        check_whole(live)


def test_large_boxes_have_their_size_in_eight_bytes(tmp_path: Path) -> None:
    clip = tmp_path / "a.mp4"
    box = b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x01mdat" + (116).to_bytes(8, "big") + b"\0" * 100
    clip.write_bytes(box)
    check_whole(clip)
    clip.write_bytes(box[:-1])
    with pytest.raises(UnreadableVideoError, match="131 of at least 132"):
        check_whole(clip)
    clip.write_bytes(box[:16] + b"\0\0\0\0mdat" + b"\0" * 10)  # size 0: to the end of the file
    check_whole(clip)


def test_a_playlist_does_not_lead_to_other_files(tmp_path: Path) -> None:
    make_video(tmp_path / "a.ts")
    playlist = tmp_path / "list.m3u8"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(UnreadableVideoError, match=r"a playlist \(hls\)"):
        open_video(playlist)
    disguised = tmp_path / "list.mp4"
    disguised.write_text("ffconcat version 1.0\nfile a.ts\n")
    with pytest.raises(UnreadableVideoError, match=r"a playlist \(concat\)"):
        open_video(disguised)
