from __future__ import annotations

import re

import pytest

from tasks.synthetic import templates
from tasks.synthetic.events import Event, make_events
from tasks.synthetic.lexicon import COLOURS, KINDS, LANDMARKS, LANGUAGES, OBJECTS, PLACES, ROLES, SOUNDS, THINGS, Table
from tasks.synthetic.seeding import rng_for
from tasks.synthetic.sentences import (
    QUERY_TYPES,
    caption,
    description,
    intro,
    narration,
    query,
    scene_text,
    sound_text,
    speech_text,
    title,
)

TABLES = {
    "kind": KINDS,
    "place": PLACES,
    "colour": COLOURS,
    "object": OBJECTS,
    "landmark": LANDMARKS,
    "sound": SOUNDS,
    "role": ROLES,
    "thing": THINGS,
}
SCRIPTS = {"en": "[a-z]", "es": "[a-záéíóúñ]", "ru": "[а-яё]", "ar": "[؀-ۿ]", "zh": "[一-鿿]", "ko": "[가-힣]"}
EVENTS = make_events(7, 40)
METADATA = (title, description, caption)


def mentions(text: str, word: str, language: str) -> bool:
    """Whether a word (less its article) is in a text: as letters in a row where scripts put no spaces."""
    bare = re.sub(r"^(an?|el|una?) ", "", word.lower())
    if language in ("zh", "ko"):
        return len(bare) > 1 and bare in text.lower()
    return re.search(rf"\b{re.escape(bare)}\b", text.lower()) is not None


@pytest.mark.parametrize("name", TABLES)
def test_every_component_has_a_word_of_its_own_in_every_language(name: str) -> None:
    table: Table = TABLES[name]
    for language in LANGUAGES:
        words = [row[language] for row in table.values()]
        assert len(set(words)) == len(words)
        assert all(re.search(SCRIPTS[language], word.lower()) for word in words)


def test_no_word_means_two_components_of_what_is_kept_apart() -> None:
    for language in LANGUAGES:
        words = {name: {row[language] for row in table.values()} for name, table in TABLES.items()}
        payload = words.pop("role") | words.pop("thing")
        others = set().union(*words.values())
        assert not payload & others


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("write", METADATA, ids=lambda write: write.__name__)
def test_metadata_tells_kind_and_place_only(write: object, language: str) -> None:
    for event in EVENTS:
        text = write(event, language, rng_for(1, event.event_id))  # type: ignore[operator]
        assert PLACES[event.place][language] in text
        assert KINDS[event.kind][language].lower() in text.lower()
        for name in ("colour", "object", "landmark", "role", "thing"):
            assert not mentions(text, TABLES[name][getattr(event, name)][language], language), (name, text)
        assert not any(word in text for word in event.sign)


def said(event: Event, names: tuple[str, ...], language: str) -> list[str]:
    return [TABLES[name][getattr(event, name)][language] for name in names]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("type", QUERY_TYPES)
def test_a_query_tells_what_its_type_asks_for_and_nothing_else(type: str, language: str) -> None:
    scene = ("colour", "object", "landmark")
    asked = {"base": ("kind", "place"), "description": scene, "speech": ("thing",), "ocr": ()}
    hidden = {
        "base": ("colour", "object", "landmark", "role", "thing"),
        "description": ("place", "role", "thing"),
        "speech": ("kind", "place", "colour", "object", "landmark"),
        "ocr": ("kind", "place", "colour", "object", "landmark", "role", "thing"),
    }
    for event in EVENTS:
        text = query(event, type, language, rng_for(2, event.event_id))  # type: ignore[arg-type]
        assert all(word in text for word in said(event, asked[type], language)), text
        assert not any(mentions(text, word, language) for word in said(event, hidden[type], language)), text
        assert (" ".join(event.sign) in text) == (type == "ocr")


def test_base_queries_are_worded_unlike_titles() -> None:
    for language in LANGUAGES:
        assert not set(templates.BASE_QUERIES[language]) & set(templates.TITLES[language])


def test_every_language_has_as_many_wordings() -> None:
    tables = {name: table for name, table in vars(templates).items() if name.isupper()}
    assert len(tables) == 12 and len(templates.DESCRIPTION_LEADS["ru"]) == 3
    for table in tables.values():
        assert tuple(table) == LANGUAGES
        assert len({len(wordings) for wordings in table.values()}) == 1


def test_narration_is_intro_then_payload() -> None:
    event = EVENTS[0]
    for language in LANGUAGES:
        spoken = narration(event, language, rng_for(3))
        rng = rng_for(3)
        assert spoken == f"{intro(event, language, rng)} {speech_text(event, language, rng)}"


def test_every_template_of_every_language_can_be_filled() -> None:
    writers = (title, description, caption, narration, scene_text, sound_text, speech_text)
    for language in LANGUAGES:
        texts = {write(event, language, rng_for(4, event.event_id)) for write in writers for event in EVENTS}
        assert not any("{" in text or "  " in text or text != text.strip() for text in texts)


def test_korean_particles_follow_the_last_syllable() -> None:
    from dataclasses import replace

    event = replace(EVENTS[0], role="mayor", thing="money")  # 시장 and 현금 end in a consonant
    assert "시장이 현금을" in speech_text(event, "ko", rng_for(0))
    event = replace(EVENTS[0], role="doctor", thing="bananas")  # 의사 and 바나나 end in a vowel
    assert "의사가 바나나를" in speech_text(event, "ko", rng_for(0))
