"""Training an adapter on a training set: the model, the batches, and this rank's shares of them."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch

from tasks.omni.loading import load_base
from tasks.omni.lora import attach_lora, load_adapter
from tasks.shared.artifacts.exposures import write_altered, write_exposures
from tasks.shared.artifacts.losses import write_losses
from tasks.shared.artifacts.models import ADAPTER, read_base
from tasks.train.inputs import Inputs, TowerCache, shares
from tasks.train.ranks import Ranks
from tasks.train.rows import exposures_of, judged_batches
from tasks.train.trainer import fit
from tasks.train.views import altered

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from tasks.omni.embedder import OmniEmbedder
    from tasks.shared.execution.params import Params
    from tasks.shared.execution.tracking import Tracker
    from tasks.train.training_set import TrainingSet


@dataclass(frozen=True)
class Trained:
    """The model with the trained adapter, the curve, and the batches as numbers of rows."""

    model: SentenceTransformer
    history: list[dict[str, float]]
    batches: list[list[int]]


def learn(
    training_set: TrainingSet,
    params: Params,
    folder: Path,
    checkpoint: str | None,
    *,
    ranks: Ranks,
    device: str | None,
    tracker: Tracker | None,
) -> Trained:
    """Train an adapter, together with the other ranks. Checkpoints are written into `folder`, the same for all ranks;
    `checkpoint` is the one to resume from. `device` is this rank's, None the best there is; `tracker` logs every step,
    None on all ranks but the first. Raises UserError where the base or its adapter cannot be loaded."""
    settings, seed = params.train, params.run.seed
    torch.set_num_threads(params.run.threads)
    torch.use_deterministic_algorithms(True)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it deterministic CUDA refuses to multiply

    for name in ("broadcast_buffers", "gradient_checkpointing_enable"):  # until transformers 6, which is not admitted
        warnings.filterwarnings("ignore", message=f"`{name}` is deprecated")
    with ranks.group(device):
        model = _with_adapter(params, device)
        embedder = cast("OmniEmbedder", model[0])
        if settings.gradient_checkpointing:
            embedder.model.language_model.gradient_checkpointing_enable({"use_reentrant": False})
        batches = judged_batches(training_set.rows, training_set.positives, settings.batch_size, settings.epochs, seed)
        documents = TowerCache(model, training_set.documents)
        inputs = Inputs(embedder, training_set.queries, documents, training_set.views(params))
        mine = shares(training_set.rows, batches, ranks.rank, ranks.count)
        history = fit(model, mine, inputs, folder, checkpoint, params=settings, seed=seed, ranks=ranks, tracker=tracker)
    return Trained(model, history, batches)


def _with_adapter(params: Params, device: str | None) -> SentenceTransformer:
    """The base, frozen, and the adapter that is trained: the base's own, or a fresh one."""
    base, settings, document = read_base(), params.train, params.document
    model = load_base(
        base, settings.dtype, device,
        max_text_tokens=document.max_text_tokens, max_query_tokens=settings.max_query_tokens, text_cut=document.cut,
    )  # fmt: skip
    thinker = cast("OmniEmbedder", model[0]).model
    if base.adapter is None:
        r, alpha, dropout = settings.lora_r, settings.lora_alpha, settings.lora_dropout
        attach_lora(thinker, r=r, alpha=alpha, dropout=dropout, seed=params.run.seed)
    else:
        load_adapter(thinker, base.adapter, base.adapter_revision)
    return model


def write_trained(trained: Trained, training_set: TrainingSet, params: Params, folder: Path) -> None:
    """Write the adapter, its losses, and what was shown for which query, into a folder."""
    settings, views = params.train, training_set.views(params)
    rows, mined, steps = training_set.rows, training_set.mined, settings.accumulation_steps
    contrasted = bool(settings.objectives.query or settings.objectives.symmetric)
    trained.model.save(str(folder / ADAPTER), create_model_card=False)
    write_losses(folder, trained.history)
    write_exposures(folder, exposures_of(rows, trained.batches, mined, steps, contrasted=contrasted))
    if settings.objectives.tuple or views.drops:
        write_altered(folder, altered(views, rows, trained.batches, steps))
