"""Batches: items, or tower outputs, as the tensors that the embedder reads.

Every batch has input_ids and attention_mask (batch, length) and position_ids (batch, 3, length), padded on the left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.utils.rnn import pad_sequence

from tasks.omni import prompt as prompts
from tasks.omni.features import BINS, MERGE, audio_tokens, position_ids, to_mel, to_patches, video_tokens
from tasks.omni.inputs import Item, TowerOutput

Grid = tuple[int, int, int]


@dataclass(frozen=True)
class Layout:
    """How items are laid out as tokens."""

    prompt: prompts.Prompt  # renders items to token ids
    prefix: str | None  # of every text, or None
    limit: prompts.TextLimit  # of texts, the prefix included
    per_second: int  # positions a second of video

    def ids(self, text: str | None, video: int, audio: int) -> list[int]:
        """Token ids of an item with so many video and audio tokens."""
        if text is not None and self.prefix:
            text = self.prefix + text
        return self.prompt.ids(text, video, audio, self.limit)

    def padded(self, rows: Sequence[list[int]], grids: Sequence[Grid | None]) -> dict[str, torch.Tensor]:
        """Token ids of items, and the grids of their clips, as input_ids, attention_mask and position_ids."""
        shape = (len(rows), max(map(len, rows)))
        ids = torch.full(shape, self.prompt.id[prompts.PAD])
        mask = torch.zeros(shape, dtype=torch.long)
        positions = torch.ones(shape[0], 3, shape[1], dtype=torch.long)
        for index, (row, grid) in enumerate(zip(rows, grids, strict=True)):
            start = shape[1] - len(row)
            ids[index, start:] = torch.tensor(row)
            mask[index, start:] = 1
            first = row.index(self.prompt.id[prompts.VIDEO]) if grid else 0
            positions[index, :, start:] = position_ids(len(row), first, grid, MERGE, self.per_second)
        return {"input_ids": ids, "attention_mask": mask, "position_ids": positions}


def batch_of_items(items: Sequence[Item], layout: Layout, max_audio_seconds: int) -> dict[str, torch.Tensor]:
    """A batch that passes through the towers.

    Returns:
        For clips also pixel_values_videos (patches, 1176), video_grid_thw (clips, 3), num_videos_per_sample (batch,);
        for sound input_features (batch, 128, frames), feature_attention_mask (batch, frames): a row for every
        item, so that a batch can be sliced by items.
    """
    clips = [None if item.frames is None else to_patches(item.frames) for item in items]
    sounds = [None if item.audio is None else to_mel(item.audio, max_audio_seconds) for item in items]
    rows = []
    for item, clip, sound in zip(items, clips, sounds, strict=True):
        video = 0 if clip is None else video_tokens(clip[1])
        audio = 0 if sound is None else audio_tokens(sound.shape[1])
        rows.append(layout.ids(item.text, video, audio))

    features = layout.padded(rows, [None if clip is None else clip[1] for clip in clips])
    present = [clip for clip in clips if clip is not None]
    if present:
        features["pixel_values_videos"] = torch.cat([patches for patches, _ in present])
        features["video_grid_thw"] = torch.tensor([grid for _, grid in present])
        features["num_videos_per_sample"] = torch.tensor([int(clip is not None) for clip in clips])
    longest = max((sound.shape[1] for sound in sounds if sound is not None), default=0)
    if longest:
        features["input_features"] = torch.zeros(len(items), BINS, longest)
        features["feature_attention_mask"] = torch.zeros(len(items), longest, dtype=torch.long)
        for row, sound in enumerate(sounds):
            if sound is not None:
                features["input_features"][row, :, : sound.shape[1]] = sound
                features["feature_attention_mask"][row, : sound.shape[1]] = 1
    return features


def batch_of_outputs(
    outputs: Sequence[TowerOutput], layout: Layout, hidden: int, dtype: torch.dtype
) -> dict[str, torch.Tensor]:
    """A batch that has passed through the towers: also media (batch, most media tokens, hidden), padded on the
    right."""
    rows = [layout.ids(one.text, one.video_tokens, one.audio_tokens) for one in outputs]
    features = layout.padded(rows, [one.grid for one in outputs])
    blank = torch.empty(0, hidden, dtype=dtype)
    media = pad_sequence([blank if one.media is None else one.media for one in outputs], batch_first=True)
    return {**features, "media": media} if media.shape[1] else features
