"""Sentences that are spoken and written about an event, in any of the six languages.

Four things are kept apart, because each is to be found by one modality only: kind and place (metadata and speech),
the scene and its sound (picture and audio), the payload (speech), the sign (picture).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from tasks.synthetic import templates
from tasks.synthetic.events import Event
from tasks.synthetic.lexicon import TABLES
from tasks.synthetic.seeding import pick
from tasks.synthetic.templates import Templates

QueryType = Literal["base", "description", "speech", "ocr"]
QUERY_TYPES: tuple[QueryType, ...] = ("base", "description", "speech", "ocr")


def title(event: Event, language: str, rng: np.random.Generator) -> str:
    """A headline: kind and place."""
    text = _fill(templates.TITLES, event, language, rng)
    return text[0].upper() + text[1:]


def description(event: Event, language: str, rng: np.random.Generator) -> str:
    """What a channel writes below its video: kind, place and filler."""
    gap = "" if language == "zh" else " "
    return gap.join(
        _fill(part, event, language, rng) for part in (templates.DESCRIPTION_LEADS, templates.DESCRIPTION_TAILS)
    )


def caption(event: Event, language: str, rng: np.random.Generator) -> str:
    """A short neutral caption: kind and place."""
    return _fill(templates.CAPTIONS, event, language, rng)


def intro(event: Event, language: str, rng: np.random.Generator) -> str:
    """A spoken sentence of kind and place."""
    return _fill(templates.INTROS, event, language, rng)


def speech_text(event: Event, language: str, rng: np.random.Generator) -> str:
    """The payload as it is spoken: who asks for what."""
    return _fill(templates.PAYLOADS, event, language, rng)


def narration(event: Event, language: str, rng: np.random.Generator) -> str:
    """All that a narrator says: intro, then payload."""
    return f"{intro(event, language, rng)} {speech_text(event, language, rng)}"


def scene_text(event: Event, language: str, rng: np.random.Generator) -> str:
    """What is seen: a coloured object beside a landmark."""
    return _fill(templates.SCENE_QUERIES, event, language, rng)


def sound_text(event: Event, language: str, rng: np.random.Generator) -> str:
    """What is heard besides speech."""
    return _fill(templates.SOUND_TEXTS, event, language, rng)


def query(event: Event, type: QueryType, language: str, rng: np.random.Generator) -> str:
    """A query that only the modality of its type answers; half the descriptions name the sound as well."""
    if type == "description":
        return _fill(templates.SCENES_HEARD if rng.random() < 0.5 else templates.SCENE_QUERIES, event, language, rng)
    of_type = {"base": templates.BASE_QUERIES, "speech": templates.SPEECH_QUERIES, "ocr": templates.OCR_QUERIES}
    return _fill(of_type[type], event, language, rng)


def _fill(wordings: Templates, event: Event, language: str, rng: np.random.Generator) -> str:
    words = {field: table[getattr(event, field)][language] for field, table in TABLES.items()}
    if language == "ko":
        words["role"] += _particle(words["role"], "이", "가")
        words["thing"] += _particle(words["thing"], "을", "를")
    return pick(rng, wordings[language]).format(**words, sign=" ".join(event.sign))


def _particle(word: str, closed: str, open_: str) -> str:
    """The Korean particle after a word, by whether its last syllable ends in a consonant."""
    return closed if (ord(word[-1]) - 0xAC00) % 28 else open_
