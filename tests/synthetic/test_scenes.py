from __future__ import annotations

import string
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tasks.synthetic.events import Event, make_events
from tasks.synthetic.icons import PAINTS
from tasks.synthetic.lexicon import COLOURS, KINDS, LANDMARKS, OBJECTS
from tasks.synthetic.scenes import STYLES, draw_clip, draw_frame, make_shot
from tasks.synthetic.seeding import rng_for

EVENTS = make_events(7, 24)
SIZES = ((252, 189), (320, 180), (180, 240))


def seen(event: Event, style: str = "professional", size: tuple[int, int] = (252, 189), **more: bool) -> Image.Image:
    """A frame as the model gets it: 84 x 84, aspect dropped."""
    frame = draw_frame(event, 0.4, *size, shot=make_shot(style, rng_for(5, event.event_id)), **more)  # type: ignore[arg-type]
    assert frame.dtype == np.uint8
    assert frame.shape == (size[1], size[0], 3)
    return Image.fromarray(frame).resize((84, 84), Image.Resampling.BICUBIC)


def letters() -> dict[str, NDArray[np.float64]]:
    """Each capital stretched over a patch, drawn without the project's code."""
    path = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSansMono-Bold.ttf"
    font = ImageFont.truetype(str(path), 60)
    patterns = {}
    for letter in string.ascii_uppercase:
        picture = Image.new("L", (36, 44))
        ImageDraw.Draw(picture).text((0, 44), letter, fill=255, font=font, anchor="ls")
        patch = np.zeros((14, 14))
        patch[1:13, 1:13] = np.asarray(picture.resize((12, 12), Image.Resampling.BOX))
        patterns[letter] = -(patch - patch.mean()) / patch.std()
    return patterns


def read_sign(picture: Image.Image) -> tuple[str, ...]:
    """The letters of the lower two rows of patches, each the best correlated of the alphabet."""
    patterns, grey, words = letters(), np.asarray(picture.convert("L"), np.float64), []
    for row in (56, 70):
        patches = [grey[row : row + 14, left : left + 14] for left in range(0, 84, 14)]
        matches = [{name: float((pattern * patch).sum()) for name, pattern in patterns.items()} for patch in patches]
        words.append("".join(max(match, key=match.__getitem__) for match in matches))
    return tuple(words)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("style", STYLES)
def test_each_letter_of_a_sign_is_legible_on_its_patch(style: str, size: tuple[int, int]) -> None:
    wanted = "".join("".join(event.sign) for event in EVENTS)
    read = "".join("".join(read_sign(seen(event, style, size))) for event in EVENTS)
    assert np.mean([a == b for a, b in zip(wanted, read, strict=True)]) > (0.85 if style == "raw" else 0.95)


def test_a_hidden_sign_is_not_there() -> None:
    assert not any(read_sign(seen(event, show_sign=False)) == event.sign for event in EVENTS)


def colour_of(event: Event) -> str:
    """The paint nearest to the pixels that change when the object is painted over."""
    pixels = np.asarray(seen(event, show_sign=False), np.float64).reshape(-1, 3)
    near = {name: np.abs(pixels - _rgb(paint)).sum(1) < 60 for name, paint in PAINTS.items()}
    other = replace(event, colour="red" if event.colour != "red" else "blue")
    repainted = np.asarray(seen(other, show_sign=False), np.float64).reshape(-1, 3)
    return max(near, key=lambda name: int((near[name] & (np.abs(pixels - repainted).sum(1) > 60)).sum()))


def _rgb(paint: str) -> NDArray[np.int64]:
    return np.array([int(paint[at : at + 2], 16) for at in (1, 3, 5)])


def test_the_object_shows_in_its_colour() -> None:
    assert [colour_of(event) for event in EVENTS] == [event.colour for event in EVENTS]


def difference(first: Event, second: Event) -> float:
    """Mean absolute difference of two events' scenes from one camera position, in grey levels."""
    shot = make_shot("professional", rng_for(6))
    frames = [draw_frame(event, 0.4, 84, 84, shot=shot, show_sign=False).astype(int) for event in (first, second)]
    return float(np.abs(frames[0] - frames[1])[:56].mean())


@pytest.mark.parametrize("table", [KINDS, COLOURS, OBJECTS, LANDMARKS], ids=["kind", "colour", "object", "landmark"])
def test_every_two_words_of_a_table_look_different(table: dict[str, dict[str, str]]) -> None:
    name = {id(KINDS): "kind", id(COLOURS): "colour", id(OBJECTS): "object", id(LANDMARKS): "landmark"}[id(table)]
    variants = [replace(EVENTS[0], **{name: word}) for word in table]  # type: ignore[arg-type]
    pairs = [(a, b) for index, a in enumerate(variants) for b in variants[:index]]
    assert min(difference(a, b) for a, b in pairs) > 3


def test_the_picture_does_not_depend_on_aspect() -> None:
    for event in EVENTS[:6]:
        square, tall = (np.asarray(seen(event, size=size), int) for size in ((252, 252), (180, 320)))
        assert np.abs(square - tall).mean() < 10


def test_equal_arguments_give_equal_bytes_and_the_object_moves() -> None:
    event = EVENTS[0]
    for style in STYLES:
        clips = [draw_clip(event, 4, 126, 84, style=style, rng=rng_for(9), show_sign=True) for _ in range(2)]
        assert clips[0].shape == (4, 84, 126, 3)
        assert np.array_equal(*clips)
        assert not np.array_equal(clips[0][0], clips[0][2])


def test_raw_is_noisier_and_darker_than_professional() -> None:
    def grain(style: str) -> float:
        frame = draw_frame(EVENTS[1], 0.5, 252, 189, shot=make_shot(style, rng_for(3)), show_sign=False)  # type: ignore[arg-type]
        return float(np.abs(np.diff(frame[140:].astype(int), axis=0)).mean())

    assert grain("raw") > 4 * grain("professional")
    assert np.mean(np.asarray(seen(EVENTS[1], "raw"))) < np.mean(np.asarray(seen(EVENTS[1], "professional")))
