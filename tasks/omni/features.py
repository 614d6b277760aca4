"""Frames to the vision tower's patches, as Qwen2VLVideoProcessor makes them, without torchvision.

Source of the layout and the constants: transformers, `models/qwen2_vl/video_processing_qwen2_vl.py`.
"""

from __future__ import annotations

import numpy as np
import torch

MEAN = (0.48145466, 0.4578275, 0.40821073)  # of OpenAI's CLIP
STD = (0.26862954, 0.26130258, 0.27577711)
PATCH = 14
TEMPORAL = 2  # frames a patch spans
MERGE = 2  # patches a side that become one token
UNIT = PATCH * MERGE


def to_patches(frames: np.ndarray) -> tuple[torch.Tensor, tuple[int, int, int]]:
    """The patches of a clip and its grid.

    Args:
        frames: uint8 (frames, height, width, 3). An odd number of frames is made even by doubling the last; sides
            that are no multiple of 28 are resized to the nearest one (Pillow, bicubic).

    Returns:
        float32 (t * h * w, 3 * 2 * 14 * 14), and (t, h, w): pairs of frames, patches down, patches across.
    """
    frames = _fit(frames)
    if len(frames) % TEMPORAL:
        frames = np.concatenate([frames, frames[-1:]])
    t, h, w = len(frames) // TEMPORAL, frames.shape[1] // PATCH, frames.shape[2] // PATCH
    pixels = torch.from_numpy(np.ascontiguousarray(frames))
    pixels = pixels.view(t, TEMPORAL, h // MERGE, MERGE, PATCH, w // MERGE, MERGE, PATCH, 3)
    # moved while a byte a value, turned into floats after: a quarter of the memory traffic
    pixels = pixels.permute(0, 2, 5, 3, 6, 8, 1, 4, 7).reshape(t * h * w, 3, TEMPORAL * PATCH * PATCH)
    values = pixels.to(torch.float32).sub_(_SHIFT).div_(_SCALE)
    return values.view(t * h * w, -1), (t, h, w)


def video_tokens(grid: tuple[int, int, int]) -> int:
    """How many tokens stand for a clip of this grid."""
    t, h, w = grid
    return t * h * w // MERGE**2


# 1/255 is folded into mean and deviation, as the processor folds it: equal to the last bit
_SHIFT = (torch.tensor(MEAN) * (1.0 / (1 / 255))).view(1, 3, 1)
_SCALE = (torch.tensor(STD) * (1.0 / (1 / 255))).view(1, 3, 1)


def _fit(frames: np.ndarray) -> np.ndarray:
    height, width = frames.shape[1:3]
    target = tuple(max(UNIT, round(side / UNIT) * UNIT) for side in (width, height))
    if target == (width, height):
        return frames
    from PIL import Image

    resized = [Image.fromarray(frame).resize(target, Image.Resampling.BICUBIC) for frame in frames]
    return np.stack([np.asarray(image) for image in resized])
