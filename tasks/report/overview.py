"""What was searched, and what is missing from it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tasks.report.evidence import Evidence
from tasks.shared.artifacts.corpus import SPLITS, Video

UNKNOWN = "unknown"


def splits(evidence: Evidence) -> list[dict[str, Any]]:
    """The splits that hold anything, in numbers; `unprobed` videos have no known duration."""
    counts = evidence.lineage.execution("corpus").counts
    rows = []
    for split in SPLITS:
        lengths = [video.duration for video in evidence.videos.values() if video.split == split]
        queries = sum(query.split == split for query in evidence.queries.values())
        if lengths or queries:
            known = [one for one in lengths if one is not None]
            rows.append(
                {
                    "split": split,
                    "videos": len(lengths),
                    "seconds": sum(known),
                    "unprobed": len(lengths) - len(known),
                    "queries": queries,
                    "judgments": counts[f"{split}_judgments"],
                }
            )
    return rows


def breakdown(videos: list[Video]) -> tuple[list[str], dict[str, list[int]]] | None:
    """Types, and by language how many videos are of each, the most frequent first; None where neither is known."""
    if not any(video.language or video.video_type for video in videos):
        return None
    cells = Counter((video.language or UNKNOWN, video.video_type or UNKNOWN) for video in videos)
    languages, types = (Counter(video[place] for video in cells.elements()) for place in (0, 1))
    columns = sorted(types, key=lambda kind: (-types[kind], kind))
    rows = sorted(languages, key=lambda one: (-languages[one], one))
    return columns, {language: [cells[language, kind] for kind in columns] for language in rows}


def missing(evidence: Evidence) -> list[tuple[str, int, str]]:
    """What videos lack, how many of the extracted (metadata: of all) lack it, and what that means."""
    media, transcripts = evidence.media.values(), evidence.transcripts
    with_audio = [one for one in media if one.audio]
    silent = sum(not (one.video_id in transcripts and transcripts[one.video_id].text.strip()) for one in with_audio)
    bare = sum(not (one.title or one.description or one.caption) for one in evidence.videos.values())
    return [
        ("no picture", sum(not one.frames for one in media), "the file has no video stream"),
        ("no audio", len(media) - len(with_audio), "the file has no audio stream"),
        ("no speech", silent, "there is audio, and the recogniser found no words in it"),
        ("no metadata", bare, "neither title, description nor caption"),
    ]
