"""Opening an embedder: a directory or hub repository, saved by this project or a plain Thinker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.shared.errors import UserError
from tasks.shared.files import read_json
from tasks.shared.hub import fetch
from tasks.shared.models import Model, loading
from tasks.shared.progress import Bar, watched

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from tasks.omni.embedder import OmniEmbedder

ARCHITECTURE = "qwen2_5_omni_thinker"


def load_embedder(
    name_or_path: str,
    revision: str | None = None,
    *,
    processor: str | None = None,
    processor_revision: str | None = None,
    dtype: str = "float32",
    device: str | None = None,
    max_text_tokens: int = 512,
    max_audio_seconds: int = 300,
) -> SentenceTransformer:
    """A SentenceTransformer over a Thinker, ready to encode.

    Args:
        name_or_path: a directory, or a hub id: saved by this project, or a plain Qwen2.5-Omni Thinker.
        revision: of the hub repository.
        processor: where the tokenizer is, when not beside the weights.
        processor_revision: of the processor's repository.
        dtype: "float32", "bfloat16" or "float16".
        device: torch device; None takes the best there is.
        max_text_tokens: an item's text is cut to this.
        max_audio_seconds: an item's sound is cut to this.

    Raises:
        UserError: nothing at that path, no such repository or revision, not a Thinker. TransientError, which is one:
            the hub is out of reach.
    """
    config = fetch(name_or_path, revision, "config.json")
    if config is None:
        raise UserError(f"model {name_or_path} has no config.json; name a Qwen2.5-Omni Thinker")
    kind = read_json(config).get("model_type")
    if kind != ARCHITECTURE:
        raise UserError(f"model {name_or_path} is a {kind}, not a {ARCHITECTURE}; name a Qwen2.5-Omni Thinker")
    tokenizer_at = processor or name_or_path
    tokenizer_revision = processor_revision if processor else revision
    if fetch(tokenizer_at, tokenizer_revision, "tokenizer_config.json") is None:
        raise UserError(f"{tokenizer_at} has no tokenizer; name the repository that has it as the processor")

    from tasks.omni.embedder import OmniEmbedder

    module = load_module(
        OmniEmbedder,
        name_or_path,
        revision=revision,
        model_kwargs={"dtype": dtype},
        tokenizer_at=tokenizer_at,
        tokenizer_revision=tokenizer_revision,
        max_text_tokens=max_text_tokens,
        max_audio_seconds=max_audio_seconds,
    )
    return assemble(module, device)


def assemble(module: OmniEmbedder, device: str | None = None) -> SentenceTransformer:
    """The embedder's module with last-token pooling and normalisation behind it, in evaluation mode."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

    from tasks.omni.prompt import QUERY_PREFIX

    pooling = Pooling(module.get_embedding_dimension(), pooling_mode="lasttoken")
    prompts = {"query": QUERY_PREFIX, "document": ""}
    model = SentenceTransformer(modules=[module, pooling, Normalize()], device=device, prompts=prompts)
    return model.eval()


def load_module(
    cls: type[OmniEmbedder],
    name_or_path: str,
    *,
    revision: str | None = None,
    token: bool | str | None = None,
    cache_folder: str | None = None,
    local_files_only: bool = False,
    model_kwargs: dict[str, Any] | None = None,
    tokenizer_at: str | None = None,
    tokenizer_revision: str | None = None,
    **settings: Any,
) -> OmniEmbedder:
    """The input module alone; what is not in `settings` is as it was saved.

    A directory that holds an adapter and no weights (a checkpoint of LoRA training) is opened on the adapter's base.
    """
    from transformers import AutoModel, AutoTokenizer

    from tasks.omni import lora

    folder = Path(name_or_path)
    if (folder / lora.CONFIG).is_file() and not (folder / "config.json").is_file():
        base = read_json(folder / lora.CONFIG)
        module = load_module(
            cls, base["base_model_name_or_path"], revision=base["revision"], token=token, cache_folder=cache_folder,
            local_files_only=local_files_only, model_kwargs=model_kwargs, **settings,
        )  # fmt: skip
        lora.load_adapter_into(module.model, name_or_path)
        return module
    quiet()
    hub = {"token": token, "cache_dir": cache_folder, "local_files_only": local_files_only}
    with loading(Model(name_or_path, name_or_path, revision), "base"), Bar(f"load {name_or_path}", 1, "model") as bar:
        model = AutoModel.from_pretrained(
            name_or_path,
            revision=revision or "main",
            use_safetensors=True,
            **{"dtype": "float32"} | (model_kwargs or {}),
            **hub,
        )
        tokenizer = AutoTokenizer.from_pretrained(
            tokenizer_at or name_or_path, revision=(tokenizer_revision if tokenizer_at else revision) or "main", **hub
        )
        saved = cls.load_config(
            name_or_path, revision=revision, token=token, cache_folder=cache_folder, local_files_only=local_files_only
        )
        bar.to(1)
    given = {key: settings[key] for key in cls.config_keys if key in settings}
    module = cls(model, tokenizer, **{**saved, **given})
    module.source = (name_or_path, revision)
    return module


def quiet() -> None:
    """No progress bars of transformers' own where nobody watches."""
    from transformers.utils import logging

    if not watched():
        logging.disable_progress_bar()
