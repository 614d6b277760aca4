"""The base stage: the model that training starts from.

`pretrained` names one (a hub id with its revision, or a directory, with or without a published adapter) and checks that
it and the text retriever can be loaded: this is the first stage, so that a gated repository or a broken adapter is
reported before a day of decoding. `tiny`, the embedded default, builds a Thinker of a few million weights from a seed
and trains it one modality at a time on generated examples, as OmniEmbed-v0.1 was trained on pairs of modalities. No
example shares an event with the demo, but words, places and things come from the same closed vocabulary. The trained
tiny base is one item of the store, and so are its checkpoints: a killed training goes on and ends in the same bytes.

Writes `results/base/model.json`; for `tiny` also `model/` and `loss.csv`.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection
from importlib.metadata import version
from pathlib import Path

from tasks.shared.artifacts.models import BaseModel, named_base, write_base
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.items import CacheHits, ItemStore, link_entry
from tasks.shared.execution.params import Params
from tasks.shared.execution.pipeline import read_stages
from tasks.shared.execution.plan import Item, Plan
from tasks.shared.execution.stage import StageRun
from tasks.shared.retrieval.dense import DenseRetriever
from tasks.shared.runtime.files import write_text

CURVE = "loss.csv"
VERSIONS = ("espeakng-loader", "numpy", "pillow", "sentence-transformers", "tokenizers", "torch", "transformers")


def plan(params: Params, root: Path = RESULTS) -> list[Plan[None]]:  # noqa: ARG001 - it reads no table
    """The training of the tiny base; nothing where the base is only named."""
    if params.base.source != "tiny":
        return []
    decides = {
        "params": {key: params.section(key) for key in read_stages(params)["base"].params},
        "versions": {name: version(name) for name in VERSIONS},
        "teacher": _retriever(params).decides,
    }
    store = ItemStore("base", "tasks.base.tiny", decides)
    return [Plan(store, [Item("tiny", store.key(), None)], "training")]


def write_expected(params: Params, before: Params, changed: Collection[str], present: Path, root: Path) -> None:
    """The named model, or weights that nothing else has."""
    del before, changed, present
    if params.base.source == "pretrained":
        write_base(root / "base", named_base(params.base.model_dump()))
    else:
        write_text(root / "base" / "model" / "weights", "not made yet")
        write_base(root / "base", BaseModel((RESULTS / "base" / "model").as_posix()))


def run(stage: StageRun) -> None:
    """Name the base, and train it where it is the tiny one."""
    if stage.params.base.source == "tiny":
        _publish_tiny(stage)
        return
    from tasks.omni.loading import check_base

    base = named_base(stage.params.base.model_dump())
    check_base(base)
    _retriever(stage.params)
    write_base(stage.out, base)
    stage.counts = {"steps": 0}


def _retriever(params: Params, take_gpus: Callable[[], object] = list) -> DenseRetriever:
    """The text retriever, not loaded yet. Raises UserError where it cannot be had or may not be run."""
    return DenseRetriever(params.retriever, params.run.threads, take_gpus)


def _publish_tiny(stage: StageRun) -> None:
    """Take the trained tiny base from the store, or train it, and publish it with its loss curve."""
    (planned,) = plan(stage.params)
    (item,) = planned.items
    finished = planned.store.get(item.key)
    stage.reused = CacheHits(int(finished is not None), planned.size, planned.unit)
    if finished is None:
        from tasks.base.tiny import train_tiny  # heavy, and only needed to train

        teacher = _retriever(stage.params, stage.take_gpus)
        finished = train_tiny(stage.params, teacher, planned.store, item.key)
    link_entry(finished, stage.out)
    write_base(stage.out, BaseModel((RESULTS / stage.spec.name / "model").as_posix()))
    with (finished / CURVE).open(encoding="utf-8", newline="") as stream:
        curve = list(csv.DictReader(stream))
    for row in curve:
        stage.tracker.metrics({f"base/loss/{row['modality']}": float(row["loss"])}, step=int(row["step"]))
    stage.counts = {"steps": len(curve), "examples": len(curve) * stage.params.base.batch_size}
