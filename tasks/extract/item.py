"""One video to a folder of the item store: `frames.png` (or `.jpg`), `audio.flac`, and `item.json` about both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tasks.extract.sound import read_sound, write_flac
from tasks.shared.artifacts.media import Media
from tasks.shared.artifacts.types import SAMPLE_RATE
from tasks.shared.runtime.files import link_or_copy, read_json, sha256_file, write_json
from tasks.video.container import UnreadableVideoError, check_file
from tasks.video.picture import read_picture, square

if TYPE_CHECKING:
    from tasks.shared.artifacts.corpus import Video
    from tasks.shared.execution.params_sections import Extract

SUFFIXES = {"png": ".png", "jpeg": ".jpg"}
ITEM, AUDIO = "item.json", "audio.flac"


def extract(source: tuple[Video, Extract], folder: Path) -> None:
    """Fill `folder` from a video. Raises what the readers raise, and UnreadableVideoError for a file that is not the
    one the manifest describes: everything that follows is keyed by that digest."""
    video, params = source
    check_file(path := Path(video.path), video.sha256, video.bytes)
    picture = read_picture(path, params.frames, square(params.size))
    sound = read_sound(path, params.max_audio_seconds)
    if picture is None and sound is None:
        raise UnreadableVideoError("neither picture nor sound in it")
    item: dict[str, Any] = {
        "frames": None, "frames_sha256": None, "times": [], "source_frames": 0, "width": 0, "height": 0,
        "audio": None, "audio_sha256": None, "audio_seconds": 0.0,
    }  # fmt: skip
    if picture is not None:
        strip = folder / f"frames{SUFFIXES[params.format]}"
        _write_strip(strip, picture.frames, params.format)
        item |= {
            "frames": strip.name, "frames_sha256": sha256_file(strip), "times": picture.times,
            "source_frames": picture.source_frames, "width": picture.width, "height": picture.height,
        }  # fmt: skip
    if sound is not None:
        write_flac(folder / AUDIO, sound)
        sha256, seconds = sha256_file(folder / AUDIO), len(sound) / SAMPLE_RATE
        item |= {"audio": AUDIO, "audio_sha256": sha256, "audio_seconds": seconds}
    write_json(folder / ITEM, item)


def assemble(video: Video, entry: Path, out: Path) -> Media:
    """Put a finished item's files into the extract folder under the video's id."""
    item = read_json(entry / ITEM)
    for kind in ("frames", "audio"):
        if name := item[kind]:
            item[kind] = f"{kind}/{video.video_id}{Path(name).suffix}"
            link_or_copy(entry / name, out / item[kind])
    return Media(video_id=video.video_id, video_sha256=video.sha256, **item)


def _write_strip(path: Path, frames: list[np.ndarray], form: str) -> None:
    """Frames uint8 (h, w, 3) side by side in one row. JPEG keeps full colour resolution, so that no frame's colour
    runs far into the next."""
    image = Image.fromarray(np.concatenate(frames, axis=1))
    if form == "png":
        image.save(path, "PNG", compress_level=6)
    else:
        image.save(path, "JPEG", quality=95, subsampling=0)
