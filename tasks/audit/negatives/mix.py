"""What negatives are made of, against positives and all training videos: language, modalities, video types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tasks.audit.negatives.facts import Fact
from tasks.audit.negatives.material import Material

UNKNOWN = "unknown"
MODALITIES = ("picture", "sound", "speech", "metadata")


@dataclass(frozen=True)
class Languages:
    """Negatives by language of their query and their own, `{query's: {negative's: count}}`.

    Attributes:
        same, known: negatives in their query's language, of those where both are known; for positives likewise.
    """

    table: dict[str, dict[str, int]]
    same: int
    known: int
    positives_same: int
    positives_known: int


@dataclass(frozen=True)
class Mix:
    """Of a set of videos (as often as they serve): how many, and how many have each modality and each type.

    `modalities` has None for what cannot be told here.
    """

    videos: int
    modalities: dict[str, int | None]
    types: dict[str, int]


def modalities_of(material: Material, video_id: str) -> dict[str, bool | None]:
    """Whether a video has a picture, sound, words that were recognised, and title, description or caption."""
    video = material.videos[video_id]
    media = material.media.get(video_id) if material.media is not None else None
    return {
        "picture": None if material.media is None else media is not None and media.frames is not None,
        "sound": None if material.media is None else media is not None and media.audio is not None,
        "speech": None if material.texts is None else video_id in material.texts,
        "metadata": any((video.title, video.description, video.caption)),
    }


def languages(material: Material, facts: Sequence[Fact]) -> Languages:
    """The languages of queries and their negatives."""
    table: dict[str, Counter[str]] = {}
    for one in facts:
        asked = material.queries[one.query_id].language or UNKNOWN
        table.setdefault(asked, Counter())[material.videos[one.video_id].language or UNKNOWN] += 1
    pairs = [
        (material.queries[one.query_id].language, material.videos[video_id].language)
        for one in material.mined
        for video_id in one.positives
        if video_id in material.videos
    ]
    known = [(asked, own) for asked, own in pairs if asked is not None and own is not None]
    return Languages(
        table={asked: dict(sorted(row.items())) for asked, row in sorted(table.items())},
        same=sum(one.language == "same" for one in facts),
        known=sum(one.language != "unknown" for one in facts),
        positives_same=sum(asked == own for asked, own in known),
        positives_known=len(known),
    )


def mixes(material: Material) -> dict[str, Mix]:
    """Of negatives, of positives, and of all training videos."""
    return {
        "negatives": _mix(material, (one.video_id for mined in material.mined for one in mined.negatives)),
        "positives": _mix(material, (one for mined in material.mined for one in mined.positives)),
        "all training videos": _mix(material, material.videos),
    }


def _mix(material: Material, video_ids: Iterable[str]) -> Mix:
    times = Counter(video_id for video_id in video_ids if video_id in material.videos)
    having: Counter[str] = Counter()
    untold: set[str] = set()
    types: Counter[str] = Counter()
    for video_id, count in times.items():
        types[material.videos[video_id].video_type or UNKNOWN] += count
        for name, has in modalities_of(material, video_id).items():
            having[name] += count if has else 0
            if has is None:
                untold.add(name)
    return Mix(
        videos=times.total(),
        modalities={name: None if name in untold else having[name] for name in MODALITIES},
        types=dict(sorted(types.items())),
    )
