"""The documents of videos, out of the tables of the extract and transcribe artifacts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.omni.document import Document, document_of
from tasks.shared.artifacts.corpus import Video
from tasks.shared.artifacts.document import document_text
from tasks.shared.artifacts.transcripts import read_proved
from tasks.shared.artifacts.types import RESULTS


@dataclass(frozen=True)
class Documents:
    """What there is to encode of some videos, and what there is not."""

    found: dict[str, Document]  # by video id, in the videos' order
    not_extracted: list[str]  # videos that failed in extraction
    without: list[str]  # videos that have none of the chosen modalities: no failure, they are counted and left out


def read_documents(
    videos: Iterable[Video], modalities: Collection[str], text_fields: Sequence[str], root: Path = RESULTS
) -> Documents:
    """The videos' documents of these modalities, their text made of these fields in order. Nothing but tables is read
    here. Raises UserError for a row that was made from something else than its video has."""
    videos = list(videos)
    media, transcripts = read_proved(videos, root)
    read = Documents({}, [], [])
    for video in videos:
        video_id = video.video_id
        if video_id not in media:
            read.not_extracted.append(video_id)
            continue
        text = document_text(video, transcripts.get(video_id), text_fields)
        if (one := document_of(media[video_id], text, modalities, root / "extract")) is None:
            read.without.append(video_id)
        else:
            read.found[video_id] = one
    return read
