"""How fast is the embedder of the 7B shape on this GPU, and how much of the GPU does it use?

Random weights of the real shape, noise for videos, no download. Measures encoded videos a second and training steps a
second (LoRA of rank 16 on the language model, the towers frozen, bfloat16, gradient checkpointing, InfoNCE of every
query over all passages, one positive and three negatives a query) at several batch sizes; a size that does not fit
into memory is a row that says so. A video is 24 frames of 280 x 280, a minute of sound and 512 tokens of text.

    .venv/bin/python -m benchmarks.omni_gpu                # on a machine with CUDA; about 40 GB of its memory
    .venv/bin/python -m benchmarks.omni_gpu --size tiny    # the same on any CPU, in under a minute: only a rehearsal

MFU is model FLOP utilisation: what the work needs, by the formula in `omni_flops.py`, over what the device's peak would
do in that time. HFU counts also what gradient checkpointing computes twice.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.omni_flops import RECIPE_RANK, encoding, training
from benchmarks.omni_shapes import SHAPES, Shape, build, parameters, queries, sizes, thinker_of, videos
from tasks.shared.runtime.errors import UserError

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

    Features = dict[str, torch.Tensor]

PASSAGES = 4  # of a query: one positive, three negatives
TEMPERATURE = 0.02
PEAKS = {  # TFLOP/s of dense bfloat16, by what the device's name has in it; of makers' data sheets
    "B200": 2250.0, "H100 PCIe": 756.0, "H100 NVL": 835.0, "H100": 989.4, "H200": 989.4, "GH200": 989.4, "H800": 989.4,
    "H20": 148.0, "A100": 311.9, "A800": 311.9, "A40": 149.7, "A10G": 70.0, "A10": 125.0, "A6000": 154.8, "L40S": 362.1,
    "L40": 181.0, "L4": 121.0, "RTX 4090": 165.2, "RTX 3090": 71.0,
}  # fmt: skip
GIB = 1 << 30


@dataclass(frozen=True)
class Row:
    """A measurement. `batch` is videos in a forward pass, or queries in a training step; None: not measured here."""

    work: str
    attention: str
    batch: int
    seconds: float | None = None
    steps_per_second: float | None = None
    videos_per_second: float | None = None
    memory_gib: float | None = None
    mfu: float | None = None
    hfu: float | None = None
    note: str = ""


def prepare_training(model: SentenceTransformer, *, checkpointing: bool = True) -> None:
    """Attach the recipe's adapter, in float32 as mixed precision has it, and repeat forward passes to save memory."""
    from tasks.omni.lora import attach_lora

    attach_lora(model[0].model, r=RECIPE_RANK, alpha=64, dropout=0.1, seed=0)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    if checkpointing:
        language = thinker_of(model).language_model
        language.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.train()


def contrast(model: SentenceTransformer, asked: Sequence[Features], passages: Sequence[Features]) -> torch.Tensor:
    """InfoNCE of batches of queries over batches of passages; the first of each query's passages is its positive."""
    import torch

    ours = torch.cat([model(dict(batch))["sentence_embedding"] for batch in asked])
    theirs = torch.cat([model(dict(batch))["sentence_embedding"] for batch in passages])
    group = len(theirs) // len(ours)
    target = torch.arange(len(ours), device=ours.device) * group
    return torch.nn.functional.cross_entropy(ours.float() @ theirs.float().T / TEMPERATURE, target)


def encode_rows(model: SentenceTransformer, shape: Shape, batches: Sequence[int], measure: Measure) -> list[Row]:
    """Encoding at every batch size."""
    from tasks.omni.encode_item import embed

    size = sizes(model, videos(shape, 1))
    rows = []
    for batch in batches:
        features = model.preprocess(videos(shape, batch))
        needed = encoding(thinker_of(model).config, size * batch)
        rows.append(measure("encode", batch, batch, partial(embed, model, features), needed, needed))
        print(line(rows[-1]), file=sys.stderr, flush=True)
    return rows


def train_rows(model: SentenceTransformer, shape: Shape, batches: Sequence[int], measure: Measure) -> list[Row]:
    """Training at every number of queries a step. The model has an adapter afterwards."""
    import torch
    from sentence_transformers.util import batch_to_device

    size, question = sizes(model, videos(shape, 1)), sizes(model, queries(1))
    prepare_training(model)
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learned, lr=1e-4)
    kind = model.device.type
    rows = []
    for batch in batches:
        asked, shown = model.preprocess(queries(batch)), model.preprocess(videos(shape, batch * PASSAGES))

        def step(asked: Features = asked, shown: Features = shown) -> None:
            with torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda"):
                loss = contrast(
                    model, [batch_to_device(dict(asked), model.device)], [batch_to_device(dict(shown), model.device)]
                )
            loss.backward()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

        flops = training(thinker_of(model).config, question * batch + size * batch * PASSAGES)
        rows.append(measure("train", batch, batch * PASSAGES, step, flops.model, flops.hardware))
        optimiser.zero_grad(set_to_none=True)  # of a step that ran out of memory
        print(line(rows[-1]), file=sys.stderr, flush=True)
    return rows


@dataclass(frozen=True)
class Measure:
    """Measures a step on a device: median seconds, memory at its peak, utilisation.

    Attributes:
        attention: for the rows.
        device: of torch.
        repeats: measured steps; one more goes before them.
        peak: the device's TFLOP/s, or None.
    """

    attention: str
    device: str
    repeats: int
    peak: float | None

    def __call__(
        self, work: str, batch: int, items: int, step: Callable[[], object], model: float, hardware: float
    ) -> Row:
        """A row for a step over so many videos that needs and does so many operations."""
        import torch

        on_gpu = self.device != "cpu"
        if on_gpu:
            torch.cuda.reset_peak_memory_stats()
        taken = []
        try:
            for _ in range(1 + self.repeats):
                started = time.perf_counter()
                step()
                if on_gpu:
                    torch.cuda.synchronize()
                taken.append(time.perf_counter() - started)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            taken = []
        if not taken:  # outside of `except`: the error holds on to what the step held
            gc.collect()
            torch.cuda.empty_cache()
            return Row(work, self.attention, batch, note="out of memory")
        seconds = statistics.median(taken[1:])
        possible = seconds * self.peak * 1e12 if self.peak else None
        return Row(
            work, self.attention, batch, seconds, 1 / seconds, items / seconds,
            torch.cuda.max_memory_allocated() / GIB if on_gpu else None,
            model / possible if possible else None, hardware / possible if possible else None,
        )  # fmt: skip


def out_of_memory(error: RuntimeError) -> bool:
    """Whether a device, or this machine, has no more memory to give."""
    import torch

    return isinstance(error, torch.cuda.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def peak_of(device: str) -> float | None:
    """The TFLOP/s of a device's name; None where the table does not have it."""
    known = [name for name in PEAKS if name in device]
    return PEAKS[max(known, key=len)] if known else None


HEADER = ["work", "attention", "batch", "s/step", "steps/s", "videos/s", "memory GiB", "MFU", "HFU", "note"]


def line(row: Row) -> str:
    """A row's cells, as they are in the table."""
    return " | ".join(cells(row))


def cells(row: Row) -> list[str]:
    """A row as texts; what was not measured is a dash."""

    def said(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    return [
        row.work, row.attention, str(row.batch), said(row.seconds, ".3f"), said(row.steps_per_second, ".3f"),
        said(row.videos_per_second, ".2f"), said(row.memory_gib, ".1f"), said(row.mfu, ".1%"), said(row.hfu, ".1%"),
        row.note,
    ]  # fmt: skip


def table(rows: Sequence[Row]) -> str:
    """Aligned, and Markdown."""
    grid = [HEADER, *(cells(row) for row in rows)]
    widths = [max(len(one[column]) for one in grid) for column in range(len(HEADER))]

    def joined(texts: Sequence[str]) -> str:
        padded = (
            text.ljust(width) if column in (0, 1, 9) else text.rjust(width)
            for column, (text, width) in enumerate(zip(texts, widths, strict=True))
        )
        return f"| {' | '.join(padded)} |"

    rule = [("-" * width) if column in (0, 1, 9) else "-" * (width - 1) + ":" for column, width in enumerate(widths)]
    return "\n".join([joined(grid[0]), joined(rule), *(joined(one) for one in grid[1:])])


def compared(counts: dict[str, int], published: Mapping[str, int]) -> str:
    """Parameters of the parts, beside what is published of them."""
    said = []
    for name, count in counts.items():
        known = f" (published: {published[name] / 1e9:.3f})" if name in published else ""
        said.append(f"{name} {count / 1e9:.3f}{known}")
    return f"parameters, billions: {', '.join(said)}; all {sum(counts.values()) / 1e9:.3f}"


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    said = (__doc__ or "").split("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.omni_gpu", description=said[0], epilog="\n\n".join(said[1:]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--size", choices=sorted(SHAPES), default="7b", help="shape of the model (default: 7b)")
    parser.add_argument("--encode", type=int, nargs="*", metavar="N", help="videos in a forward pass")
    parser.add_argument("--train", type=int, nargs="*", metavar="N", help="queries in a step, four passages each")
    parser.add_argument(
        "--attention", nargs="*", metavar="NAME", help="sdpa, flash_attention_2 (default: all there are)"
    )
    parser.add_argument("--repeats", type=int, default=3, help="measured steps a size (default: 3)")
    parser.add_argument("--peak-tflops", type=float, help="of the device in bfloat16, where its name is not known")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all that was measured there too")
    return parser.parse_args(given)


def run(asked: argparse.Namespace) -> dict[str, Any]:
    """Everything measured. Raises UserError where the model has no device to be on, or does not fit."""
    import torch

    shape = SHAPES[asked.size]
    on_gpu = torch.cuda.is_available()
    if not on_gpu and asked.size == "7b":
        raise UserError("no CUDA device; run it where there is one, or rehearse on the CPU with --size tiny")
    device, name = ("cuda", torch.cuda.get_device_name()) if on_gpu else ("cpu", "CPU")
    dtype = torch.bfloat16 if on_gpu else torch.float32
    peak = asked.peak_tflops or peak_of(name)
    flash = on_gpu and importlib.util.find_spec("flash_attn") is not None
    rows: list[Row] = []
    counts: dict[str, int] = {}
    for attention in asked.attention or ["sdpa", *["flash_attention_2"] * flash]:
        try:
            model = build(shape, attention=attention, dtype=dtype, device=device)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            raise UserError(f"the {asked.size} model does not fit into {name}'s memory") from None
        except ImportError as error:
            raise UserError(f"--attention {attention}: {' '.join(str(error).split())}") from None
        counts = parameters(model)
        measure = Measure(attention, device, asked.repeats, peak)
        rows += encode_rows(model, shape, shape.encoded if asked.encode is None else asked.encode, measure)
        rows += train_rows(model, shape, shape.trained if asked.train is None else asked.train, measure)
        del model
        gc.collect()
        torch.cuda.empty_cache()
    return {
        "device": name, "peak_tflops": peak, "size": asked.size, "dtype": str(dtype).removeprefix("torch."),
        "versions": {one: version(one) for one in ("torch", "transformers", "sentence-transformers", "peft")},
        "parameters": counts, "rows": rows,
    }  # fmt: skip


def main(given: Sequence[str] | None = None) -> int:
    """Measure, and print the table; exit code 2 with one line where it cannot be measured here."""
    asked = arguments(given)
    try:
        found = run(asked)
    except UserError as error:
        print(f"omni_gpu: {error}", file=sys.stderr)
        return 2
    peak = f"{found['peak_tflops']:g} TFLOP/s at its peak" if found["peak_tflops"] else "peak unknown: --peak-tflops"
    versions = ", ".join(f"{name} {one}" for name, one in found["versions"].items())
    print(f"{found['device']} ({peak}), {found['dtype']}, {versions}")
    print(f"{asked.size}: {compared(found['parameters'], SHAPES[asked.size].published)}\n")
    print(table(found["rows"]))
    if asked.json:
        written = {**found, "rows": [asdict(row) for row in found["rows"]]}
        asked.json.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
