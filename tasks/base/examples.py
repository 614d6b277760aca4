"""Training examples of the tiny base: one modality each, with the English caption that a teacher reads.

As in the pairwise first stage of the published recipe, an example is a text, a clip or a sound, never two together:
combining modalities is left to the train stage. Events have the same components as the demo's, in combinations
that the demo does not use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from tasks.omni.inputs import Item
from tasks.omni.prompt import BEFORE, QUERY_PREFIX, ROLE
from tasks.shared.artifacts.types import SAMPLE_RATE
from tasks.shared.execution.workers import Died, Work, side_by_side
from tasks.synthetic import lexicon, scenes, sentences
from tasks.synthetic.events import Combo, Event, random_event
from tasks.synthetic.lexicon import LANGUAGES
from tasks.synthetic.seeding import pick, rng_for
from tasks.synthetic.sounds import synthesise
from tasks.synthetic.speech import speak

FRAMES = (2, 2, 2, 6)  # mostly the shortest clips: every frame costs time, and two show most of the scene
PROMPT_TEXT = BEFORE.replace("<|im_start|>", "").replace("<|im_end|>", "") + ROLE
SOUND_SECONDS = 2.0
SPEECH_SECONDS = 4.0

TABLES = {
    "kind": lexicon.KINDS,
    "place": lexicon.PLACES,
    "colour": {name: {"en": f"something {words['en']}"} for name, words in lexicon.COLOURS.items()},
    "object": lexicon.OBJECTS,
    "landmark": lexicon.LANDMARKS,
    "sound": lexicon.SOUNDS,
    "role": lexicon.ROLES,
    "thing": lexicon.THINGS,
    "sign": {word: {"en": f"the word {word}"} for word in lexicon.SIGN_WORDS},
}
# the English names of an event's components, by field
PARTS = {field: {name: words["en"] for name, words in table.items()} for field, table in TABLES.items()}


@dataclass(frozen=True)
class Example:
    """An item, an English caption of one thing it is about, and the parts of the event that can be recognised in it."""

    item: Item
    caption: str
    parts: Mapping[str, tuple[str, ...]]  # field of the event -> ids in PARTS


def captions(event: Event) -> dict[str, str]:
    """English sentences for an event's topic, scene, speech, sign and sound."""
    plain = rng_for(0, "caption")  # one wording for all
    return {
        "topic": sentences.query(event, "base", "en", plain),
        "scene": sentences.scene_text(event, "en", plain),
        "speech": sentences.query(event, "speech", "en", plain),
        "sign": sentences.query(event, "ocr", "en", plain),
        "sound": sentences.sound_text(event, "en", plain),
    }


def base_events(seed: int, count: int, taken: frozenset[Combo]) -> list[Event]:
    """`count` events that share no combination with the demo's."""
    rng = rng_for(seed, "base", "events")
    return [random_event(rng, taken) for _ in range(count)]


def text_example(event: Event, rng: np.random.Generator) -> Example:
    """A query, or what a document says, in any of the six languages."""
    language = pick(rng, LANGUAGES)
    queries: dict[str, tuple[str, tuple[str, ...]]] = {  # query type -> caption, fields
        "base": ("topic", ("kind", "place")),
        "speech": ("speech", ("role", "thing")),
        "ocr": ("sign", ("sign",)),
        "description": ("scene", ("colour", "object", "landmark")),
    }
    sort = pick(rng, (*sentences.QUERY_TYPES, "scene", "metadata", "narration", "document"))
    if sort in sentences.QUERY_TYPES:
        text = QUERY_PREFIX + sentences.query(event, sort, language, rng)
        caption, fields = queries[sort]
    elif sort == "scene":
        text = QUERY_PREFIX + sentences.scene_text(event, language, rng)
        caption, fields = queries["description"]
    elif sort == "metadata":
        text = f"{sentences.title(event, language, rng)}\t{sentences.description(event, language, rng)}"
        caption, fields = queries["base"]
    else:
        text = sentences.narration(event, language, rng)
        if sort == "document":  # as documents are joined: metadata, then narration, maybe in another language
            other = pick(rng, LANGUAGES)
            title, description = (write(event, other, rng) for write in (sentences.title, sentences.description))
            text = "\t".join((title, description, text))
        caption, fields = pick(rng, (queries["base"], queries["speech"]))
        fields = (*queries["base"][1], *queries["speech"][1])
    return Example(Item(text=text), captions(event)[caption], _parts(event, *fields))


def video_example(event: Event, rng: np.random.Generator, size: int) -> Example:
    """A short clip; its caption describes the scene or quotes the sign."""
    sign = bool(rng.random() < 0.85)
    clip = scenes.draw_clip(
        event, pick(rng, FRAMES), size, size, style=pick(rng, scenes.STYLES), rng=rng, show_sign=sign
    )
    caption = captions(event)["sign" if sign and rng.random() < 0.5 else "scene"]
    fields = ("kind", "colour", "object", "landmark", *(("sign",) if sign else ()))
    return Example(Item(frames=clip), caption, _parts(event, *fields))


def sound_example(event: Event, rng: np.random.Generator) -> Example:
    """A sound of the event."""
    sound = synthesise(event.sound, SOUND_SECONDS, rng)
    return Example(Item(audio=sound), captions(event)["sound"], _parts(event, "sound"))


def speech_example(event: Event, rng: np.random.Generator) -> Example:
    """Speech: a narrator says what happened where, or who asks for what, in any of the six languages.

    Half of the time the event's sound goes on under the voice.
    """
    language = pick(rng, LANGUAGES)
    if rng.random() < 0.4:
        text, caption, fields = sentences.intro(event, language, rng), "topic", ("kind", "place")
    else:
        text, caption, fields = sentences.speech_text(event, language, rng), "speech", ("role", "thing")
    voice = speak(text, language, rate=int(rng.integers(150, 180)), pitch=int(rng.integers(30, 60)))
    voice = voice[: int(SPEECH_SECONDS * SAMPLE_RATE)]
    if rng.random() < 0.5:
        under = synthesise(event.sound, len(voice) / SAMPLE_RATE + 0.1, rng)[: len(voice)]
        voice = voice + under * np.float32(rng.uniform(0.05, 0.2))
    return Example(Item(audio=voice), captions(event)[caption], _parts(event, *fields))


def batch_of(step: int, events: list[Event], seed: int, batch_size: int, frame_size: int) -> list[Example]:
    """The batch of a step, all of one modality; it depends on nothing but these arguments.

    Texts come in twice the batch size: they are short, and there is most to tell apart among them.
    """
    clip: Callable[[Event, np.random.Generator], Example] = partial(video_example, size=frame_size)
    texts, clips, voices = (text_example, 2 * batch_size), (clip, batch_size), (speech_example, batch_size)
    cycle = (texts, clips, voices, clips, texts, clips, voices, (sound_example, batch_size // 2))
    rng = rng_for(seed, "base", "batch", step)
    make, size = cycle[step % len(cycle)]
    return [make(events[int(rng.integers(len(events)))], rng) for _ in range(size)]


def batches(steps: range, events: list[Event], seed: int, batch_size: int, frame_size: int) -> Iterator[list[Example]]:
    """The batches of steps in order, made by another process while the one before is learnt from."""
    make = partial(batch_of, events=events, seed=seed, batch_size=batch_size, frame_size=frame_size)
    work: Work[int, list[Example]] = Work(None, make, _loaded, ahead=1)
    for _, examples in side_by_side(steps, work, 1):
        if isinstance(examples, Died):
            raise RuntimeError("the process that makes the training examples was ended; free memory and run it again")
        yield examples


def _loaded(_step: int, loaded: Callable[[], list[Example]]) -> list[Example]:
    return loaded()


def tokenizer_texts(events: list[Event], seed: int) -> Iterator[str]:
    """Sentences of every sort in every language, for the tokenizer to learn from.

    The prompt's own words come with each, so that they become whole tokens and not half of every short text.
    """
    rng = rng_for(seed, "base", "tokenizer")
    for event in events:
        for language in LANGUAGES:
            yield PROMPT_TEXT
            yield sentences.title(event, language, rng)
            yield sentences.description(event, language, rng)
            yield sentences.narration(event, language, rng)
            for kind in sentences.QUERY_TYPES:
                yield QUERY_PREFIX + sentences.query(event, kind, language, rng)


def _parts(event: Event, *fields: str) -> dict[str, tuple[str, ...]]:
    values = {field: getattr(event, field) for field in fields}
    return {field: value if isinstance(value, tuple) else (value,) for field, value in values.items()}
