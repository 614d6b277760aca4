"""Pretrained Thinkers: whether a name stands for one, and its weights and tokenizer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json
from tasks.shared.runtime.hub import fetch
from tasks.shared.runtime.models import Model, loading
from tasks.shared.runtime.progress import Bar, watched

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ARCHITECTURE = "qwen2_5_omni_thinker"
TOKENIZER = "tokenizer_config.json"
WHOLE = "qwen2_5_omni"  # of a repository with talker and vocoder too: its Thinker is taken out


def check_thinker(
    name_or_path: str, revision: str | None, tokenizer_at: str | None = None, tokenizer_revision: str | None = None
) -> dict[str, Any]:
    """The model's configuration; the Thinker's part of it where the model is a whole Qwen2.5-Omni. Raises UserError
    where the model is something else, or has no tokenizer, beside it or where it is said to be."""
    config = fetch(name_or_path, revision, "config.json")
    if config is None:
        raise UserError(f"model {name_or_path} has no config.json; name a Qwen2.5-Omni Thinker")
    found: dict[str, Any] = read_json(config)
    if found.get("model_type") == WHOLE and "thinker_config" in found:
        found = found["thinker_config"]
    if (kind := found.get("model_type")) != ARCHITECTURE:
        raise UserError(f"model {name_or_path} is a {kind}, not a {ARCHITECTURE}; name a Qwen2.5-Omni Thinker")
    if fetch(tokenizer_at or name_or_path, tokenizer_revision if tokenizer_at else revision, TOKENIZER) is None:
        at = tokenizer_at or name_or_path
        raise UserError(f"{at} has no tokenizer; name the repository that has it in base.processor")
    return found


def open_thinker(
    name_or_path: str,
    revision: str | None = None,
    tokenizer_at: str | None = None,
    tokenizer_revision: str | None = None,
    *,
    model_kwargs: Mapping[str, Any] | None = None,
    hub: Mapping[str, Any] | None = None,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The Thinker's towers and language model, without its head, and its tokenizer, where it is not beside the model
    from `tokenizer_at`.

    `model_kwargs` are what transformers is given to load the weights, float32 without a dtype; `hub` what it is given
    to reach the hub: token, cache_dir, local_files_only. Raises UserError where either cannot be had or weights are
    missing.
    """
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    silence_transformers()
    hub = hub or {}
    with (
        loading(Model(name_or_path, name_or_path, revision), "base.model"),
        Bar(f"load {name_or_path}", 1, "model") as bar,
    ):
        config = AutoConfig.from_pretrained(name_or_path, revision=revision or "main", **hub)
        model, report = AutoModel.from_pretrained(
            name_or_path,
            config=getattr(config, "thinker_config", config),
            revision=revision or "main",
            use_safetensors=True,
            output_loading_info=True,
            **{"dtype": "float32"} | dict(model_kwargs or {}),
            **hub,
        )
        _check_complete(name_or_path, report)
        tokenizer = AutoTokenizer.from_pretrained(
            tokenizer_at or name_or_path, revision=(tokenizer_revision if tokenizer_at else revision) or "main", **hub
        )
        bar.to(1)
    return model, tokenizer


def _check_complete(name: str, report: Mapping[str, Collection[Any]]) -> None:
    """Raise UserError for weights that would stay random, of which transformers only warns. The head is not loaded."""
    absent = sorted(report.get("missing_keys", ()))
    if absent:
        raise UserError(f"model {name} lacks {abbreviated(absent)}; download it again, or name another")
    if odd := sorted(str(one[0]) for one in report.get("mismatched_keys", ())):
        raise UserError(f"model {name}: {abbreviated(odd)} has another shape than its config.json says; name another")


def abbreviated(names: Sequence[str]) -> str:
    """The first three names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def silence_transformers() -> None:
    """No progress bars of transformers without a terminal, and no report of what it loaded: `open_thinker` checks."""
    from transformers.utils import logging

    if not watched():
        logging.disable_progress_bar()
    for name in ("modeling_utils", "distributed.tensor_parallel"):  # the second warns of the same
        logging.get_logger(f"transformers.{name}").setLevel(logging.ERROR)
