"""What does all of MultiVENT 2.0 cost: disk, hours of cores and of GPUs, money? By formula, from measured parts.

    .venv/bin/python -m benchmarks.multivent_cost --minutes 2 --measured omni_gpu.json --gpus 8 --price 2.50

`--measured` is what `benchmarks/omni_gpu.py --json` wrote on the GPU that is to be used: its model FLOP utilisation,
encoding and training, its name and its peak. Without it `--mfu` and `--peak-tflops` stand in, and the table says so.
Everything else that is no constant of the corpus or the recipe has a flag; its default says where it was measured.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.omni_flops import Sizes, encoding, training
from benchmarks.omni_shapes import SEVEN_B, config_of, small_tokenizer

TRAIN_VIDEOS, TEST_VIDEOS, TEST_QUERIES = 108_500, 109_800, 2_545  # of the corpus: 3,906 queries, 1,361 to train on
PAIRS, EPOCHS, NEGATIVES = 1_520, 4, 3  # judged pairs, and the recipe
PROMPT, QUERY = 18, 32  # tokens around an item, and of a query
CLIP_GRID = (12, 20, 20)  # 24 frames of 280 x 280
AUDIO_RATE, MEL_RATE, LONGEST = 25, 100, 300  # tokens and mel frames a second; seconds that are heard
DIMENSIONS, DRAMA_DIMENSIONS, BYTES = 3584, 2048, 4


@dataclass(frozen=True)
class Parts:
    """What was measured or assumed.

    Attributes:
        minutes: of a video, on average.
        decode: core-seconds to extract a minute of video.
        frames_mb, sound_mb, video_mb: megabytes of a video's frames, of a minute of its sound, of a minute of its file.
        encode, train: model FLOP/s that a GPU reaches.
        texts: texts a second that DRAMA-1B encodes on a GPU.
        text_tokens: that a document has, on average.
    """

    minutes: float
    decode: float
    frames_mb: float
    sound_mb: float
    video_mb: float
    encode: float
    train: float
    texts: float
    text_tokens: int


@dataclass(frozen=True)
class Line:
    """A stage's costs."""

    stage: str
    what: str
    core_hours: float = 0.0
    gpu_hours: float = 0.0
    gigabytes: float = 0.0


def document(parts: Parts) -> Sizes:
    """An average document of all modalities."""
    seconds = min(LONGEST, round(60 * parts.minutes))
    t, h, w = CLIP_GRID
    tokens = PROMPT + parts.text_tokens + t * h * w // 4 + 2 + AUDIO_RATE * seconds + 2
    return Sizes(tokens, CLIP_GRID, MEL_RATE * seconds)


def costs(parts: Parts, config: Any) -> list[Line]:
    """The stages' costs. `config` is the Thinker's."""
    videos, item = TRAIN_VIDEOS + TEST_VIDEOS, document(parts)
    shown = PAIRS * EPOCHS
    step = training(config, [Sizes(PROMPT + QUERY), *[item] * (1 + NEGATIVES)])
    once = encoding(config, [item])
    texts = TRAIN_VIDEOS + TEST_VIDEOS + TEST_QUERIES + PAIRS
    return [
        Line("corpus", "tars, and their videos unpacked", gigabytes=2 * videos * parts.minutes * parts.video_mb / 1000),
        Line(
            "extract", "24 frames and sound of every video",
            core_hours=videos * parts.minutes * parts.decode / 3600,
            gigabytes=videos * (parts.frames_mb + parts.minutes * parts.sound_mb) / 1000,
        ),
        Line(
            "mine, evaluate", "texts by DRAMA-1B",
            gpu_hours=texts / parts.texts / 3600,
            gigabytes=texts * DRAMA_DIMENSIONS * BYTES / 1e9,
        ),
        Line("train", f"{shown:,} queries with 4 videos each", gpu_hours=shown * step.model / parts.train / 3600),
        Line(
            "encode", "test videos, by the tuned and by the starting model",
            gpu_hours=2 * TEST_VIDEOS * once / parts.encode / 3600,
            gigabytes=3 * TEST_VIDEOS * DIMENSIONS * BYTES / 1e9,  # vectors of both in the store, and the index
        ),
    ]  # fmt: skip


def table(lines: list[Line], gpus: int, cores: int, price: float) -> str:
    """The costs as Markdown, with their sum, how long they take, and what the GPUs cost."""
    rows = [("stage", "what", "core hours", "GPU hours", "GB")]
    total = Line(
        "all", "", *(sum(getattr(one, name) for one in lines) for name in ("core_hours", "gpu_hours", "gigabytes"))
    )
    rows += [
        (one.stage, one.what, f"{one.core_hours:,.0f}", f"{one.gpu_hours:,.0f}", f"{one.gigabytes:,.0f}")
        for one in [*lines, total]
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    drawn = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    drawn.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    took = total.core_hours / cores + total.gpu_hours / gpus
    money = f"{total.gpu_hours * price:,.0f} at {price:g} a GPU hour"
    return "\n".join([*drawn, "", f"On {cores} cores and {gpus} GPUs: {took:,.0f} hours; GPUs: {money}."])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.multivent_cost", description=__doc__)
    add = parser.add_argument
    add("--minutes", type=float, default=2.0, help="of a video on average; an assumption: the corpus has up to five")
    add("--text-tokens", type=int, default=350, help="of a document on average; an assumption: at most 512")
    add("--measured", type=Path, help="what omni_gpu.py --json wrote")
    add("--mfu", type=float, default=0.4, help="without --measured: model FLOP utilisation; an assumption")
    add("--peak-tflops", type=float, default=989.4, help="without --measured: of the GPU; default: H100 in bfloat16")
    add("--texts", type=float, default=200.0, help="that DRAMA-1B encodes a second on a GPU; an assumption")
    # of a minute of 720p on one core; 1080p took 8.7 s, three minutes of 480 x 352 took 2.0 s and 0.5 MB
    add("--decode", type=float, default=4.0, help="core-seconds to extract a minute of video")
    add("--frames-mb", type=float, default=1.1, help="of a video's 24 frames of 280 x 280 as JPEG")
    add("--sound-mb", type=float, default=1.2, help="of a minute of sound as FLAC")
    add("--video-mb", type=float, default=8.0, help="of a minute of the videos' files; an assumption")
    add("--gpus", type=int, default=8)
    add("--cores", type=int, default=64)
    add("--price", type=float, default=2.5, help="of a GPU hour; an assumption")
    given = parser.parse_args()
    encode, train, said = reached(given)
    parts = Parts(
        given.minutes, given.decode, given.frames_mb, given.sound_mb, given.video_mb, encode, train, given.texts,
        given.text_tokens,
    )  # fmt: skip
    print(said)
    print(table(costs(parts, config_of(SEVEN_B, small_tokenizer())), given.gpus, given.cores, given.price))


def reached(given: argparse.Namespace) -> tuple[float, float, str]:
    """Model FLOP/s in encoding and training, and where they come from."""
    if given.measured is None:
        rate = given.mfu * given.peak_tflops * 1e12
        return rate, rate, f"Assumed, not measured: {given.mfu:.0%} of {given.peak_tflops:g} TFLOP/s on every GPU."
    told = json.loads(given.measured.read_text(encoding="utf-8"))
    best = {
        work: max((row["mfu"] for row in told["rows"] if row["work"] == work and row["mfu"]), default=None)
        for work in ("encode", "train")
    }
    if absent := [work for work, mfu in best.items() if mfu is None]:
        raise SystemExit(f"{given.measured} measured no {' and no '.join(absent)}; run omni_gpu.py again")
    peak = told["peak_tflops"] * 1e12
    name = f"{told['device']}: {best['encode']:.0%} of its peak in encoding, {best['train']:.0%} in training"
    return best["encode"] * peak, best["train"] * peak, f"Measured on {name}."


if __name__ == "__main__":
    main()
