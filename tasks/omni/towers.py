"""What the towers make of frames and sound, kept: for training in which the towers are frozen.

LoRA training shows a document to the model once an epoch and once for each query that it is a negative of, twice
each time under gradient caching; the frozen towers would do the same work every time. A perceived item can stand
wherever its item could, and gives the same embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from sentence_transformers.util import batch_to_device

from tasks.omni.item import Item
from tasks.omni.prompt import AUDIO, VIDEO
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.progress import progress

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from tasks.omni.embedder import OmniEmbedder


@dataclass(frozen=True, eq=False)
class Perceived:
    """An item after the towers.

    Attributes:
        text: as in the item.
        grid: of the clip's patches (pairs of frames, down, across), or None.
        video_tokens, audio_tokens: how many tokens stand for the clip and for the sound; 0 without.
        media: embeddings of these tokens, video before audio, (video_tokens + audio_tokens, hidden), on the CPU;
            None without media.
    """

    text: str | None
    grid: tuple[int, int, int] | None = None
    video_tokens: int = 0
    audio_tokens: int = 0
    media: torch.Tensor | None = None

    @staticmethod
    def of(item: Item) -> Perceived:
        """A text among perceived items. Raises UserError where the item has frames or sound."""
        if item.modalities != {"text"}:
            raise UserError("a batch has items before and after the towers; perceive all that have frames or sound")
        return Perceived(item.text)


def perceive(model: SentenceTransformer, items: Sequence[Item], *, batch_size: int) -> list[Perceived]:
    """The items after the towers, in the order given.

    Takes 4 bytes (2 in half precision) a value: about 0.25 MB for 24 frames of 84 x 84 and 6 s of sound at 256
    dimensions; 20 MB for 24 frames of 280 x 280 and a minute at the 7B model's 3584.

    Raises:
        UserError: the towers are not frozen, so what they make would not stay so.
    """
    module: OmniEmbedder = model[0]  # type: ignore[assignment]
    towers = (module.model.visual, module.model.audio_tower)
    if any(parameter.requires_grad for tower in towers for parameter in tower.parameters()):
        raise UserError("the towers are being trained; attach an adapter or freeze them before items are perceived")
    found: list[Perceived] = []
    with torch.no_grad():
        for start in progress(range(0, len(items), batch_size), "perceive", unit="batch"):
            found += _batch(module, items[start : start + batch_size])
    return found


def _batch(module: OmniEmbedder, items: Sequence[Item]) -> list[Perceived]:
    features = batch_to_device(module.preprocess(items), module.model.device)
    grids = iter(features["video_grid_thw"].tolist() if "video_grid_thw" in features else [])
    clips, video = _shares(module, features, VIDEO, module.embed_clips)
    sounds, audio = _shares(module, features, AUDIO, module.embed_sound)
    found = []
    for index, item in enumerate(items):
        grid = None if item.frames is None else tuple(next(grids))
        media = torch.cat([clips[index], sounds[index]]).clone() if video[index] + audio[index] else None
        found.append(Perceived(item.text, grid, video[index], audio[index], media))
    return found


def _shares(
    module: OmniEmbedder, features: dict[str, torch.Tensor], mark: str, embed: Callable[..., torch.Tensor]
) -> tuple[Sequence[torch.Tensor], list[int]]:
    """Each item's part of a tower's output, and how many tokens it is."""
    counts: list[int] = (features["input_ids"] == module.prompt.id[mark]).sum(dim=1).tolist()
    if not any(counts):
        return [torch.empty(0, module.get_embedding_dimension(), dtype=module.model.dtype)] * len(counts), counts
    return embed(features).cpu().split(counts), counts
