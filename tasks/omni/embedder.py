"""`OmniEmbedder`: a Qwen2.5-Omni Thinker as the input module of a SentenceTransformer.

It prepares items itself (text, frames, sound), runs the two towers and the language model, and returns the hidden
states of every token; stock `Pooling(lasttoken)` and `Normalize` follow. Batches are padded on the left. It equals
the Hugging Face processor and model on the same item, and an item's embedding does not depend on its batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from sentence_transformers.base.modules import InputModule

from tasks.omni import prompt as prompts
from tasks.omni.batches import Layout, batch_of_items, batch_of_outputs
from tasks.omni.inputs import Item, TowerOutput
from tasks.omni.lora import CONFIG, has_adapter, load_adapter, save_adapter
from tasks.omni.pretrained import TOKENIZER, open_thinker, silence_transformers
from tasks.omni.towers import attend_in_segments, embed_clips, embed_sound
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class OmniEmbedder(InputModule):
    """Items to hidden states.

    Args:
        model: a `Qwen2_5OmniThinkerModel`: towers and language model, no head.
        tokenizer: of a Qwen2.5-Omni model.
        max_text_tokens: a document's text is cut to this many tokens; max_query_tokens: a query's, its prefix included.
        text_cut: where a text that is too long is cut, "end" or "fields" (see `prompt.TextLimit`).
        max_audio_seconds: sound that comes later is cut off.
    """

    config_file_name = "omni_embedder.json"
    config_keys = ["max_text_tokens", "max_query_tokens", "text_cut", "max_audio_seconds"]  # noqa: RUF012
    save_in_root = True

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        max_text_tokens: int = 512,
        max_query_tokens: int = 512,
        text_cut: prompts.Cut = "end",
        max_audio_seconds: int = 300,
    ) -> None:
        super().__init__()
        attend_in_segments(model)
        self.model: Any = model  # its submodules are typed as tensors otherwise
        self.tokenizer = tokenizer
        self.max_audio_seconds = max_audio_seconds
        self.max_text_tokens = max_text_tokens
        self.max_query_tokens = max_query_tokens
        self.text_cut = text_cut
        self.prompt = prompts.Prompt(tokenizer)
        self.source: tuple[str, str | None] | None = None  # name or path and revision, when loaded

    def limit(self, prefix: str | None) -> prompts.TextLimit:
        """The limit of a text with this prefix."""
        query = prefix == prompts.QUERY_PREFIX
        return prompts.TextLimit(self.max_query_tokens if query else self.max_text_tokens, self.text_cut)

    @property
    def modalities(self) -> list[Any]:
        return ["text", "video", "audio", "message"]  # "message" is what admits several modalities in one dict

    def get_embedding_dimension(self) -> int:
        return int(self.model.config.get_text_config().hidden_size)

    def preprocess(  # type: ignore[override]
        self, inputs: Sequence[Item | TowerOutput | str | Mapping[str, Any]], prompt: str | None = None, **_: Any
    ) -> dict[str, torch.Tensor]:
        """A batch's tensors, as `tasks.omni.batches` describes them.

        Inputs are items, tower outputs, texts, or dicts with text, video (uint8 frames, height, width, 3) and audio
        (float32). `prompt` is a prefix of every text; with that of queries the items are queries. Raises UserError
        where an input is no item, or its arrays have the wrong shape or type.
        """
        config = self.model.config
        layout = Layout(self.prompt, prompt, self.limit(prompt), config.position_id_per_seconds)
        if any(isinstance(value, TowerOutput) for value in inputs):
            outputs = [one if isinstance(one, TowerOutput) else TowerOutput.of(Item.of(one)) for one in inputs]
            return batch_of_outputs(outputs, layout, self.get_embedding_dimension(), self.model.dtype)
        return batch_of_items([Item.of(value) for value in inputs], layout, self.max_audio_seconds)

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Adds token_embeddings (batch, length, hidden), and attention_mask of the same length. Columns that are
        padding in every row are dropped first: a slice of a batch need not be as wide as the batch."""
        start = int(features["attention_mask"].any(dim=0).int().argmax())
        ids = features["input_ids"][:, start:]
        mask = features["attention_mask"][:, start:]
        embeddings = self.model.get_input_embeddings()(ids)
        audio, video = ids == self.prompt.id[prompts.AUDIO], ids == self.prompt.id[prompts.VIDEO]
        if "input_features" in features:
            embeddings = _placed(embeddings, audio, embed_sound(self.model, features))
        if "pixel_values_videos" in features:
            embeddings = _placed(embeddings, video, embed_clips(self.model, features))
        if "media" in features:
            where, media = video | audio, features["media"]
            used = torch.arange(media.shape[1], device=media.device) < where.sum(dim=1, keepdim=True)
            embeddings = _placed(embeddings, where, media[used])
        output = self.model.language_model(
            inputs_embeds=embeddings,
            attention_mask=mask,
            position_ids=features["position_ids"][:, :, start:].transpose(0, 1),
            use_cache=False,
        )
        return {**features, "attention_mask": mask, "token_embeddings": output.last_hidden_state}

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        """Write weights (safetensors), model configuration, tokenizer and this module's own configuration. With an
        adapter attached only the adapter is written, and the name of the base that it came on."""
        silence_transformers()
        if has_adapter(self.model):
            if self.source is None:
                raise UserError("the adapter's base was never saved; save and load it before attaching an adapter")
            save_adapter(self.model, Path(output_path), *self.source)
        else:
            self.model.save_pretrained(output_path)
        self.save_tokenizer(output_path)
        self.save_config(output_path)

    @classmethod
    def load(  # type: ignore[override]
        cls,
        model_name_or_path: str,
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
        """The module of a directory or hub repository; what is not in `settings` is as it was saved.
        `SentenceTransformer(path)` calls this for what `save` wrote. A directory that holds an adapter and no weights
        (what LoRA training leaves) is opened on the adapter's base, with the tokenizer and the settings beside it."""
        hub: dict[str, Any] = {"token": token, "local_files_only": local_files_only}
        folder = Path(model_name_or_path)
        if (folder / CONFIG).is_file() and not (folder / "config.json").is_file():
            base = read_json(folder / CONFIG)
            if tokenizer_at is None and (folder / TOKENIZER).is_file():
                tokenizer_at = model_name_or_path
            saved = cls.load_config(model_name_or_path) if (folder / cls.config_file_name).is_file() else {}
            module = cls.load(
                base["base_model_name_or_path"], revision=base["revision"], cache_folder=cache_folder,
                model_kwargs=model_kwargs, tokenizer_at=tokenizer_at, tokenizer_revision=tokenizer_revision,
                **hub, **saved | settings,
            )  # fmt: skip
            load_adapter(module.model, model_name_or_path)
            return module
        model, tokenizer = open_thinker(
            model_name_or_path, revision, tokenizer_at=tokenizer_at, tokenizer_revision=tokenizer_revision,
            model_kwargs=model_kwargs, hub={**hub, "cache_dir": cache_folder},
        )  # fmt: skip
        saved = cls.load_config(model_name_or_path, revision=revision, cache_folder=cache_folder, **hub)
        given = {key: settings[key] for key in cls.config_keys if key in settings}
        module = cls(model, tokenizer, **{**saved, **given})
        module.source = (model_name_or_path, revision)
        return module


def _placed(embeddings: torch.Tensor, where: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    return embeddings.masked_scatter(where.unsqueeze(-1), values.to(embeddings.dtype))
