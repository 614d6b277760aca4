"""The train stage: LoRA of the omni embedder on the training queries, their positives and hard negatives.

Writes `results/train/adapter/` (a PEFT directory in safetensors), `loss.csv`, `exposures.parquet` (what was shown for
which query, step by step) and `trained.json`. A corpus without training judgments trains nothing and says so; the later
stages then go on with the base alone. A video that has none of `train.modalities` is neither shown nor a failure: it is
counted, and so are the judged pairs that go with it.

A trained adapter is one item of the store, keyed by its training set. Checkpoints lie in the store too, so a killed
training goes on from its last one, and its bytes are those of an undisturbed run.

From the training set to the adapter: `training_set` (rows of queries and videos), `rows` (and batches of rows that are
contrasted), `inputs` (a rank's share of a batch as tensors), `losses` (what is learnt), `contrast`
(its gradient, across mini-batches and ranks), `trainer` (the steps of the optimiser).
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Collection
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tasks.shared.artifacts.losses import as_metrics, read_losses
from tasks.shared.artifacts.models import ADAPTER, Training, write_training
from tasks.shared.artifacts.negatives import FILE, MinedQuery, read_negatives
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.items import CacheHits, ItemStore, link_entry
from tasks.shared.execution.params import Params, load_params
from tasks.shared.execution.pipeline import read_stages
from tasks.shared.execution.plan import Item, Plan
from tasks.shared.execution.stage import StageRun, limit_threads
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import write_text
from tasks.shared.runtime.gpu import gpus
from tasks.shared.runtime.progress import PLACE
from tasks.train.ranks import Ranks
from tasks.train.rows import judged_batches
from tasks.train.training_set import TrainingSet, checkpoints, read_training_set, training_store
from tasks.train.views import count_views


def plan(params: Params, root: Path = RESULTS) -> list[Plan[TrainingSet]]:
    """The adapter that the tables of a results folder ask for; nothing where no training query has a positive."""
    mined = read_negatives(root / "mine" / FILE.name)
    if not any(one.positives for one in mined):
        return []
    training_set = read_training_set(params, mined, root)
    store = training_store(params, read_stages(params)["train"].params, params.train.processes, root)
    return [Plan(store, [Item("adapter", store.key(training_set.digest()), training_set)], "training")]


def write_expected(params: Params, before: Params, changed: Collection[str], present: Path, root: Path) -> None:
    """An adapter that nothing else has."""
    del params, before, changed, present
    write_text(root / "train" / ADAPTER / "weights", "not made yet")
    write_training(root / "train", Training(trained=True))


def run(stage: StageRun) -> None:
    """Train and write the adapter, or report why there is nothing to train on. The program of rank 0."""
    ranks = Ranks.here()
    mined = read_negatives()
    if any(one.positives for one in mined):
        _train(stage, mined, ranks)
    else:
        reason = "the corpus has no training query with a judged positive"
        print(f"train: {reason}; the base is used as it is")
        write_training(stage.out, Training(trained=False, reason=reason))
        stage.counts = {"queries": 0, "steps": 0}
    ranks.broadcast(None)  # to ranks that still wait


def _train(stage: StageRun, mined: list[MinedQuery], ranks: Ranks) -> None:
    settings, training_set = stage.params.train, read_training_set(stage.params, mined)
    rows, seed = training_set.rows, stage.params.run.seed
    batches = judged_batches(rows, training_set.positives, settings.batch_size, settings.epochs, seed)
    views = count_views(training_set.views(stage.params), rows, batches)
    store = training_store(stage.params, stage.spec.params, ranks.count)
    key = store.key(training_set.digest())
    finished = store.get(key)
    stage.reused = CacheHits(int(finished is not None), 1, "training")
    if finished is None:
        finished = _learn(stage, training_set, store, key, ranks)
    else:
        print("train: an adapter of the same training set, params and code is in the store; it is used again")
    link_entry(finished, stage.out)
    write_training(stage.out, Training(trained=True))
    history = read_losses(stage.out)
    if stage.reused.items:  # a new curve was logged while it was trained
        for entry in history:
            stage.tracker.metrics(as_metrics(entry), step=int(entry["step"]))
    stage.counts = {
        "queries": len({row.query_id for row in training_set.rows}),
        "rows": len(training_set.rows),
        "videos": len(training_set.documents),
        "not_extracted": training_set.not_extracted,
        "without_chosen_modalities": training_set.without_chosen_modalities,
        "pairs_left_out": training_set.pairs_left_out,
        "negatives_drawn_at_random": training_set.drawn,
        "steps": len(history),
        **views,
    }
    stage.metrics = {"train/final_loss": history[-1]["loss"]}
    stage.registered = ADAPTER


def _learn(stage: StageRun, training_set: TrainingSet, store: ItemStore, key: str, ranks: Ranks) -> Path:
    from tasks.train.learn import learn, write_trained  # heavy, and only needed to train
    from tasks.train.trainer import last_checkpoint

    folder = checkpoints(key)
    checkpoint = last_checkpoint(folder)
    ranks.broadcast({"key": key, "checkpoint": checkpoint})
    device, tracker = ranks.device(stage.take_gpus), stage.tracker
    trained = learn(training_set, stage.params, folder, checkpoint, ranks=ranks, device=device, tracker=tracker)
    finished = store.put(key, partial(write_trained, trained, training_set, stage.params))
    shutil.rmtree(folder, ignore_errors=True)
    return finished


def run_worker(ranks: Ranks) -> None:
    """The program of every rank but the first: it trains as rank 0 plans, and reports nothing. It exits with 0, or with
    one line on standard error and the code of a stage's program."""
    os.environ.pop(PLACE, None)
    try:
        params = load_params()
        limit_threads(params.run.threads)
        if (plan := ranks.receive()) is None:
            return
        training_set = read_training_set(params, read_negatives())
        keys = read_stages(params)["train"].params
        if training_store(params, keys, ranks.count).key(training_set.digest()) != (key := str(plan["key"])):
            what = "reads other params, data or code than rank 0"
            raise UserError(f"{what}; let every machine see the same project folder")
        from tasks.train.learn import learn

        with ExitStack() as until_end:
            device = ranks.device(lambda count: until_end.enter_context(gpus("train", count)))
            folder, checkpoint = checkpoints(key), plan["checkpoint"]
            learn(training_set, params, folder, checkpoint, ranks=ranks, device=device, tracker=None)
    except UserError as error:
        print(f"train: rank {ranks.rank}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
