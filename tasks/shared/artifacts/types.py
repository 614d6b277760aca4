"""Names and types that many artifacts and steps share. A leaf: it imports nothing of the project."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

SAMPLE_RATE = 16_000  # samples a second of all sound: one channel, float32 from -1 to 1
RESULTS = Path("results")  # every stage publishes its artifact in a folder of its name here

Modality = Literal["text", "video", "audio"]
MODALITIES: tuple[Modality, ...] = get_args(Modality)
TextField = Literal["caption", "title", "description", "transcript", "ocr"]

Run = dict[str, dict[str, float]]  # query id -> video id -> score, best first

FusionMethod = Literal["joint", "weights", "rrf", "entropy", "routed"]
FUSIONS: tuple[FusionMethod, ...] = get_args(FusionMethod)  # in the order that people read them
