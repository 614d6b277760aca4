"""The train stage: LoRA of the omni embedder on the training queries, their positives and hard negatives.

Writes `results/train/adapter/` (a PEFT directory in safetensors), `loss.csv`, `exposures.parquet` (what was shown for
which query, step by step) and `trained.json`. A corpus without training judgments trains nothing and says so; the
later stages then go on with the base alone. A video that has none of `train.modalities` is neither shown nor a
failure: it is counted, and so are the judged pairs that go with it.

A training is one item of the store, keyed by what it learns from: a change that reaches no query, document or
negative of the training split costs nothing. Checkpoints lie in the store too, so a killed training goes on from its
last one, and its bytes are those of an undisturbed run.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tasks.shared.artifacts import exposures, losses
from tasks.shared.artifacts.corpus import read_queries, read_videos
from tasks.shared.artifacts.exposures import write_exposures
from tasks.shared.artifacts.losses import as_metrics, read_losses, write_losses
from tasks.shared.artifacts.models import ADAPTER, Training, base_system, read_base, write_training
from tasks.shared.artifacts.negatives import MinedQuery, read_negatives
from tasks.shared.artifacts.publish import RESULTS, digests
from tasks.shared.errors import UserError
from tasks.shared.files import files_under, link_or_copy, sha256_json
from tasks.shared.gpu import visible_gpus
from tasks.shared.items import ENTRY, ItemStore, store_folder
from tasks.shared.reused import Reused
from tasks.shared.stage import StageRun
from tasks.train.rows import Row, shown, training_rows

if TYPE_CHECKING:
    from tasks.omni.documents import Document
    from tasks.omni.embedder import OmniEmbedder

COMPONENTS = ("peft", "sentence-transformers", "torch", "transformers")
CORPUS = RESULTS / "corpus"


def run(stage: StageRun) -> None:
    """Train and write the adapter, or say why there is nothing to train on."""
    mined = read_negatives()
    if not any(one.positives for one in mined):
        reason = "the corpus has no training query with a judged positive"
        print(f"train: {reason}; the base is used as it is")
        write_training(stage.out, Training(trained=False, reason=reason))
        stage.counts = {"queries": 0, "steps": 0}
        return
    _train(stage, mined)


def _train(stage: StageRun, mined: list[MinedQuery]) -> None:
    from tasks.omni.documents import read_documents

    params, seed = stage.params.train, stage.params.run.seed
    queries = {query.query_id: query.text for query in read_queries(CORPUS / "queries.parquet", "train")}
    videos = read_videos(CORPUS / "manifest.parquet", "train")
    read = read_documents(videos, params.modalities, stage.params.document.train_text)
    documents = read.found
    rows, drawn = training_rows(mined, list(documents), params.negatives, seed)
    judged = [video_id for one in mined for video_id in one.positives]
    if not rows and not set(judged).isdisjoint(read.without):
        chosen = ", ".join(params.modalities)
        raise UserError(f"no judged positive has anything of train.modalities ({chosen}); choose others in params.yaml")
    if not rows:
        raise UserError("no training query has a positive that could be read; see failures.jsonl of extract")

    store = ItemStore("train", _decides(stage))
    lesson = {
        "rows": [[row.query_id, row.positive, *row.negatives] for row in rows],
        "positives": {one.query_id: one.positives for one in mined},
        "queries": {row.query_id: queries[row.query_id] for row in rows},
        "documents": {video_id: documents[video_id].digest for video_id in _videos(rows)},
    }
    key = store.key(sha256_json(lesson))
    finished = store.get(key)
    stage.reused = Reused(int(finished is not None), 1, "training")
    if finished is None:
        finished = _learn(stage, mined, queries, documents, rows, store, key)
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
        "queries": len({row.query_id for row in rows}),
        "rows": len(rows),
        "videos": len(documents),
        "not_extracted": len(read.not_extracted),
        "without_chosen_modalities": len(read.without),
        "pairs_left_out": len(judged) - len(rows),
        "negatives_drawn_at_random": drawn,
        "steps": len(history),
    }
    stage.metrics = {"train/final_loss": history[-1]["loss"]}
    stage.artifacts = [ADAPTER, losses.TABLE, exposures.TABLE]
    stage.registered = ADAPTER


def _videos(rows: Iterable[Row]) -> set[str]:
    return {video_id for row in rows for video_id in (row.positive, *row.negatives)}


def _learn(
    stage: StageRun,
    mined: list[MinedQuery],
    queries: dict[str, str],
    documents: dict[str, Document],
    rows: list[Row],
    store: ItemStore,
    key: str,
) -> Path:
    import torch  # heavy, and only needed where there is something to learn

    from tasks.omni.item import Item
    from tasks.omni.loading import load_embedder
    from tasks.omni.lora import attach_lora, load_adapter, save_adapter
    from tasks.train.batches import JudgedBatchSampler
    from tasks.train.seen import Seen
    from tasks.train.trainer import QUERY, fit

    stage.take_gpus()
    params, seed = stage.params.train, stage.params.run.seed
    torch.set_num_threads(stage.params.run.threads)
    torch.use_deterministic_algorithms(True)

    base = read_base()
    model = load_embedder(
        base.model,
        base.revision,
        processor=base.processor,
        processor_revision=base.processor_revision,
        max_text_tokens=stage.params.document.max_text_tokens,
        max_query_tokens=params.max_query_tokens,
        text_cut=stage.params.document.cut,
    )
    if base.adapter is None:
        attach_lora(model, r=params.lora_r, alpha=params.lora_alpha, dropout=params.lora_dropout, seed=seed)
    else:
        load_adapter(model, base.adapter, base.adapter_revision)

    embedder = cast("OmniEmbedder", model[0])
    seen = Seen(model, documents)

    def preprocess(names: list[str], prompt: str | None = None, **_: object) -> dict[str, torch.Tensor]:
        items = [
            Item(text=queries[name.removeprefix(QUERY)]) if name.startswith(QUERY) else seen[name] for name in names
        ]
        return embedder.preprocess(items, prompt=prompt)

    positives = {one.query_id: frozenset(one.positives) for one in mined}
    sampler = JudgedBatchSampler(rows, positives, params.batch_size, params.epochs, seed)
    scratch = store_folder() / "training" / key[:32]
    history = fit(model, rows, sampler, preprocess, scratch, stage.tracker, params=params, seed=seed)

    def keep(folder: Path) -> None:
        save_adapter(model, folder / ADAPTER, base.model, base.revision)
        write_losses(folder, history)
        write_exposures(folder, shown(rows, sampler.batches, mined))

    finished = store.put(key, keep)
    shutil.rmtree(scratch, ignore_errors=True)
    return finished


def _decides(stage: StageRun) -> dict[str, Any]:
    """What decides a training beside its lesson: params, code, versions, the starting weights and the device."""
    base = base_system()
    return {
        "params": {key: stage.params.section(key) for key in stage.spec.params},
        "code": {path: one["sha256"] for path, one in digests(stage.spec.code).items()},
        "versions": {name: version(name) for name in COMPONENTS},
        "device": "cuda" if visible_gpus() else "cpu",
        "base": [base.digest(), base.model, base.revision],  # the adapter names its base
    }
