"""The base stage: the model that training starts from.

`pretrained` names one (a hub id with its revision, or a directory, with or without a published adapter), checks that
it and the text retriever can be loaded, and does nothing else: it is the first stage, so that a gated repository or a
broken adapter is reported before a day of decoding. `tiny`, the embedded default, builds a Thinker of a few
million weights from a seed and trains it one modality at a time on generated examples, as OmniEmbed-v0.1 was trained on
pairs of modalities. No example shares an event with the demo, but its words, places and things come from the same
closed vocabulary.

The trained tiny base is one item of the store, and so are the checkpoints of its training: a training that was killed
goes on from its last checkpoint and ends in the bytes of an undisturbed one.

Writes `results/base/model.json`; for `tiny` also `model/` and `loss.csv`.
"""

from __future__ import annotations

import csv
from importlib.metadata import version
from io import StringIO
from pathlib import Path

from tasks.shared.artifacts.models import BaseModel, named_base, write_base
from tasks.shared.artifacts.publish import RESULTS, digests
from tasks.shared.execution.items import ENTRY, ItemStore
from tasks.shared.execution.reused import Reused
from tasks.shared.execution.stage import StageRun
from tasks.shared.retrieval.dense import DenseRetriever
from tasks.shared.runtime.files import files_under, link_or_copy, write_text
from tasks.shared.runtime.gpu import visible_gpus

EVENTS = 1000  # base events; more of them would only cost the teacher time
CURVE = "loss.csv"
VERSIONS = ("espeakng-loader", "numpy", "pillow", "sentence-transformers", "tokenizers", "torch", "transformers")


def run(stage: StageRun) -> None:
    """Name the base, and train it where it is the tiny one."""
    if stage.params.base.source == "tiny":
        _publish_tiny(stage, _retriever(stage))
        return
    from tasks.omni.loading import check_base

    base = named_base(stage.params.base)
    check_base(base)
    _retriever(stage)
    write_base(stage.out, base)
    stage.counts = {"steps": 0}


def _retriever(stage: StageRun) -> DenseRetriever:
    """The text retriever, not loaded yet. Raises UserError where it cannot be had or may not be run."""
    return DenseRetriever(stage.params.retriever, stage.params.run.threads, stage.take_gpus)


def _publish_tiny(stage: StageRun, teacher: DenseRetriever) -> None:
    """Take the trained tiny base from the store, or train it, and publish it with its loss curve."""
    store = ItemStore(
        "base",
        {
            "params": {key: stage.params.section(key) for key in stage.spec.params},
            "code": {path: one["sha256"] for path, one in digests(stage.spec.code).items()},
            "versions": {name: version(name) for name in VERSIONS},
            "teacher": teacher.identity(),
            "device of the teacher": "cuda" if visible_gpus() else "cpu",
        },
    )
    key = store.key()
    finished = store.get(key)
    stage.reused = Reused(int(finished is not None), 1, "training")
    finished = finished or _train_tiny(stage, teacher, store, key)
    for file in files_under(finished):
        if file.name != ENTRY:
            link_or_copy(file, stage.out / file.relative_to(finished))
    write_base(stage.out, BaseModel((RESULTS / stage.spec.name / "model").as_posix()))
    with (finished / CURVE).open(encoding="utf-8", newline="") as stream:
        curve = list(csv.DictReader(stream))
    for row in curve:
        stage.tracker.metrics({f"base/loss/{row['modality']}": float(row["loss"])}, step=int(row["step"]))
    stage.counts = {"steps": len(curve), "examples": len(curve) * stage.params.base.batch_size}
    stage.artifacts = [CURVE]


def _train_tiny(stage: StageRun, teacher: DenseRetriever, store: ItemStore, key: str) -> Path:
    import torch

    from tasks.base.checkpoints import Checkpoints
    from tasks.base.examples import PARTS, base_events, batches, captions, tokenizer_texts
    from tasks.base.learn import learn
    from tasks.base.teacher import Targets
    from tasks.omni.tiny import TinyConfig, build_tiny
    from tasks.synthetic.events import demo_events, taken_by

    params, seed = stage.params.base, stage.params.run.seed
    torch.set_num_threads(stage.params.run.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)

    demo = demo_events(seed, stage.params.corpus.train_events, stage.params.corpus.test_events)
    events = base_events(seed, EVENTS, taken_by(demo.all()))
    sentences = sorted({caption for event in events for caption in captions(event).values()})
    names = {field: list(words.values()) for field, words in PARTS.items()}
    words = [*sentences, *(name for field in names.values() for name in field)]
    vectors = teacher.documents({str(number): text for number, text in enumerate(words)}).values

    config = TinyConfig(hidden=192, layers=2, mlp=512, vision_depth=3, vocab_size=3000)
    model = build_tiny(tokenizer_texts(events[:400], seed), seed=seed, config=config, device="cpu")
    checkpoints = Checkpoints(store, key)
    history = learn(
        model,
        lambda first: batches(range(first, params.steps), events, seed, params.batch_size, stage.params.extract.size),
        Targets(sentences, names, vectors, config.hidden),
        steps=params.steps,
        learning_rate=params.learning_rate,
        temperature=params.temperature,
        checkpoints=checkpoints,
    )

    def write(folder: Path) -> None:
        model.save(str(folder / "model"), create_model_card=False)
        table = StringIO()
        writer = csv.DictWriter(table, ["step", "modality", "loss"], lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, "loss": f"{row['loss']:.6g}"} for row in history)
        write_text(folder / CURVE, table.getvalue())

    finished = store.put(key, write)
    checkpoints.clear(params.steps)
    return finished
