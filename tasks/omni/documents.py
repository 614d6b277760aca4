"""The documents of videos, out of the tables of the extract and transcribe artifacts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.omni.document import Document, document_of
from tasks.shared.artifacts.corpus import Video
from tasks.shared.artifacts.document import document_text
from tasks.shared.artifacts.media import mismatched as media_mismatched
from tasks.shared.artifacts.media import read_media
from tasks.shared.artifacts.rows import refuse
from tasks.shared.artifacts.transcripts import mismatched as transcripts_mismatched
from tasks.shared.artifacts.transcripts import read_transcripts
from tasks.shared.artifacts.types import RESULTS


@dataclass(frozen=True)
class Documents:
    """What there is to encode of some videos, and what there is not.

    Attributes:
        found: documents by video id, in the videos' order.
        not_extracted: videos that failed in extraction.
        without: videos that have none of the chosen modalities. That is no failure: they are counted and left out.
    """

    found: dict[str, Document]
    not_extracted: list[str]
    without: list[str]


def read_documents(
    videos: Iterable[Video], modalities: Collection[str], text_fields: Sequence[str], root: Path = RESULTS
) -> Documents:
    """The videos' documents. Nothing but tables is read here.

    Raises UserError for a row that was made from something else than its video has.

    Args:
        videos: of the corpus.
        modalities: out of text, video, audio.
        text_fields: what the text is made of, in this order.
        root: the results folder that holds the extract and transcribe artifacts.
    """
    videos = list(videos)
    media, transcripts = read_media(root / "extract"), read_transcripts(root / "transcribe")
    refuse(media_mismatched(media, videos))
    refuse(transcripts_mismatched(transcripts, media))
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
