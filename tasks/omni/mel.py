"""Sound to log-mel features, as Whisper's feature extractor makes them, but only as long as the sound is.

The Hugging Face extractor pads every track to 300 s with silence and then transforms all of it. Here the track is
padded by half a second at most, which leaves every frame that is kept, and the maximum it is scaled by, the same.
Source: transformers, `models/whisper/feature_extraction_whisper.py`.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from tasks.omni.item import SAMPLING_RATE
from tasks.shared.runtime.errors import UserError

BINS = 128
WINDOW = 400  # samples, 25 ms
HOP = 160  # samples, 10 ms


def to_mel(audio: np.ndarray, max_seconds: int) -> torch.Tensor:
    """Log-mel features, float32 (128, frames): 100 frames a second, the last one begun counted.

    Args:
        audio: float32 (samples,), 16 kHz.
        max_seconds: what comes later is cut off.

    Raises:
        UserError: a sample is infinite or not a number.
    """
    longest = max_seconds * SAMPLING_RATE
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
        sampling_rate=SAMPLING_RATE,
        norm="slaney",
        mel_scale="slaney",
    )
    return torch.from_numpy(bank).to(torch.float32).T.contiguous()
