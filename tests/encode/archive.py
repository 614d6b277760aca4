"""A small archive as the stages before encode publish it: real frames, sound and tiny weights."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from tasks.extract.item import write_flac
from tasks.omni.lora import attach_lora, save_adapter
from tasks.omni.tiny import TinyConfig, build_tiny
from tasks.shared.artifacts.corpus import Query, Video, write_qrels, write_queries, write_videos
from tasks.shared.artifacts.media import Media, write_media
from tasks.shared.artifacts.models import BaseModel, Training, write_base, write_training
from tasks.shared.artifacts.publish import write_manifest
from tasks.shared.artifacts.shipped import write_shipped
from tasks.shared.artifacts.transcripts import Transcript, write_transcripts
from tasks.shared.runtime.files import sha256_file

SMALL = TinyConfig(
    vocab_size=400, hidden=64, layers=2, heads=4, kv_heads=2, mlp=128, vision_hidden=32, vision_depth=2,
    vision_heads=2, vision_mlp=64, audio_hidden=32, audio_layers=2, audio_heads=2, audio_mlp=64,
)  # fmt: skip
VIDEO_SHA256 = "0" * 64
TEXTS = ["flood in the old harbour", "a volcano wakes at night", "rescue on the river", "подводный вулкан", "港口洪水"]
EVERYTHING = frozenset({"frames", "audio"})
MEDIA = {  # of every test video that was extracted
    "both": EVERYTHING,
    "mute": {"frames"},
    "radio": {"audio"},
    "words": frozenset[str](),
    "unnamed": EVERYTHING,
}


def _video(video_id: str, **known: Any) -> Video:
    nothing = dict.fromkeys(("duration", "title", "description", "caption", "language", "video_type", "event"))
    fixed = {"path": f"videos/{video_id}.mp4", "sha256": VIDEO_SHA256, "bytes": 1, "split": "test"}
    return Video(video_id=video_id, **nothing | fixed | known)


VIDEOS = [
    _video("both", duration=65.4, title=TEXTS[0], caption="a storm at sea", language="en", video_type="raw"),
    _video("mute", title=TEXTS[4], language="zh", video_type="edited"),
    _video("radio", caption=TEXTS[2], language="en", video_type="edited"),
    _video("words", title=TEXTS[1], language="en", video_type="raw"),
    _video("unnamed"),
    _video("broken", title="broken", language="en", video_type="raw"),
    _video("routing", title="flood", language="en", video_type="raw", split="train"),
]
QUERIES = [
    Query("q1", "flood in the harbour", "en", "base", "test", None),
    Query("q2", "вулкан", "ru", "base", "test", None),
    Query("taught_q", "flood", "en", "base", "train", None),
]
RESULTS = Path("results")


def publish_archive(*, trained: bool = True, queries: bool = True) -> None:
    """Write results/corpus, extract, transcribe, base and train into the working directory."""
    publish_corpus({}, queries=queries)
    media = [publish_media(name, set(parts)) for name, parts in MEDIA.items()]
    write_media(RESULTS / "extract", [*media, publish_media("routing", {"frames"})])
    said = {"both": "the water rises", "radio": "", "unnamed": ""}
    write_transcripts(RESULTS / "transcribe", [Transcript(name, text, None, 0.0, []) for name, text in said.items()])
    shutil.copytree(weights() / "model", RESULTS / "base" / "model")
    write_base(RESULTS / "base", BaseModel("results/base/model"))
    write_training(RESULTS / "train", Training(trained, None if trained else "no judgments"))
    if trained:
        shutil.copytree(weights() / "adapter", RESULTS / "train" / "adapter")
    for stage in ("extract", "transcribe", "base", "train"):
        sign(stage)


def publish_corpus(changes: Mapping[str, dict[str, str]], *, queries: bool = True) -> None:
    """Write the corpus with some videos' fields changed."""
    write_videos(RESULTS / "corpus/manifest.parquet", [replace(one, **changes.get(one.video_id, {})) for one in VIDEOS])
    write_queries(RESULTS / "corpus/queries.parquet", QUERIES if queries else [])
    write_qrels(RESULTS / "corpus/qrels.test.trec", [])
    write_shipped(RESULTS / "corpus", [])
    sign("corpus")


def publish_media(name: str, parts: set[str]) -> Media:
    """Frames of noise and a tone, seeded by the video's name."""
    folder, rng = RESULTS / "extract", np.random.default_rng(list(name.encode()))
    frames = audio = frames_sha = audio_sha = None
    times: list[float] = []
    if "frames" in parts:
        frames, times = f"frames/{name}.png", [0.0, 1.0, 2.0, 3.0]
        (folder / "frames").mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (56, 4 * 56, 3), np.uint8)).save(folder / frames)
        frames_sha = sha256_file(folder / frames)
    if "audio" in parts:
        audio = f"audio/{name}.flac"
        (folder / "audio").mkdir(parents=True, exist_ok=True)
        write_flac(folder / audio, rng.integers(-3000, 3000, 16_000 + 160 * len(name)).astype(np.int16))
        audio_sha = sha256_file(folder / audio)
    return Media(
        name, VIDEO_SHA256, frames, frames_sha, times, len(times), 56, 56, audio, audio_sha, 1.0 if audio else 0.0
    )


def sign(stage: str) -> None:
    """Write the stage's manifest, over what its folder holds."""
    folder = RESULTS / stage
    (folder / "manifest.json").unlink(missing_ok=True)
    write_manifest(folder, stage, params={}, code={}, components=[], inputs=[], counts={})


@cache
def weights() -> Path:
    """A folder with a tiny random `model/`, and an `adapter/` that changes what it says; made once a session."""
    folder = Path(tempfile.mkdtemp(prefix="tiny-weights-"))
    model = build_tiny(TEXTS * 3, seed=3, config=SMALL, device="cpu")
    model.save(str(folder / "model"), create_model_card=False)
    save_random_adapter(folder / "adapter", seed=1)
    return folder


def save_random_adapter(folder: Path, seed: int) -> None:
    """An adapter whose B matrices are drawn from a seed, as if it had been trained."""
    model = build_tiny(TEXTS * 3, seed=3, config=SMALL, device="cpu")
    attach_lora(model[0].model, r=2, alpha=4, dropout=0.0, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".lora_B" in name:
                parameter.normal_(std=0.3, generator=generator)
    save_adapter(model[0].model, folder, "results/base/model")
