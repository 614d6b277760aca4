"""Inputs of the embedder: items of text, frames and sound, and tower outputs of such items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.shared.runtime.errors import UserError

if TYPE_CHECKING:
    import torch

SHORTEST_AUDIO = 321  # samples: 3 mel frames, the fewest that make one audio token


@dataclass(frozen=True, eq=False)
class Item:
    """A query or a document. Blank text, no frames and under 321 samples of audio count as absent. Raises UserError
    where no modality is left, or an array has the wrong shape or type."""

    text: str | None = None  # without a prompt's prefix
    frames: np.ndarray | None = None  # uint8 (frames, height, width, 3), RGB, in time order
    audio: np.ndarray | None = None  # float32 (samples,), 16 kHz, one channel, about -1 to 1

    def __post_init__(self) -> None:
        if self.text is not None and not self.text.strip():
            object.__setattr__(self, "text", None)
        if self.frames is not None:
            frames = self.frames
            if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
                raise UserError(f"frames are {frames.dtype} {frames.shape}; give uint8 (frames, height, width, 3)")
            if frames.size == 0:
                object.__setattr__(self, "frames", None)
        if self.audio is not None:
            audio = self.audio
            if audio.dtype != np.float32 or audio.ndim != 1:
                raise UserError(f"audio is {audio.dtype} {audio.shape}; give float32 (samples,) at 16 kHz, one channel")
            if audio.shape[0] < SHORTEST_AUDIO:
                object.__setattr__(self, "audio", None)
        if not self.modalities:
            raise UserError("an item has no text, no frames and no audio; drop it, or choose other modalities")

    @property
    def modalities(self) -> frozenset[str]:
        """Which of text, video and audio the item has."""
        have = {"text": self.text, "video": self.frames, "audio": self.audio}
        return frozenset(name for name, value in have.items() if value is not None)

    @staticmethod
    def of(value: object) -> Item:
        """The item of a value: an Item, a text, or a dict with text, video (frames) and audio."""
        if isinstance(value, Item):
            return value
        if isinstance(value, str):
            return Item(text=value)
        if isinstance(value, Mapping) and set(value) <= {"text", "video", "audio"}:
            return Item(text=value.get("text"), frames=value.get("video"), audio=value.get("audio"))
        keys = f" with keys {sorted(map(str, value))}" if isinstance(value, Mapping) else ""
        raise UserError(f"cannot embed a {type(value).__name__}{keys}; give text, or a dict of text, video and audio")


@dataclass(frozen=True, eq=False)
class TowerOutput:
    """An item whose frames and sound have passed through the towers."""

    text: str | None
    grid: tuple[int, int, int] | None = None  # of the clip's patches (pairs of frames, down, across)
    video_tokens: int = 0  # that stand for the clip
    audio_tokens: int = 0  # that stand for the sound
    media: torch.Tensor | None = None  # of these tokens, video before audio, (tokens, hidden), on the CPU

    @staticmethod
    def of(item: Item) -> TowerOutput:
        """A text without frames and sound, which needs no tower. Raises UserError for any other item."""
        if item.modalities != {"text"}:
            raise UserError("a batch mixes items and tower outputs; run the towers on all items with frames or sound")
        return TowerOutput(item.text)
