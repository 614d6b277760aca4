"""In which ways two videos are duplicates or nearly so."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tasks.audit.negatives.material import Material
from tasks.audit.negatives.picture_hash import LIMIT, PictureHash, distance, hashes_of
from tasks.shared.artifacts import media as media_artifact
from tasks.shared.artifacts.media import Media
from tasks.shared.retrieval.bm25 import words
from tasks.shared.runtime.errors import UserError

WAYS = {  # in the order told
    "bytes": "equal bytes of the video file",
    "frames": "equal frames",
    "audio": "equal sound",
    "transcript": "equal transcript",
    "near transcript": "near-equal transcript",
    "pictures": "near-equal pictures",
}
SHINGLE = 3  # words
SIMILAR = 0.8  # Jaccard of shingles
ALONE = 200  # strips that one process hashes faster than a pool starts


class Likeness:
    """Compares training videos.

    Transcripts are compared as BM25 sees them (NFKC, lower case, no punctuation; Han, kana and Hangul as pairs of
    characters), by the Jaccard coefficient of their sets of 3-word shingles (Broder 1997). A transcript of fewer than
    three words is compared with none: recognisers hear the same "thank you" in many silent videos.
    """

    def __init__(self, material: Material, wanted: Iterable[str]) -> None:
        self._videos = material.videos
        self._media = material.media or {}
        self._words: dict[str, tuple[int, np.ndarray] | None] = {}
        self._texts = material.texts or {}
        self._hashes = _hashes(material, wanted)

    def ways(self, one: str, other: str) -> list[str]:
        """Names of `WAYS` in which two videos are alike; none of a video with itself."""
        if one == other:
            return []
        ways = ["bytes"] if self._videos[one].sha256 == self._videos[other].sha256 else []
        a, b = self._media.get(one), self._media.get(other)
        if a is not None and b is not None:
            ways += ["frames"] if a.frames_sha256 is not None and a.frames_sha256 == b.frames_sha256 else []
            ways += ["audio"] if a.audio_sha256 is not None and a.audio_sha256 == b.audio_sha256 else []
        ways += self._said(one, other)
        if a is not None and b is not None and "frames" not in ways and self._look_alike(a, b):
            ways.append("pictures")
        return ways

    def _said(self, one: str, other: str) -> list[str]:
        a, b = self._shingles(one), self._shingles(other)
        if a is None or b is None:
            return []
        if a[0] == b[0]:
            return ["transcript"]
        few, many = sorted((len(a[1]), len(b[1])))
        if few < SIMILAR * many:  # they cannot share enough
            return []
        shared = len(np.intersect1d(a[1], b[1], assume_unique=True))
        return ["near transcript"] if shared >= SIMILAR * (few + many - shared) else []

    def _shingles(self, video_id: str) -> tuple[int, np.ndarray] | None:
        """The text as a number and its shingles as sorted numbers: Python's hashes, 64 bits, good in this process."""
        if video_id not in self._words:
            said = words(self._texts.get(video_id, ""))
            shingles = {hash(tuple(said[at : at + SHINGLE])) for at in range(len(said) - SHINGLE + 1)}
            self._words[video_id] = (hash(tuple(said)), np.array(sorted(shingles), np.int64)) if shingles else None
        return self._words[video_id]

    def _look_alike(self, one: Media, other: Media) -> bool:
        a, b = self._hashes.get(str(one.frames_sha256)), self._hashes.get(str(other.frames_sha256))
        if a is None or b is None:
            return False
        apart = distance(a, b)
        return apart is not None and apart <= LIMIT


def _hashes(material: Material, wanted: Iterable[str]) -> dict[str, PictureHash]:
    """Picture hashes of some videos by their strips' sha256; a note where some are not to be had."""
    if material.media is None:
        return {}
    shown = [one for video_id in sorted(set(wanted)) if (one := material.media.get(video_id)) and one.frames]
    if not shown:
        return {}
    try:
        material.lineage.need(media_artifact.FOLDER / Path(str(shown[0].frames)).parent)
    except UserError as error:
        material.notes.append(f"near-equal pictures cannot be told: {error}")
        return {}
    folder = material.lineage.root / media_artifact.FOLDER
    workers = 1 if len(shown) < ALONE else os.cpu_count() or 1
    hashes, failures = hashes_of(shown, folder, workers)
    if failures:
        first = failures[0]
        material.notes.append(
            f"{len(failures)} frame strips cannot be read, the first is of {first.video_id} ({first.error}: "
            f"{first.message}): their pictures are not compared; `dvc checkout` restores them"
        )
    return hashes
