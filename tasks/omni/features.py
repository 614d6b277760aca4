"""Features: frames and sound as the towers read them, and the positions of an item's tokens.

Frames become patches as Qwen2VLVideoProcessor makes them, without torchvision. Sound becomes log-mel features as
Whisper's feature extractor makes them; that one pads every track to 300 s with silence and transforms all of it, while
here the track is padded by half a second at most, which leaves every frame that is kept, and the maximum it is scaled
by, the same. Positions equal `get_rope_index` of transformers' Qwen2.5-Omni with `video_second_per_grid` 1.0.

Sources of layouts and constants: transformers, `models/qwen2_vl/video_processing_qwen2_vl.py` and
`models/whisper/feature_extraction_whisper.py`.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from tasks.shared.artifacts.types import SAMPLE_RATE
from tasks.shared.runtime.errors import UserError

MEAN = (0.48145466, 0.4578275, 0.40821073)  # of OpenAI's CLIP
STD = (0.26862954, 0.26130258, 0.27577711)
PATCH = 14
TEMPORAL = 2  # frames a patch spans
MERGE = 2  # patches a side that become one token
UNIT = PATCH * MERGE

BINS = 128  # of the mel scale
WINDOW = 400  # samples, 25 ms
HOP = 160  # samples, 10 ms


def to_patches(frames: np.ndarray) -> tuple[torch.Tensor, tuple[int, int, int]]:
    """The patches of a clip, float32 (t * h * w, 3 * 2 * 14 * 14), and its grid (t, h, w): pairs of frames, patches
    down, across. `frames` are uint8 (frames, height, width, 3). An odd number of them is made even by doubling the
    last; sides that are no multiple of 28 are resized to the nearest one (Pillow, bicubic)."""
    frames = _resized(frames)
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


def _resized(frames: np.ndarray) -> np.ndarray:
    height, width = frames.shape[1:3]
    target = tuple(max(UNIT, round(side / UNIT) * UNIT) for side in (width, height))
    if target == (width, height):
        return frames
    from PIL import Image

    resized = [Image.fromarray(frame).resize(target, Image.Resampling.BICUBIC) for frame in frames]
    return np.stack([np.asarray(image) for image in resized])


def to_mel(audio: np.ndarray, max_seconds: int) -> torch.Tensor:
    """Log-mel features, float32 (128, frames), of sound, float32 (samples,) at 16 kHz: 100 frames a second, the last
    one begun counted. What comes after `max_seconds` is cut off. Raises UserError where a sample is infinite or not a
    number."""
    longest = max_seconds * SAMPLE_RATE
    audio = audio[:longest]
    if not np.isfinite(audio).all():
        raise UserError("audio has samples that are infinite or not numbers; decode the file again or drop its audio")
    frames = -(-len(audio) // HOP)
    # silence up to where no window reaches the sound any more; the extractor's own end is the limit
    wave = torch.zeros(min(longest, frames * HOP + 2 * WINDOW))
    wave[: len(audio)] = torch.from_numpy(np.ascontiguousarray(audio))
    spectrum = torch.stft(wave, WINDOW, HOP, window=torch.hann_window(WINDOW), return_complex=True)[:, :-1]
    power = spectrum.abs().square_()
    logs = (_filters() @ power).clamp_(min=1e-10).log10_()
    logs = torch.maximum(logs, logs.max() - 8.0)
    return logs[:, :frames].add_(4.0).div_(4.0)


def audio_tokens(frames: int) -> int:
    """How many tokens stand for this many mel frames: 25 a second."""
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1


@cache
def _filters() -> torch.Tensor:
    from transformers.audio_utils import mel_filter_bank

    bank = mel_filter_bank(
        num_frequency_bins=1 + WINDOW // 2,
        num_mel_filters=BINS,
        min_frequency=0.0,
        max_frequency=8000.0,
        sampling_rate=SAMPLE_RATE,
        norm="slaney",
        mel_scale="slaney",
    )
    return torch.from_numpy(bank).to(torch.float32).T.contiguous()


def position_ids(
    length: int, first: int, grid: tuple[int, int, int] | None, merge: int, per_second: int
) -> torch.Tensor:
    """Positions in time, height and width for the language model's rotary embedding (M-RoPE), int64 (3, length).

    Text and sound count on by one in all three. A clip's tokens start where the text stopped, at index `first`: time by
    pair of frames, `per_second` positions a pair whatever the clip's length, height and width by place in the frame.
    What follows goes on after the largest. `grid` is the clip's (pairs of frames, patches down, patches across), of
    which `merge` a side become one token, or None.
    """
    if grid is None:
        return torch.arange(length).expand(3, -1)
    t, h, w = grid[0], grid[1] // merge, grid[2] // merge
    clip = torch.cartesian_prod(torch.arange(t) * per_second, torch.arange(h), torch.arange(w)).T + first
    rest = torch.arange(length - first - t * h * w) + int(clip.max()) + 1
    return torch.cat([torch.arange(first).expand(3, -1), clip, rest.expand(3, -1)], dim=1)
