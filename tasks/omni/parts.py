"""Other items made of perceived ones: fewer modalities, a stretch of each, one modality of another item.

Nothing passes through the towers again. The vision tower looks at every pair of frames by itself, so a stretch of a
clip is what it would make of these frames alone; the sound's tokens have heard what lay around the stretch.
"""

from __future__ import annotations

from collections.abc import Collection
from random import Random

import regex
import torch

from tasks.omni.frames import video_tokens
from tasks.omni.perceive import Perceived
from tasks.shared.artifacts.types import Modality

# scripts that write no space between words: every sign counts as one
SIGNS = r"\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
WORD = regex.compile(rf"[{SIGNS}]\p{{M}}*|[^\s{SIGNS}]+")

Clip = tuple[tuple[int, int, int], torch.Tensor]  # grid and tokens


def only(item: Perceived, modalities: Collection[Modality]) -> Perceived:
    """The item with no other modalities than these; an item of nothing where it has none of them."""
    return _made(
        item.text if "text" in modalities else None,
        _clip(item) if "video" in modalities else None,
        _sound(item) if "audio" in modalities else None,
    )


def swapped(item: Perceived, other: Perceived, modality: Modality) -> Perceived:
    """The item with one modality, which both have, as the other item has it."""
    text, clip, sound = item.text, _clip(item), _sound(item)
    return _made(
        other.text if modality == "text" else text,
        _clip(other) if modality == "video" else clip,
        _sound(other) if modality == "audio" else sound,
    )


def stretch(item: Perceived, part: float, draw: Random) -> Perceived:
    """A contiguous stretch of every modality, each drawn by itself: of words, pairs of frames and tokens of sound.

    Args:
        part: of the number of them that is kept, rounded, and at least one.
        draw: where stretches start.
    """
    text, clip, sound = item.text, _clip(item), _sound(item)
    if text is not None and (words := [word.span() for word in WORD.finditer(text)]):
        first, last = _drawn(len(words), part, draw)
        text = text[words[first][0] : words[last - 1][1]]
    if clip is not None:
        (pairs, down, across), tokens = clip
        first, last = _drawn(pairs, part, draw)
        each = video_tokens((1, down, across))
        clip = (last - first, down, across), tokens[first * each : last * each]
    if sound is not None:
        first, last = _drawn(len(sound), part, draw)
        sound = sound[first:last]
    return _made(text, clip, sound)


def _drawn(count: int, part: float, draw: Random) -> tuple[int, int]:
    kept = max(1, round(part * count))
    first = draw.randrange(count - kept + 1)
    return first, first + kept


def _clip(item: Perceived) -> Clip | None:
    if item.grid is None or item.media is None:
        return None
    return item.grid, item.media[: item.video_tokens]


def _sound(item: Perceived) -> torch.Tensor | None:
    return item.media[item.video_tokens :] if item.media is not None and item.audio_tokens else None


def _made(text: str | None, clip: Clip | None, sound: torch.Tensor | None) -> Perceived:
    media = [tokens for tokens in (clip[1] if clip else None, sound) if tokens is not None]
    return Perceived(
        text,
        clip[0] if clip else None,
        len(clip[1]) if clip else 0,
        len(sound) if sound is not None else 0,
        torch.cat(media) if media else None,
    )
