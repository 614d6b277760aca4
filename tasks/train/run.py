"""The train stage: LoRA of the omni embedder on the training queries, their positives and hard negatives.

Writes `results/train/adapter/` (a PEFT directory in safetensors), `loss.csv` and `trained.json`. A corpus without
training judgments trains nothing and says so; the later stages then go on with the base alone. Checkpoints live in
the store, keyed by everything that decides them, so a killed training goes on from its last one, and its bytes are
those of an undisturbed run.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tasks.shared.artifacts.corpus import read_queries, read_videos
from tasks.shared.artifacts.models import Training, read_base, write_training
from tasks.shared.artifacts.negatives import MinedQuery, read_negatives
from tasks.shared.artifacts.publish import RESULTS, digests, input_files
from tasks.shared.errors import UserError
from tasks.shared.files import sha256_json, write_text
from tasks.shared.items import store_folder
from tasks.shared.stage import StageRun
from tasks.train.rows import training_rows

if TYPE_CHECKING:
    from tasks.omni.embedder import OmniEmbedder

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
    import torch  # heavy, and only needed where there is something to train on

    from tasks.omni.documents import read_documents
    from tasks.omni.item import Item
    from tasks.omni.loading import load_embedder
    from tasks.omni.lora import attach_lora, load_adapter, save_adapter
    from tasks.train.batches import JudgedBatchSampler
    from tasks.train.seen import Seen
    from tasks.train.trainer import QUERY, fit, loss_table

    params, document, seed = stage.params.train, stage.params.document, stage.params.run.seed
    torch.set_num_threads(stage.params.run.threads)
    torch.use_deterministic_algorithms(True)

    queries = {query.query_id: query.text for query in read_queries(CORPUS / "queries.parquet", "train")}
    videos = read_videos(CORPUS / "manifest.parquet", "train")
    documents, unusable = read_documents(videos, document.modalities, document.text)
    rows, drawn = training_rows(mined, list(documents), params.negatives, seed)
    if not rows:
        raise UserError("no training query has a positive that could be read; see failures.jsonl of extract")

    base = read_base()
    model = load_embedder(base.model, base.revision, max_text_tokens=document.max_text_tokens)
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
    scratch = _scratch(stage)
    history = fit(
        model,
        rows,
        JudgedBatchSampler(rows, positives, params.batch_size, params.epochs, seed),
        preprocess,
        scratch,
        stage.tracker,
        params=params,
        seed=seed,
    )
    save_adapter(model, stage.out / "adapter", base.model, base.revision)
    write_text(stage.out / "loss.csv", loss_table(history))
    write_training(stage.out, Training(trained=True))
    shutil.rmtree(scratch, ignore_errors=True)
    stage.counts = {
        "queries": len({row.query_id for row in rows}),
        "rows": len(rows),
        "videos": len(documents),
        "unusable_videos": len(unusable),
        "negatives_drawn_at_random": drawn,
        "steps": len(history),
    }
    stage.metrics = {"train/final_loss": history[-1]["loss"]}
    stage.artifacts = ["adapter", "loss.csv"]
    stage.registered = "adapter"


def _scratch(stage: StageRun) -> Path:
    """Where checkpoints lie: a folder of the store named by all that decides the training."""
    spec = stage.spec
    decides = {
        "params": {key: stage.params.section(key) for key in spec.params},
        "code": digests(spec.code),
        "inputs": digests(file for path in spec.inputs for file in input_files(path)),
    }
    return store_folder() / "training" / sha256_json(decides)[:32]
