"""Text recognition in pictures: PP-OCR in ONNX (rapidocr), whose models lie in its package.

It reads Latin letters with their accents, Chinese and Japanese; not Cyrillic, Arabic or Hangul.

The frames are those that extract samples, but from the video itself, in its own aspect and up to `LONGEST` pixels a
side: what extract keeps is too small to read.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import write_json
from tasks.video.container import UnreadableVideoError, check_file
from tasks.video.picture import bounded, read_picture

if TYPE_CHECKING:
    import numpy as np

    from tasks.shared.artifacts.corpus import Video

ITEM = "frames.json"
LONGEST = 1280  # pixels a side
PACKAGES = ("rapidocr", "onnxruntime", "opencv-python-headless")  # that decide what is read
SURE = 0.9  # of 1; what is really written was read with 0.97 and more, shapes taken for letters mostly with less
THREADS = 1  # of a reader: videos are read side by side, and the number of threads could decide the last bits


def check_installed() -> list[str]:
    """The versions of what reads. Raises UserError where it is not installed: it is optional."""
    try:
        if find_spec("rapidocr") is None:
            raise PackageNotFoundError
        return [version(name) for name in PACKAGES]
    except PackageNotFoundError:
        raise UserError(
            "transcribe.ocr: rapidocr is not installed; `pip install rapidocr`, or set it to shipped or none"
        ) from None


@cache
def load() -> Any:
    """The reader of this process. Raises UserError where it cannot be loaded."""
    from rapidocr import RapidOCR

    try:
        return RapidOCR(
            params={
                "Global.log_level": "error",
                "EngineConfig.onnxruntime.intra_op_num_threads": THREADS,
                "EngineConfig.onnxruntime.inter_op_num_threads": THREADS,
            }
        )
    except Exception as error:  # of whatever it is made
        reason = " ".join(str(error).split())
        raise UserError(f"transcribe.ocr: rapidocr cannot be loaded ({reason}); install it again") from None


def lines_in(picture: np.ndarray) -> list[str]:
    """The lines of text in a picture, uint8 (height, width, 3) RGB, from top to bottom; none where there is no text."""
    import numpy as np

    found = load()(np.ascontiguousarray(picture[..., ::-1]))
    lines = zip(found.txts or (), found.scores or (), strict=True)
    return [text for line, score in lines if score >= SURE and (text := " ".join(line.split()))]


def read_video(source: tuple[Video, int], folder: Path) -> None:
    """Fill `folder` with what is written in each of so many frames of a video. Raises what the reading of video files
    raises, and UnreadableVideoError for one that is not the manifest's."""
    video, frames = source
    check_file(path := Path(video.path), video.sha256, video.bytes)
    found = read_picture(path, frames, bounded(LONGEST))
    if found is None:
        raise UnreadableVideoError("no picture in it")
    write_json(folder / ITEM, {"frames": ["\n".join(lines_in(frame)) for frame in found.frames]})
