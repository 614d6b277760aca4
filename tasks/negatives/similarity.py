"""How two videos are duplicates, or nearly so.

Transcripts are compared as BM25 sees them (NFKC, lower case, no punctuation; Han, kana and Hangul as pairs of
characters), by the Jaccard coefficient of their sets of 3-word shingles (Broder 1997). A transcript of fewer than three
words is not compared: recognisers hear the same "thank you" in many silent videos.

Pictures are compared by 512 bits, so that re-encoded, resized or recoloured copies are found: of `FRAMES` frames at
equal distances each the difference hash (dHash; Krawetz, "Kind of Like That", hackerfactor.com, 2013), 9 x 8 means of
grey, and a bit for each whether its right neighbour is lighter. Lighter means by more than one grey level, so that the
noise of compression in even areas sets no bits. A frame without contrast has no hash: any two black frames would be
alike. Two videos look alike where the mean distance of frames at the same place is at most `LIMIT` of 64 bits. Measured
on the demo's 207 videos: its own copy, shrunk to 60 pixels, made darker and saved as JPEG of quality 30, is at most 6.4
bits away; no two different videos are nearer than 8.6. A cut of another length, a crop or a mirrored copy is not found.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.negatives.data import NegativesData
from tasks.shared.artifacts import media as media_artifact
from tasks.shared.artifacts.media import Media
from tasks.shared.retrieval.bm25 import words
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.progress import progress

KINDS = {  # in the order in which they are named
    "bytes": "equal bytes of the video file",
    "frames": "equal frames",
    "audio": "equal sound",
    "transcript": "equal transcript",
    "near transcript": "near-equal transcript",
    "pictures": "near-equal pictures",
}
SHINGLE = 3  # words
SIMILAR = 0.8  # Jaccard of shingles
FRAMES = 8
BITS = 64  # of a frame
LIGHTER = 1  # grey levels
CONTRAST = 16  # grey levels between the lightest and the darkest of a frame's means
LIMIT = 8.0


@dataclass(frozen=True)
class PictureHash:
    """The bits of all frames, the first frame's highest; `mask` has all bits set of the frames that have contrast."""

    bits: int
    mask: int


class Similarity:
    """Compares training videos. Pictures are compared among those that are `wanted`."""

    def __init__(self, data: NegativesData, wanted: Iterable[str]) -> None:
        self._videos = data.videos
        self._media = data.media or {}
        self._texts = data.texts or {}
        self._shingles: dict[str, tuple[int, frozenset[int]]] = {}
        self._hashes = _hashes(data, wanted)

    def kinds(self, one: str, other: str) -> list[str]:
        """How two videos are alike, by the names in `KINDS`; a video is not compared with itself."""
        if one == other:
            return []
        kinds = ["bytes"] if self._videos[one].sha256 == self._videos[other].sha256 else []
        a, b = self._media.get(one), self._media.get(other)
        if a is not None and b is not None:
            kinds += ["frames"] if a.frames_sha256 is not None and a.frames_sha256 == b.frames_sha256 else []
            kinds += ["audio"] if a.audio_sha256 is not None and a.audio_sha256 == b.audio_sha256 else []
        kinds += self._transcripts(one, other)
        if "frames" not in kinds and one in self._hashes and other in self._hashes:
            bits = distance(self._hashes[one], self._hashes[other])
            kinds += ["pictures"] if bits is not None and bits <= LIMIT else []
        return kinds

    def _transcripts(self, one: str, other: str) -> list[str]:
        (text, a), (other_text, b) = self._shingles_of(one), self._shingles_of(other)
        if not a or not b:
            return []
        if text == other_text:
            return ["transcript"]
        return ["near transcript"] if len(a & b) >= SIMILAR * len(a | b) else []

    def _shingles_of(self, video_id: str) -> tuple[int, frozenset[int]]:
        """The text and its shingles as Python's hashes, which are equal for equal words within one process."""
        if video_id not in self._shingles:
            text = words(self._texts.get(video_id, ""))
            shingles = frozenset(hash(tuple(text[at : at + SHINGLE])) for at in range(len(text) - SHINGLE + 1))
            self._shingles[video_id] = hash(tuple(text)), shingles
        return self._shingles[video_id]


def distance(one: PictureHash, other: PictureHash) -> float | None:
    """Mean Hamming distance a frame, 0 to 64; None where fewer than half of the frames have contrast in both."""
    both = one.mask & other.mask
    frames = both.bit_count() // BITS
    return ((one.bits ^ other.bits) & both).bit_count() / frames if frames >= FRAMES / 2 else None


def hash_strip(strip: Path, frames: int) -> PictureHash:
    """The hash of a strip of so many frames side by side. Raises OSError where it cannot be read."""
    from PIL import Image

    bits = mask = 0
    with Image.open(strip) as image:
        grey = image.convert("L")
    width = grey.width // frames
    for place in np.round(np.linspace(0, frames - 1, FRAMES)).astype(int).tolist():
        frame = grey.crop((place * width, 0, (place + 1) * width, grey.height))
        means = np.asarray(frame.resize((9, 8), Image.Resampling.BOX), np.int16)
        lighter = means[:, 1:] > means[:, :-1] + LIGHTER
        contrast = means.max() - means.min() >= CONTRAST
        bits = bits << BITS | int.from_bytes(np.packbits(lighter).tobytes())
        mask = mask << BITS | (2**BITS - 1 if contrast else 0)
    return PictureHash(bits, mask)


def _hashes(data: NegativesData, wanted: Iterable[str]) -> dict[str, PictureHash]:
    """Picture hashes by video; a note where strips cannot be read."""
    shown = [one for name in sorted(wanted) if (one := (data.media or {}).get(name)) is not None and one.frames]
    if not shown:
        return {}
    try:
        data.lineage.need(media_artifact.FOLDER / "frames")
    except UserError as error:
        data.notes.append(f"near-equal pictures are unknown: {error}")
        return {}
    folder = data.lineage.root / media_artifact.FOLDER

    def hashed(one: Media) -> PictureHash | Exception:
        try:
            return hash_strip(folder / str(one.frames), len(one.times))
        except (OSError, SyntaxError) as error:  # Pillow raises SyntaxError for a broken PNG
            return error

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes without the interpreter's lock
        hashes = progress(pool.map(hashed, shown), "pictures", total=len(shown))
        results = list(zip(shown, hashes, strict=True))
    failed = [f"{one.video_id} ({each!r})" for one, each in results if isinstance(each, Exception)]
    if failed:
        data.notes.append(
            f"{len(failed)} frame strips cannot be read, the first is of {failed[0]}: their pictures are not compared; "
            "`dvc checkout` restores them"
        )
    return {one.video_id: each for one, each in results if isinstance(each, PictureHash)}
