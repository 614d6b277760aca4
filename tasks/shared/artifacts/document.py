"""The text of a document: what every system reads of a video's words."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.shared.artifacts.corpus import Video
from tasks.shared.artifacts.transcripts import Transcript


def document_text(video: Video, transcript: Transcript | None, fields: Iterable[str]) -> str:
    """The named fields that are there, in the order named, joined by tabs (as Tevatron's MultiVENT recipe joins).

    Fields are caption, title, description, transcript, ocr (on-screen text). Empty where the video has none of them.
    """
    parts = {
        "caption": video.caption,
        "title": video.title,
        "description": video.description,
        "transcript": transcript.text if transcript else None,
        "ocr": transcript.ocr if transcript else None,
    }
    return "\t".join(text for field in fields if (text := " ".join((parts[field] or "").split())))
