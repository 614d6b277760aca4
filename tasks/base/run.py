"""The base stage: the model that training starts from.

`pretrained` names one (a hub id with its revision, or a directory, with or without a published adapter), looks whether
it and the text retriever can be had, and does nothing else: it is the first stage, so that nobody learns only after a
day of decoding that a repository is gated or an adapter broken. `tiny`, the embedded default, builds a Thinker of a few
million weights from a seed and trains it one modality at a time on generated examples, as OmniEmbed-v0.1 was trained on
pairs of modalities: no example shares an event with the demo, though its words, places and things do come from the same
closed vocabulary.

Writes `results/base/model.json`; for `tiny` also `model/` and `loss.csv`.
"""

from __future__ import annotations

import csv
from collections.abc import Collection
from io import StringIO
from pathlib import Path

from tasks.shared.artifacts.models import BaseModel, named_base, write_base
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.params import Params
from tasks.shared.execution.stage import StageRun
from tasks.shared.runtime.files import write_text

EVENTS = 1000  # base events; more of them would only cost the teacher time


def write_expected(params: Params, before: Params, changed: Collection[str], present: Path, root: Path) -> None:
    """The named model, or weights that nothing else has."""
    del before, changed, present
    if params.base.source == "pretrained":
        write_base(root / "base", named_base(params.base))
    else:
        write_text(root / "base" / "model" / "weights", "not made yet")
        write_base(root / "base", BaseModel((RESULTS / "base" / "model").as_posix()))


def run(stage: StageRun) -> None:
    """Name the base, and make it where it is the tiny one."""
    params = stage.params.base
    if params.source == "pretrained":
        from tasks.omni.check import check_base
        from tasks.shared.retrieval.dense import DenseRetriever

        base = named_base(params)
        check_base(base)
        DenseRetriever(stage.params.retriever, stage.params.run.threads, stage.take_gpus)  # loads nothing, may refuse
        write_base(stage.out, base)
        stage.counts = {"steps": 0}
        return
    history = _make_tiny(stage)
    table = StringIO()
    writer = csv.DictWriter(table, ["step", "modality", "loss"], lineterminator="\n")
    writer.writeheader()
    writer.writerows({**entry, "loss": f"{entry['loss']:.6g}"} for entry in history)
    write_text(stage.out / "loss.csv", table.getvalue())
    write_base(stage.out, BaseModel((RESULTS / stage.spec.name / "model").as_posix()))
    for entry in history:
        stage.tracker.metrics({f"base/loss/{entry['modality']}": float(entry["loss"])}, step=int(entry["step"]))
    stage.counts = {"steps": len(history), "examples": len(history) * params.batch_size}


def _make_tiny(stage: StageRun) -> list[dict[str, float | str]]:
    import torch

    from tasks.base.examples import PARTS, base_events, batches, captions, tokenizer_texts
    from tasks.base.learn import learn
    from tasks.base.teacher import Targets
    from tasks.omni.tiny import TinyConfig, build_tiny
    from tasks.shared.retrieval.dense import DenseRetriever
    from tasks.synthetic.cast import cast_events
    from tasks.synthetic.events import taken_by

    params, seed = stage.params.base, stage.params.run.seed
    torch.set_num_threads(stage.params.run.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)

    demo = cast_events(seed, stage.params.corpus.train_events, stage.params.corpus.test_events)
    events = base_events(seed, EVENTS, taken_by(demo.all()))
    sentences = sorted({caption for event in events for caption in captions(event).values()})
    names = {field: list(words.values()) for field, words in PARTS.items()}
    teacher = DenseRetriever(stage.params.retriever, stage.params.run.threads, stage.take_gpus)
    words = [*sentences, *(name for field in names.values() for name in field)]
    vectors = teacher.documents({str(number): text for number, text in enumerate(words)}).values

    config = TinyConfig(hidden=192, layers=2, mlp=512, vision_depth=3, vocab_size=3000)
    model = build_tiny(tokenizer_texts(events[:400], seed), seed=seed, config=config, device="cpu")
    targets = Targets(sentences, names, vectors, config.hidden)
    examples = batches(events, seed, params.batch_size, stage.params.extract.size)
    history = learn(
        model,
        examples,
        targets,
        steps=params.steps,
        learning_rate=params.learning_rate,
        temperature=params.temperature,
    )
    model.save(str(stage.out / "model"), create_model_card=False)
    return history
