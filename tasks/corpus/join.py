"""A clip's picture and its sound, which lie in two files, as one file in the item store; nothing is encoded again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tasks.shared.execution.code import code_of
from tasks.shared.execution.items import store_folder
from tasks.shared.runtime.files import atomically, sha256_json

if TYPE_CHECKING:
    from av.packet import Packet


class UnjoinableError(Exception):
    """Two files that cannot be made one; the message says why."""


def joined(video: Path, video_sha256: str, sound: Path, sound_sha256: str) -> Path:
    """A Matroska file with the picture of one file and the sound of the other, made once for their bytes.

    Equal bytes give equal bytes. A sound that the video file may have is not in it. Raises UnjoinableError where a
    file is damaged or lacks what is asked of it.
    """
    path = store_folder() / "joined" / f"{sha256_json([code_of('tasks.corpus.join'), video_sha256, sound_sha256])}.mkv"
    if not path.is_file():
        atomically(path, lambda temporary: _join(video, sound, temporary))
    return path


def _join(video: Path, sound: Path, target: Path) -> None:
    import av

    from tasks.video.container import UnreadableVideoError, check_whole, open_video

    where = video
    try:
        with av.open(str(target), "w", format="matroska", options={"fflags": "+bitexact"}) as made:
            packets: list[Packet] = []
            for where in (video, sound):
                check_whole(where)
                with open_video(where) as source:
                    stream = source.streams.best("video" if where == video else "audio")
                    if stream is None:
                        raise UnreadableVideoError(f"no {'picture' if where == video else 'sound'} in it")
                    copy = made.add_stream_from_template(stream)
                    for packet in source.demux(stream):
                        if packet.dts is not None:
                            packet.stream = copy
                            packets.append(packet)
            for packet in sorted(packets, key=lambda one: (one.dts or 0) * one.time_base):
                made.mux(packet)
    except (av.FFmpegError, UnreadableVideoError, ValueError, OSError) as error:
        raise UnjoinableError(f"{where}: {' '.join(str(error).split())[:200]}") from None
