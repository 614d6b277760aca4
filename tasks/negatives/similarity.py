"""How two videos are duplicates, or nearly so.

Transcripts are compared as BM25 sees them, by the Jaccard coefficient of their sets of 3-word shingles (Broder 1997).
One of fewer than three words is not compared: recognisers hear the same "thank you" in many silent videos.

Pictures are compared by the difference hash (dHash; Krawetz, "Kind of Like That", hackerfactor.com, 2013) of `FRAMES`
frames at equal distances: 9 x 8 means of grey, a bit for each whether its right neighbour is lighter by more than one
grey level, which the noise of compression is not. A frame without contrast has no hash: any two black frames would be
alike. Two videos look alike where the mean distance of frames at the same place is at most `LIMIT` of 64 bits. Measured
on the demo's 207 videos: its own copy, shrunk to 60 pixels, made darker and saved as JPEG of quality 30, is at most 6.4
bits away; no two different videos are nearer than 8.6. A cut of another length, a crop or a mirrored copy is not found.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from pathlib import Path

import numpy as np

from tasks.negatives.data import NegativesData
from tasks.shared.artifacts import media as media_artifact
from tasks.shared.retrieval.bm25 import words
from tasks.shared.runtime.errors import UserError

KINDS = {  # in the order in which they are named
    "bytes": "equal bytes of the video file",
    "frames": "equal frames",
    "audio": "equal sound",
    "transcript": "equal transcript",
    "near transcript": "near-equal transcript",
    "pictures": "near-equal pictures",
}
SIMILAR = 0.8  # Jaccard of shingles
FRAMES = 8
BITS = 64  # of a frame
LIGHTER = 1  # grey levels
CONTRAST = 16  # grey levels between the lightest and the darkest of a frame's means
LIMIT = 8.0


class Similarity:
    """Compares training videos; strips are read when they are first asked for. May be used from several threads."""

    def __init__(self, data: NegativesData) -> None:
        self._data = data
        self._failed: dict[str, str] = {}
        self._no_strips: str | None = None
        self._compared = cache(self._compared_of)
        if any(one.frames for one in (data.media or {}).values()):
            try:
                data.lineage.need(media_artifact.FOLDER / "frames")
            except UserError as error:
                self._no_strips = str(error)

    def kinds(self, one: str, other: str) -> list[str]:
        """How two videos are alike, by the names in `KINDS`; a video is not compared with itself."""
        if one == other:
            return []
        (digests, words_of_one, picture), (others, words_of_other, other_picture) = map(self._compared, (one, other))
        kinds = [name for name, digest in digests.items() if digest is not None and digest == others[name]]
        common = len(words_of_one & words_of_other)
        if common and "transcript" not in kinds and common >= SIMILAR * len(words_of_one | words_of_other):
            kinds.append("near transcript")
        if picture is not None and other_picture is not None and "frames" not in kinds:
            bits = distance(picture, other_picture)
            kinds += ["pictures"] if bits is not None and bits <= LIMIT else []
        return kinds

    def notes(self) -> list[str]:
        """What could not be compared, and why."""
        notes = [f"near-equal pictures are unknown: {self._no_strips}"] if self._no_strips else []
        if self._failed:
            first = min(self._failed)
            notes.append(
                f"{len(self._failed)} frame strips cannot be read, the first is of {first} ({self._failed[first]}): "
                "their pictures are not compared; `dvc checkout` restores them"
            )
        return notes

    def _compared_of(self, video_id: str) -> tuple[dict[str, Hashable], frozenset[int], np.ndarray | None]:
        """Of a video: digests, of which equal ones are a likeness, shingles, and the picture's hash."""
        media, picture = (self._data.media or {}).get(video_id), None
        if media and media.frames and not self._no_strips:
            try:
                picture = hash_strip(self._data.lineage.root / media_artifact.FOLDER / media.frames, len(media.times))
            except (OSError, SyntaxError) as error:  # Pillow raises SyntaxError for a broken PNG
                self._failed[video_id] = repr(error)
        text = words((self._data.texts or {}).get(video_id, ""))
        # Python's hashes, which are equal for equal words within one process
        shingles = frozenset(map(hash, zip(text, text[1:], text[2:], strict=False)))
        digests: dict[str, Hashable] = {
            "bytes": self._data.videos[video_id].sha256,
            "frames": media and media.frames_sha256,
            "audio": media and media.audio_sha256,
            "transcript": hash(tuple(text)) if shingles else None,
        }
        return digests, shingles, picture


def distance(one: np.ndarray, other: np.ndarray) -> float | None:
    """Mean Hamming distance a frame, 0 to 64; None where fewer than half of the frames have contrast in both."""
    both = (one[:, 0] >= 0) & (other[:, 0] >= 0)
    return float((one != other)[both].sum(axis=1).mean()) if both.sum() >= FRAMES / 2 else None


def hash_strip(strip: Path, frames: int) -> np.ndarray:
    """The bits of a strip of so many frames side by side: int8 (`FRAMES`, `BITS`), -1 in a frame without contrast.

    Raises OSError or SyntaxError where it cannot be read.
    """
    from PIL import Image

    with Image.open(strip) as image:
        grey = image.convert("L")
    width = grey.width // frames
    places = (width * np.round(np.linspace(0, frames - 1, FRAMES)).astype(int)).tolist()
    boxes = [(left, 0, left + width, grey.height) for left in places]
    means = np.stack([np.asarray(grey.resize((9, 8), Image.Resampling.BOX, box=one), np.int16) for one in boxes])
    lighter = (means[:, :, 1:] > means[:, :, :-1] + LIGHTER).reshape(FRAMES, BITS).astype(np.int8)
    lighter[np.ptp(means, axis=(1, 2)) < CONTRAST] = -1
    return lighter
