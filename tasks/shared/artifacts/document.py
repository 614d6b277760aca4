"""A document: its text, which every system reads alike, and the digest that identifies its content."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tasks.shared.runtime.files import sha256_json

if TYPE_CHECKING:
    from tasks.shared.artifacts.corpus import Video
    from tasks.shared.artifacts.transcripts import Transcript


def document_text(video: Video, transcript: Transcript | None, fields: Iterable[str]) -> str:
    """The named fields that are there, in the order named, joined by tabs (as Tevatron's MultiVENT recipe joins). Empty
    where the video has none of them."""
    parts = {
        "caption": video.caption,
        "title": video.title,
        "description": video.description,
        "transcript": transcript.text if transcript else None,
        "ocr": transcript.ocr if transcript else None,
    }
    return "\t".join(text for field in fields if (text := " ".join((parts[field] or "").split())))


def document_digest(text_sha256: str | None, frames_sha256: str | None, frames: int, audio_sha256: str | None) -> str:
    """The identity of a document's content, whatever its video's id; None for a modality that it lacks."""
    return sha256_json([text_sha256, [frames_sha256, frames] if frames_sha256 else None, audio_sha256])
