"""What the demo's videos show, say and are called: decided here, made in `demo_media`.

Each draw comes from a generator named after its video, so plans do not depend on each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tasks.shared.artifacts.corpus import Split
from tasks.synthetic.events import DemoEvents, Event
from tasks.synthetic.scenes import STYLES, Style
from tasks.synthetic.seeding import hex_name, pick, rng_for
from tasks.synthetic.sentences import caption, description, narration, speech_text, title

Codec = Literal["h264", "vp9", "av1"]
SUFFIXES: dict[Codec, str] = {"h264": "mp4", "vp9": "webm", "av1": "mp4"}
SIZES = ((256, 192), (320, 180), (180, 240), (240, 240))
SMALL_SIZES = ((192, 144), (144, 192))  # AV1 encodes slowly


@dataclass(frozen=True)
class Plan:
    """One video to be made."""

    seed: int
    video_id: str
    event: Event
    split: Split
    style: Style
    language: str
    title: str | None
    description: str | None
    caption: str | None
    spoken: str | None  # what is said, in `language`
    payload: bool  # whether that includes who asks for what
    audio: bool
    sign: bool
    codec: Codec
    width: int
    height: int
    fps: int
    seconds: float  # at least; speech is never cut
    broken: bool  # truncated after it was made

    @property
    def path(self) -> str:
        """Where the file goes, seen from the corpus folder."""
        return f"videos/{self.video_id}.{SUFFIXES[self.codec]}"


def plan_videos(seed: int, demo: DemoEvents) -> list[Plan]:
    """Three videos of every queried event, one of every distractor. One file of the test split is broken."""
    wanted: list[tuple[Event, Split, Style]] = []
    for split, events in demo.queried.items():
        wanted += [(event, split, style) for event in events for style in STYLES]
    for split, events in demo.distractors.items():
        wanted += [(event, split, STYLES[index % len(STYLES)]) for index, event in enumerate(events)]
    broken = (demo.queried["test"][-1], "test", "edited")
    return [_plan(seed, index, *item, broken=item == broken) for index, item in enumerate(wanted)]


def _plan(seed: int, index: int, event: Event, split: Split, style: Style, *, broken: bool) -> Plan:
    video_id = f"demo_{hex_name(seed, 'video', event.event_id, style)}"
    rng = rng_for(seed, "plan", video_id)
    codec = "h264" if broken else _codec(index)
    width, height = pick(rng, SMALL_SIZES if codec == "av1" else SIZES)
    # A third in English besides those whose event's language is English: 45 % of what is spoken.
    language = "en" if rng.random() < 0.34 else event.language
    audio = style == "professional" or rng.random() > 0.13
    headline, about, shown = _metadata(rng, event, style, language)
    spoken, payload = _speech(rng, event, style, language) if audio else (None, False)
    return Plan(
        seed=seed,
        video_id=video_id,
        event=event,
        split=split,
        style=style,
        language=language,
        title=headline,
        description=about,
        caption=shown,
        spoken=spoken,
        payload=payload,
        audio=audio,
        sign=bool(rng.random() < {"professional": 1.0, "edited": 0.8, "raw": 0.15}[style]),
        codec=codec,
        width=width,
        height=height,
        fps=int(rng.integers(8, 13)),
        seconds=float(rng.uniform(4.0, 6.5)),
        broken=broken,
    )


def _codec(index: int) -> Codec:
    """One in 20 AV1, one in 8 VP9, over all styles since neither is a multiple of three."""
    if index % 20 == 7:
        return "av1"
    return "vp9" if index % 8 == 3 else "h264"


def _speech(rng: np.random.Generator, event: Event, style: Style, language: str) -> tuple[str | None, bool]:
    if style == "professional" or (style == "edited" and rng.random() < 0.6):
        return narration(event, language, rng), True
    if style == "raw" and rng.random() < 0.4:
        return speech_text(event, language, rng), True
    return None, False


def _metadata(
    rng: np.random.Generator, event: Event, style: Style, language: str
) -> tuple[str | None, str | None, str | None]:
    """Title, description and caption: a professional's are full, a raw video has none or a useless title."""
    if style == "raw":
        return (_useless_title(rng) if rng.random() < 0.65 else None), None, None
    headline = title(event, language, rng)
    about = description(event, language, rng) if style == "professional" else None
    return headline, about, caption(event, language, rng) if rng.random() < 0.5 else None


def _useless_title(rng: np.random.Generator) -> str:
    month, day, number = int(rng.integers(1, 13)), int(rng.integers(1, 29)), int(rng.integers(1000, 9999))
    return pick(rng, (f"VID 2024{month:02d}{day:02d}", f"IMG_{number}", f"clip {number}", "untitled"))
