"""Tower outputs: computed once by frozen towers, and augmented without passing through the towers again.

LoRA training shows a document once an epoch and once for each query that it is a negative of, twice each time under
gradient caching. A tower output can take the place of its item in a batch, and gives the same embedding.

Augmentation keeps fewer modalities, crops each, or takes one from another item. The vision tower processes every pair
of frames by itself, so a crop of a clip equals the output for these frames alone; tokens of sound also depend on the
sound around the crop.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

import regex
import torch
from sentence_transformers.util import batch_to_device

from tasks.omni.features import video_tokens
from tasks.omni.inputs import Item, TowerOutput
from tasks.omni.prompt import AUDIO, VIDEO
from tasks.omni.towers import embed_clips, embed_sound
from tasks.shared.artifacts.types import Modality
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.progress import progress

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from tasks.omni.embedder import OmniEmbedder

# scripts that write no space between words: every character counts as one
CHARACTERS = r"\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
WORD = regex.compile(rf"[{CHARACTERS}]\p{{M}}*|[^\s{CHARACTERS}]+")

Clip = tuple[tuple[int, int, int], torch.Tensor]  # grid and tokens


def run_towers(model: SentenceTransformer, items: Sequence[Item], *, batch_size: int) -> list[TowerOutput]:
    """The tower outputs of items, in the order given: 4 bytes (2 in half precision) a value, 0.25 MB for 24 frames of
    84 x 84 and 6 s of sound at 256 dimensions; 20 MB for 24 frames of 280 x 280 and a minute at the 7B model's 3584.
    Raises UserError where the towers are not frozen, so their outputs would change."""
    module: OmniEmbedder = model[0]  # type: ignore[assignment]
    towers = (module.model.visual, module.model.audio_tower)
    if any(parameter.requires_grad for tower in towers for parameter in tower.parameters()):
        raise UserError("the towers are being trained; freeze them or attach an adapter before computing their outputs")
    found: list[TowerOutput] = []
    with torch.no_grad():
        for start in progress(range(0, len(items), batch_size), "towers", unit="batch"):
            found += _batch(module, items[start : start + batch_size])
    return found


def _batch(module: OmniEmbedder, items: Sequence[Item]) -> list[TowerOutput]:
    features = batch_to_device(module.preprocess(items), module.model.device)
    grids = iter(features["video_grid_thw"].tolist() if "video_grid_thw" in features else [])
    clips, video = _split(module, features, VIDEO, embed_clips)
    sounds, audio = _split(module, features, AUDIO, embed_sound)
    found = []
    for index, item in enumerate(items):
        grid = None if item.frames is None else tuple(next(grids))
        media = torch.cat([clips[index], sounds[index]]).clone() if video[index] + audio[index] else None
        found.append(TowerOutput(item.text, grid, video[index], audio[index], media))
    return found


def _split(
    module: OmniEmbedder, features: dict[str, torch.Tensor], mark: str, embed: Callable[..., torch.Tensor]
) -> tuple[Sequence[torch.Tensor], list[int]]:
    """Each item's part of a tower's output, and how many tokens it is."""
    counts: list[int] = (features["input_ids"] == module.prompt.id[mark]).sum(dim=1).tolist()
    if not any(counts):
        return [torch.empty(0, module.get_embedding_dimension(), dtype=module.model.dtype)] * len(counts), counts
    return embed(module.model, features).cpu().split(counts), counts


def only(item: TowerOutput, modalities: Collection[Modality]) -> TowerOutput:
    """The item with these modalities alone; without content where it has none of them."""
    return _joined(**{name: one for name, one in _parts(item).items() if name in modalities})


def swapped(item: TowerOutput, other: TowerOutput, modality: Modality) -> TowerOutput:
    """The item with one modality, which both have, taken from the other item."""
    return _joined(**_parts(item) | {modality: _parts(other)[modality]})


def crop(item: TowerOutput, part: float, draw: Random) -> TowerOutput:
    """A contiguous part of every modality, each drawn independently: of words, pairs of frames and tokens of sound.
    `part` is the fraction of them that is kept, rounded, and at least one."""
    text, clip, sound = _parts(item).values()
    if text is not None and (words := [word.span() for word in WORD.finditer(text)]):
        first, last = _range(len(words), part, draw)
        text = text[words[first][0] : words[last - 1][1]]
    if clip is not None:
        (pairs, down, across), tokens = clip
        first, last = _range(pairs, part, draw)
        each = video_tokens((1, down, across))
        clip = (last - first, down, across), tokens[first * each : last * each]
    if sound is not None:
        first, last = _range(len(sound), part, draw)
        sound = sound[first:last]
    return _joined(text, clip, sound)


def _range(count: int, part: float, draw: Random) -> tuple[int, int]:
    kept = max(1, round(part * count))
    first = draw.randrange(count - kept + 1)
    return first, first + kept


def _parts(item: TowerOutput) -> dict[str, Any]:
    """By modality: text, grid and tokens of the clip, tokens of sound; None of what it has not."""
    media, count = item.media, item.video_tokens
    clip = (item.grid, media[:count]) if item.grid is not None and media is not None else None
    sound = media[count:] if media is not None and item.audio_tokens else None
    return {"text": item.text, "video": clip, "audio": sound}


def _joined(text: str | None = None, video: Clip | None = None, audio: torch.Tensor | None = None) -> TowerOutput:
    grid, clip = video or (None, None)
    media = [tokens for tokens in (clip, audio) if tokens is not None]
    pictures, sounds = (0 if tokens is None else len(tokens) for tokens in (clip, audio))
    return TowerOutput(text, grid, pictures, sounds, torch.cat(media) if media else None)
