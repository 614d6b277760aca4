"""The extract artifact: of every video one strip of frames, one audio track, and a table of both.

`results/extract/media.parquet`; `frames/<video_id>.png` (or `.jpg`): the sampled frames side by side in one row;
`audio/<video_id>.flac`: 16 kHz mono, absent where the video has no audio.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.shared.artifacts.rows import Mismatch
from tasks.shared.artifacts.tables import Table
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from tasks.shared.artifacts.corpus import Video

FOLDER = RESULTS / "extract"
TABLE = "media.parquet"


@dataclass(frozen=True)
class Media:
    """What extraction got out of one video. A modality that the video lacks has no file (None)."""

    video_id: str
    video_sha256: str  # of the video file that frames and sound were extracted from
    frames: str | None  # path under the extract folder
    frames_sha256: str | None
    times: list[float]  # seconds of each sampled frame from the video's start
    source_frames: int  # frames the video has
    width: int  # of the video as shown, rotation applied; 0 without picture
    height: int
    audio: str | None  # path under the extract folder
    audio_sha256: str | None
    audio_seconds: float


ROWS = Table(Media, TABLE, ("video_id",))
write_media = ROWS.write  # given the extract folder and the rows


def read_media(folder: Path = FOLDER, video_ids: Collection[str] | None = None) -> dict[str, Media]:
    """Media by video id, in id order, of some videos where they are named; those that failed are not there."""
    return {one.video_id: one for one in ROWS.read(folder, video_id=video_ids)}


def mismatched(media: Mapping[str, Media], videos: Iterable[Video]) -> Iterator[Mismatch]:
    """Rows of media by video id that were extracted from another file than the corpus has under their id."""
    for video in videos:
        one = media.get(video.video_id)
        if one is not None and one.video_sha256 != video.sha256:
            yield Mismatch(str(FOLDER / TABLE), one.video_id, "video", one.video_sha256, video.sha256, "extract")


def read_frames(media: Media, folder: Path = FOLDER) -> np.ndarray | None:
    """Frames as uint8 (T, H, W, 3) RGB, or None where the video has no picture."""
    if media.frames is None:
        return None
    import numpy as np
    from PIL import Image

    try:
        with Image.open(folder / media.frames) as image:
            strip = np.asarray(image.convert("RGB"))
    except OSError as error:
        raise UserError(f"{folder / media.frames}: cannot be read ({error}); restore it with `dvc checkout`") from None
    count = len(media.times)
    height, width = strip.shape[0], strip.shape[1] // count
    return np.ascontiguousarray(strip.reshape(height, count, width, 3).swapaxes(0, 1))


def read_audio(media: Media, folder: Path = FOLDER) -> np.ndarray | None:
    """The track as float32 (samples,) at 16 kHz in [-1, 1), or None where the video has none."""
    if media.audio is None:
        return None
    import av
    import numpy as np

    try:
        with av.open(str(folder / media.audio)) as container:
            parts = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
    except (av.FFmpegError, OSError) as error:
        raise UserError(f"{folder / media.audio}: cannot be read ({error}); restore it with `dvc checkout`") from None
    return np.concatenate(parts).astype(np.float32) / 32768.0
