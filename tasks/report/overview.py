"""What was searched, what is missing from it, and what failed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tasks.report.evidence import Evidence
from tasks.shared.artifacts.corpus import SPLITS, Video
from tasks.shared.execution.failures import Failure

UNKNOWN = "unknown"


@dataclass(frozen=True)
class SplitRow:
    """A split in numbers; `unprobed` videos have no known duration."""

    split: str
    videos: int
    seconds: float
    unprobed: int
    queries: int
    judgments: int


@dataclass(frozen=True)
class Breakdown:
    """Videos by language and type: a row a language, a column a type."""

    types: list[str]
    rows: list[tuple[str, list[int], int]]


@dataclass(frozen=True)
class Failed:
    """A failed item: the stage that recorded it, the record, and the file where the corpus knows it."""

    stage: str
    failure: Failure
    video: Video | None


@dataclass(frozen=True)
class Missing:
    """A modality, what its absence means, and how many of the videos lack it."""

    what: str
    meaning: str
    count: int


def splits(evidence: Evidence) -> list[SplitRow]:
    """The splits that hold anything."""
    counts = evidence.lineage.execution("corpus").counts
    rows = []
    for split in SPLITS:
        videos = [video for video in evidence.videos.values() if video.split == split]
        queries = sum(query.split == split for query in evidence.queries.values())
        if videos or queries:
            known = [video.duration for video in videos if video.duration is not None]
            judgments = counts[f"{split}_judgments"]
            rows.append(SplitRow(split, len(videos), sum(known), len(videos) - len(known), queries, judgments))
    return rows


def breakdown(videos: list[Video]) -> Breakdown | None:
    """Languages by types, the most frequent first; None where neither is known of any video."""
    if not any(video.language or video.video_type for video in videos):
        return None
    cells = Counter((video.language or UNKNOWN, video.video_type or UNKNOWN) for video in videos)
    languages = Counter(video.language or UNKNOWN for video in videos)
    types = Counter(video.video_type or UNKNOWN for video in videos)
    columns = sorted(types, key=lambda kind: (-types[kind], kind))
    return Breakdown(
        columns,
        [
            (language, [cells[language, kind] for kind in columns], languages[language])
            for language in sorted(languages, key=lambda one: (-languages[one], one))
        ],
    )


def failed(evidence: Evidence) -> list[Failed]:
    """Every recorded failure, in the order of the stages."""
    return [Failed(stage, one, evidence.videos.get(one.video_id)) for stage, one in evidence.failures]


def missing(evidence: Evidence) -> list[Missing]:
    """How many of the extracted videos lack a modality, and how many of all lack metadata."""
    media, transcripts = evidence.media.values(), evidence.transcripts
    with_audio = [one for one in media if one.audio]
    silent = sum(not (one.video_id in transcripts and transcripts[one.video_id].text.strip()) for one in with_audio)
    bare = sum(not (one.title or one.description or one.caption) for one in evidence.videos.values())
    return [
        Missing("no picture", "the file has no video stream", sum(not one.frames for one in media)),
        Missing("no audio", "the file has no audio stream", len(media) - len(with_audio)),
        Missing("no speech", "there is audio, and the recogniser found no words in it", silent),
        Missing("no metadata", "neither title, description nor caption", bare),
    ]
