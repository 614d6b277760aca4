"""Opening an embedder: a directory or hub repository, saved by this project or a plain Thinker."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json
from tasks.shared.runtime.hub import fetch
from tasks.shared.runtime.models import Model, loading
from tasks.shared.runtime.progress import Bar, watched

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from tasks.omni.embedder import OmniEmbedder
    from tasks.omni.prompt import Cut

ARCHITECTURE = "qwen2_5_omni_thinker"
TOKENIZER = "tokenizer_config.json"
WHOLE = "qwen2_5_omni"  # of a repository with talker and vocoder too: its Thinker is taken out


def load_embedder(
    name_or_path: str,
    revision: str | None = None,
    *,
    processor: str | None = None,
    processor_revision: str | None = None,
    dtype: str = "float32",
    device: str | None = None,
    max_text_tokens: int = 512,
    max_query_tokens: int = 512,
    text_cut: Cut = "end",
    max_audio_seconds: int = 300,
) -> SentenceTransformer:
    """A SentenceTransformer over a Thinker, without its language-model head, ready to encode.

    Args:
        name_or_path: a directory, or a hub id: saved by this project, a plain Qwen2.5-Omni Thinker in any layout that
            transformers has written, or a whole Qwen2.5-Omni.
        revision: of the hub repository.
        processor: where the tokenizer is, when not beside the weights.
        processor_revision: of the processor's repository.
        dtype: "float32", "bfloat16" or "float16".
        device: torch device; None takes the best there is.
        max_text_tokens: a document's text is cut to this.
        max_query_tokens: a query's text is cut to this, its prefix included.
        text_cut: where it is cut: "end" or "fields" (see `prompt.TextLimit`).
        max_audio_seconds: an item's sound is cut to this.

    Raises:
        UserError: nothing at that path, no such repository or revision, not a Thinker, weights that are missing.
            TransientError, which is one: the hub is out of reach.
    """
    tokenizer_at = processor or name_or_path
    tokenizer_revision = processor_revision if processor else revision
    check_thinker(name_or_path, revision)
    check_tokenizer(tokenizer_at, tokenizer_revision)

    from tasks.omni.embedder import OmniEmbedder

    module = load_module(
        OmniEmbedder,
        name_or_path,
        revision=revision,
        model_kwargs={"dtype": dtype},
        tokenizer_at=tokenizer_at,
        tokenizer_revision=tokenizer_revision,
        max_text_tokens=max_text_tokens,
        max_query_tokens=max_query_tokens,
        text_cut=text_cut,
        max_audio_seconds=max_audio_seconds,
    )
    return assemble(module, device)


def check_thinker(name_or_path: str, revision: str | None) -> dict[str, Any]:
    """The model's configuration, its Thinker's where it is a whole Qwen2.5-Omni. Raises what `load_embedder` raises
    where it is none."""
    config = fetch(name_or_path, revision, "config.json")
    if config is None:
        raise UserError(f"model {name_or_path} has no config.json; name a Qwen2.5-Omni Thinker")
    found: dict[str, Any] = read_json(config)
    if found.get("model_type") == WHOLE and "thinker_config" in found:
        found = found["thinker_config"]
    if (kind := found.get("model_type")) != ARCHITECTURE:
        raise UserError(f"model {name_or_path} is a {kind}, not a {ARCHITECTURE}; name a Qwen2.5-Omni Thinker")
    return found


def check_tokenizer(name_or_path: str, revision: str | None) -> None:
    """Raises UserError where there is no tokenizer."""
    if fetch(name_or_path, revision, TOKENIZER) is None:
        raise UserError(f"{name_or_path} has no tokenizer; name the repository that has it in base.processor")


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

    A directory that holds an adapter and no weights (what LoRA training leaves) is opened on the adapter's base, with
    the tokenizer and the settings beside the adapter.
    """
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    from tasks.omni import lora

    folder = Path(name_or_path)
    if (folder / lora.CONFIG).is_file() and not (folder / "config.json").is_file():
        base = read_json(folder / lora.CONFIG)
        if tokenizer_at is None and (folder / TOKENIZER).is_file():
            tokenizer_at = name_or_path
        settings = (cls.load_config(name_or_path) if (folder / cls.config_file_name).is_file() else {}) | settings
        module = load_module(
            cls, base["base_model_name_or_path"], revision=base["revision"], token=token, cache_folder=cache_folder,
            local_files_only=local_files_only, model_kwargs=model_kwargs, tokenizer_at=tokenizer_at,
            tokenizer_revision=tokenizer_revision, **settings,
        )  # fmt: skip
        lora.load_adapter_into(module.model, name_or_path)
        return module
    quiet()
    hub = {"token": token, "cache_dir": cache_folder, "local_files_only": local_files_only}
    with (
        loading(Model(name_or_path, name_or_path, revision), "base.model"),
        Bar(f"load {name_or_path}", 1, "model") as bar,
    ):
        config = AutoConfig.from_pretrained(name_or_path, revision=revision or "main", **hub)
        model, told = AutoModel.from_pretrained(
            name_or_path,
            config=getattr(config, "thinker_config", config),
            revision=revision or "main",
            use_safetensors=True,
            output_loading_info=True,
            **{"dtype": "float32"} | (model_kwargs or {}),
            **hub,
        )
        _check_complete(name_or_path, told)
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


def _check_complete(name: str, told: Mapping[str, Collection[Any]]) -> None:
    """Refuse weights that would be left at random, which transformers only warns of. The head is not asked for."""
    absent = sorted(told.get("missing_keys", ()))
    if absent:
        raise UserError(f"model {name} lacks {some(absent)}; download it again, or name another")
    if odd := sorted(str(one[0]) for one in told.get("mismatched_keys", ())):
        raise UserError(f"model {name}: {some(odd)} has another shape than its config.json says; name another")


def some(names: Sequence[str]) -> str:
    """The first three names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def quiet() -> None:
    """No progress bars of transformers' own where nobody watches, and no report of what it loaded: we check that."""
    from transformers.utils import logging

    if not watched():
        logging.disable_progress_bar()
    for name in ("modeling_utils", "distributed.tensor_parallel"):  # the second speaks up where the first may not
        logging.get_logger(f"transformers.{name}").setLevel(logging.ERROR)
