"""The sentence-transformers trainer over items, resumable and with a live loss."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss
from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from tasks.omni.prompt import QUERY_PREFIX
from tasks.shared.artifacts.losses import as_metrics
from tasks.shared.params import Train
from tasks.shared.progress import Bar
from tasks.shared.tracking import Tracker
from tasks.train.batches import JudgedBatchSampler
from tasks.train.rows import Row

CHECKPOINT = "trained.safetensors"
QUERY = "query/"  # marks a query's id among video ids, which have no slash


class LiveLoss(TrainerCallback):
    """Sends the loss, the gradient's norm and the learning rate of every step to MLflow while it trains."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker

    def on_log(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the callback's signature is transformers'
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        self.tracker.metrics(as_metrics(logs or {}), step=state.global_step)


class Steps(TrainerCallback):
    """Shows how many steps are done, those before the checkpoint that it goes on from among them."""

    def __init__(self, bar: Bar) -> None:
        self.bar = bar

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, *_: Any, **__: Any) -> None:  # noqa: ARG002
        self.bar.to(state.global_step)

    on_step_end = on_train_begin


class AdapterTrainer(SentenceTransformerTrainer):
    """Keeps only the trained weights in a checkpoint: the base never changes."""

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """No card: it would look through the data for examples, and nobody reads it."""

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:  # noqa: ARG002
        weights = {name: weight.detach().cpu().contiguous() for name, weight in _trained(self.model).items()}
        folder = Path(str(output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        save_file(weights, folder / CHECKPOINT)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:  # noqa: ARG002
        saved = load_file(Path(resume_from_checkpoint) / CHECKPOINT)
        with torch.no_grad():
            for name, weight in _trained(self.model).items():
                weight.copy_(saved[name])


def _trained(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def fit(
    model: SentenceTransformer,
    rows: list[Row],
    sampler: JudgedBatchSampler,
    preprocess: Callable[..., dict[str, torch.Tensor]],
    scratch: Path,
    tracker: Tracker,
    *,
    params: Train,
    seed: int,
) -> list[dict[str, float]]:
    """Train the model's adapter in place, going on from the last checkpoint in `scratch` where there is one.

    The loss is InfoNCE from query to passage over every passage of the batch (van den Oord et al. 2018), its
    gradients cached so that memory holds `mini_batch_size` items at a time (Gao et al. 2021).

    Returns:
        A row for every step: step, loss, learning_rate, grad_norm.
    """
    columns = {"query": [QUERY + row.query_id for row in rows], "positive": [row.positive for row in rows]}
    for number in range(len(rows[0].negatives)):
        columns[f"negative_{number + 1}"] = [row.negatives[number] for row in rows]
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(scratch),
        num_train_epochs=1,  # the sampler's sequence holds all epochs
        per_device_train_batch_size=params.batch_size,
        learning_rate=params.learning_rate,
        warmup_steps=params.warmup_ratio,
        lr_scheduler_type="linear",
        prompts={"query": QUERY_PREFIX},
        batch_sampler=lambda *_, **__: sampler,
        save_strategy="steps",
        save_steps=params.save_steps,
        save_total_limit=2,
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to="none",
        seed=seed,
        data_seed=seed,
        dataloader_num_workers=0,
        dataloader_pin_memory=torch.cuda.is_available(),
        disable_tqdm=True,  # its bar is ours
        remove_unused_columns=False,
    )
    trainer = AdapterTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_dict(columns),
        loss=CachedMultipleNegativesRankingLoss(
            model, scale=1 / params.temperature, mini_batch_size=params.mini_batch_size
        ),
        callbacks=[LiveLoss(tracker)],
    )
    trainer.remove_callback(PrinterCallback)  # the curve goes to MLflow and loss.csv
    trainer.data_collator.preprocess_fn = preprocess
    with Bar("train", len(sampler), "step") as bar:
        trainer.add_callback(Steps(bar))
        trainer.train(resume_from_checkpoint=get_last_checkpoint(str(scratch)) if scratch.is_dir() else None)
    return [
        {key: float(entry[key]) for key in ("step", "loss", "learning_rate", "grad_norm") if key in entry}
        for entry in trainer.state.log_history
        if "loss" in entry
    ]
