"""The sentence-transformers trainer over shares of batches, resumable and with a live loss."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from torch.utils.data import DataLoader
from transformers import PrinterCallback, TrainerCallback, TrainerState
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from tasks.shared.artifacts.losses import COLUMNS, as_metrics
from tasks.shared.runtime.progress import Bar
from tasks.train.contrast import Contrast
from tasks.train.inputs import Batch, Inputs, Share
from tasks.train.losses import Objectives
from tasks.train.ranks import Ranks

if TYPE_CHECKING:
    from tasks.shared.execution.params_train import Train
    from tasks.shared.execution.tracking import Tracker

CHECKPOINT = "trained.safetensors"
WHOLE = "whole"  # the empty file that a checkpoint gets last, when every rank has written its part


class LiveLoss(TrainerCallback):
    """Shows how many steps are done, and sends what was measured in each to MLflow while it trains."""

    def __init__(self, tracker: Tracker, bar: Bar) -> None:
        self.tracker, self.bar = tracker, bar

    def on_log(self, args: Any, state: TrainerState, control: Any, logs: Any = None, **_: Any) -> None:  # noqa: ARG002
        self.tracker.metrics(as_metrics(logs or {}), step=state.global_step)

    def on_train_begin(self, args: Any, state: TrainerState, *_: Any, **__: Any) -> None:  # noqa: ARG002
        self.bar.to(state.global_step)  # of a training that resumes from a checkpoint

    on_step_end = on_train_begin


class AdapterTrainer(SentenceTransformerTrainer):
    """Takes batches that are divided among ranks already, and saves only the trained weights."""

    def __init__(self, *args: Any, shares: list[Share], inputs: Inputs, **named: Any) -> None:
        self.shares, self.inputs = shares, inputs
        super().__init__(*args, **named)

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """No model card: making one would read the data for examples."""

    def get_train_dataloader(self) -> DataLoader[Any]:
        """One share at a time, in order. Accelerate would distribute whole batches over ranks, and pad the last one."""
        shares: Any = self.shares
        return DataLoader(shares, batch_size=1, collate_fn=self.inputs, pin_memory=torch.cuda.is_available())

    def compute_loss(self, model: torch.nn.Module, inputs: Batch, *_: Any, **__: Any) -> torch.Tensor:  # type: ignore[override]
        """The loss of the batch over all ranks."""
        assert isinstance(self.loss, Contrast)
        self.loss.model = model  # DDP's, where there are several
        loss: torch.Tensor = self.loss(inputs)
        if len(self.loss.parts) > 1:
            self.track_loss_components(dict(self.loss.parts))
        return loss

    def _save_checkpoint(self, *args: Any, **named: Any) -> None:
        super()._save_checkpoint(*args, **named)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            (Path(str(self.args.output_dir)) / f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}" / WHOLE).touch()

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:  # noqa: ARG002
        folder = Path(str(output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        if self.args.should_save:
            weights = {name: weight.detach().cpu().contiguous() for name, weight in _trained(self.model).items()}
            save_file(weights, folder / CHECKPOINT)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:  # noqa: ARG002
        saved = load_file(Path(resume_from_checkpoint) / CHECKPOINT)
        with torch.no_grad():
            for name, weight in _trained(self.model).items():
                weight.copy_(saved[name])


def _trained(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def last_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that every rank has finished; None without one."""
    whole = [file.parent for file in folder.glob(f"{PREFIX_CHECKPOINT_DIR}-*/{WHOLE}")]
    return str(max(whole, key=lambda one: int(one.name.rpartition("-")[2]))) if whole else None


def fit(
    model: SentenceTransformer,
    shares: list[Share],
    inputs: Inputs,
    folder: Path,
    checkpoint: str | None,
    *,
    params: Train,
    seed: int,
    ranks: Ranks,
    tracker: Tracker | None,
) -> list[dict[str, float]]:
    """Train the model's adapter in place, together with the other ranks, if there are any.

    `shares` are this rank's of every batch of all epochs; checkpoints are written into `folder`, and `checkpoint` is
    the one to resume from; `tracker` logs every step, None on all ranks but the first.

    Returns a row for every step of the optimiser: step, loss, its parts where there are several, learning_rate,
    grad_norm.
    """
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        num_train_epochs=1,  # the batches are those of all epochs
        per_device_train_batch_size=len(shares[0].rows),
        gradient_accumulation_steps=params.accumulation_steps,
        learning_rate=params.learning_rate,
        warmup_steps=params.warmup_ratio,
        lr_scheduler_type="linear",
        use_cpu=model.device.type == "cpu",
        ddp_find_unused_parameters=False,  # every mini-batch passes through the whole adapter
        ddp_broadcast_buffers=False,  # no layer keeps statistics
        save_strategy="steps",
        save_steps=params.save_steps,
        save_total_limit=2,
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to="none",
        seed=seed,
        data_seed=seed,
        disable_tqdm=True,  # its bar is ours
        dataloader_drop_last=True,  # DDP is warned of without; our loader has its batches as they are
    )
    arguments.mixed_precision = "no"  # autocast is the engine's, whatever the environment of `accelerate launch` says
    size, dtype = params.mini_batch_size, params.dtype
    loss = Contrast(model, Objectives(params), size, dtype=dtype, rank=ranks.rank, ranks=ranks.count)
    trainer = AdapterTrainer(model=model, args=arguments, shares=shares, inputs=inputs, loss=loss)
    trainer.remove_callback(PrinterCallback)  # the curve goes to MLflow and loss.csv
    torch.manual_seed(seed + ranks.rank)  # ranks must not drop out the same
    if tracker is None:
        trainer.train(resume_from_checkpoint=checkpoint)
    else:
        with Bar("train", -(-len(shares) // params.accumulation_steps), "step") as bar:
            trainer.add_callback(LiveLoss(tracker, bar))
            trainer.train(resume_from_checkpoint=checkpoint)
    return [
        {key: float(entry[key]) for key in COLUMNS if key in entry}
        for entry in trainer.state.log_history
        if "loss" in entry
    ]
