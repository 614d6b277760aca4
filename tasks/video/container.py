"""Opening a video file of unknown origin, and seeing whether all of it is there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import av

from tasks.shared.runtime.files import sha256_file

if TYPE_CHECKING:
    from av.container import InputContainer

PLAYLISTS = ("concat", "dash", "hls")  # they read further files, which no digest covers


class UnreadableVideoError(Exception):
    """A file that is no video, is cut short or is damaged where it matters; the message says which."""


def open_video(path: Path) -> InputContainer:
    """Open a file for decoding. It cannot make ffmpeg read from a network or another file. Raises UnreadableVideoError
    for a file that is no video of its own, av.FFmpegError where ffmpeg cannot read it."""
    container = av.open(f"file:{path}", options={"protocol_whitelist": "file"})
    if container.format.name in PLAYLISTS:
        container.close()
        raise UnreadableVideoError(f"a playlist ({container.format.name}), not a video; give the files it names")
    return container


def check_file(path: Path, sha256: str, size: int) -> None:
    """Raise UnreadableVideoError for a file that is not the one the manifest describes, or is not whole."""
    if not path.is_file():
        raise UnreadableVideoError(f"{path} is gone since the corpus stage; put it back or run `dvc repro`")
    if path.stat().st_size != size or sha256_file(path) != sha256:
        raise UnreadableVideoError(f"{path} has changed since the corpus stage; run `dvc repro`")
    check_whole(path)


def check_whole(path: Path) -> None:
    """Raise UnreadableVideoError where a file ends before its container's outermost elements do. Decoders end such a
    file without an error. MP4 and QuickTime, Matroska and WebM, and AVI state their extent; what has no such statement
    (a transport or raw stream) is taken as it is."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"):
            end = _end_of_boxes(file, size)
        elif head[:4] == b"\x1aE\xdf\xa3":
            end = _end_of_segment(file)
        elif head[:4] == b"RIFF" and head[4:8] not in (b"\0\0\0\0", b"\xff\xff\xff\xff"):
            end = 8 + int.from_bytes(head[4:8], "little")
        else:
            return
    if end > size:
        raise UnreadableVideoError(f"cut short: it has {size} of at least {end} bytes; fetch the file again")


def _end_of_boxes(file: BinaryIO, size: int) -> int:
    """Where the last outermost box of an MP4 file ends (ISO/IEC 14496-12, 4.2)."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length < 8:  # 0: up to the end of the file; less is no box, which is for the decoder to judge
            return size
        at += length
    return at


def _end_of_segment(file: BinaryIO) -> int:
    """Where the segment of a Matroska file ends (RFC 8794); 0 where it does not say, as a live recording."""
    file.seek(4)
    header = _size(file)
    if header is None:
        return 0
    file.seek(header, os.SEEK_CUR)
    if file.read(4) != b"\x18\x53\x80\x67":
        return 0
    length = _size(file)
    return 0 if length is None else file.tell() + length


def _size(file: BinaryIO) -> int | None:
    """An EBML element's data size, None where it is unknown (all ones)."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    extra = 8 - first[0].bit_length()
    data = bytes([first[0] & (0x7F >> extra)]) + file.read(extra)
    value = int.from_bytes(data, "big")
    return None if value == (1 << 7 * (extra + 1)) - 1 else value
