"""The tiny base: built from a seed and trained on generated examples, resumable."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from tasks.base.checkpoints import Checkpoints
from tasks.base.examples import PARTS, base_events, batches, captions, tokenizer_texts
from tasks.base.learn import Targets, learn
from tasks.omni.tiny import TinyConfig, build_tiny
from tasks.shared.runtime.files import write_text
from tasks.synthetic.events import demo_events, taken_by

if TYPE_CHECKING:
    from tasks.shared.execution.items import ItemStore
    from tasks.shared.execution.params import Params
    from tasks.shared.retrieval.dense import DenseRetriever

EVENTS = 1000  # base events; more of them would only cost the teacher time
SIZES = TinyConfig(hidden=192, layers=2, mlp=512, vision_depth=3, vocab_size=3000)


def train_tiny(params: Params, teacher: DenseRetriever, store: ItemStore, key: str) -> Path:
    """Train the tiny base, from its last checkpoint on; the finished item: `model/` and `loss.csv`."""
    settings, seed = params.base, params.run.seed
    torch.set_num_threads(params.run.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)

    demo = demo_events(seed, params.corpus.train_events, params.corpus.test_events)
    events = base_events(seed, EVENTS, taken_by(demo.all()))
    sentences = sorted({caption for event in events for caption in captions(event).values()})
    names = {field: list(words.values()) for field, words in PARTS.items()}
    words = [*sentences, *(name for field in names.values() for name in field)]
    vectors = teacher.documents({str(number): text for number, text in enumerate(words)}).values

    model = build_tiny(tokenizer_texts(events[:400], seed), seed=seed, config=SIZES, device="cpu")
    checkpoints = Checkpoints(store, key)
    history = learn(
        model,
        lambda first: batches(range(first, settings.steps), events, seed, settings.batch_size, params.extract.size),
        Targets(sentences, names, vectors, SIZES.hidden),
        steps=settings.steps,
        learning_rate=settings.learning_rate,
        temperature=settings.temperature,
        checkpoints=checkpoints,
    )

    def write(folder: Path) -> None:
        model.save(str(folder / "model"), create_model_card=False)
        table = StringIO()
        writer = csv.DictWriter(table, ["step", "modality", "loss"], lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, "loss": f"{row['loss']:.6g}"} for row in history)
        write_text(folder / "loss.csv", table.getvalue())

    finished = store.put(key, write)
    checkpoints.clear(settings.steps)
    return finished
