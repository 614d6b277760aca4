"""The train stage: LoRA of the omni embedder on the training queries, their positives and hard negatives.

Writes `results/train/adapter/` (a PEFT directory in safetensors), `loss.csv`, `exposures.parquet` (what was shown for
which query, step by step) and `trained.json`. A corpus without training judgments trains nothing and says so; the
later stages then go on with the base alone. A video that has none of `train.modalities` is neither shown nor a
failure: it is counted, and so are the judged pairs that go with it.

A training is one item of the store, keyed by what it learns from: a change that reaches no query, document or
negative of the training split costs nothing. Checkpoints lie in the store too, so a killed training goes on from its
last one, and its bytes are those of an undisturbed run.

How a lesson becomes an adapter: `lesson` (rows of queries and videos), `batches` (rows that are contrasted with each
other), `inputs` (a rank's share of a batch as tensors), `losses` (what is learnt), `contrast` (its gradient, across
mini-batches and ranks), `trainer` (the steps of the optimiser).
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from functools import partial
from pathlib import Path

from tasks.shared.artifacts.losses import as_metrics, read_losses
from tasks.shared.artifacts.models import ADAPTER, Training, write_training
from tasks.shared.artifacts.negatives import FILE, MinedQuery, read_negatives
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.items import ENTRY, ItemStore
from tasks.shared.execution.params import Params
from tasks.shared.execution.pipeline import read_stages
from tasks.shared.execution.plan import Item, Plan
from tasks.shared.execution.reused import Reused
from tasks.shared.execution.stage import StageRun
from tasks.shared.runtime.files import files_under, link_or_copy, write_text
from tasks.train.lesson import COMPONENTS, Lesson, checkpoints, read_lesson, trainings
from tasks.train.ranks import Ranks

__all__ = ["COMPONENTS", "run"]


def plan(params: Params, root: Path = RESULTS) -> list[Plan[Lesson]]:
    """The training that the tables of a results folder ask for; nothing where no training query has a positive."""
    mined = read_negatives(root / "mine" / FILE.name)
    if not any(one.positives for one in mined):
        return []
    lesson = read_lesson(params, mined, root)
    store = trainings(params, read_stages(params)["train"].params, params.train.processes, root)
    return [Plan(store, [Item("adapter", store.key(lesson.digest()), lesson)], "training")]


def write_expected(params: Params, before: Params, changed: Collection[str], present: Path, root: Path) -> None:
    """An adapter that nothing else has."""
    del params, before, changed, present
    write_text(root / "train" / ADAPTER / "weights", "not made yet")
    write_training(root / "train", Training(trained=True))


def run(stage: StageRun) -> None:
    """Train and write the adapter, or say why there is nothing to train on. Of several ranks, the first one's work."""
    ranks = Ranks.here()
    mined = read_negatives()
    if any(one.positives for one in mined):
        _train(stage, mined, ranks)
    else:
        reason = "the corpus has no training query with a judged positive"
        print(f"train: {reason}; the base is used as it is")
        write_training(stage.out, Training(trained=False, reason=reason))
        stage.counts = {"queries": 0, "steps": 0}
    ranks.say(None)  # to those who wait still


def _train(stage: StageRun, mined: list[MinedQuery], ranks: Ranks) -> None:
    from tasks.train.account import account  # imports torch, which `plan` can do without

    lesson = read_lesson(stage.params, mined)
    views = account(lesson, stage.params)
    store = trainings(stage.params, stage.spec.params, ranks.count)
    key = store.key(lesson.digest())
    finished = store.get(key)
    stage.reused = Reused(int(finished is not None), 1, "training")
    if finished is None:
        finished = _learn(stage, lesson, store, key, ranks)
    else:
        print("train: the same lesson was learnt before with these params and this code; its adapter is taken again")
    for file in files_under(finished):
        if file.name != ENTRY:
            link_or_copy(file, stage.out / file.relative_to(finished))
    write_training(stage.out, Training(trained=True))
    history = read_losses(stage.out)
    if stage.reused.items:  # what is learnt now was logged while it was
        for entry in history:
            stage.tracker.metrics(as_metrics(entry), step=int(entry["step"]))
    stage.counts = {
        "queries": len({row.query_id for row in lesson.rows}),
        "rows": len(lesson.rows),
        "videos": len(lesson.documents),
        "not_extracted": lesson.not_extracted,
        "without_chosen_modalities": lesson.without_chosen_modalities,
        "pairs_left_out": lesson.pairs_left_out,
        "negatives_drawn_at_random": lesson.drawn,
        "steps": len(history),
        **views,
    }
    stage.metrics = {"train/final_loss": history[-1]["loss"]}
    stage.registered = ADAPTER


def _learn(stage: StageRun, lesson: Lesson, store: ItemStore, key: str, ranks: Ranks) -> Path:
    from tasks.train.learn import keep, learn  # heavy, and only needed where there is something to learn
    from tasks.train.trainer import last_checkpoint

    folder = checkpoints(key)
    checkpoint = last_checkpoint(folder)
    ranks.say({"key": key, "checkpoint": checkpoint})
    device = ranks.device(stage.take_gpus)
    learnt = learn(
        lesson, stage.params, folder, checkpoint, ranks=ranks, device=device, tracker=stage.tracker
    )  # fmt: skip
    finished = store.put(key, partial(keep, learnt, lesson, stage.params))
    shutil.rmtree(folder, ignore_errors=True)
    return finished
