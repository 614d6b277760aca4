"""`OmniEmbedder`: a Qwen2.5-Omni Thinker as the input module of a SentenceTransformer.

It prepares items itself (text, frames, sound), runs the two towers and the language model, and hands on the hidden
states of every token; stock `Pooling(lasttoken)` and `Normalize` follow. Batches are padded on the left. It equals
the Hugging Face processor and model on the same item, and an item's embedding does not depend on its batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from sentence_transformers.base.modules import InputModule
from torch.nn.utils.rnn import pad_sequence

from tasks.omni import prompt as prompts
from tasks.omni.frames import MERGE, to_patches, video_tokens
from tasks.omni.item import Item
from tasks.omni.loading import load_module, quiet
from tasks.omni.lora import has_adapter, write_adapter
from tasks.omni.mel import BINS, audio_tokens, to_mel
from tasks.omni.perceive import Perceived
from tasks.omni.positions import position_ids
from tasks.omni.segments import attend_in_segments
from tasks.shared.runtime.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class OmniEmbedder(InputModule):
    """Items to hidden states.

    Args:
        model: a `Qwen2_5OmniThinkerModel`: towers and language model, no head.
        tokenizer: of a Qwen2.5-Omni model.
        max_text_tokens: a document's text is cut to this many tokens.
        max_query_tokens: so is a text with the prefix of queries, the prefix included.
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
        """How much is read of a text with this prefix."""
        query = prefix == prompts.QUERY_PREFIX
        return prompts.TextLimit(self.max_query_tokens if query else self.max_text_tokens, self.text_cut)

    @property
    def modalities(self) -> list[Any]:
        return ["text", "video", "audio", "message"]  # "message" is what admits several modalities in one dict

    def get_embedding_dimension(self) -> int:
        return int(self.model.config.get_text_config().hidden_size)

    def preprocess(  # type: ignore[override]
        self, inputs: Sequence[Item | Perceived | str | Mapping[str, Any]], prompt: str | None = None, **_: Any
    ) -> dict[str, torch.Tensor]:
        """A batch's tensors.

        Args:
            inputs: items, texts, or dicts with text, video (uint8 frames, height, width, 3) and audio (float32).
            prompt: a prefix of every text; items without text get none. With that of queries the items are queries.

        Returns:
            input_ids, attention_mask (batch, length) and position_ids (batch, 3, length), padded on the left; for
            clips pixel_values_videos (patches, 1176), video_grid_thw (clips, 3), num_videos_per_sample (batch,);
            for sound input_features (batch, 128, frames), feature_attention_mask (batch, frames): a row for every
            item, so that a batch can be sliced by items.

        Raises:
            UserError: an input is no item, or its arrays are of the wrong shape or type.
        """
        if any(isinstance(value, Perceived) for value in inputs):
            return self._perceived(inputs, prompt)
        items = [Item.of(value) for value in inputs]
        clips = [None if item.frames is None else to_patches(item.frames) for item in items]
        sounds = [None if item.audio is None else to_mel(item.audio, self.max_audio_seconds) for item in items]
        rows = []
        for item, clip, sound in zip(items, clips, sounds, strict=True):
            video = 0 if clip is None else video_tokens(clip[1])
            audio = 0 if sound is None else audio_tokens(sound.shape[1])
            rows.append(self.prompt.ids(_prefixed(prompt, item.text), video, audio, self.limit(prompt)))

        features = self._padded(rows, [None if clip is None else clip[1] for clip in clips])
        present = [clip for clip in clips if clip is not None]
        if present:
            features["pixel_values_videos"] = torch.cat([patches for patches, _ in present])
            features["video_grid_thw"] = torch.tensor([grid for _, grid in present])
            features["num_videos_per_sample"] = torch.tensor([int(clip is not None) for clip in clips])
        longest = max((sound.shape[1] for sound in sounds if sound is not None), default=0)
        if longest:
            features["input_features"] = torch.zeros(len(items), BINS, longest)
            features["feature_attention_mask"] = torch.zeros(len(items), longest, dtype=torch.long)
            for row, sound in enumerate(sounds):
                if sound is not None:
                    features["input_features"][row, :, : sound.shape[1]] = sound
                    features["feature_attention_mask"][row, : sound.shape[1]] = 1
        return features

    def _perceived(self, inputs: Sequence[Any], prompt: str | None) -> dict[str, torch.Tensor]:
        """A batch whose media are embedded already: media (batch, most media tokens, hidden), padded on the right."""
        items = [value if isinstance(value, Perceived) else Perceived.of(Item.of(value)) for value in inputs]
        rows = [
            self.prompt.ids(_prefixed(prompt, one.text), one.video_tokens, one.audio_tokens, self.limit(prompt))
            for one in items
        ]
        features = self._padded(rows, [one.grid for one in items])
        blank = torch.empty(0, self.get_embedding_dimension(), dtype=self.model.dtype)
        media = pad_sequence([blank if one.media is None else one.media for one in items], batch_first=True)
        return {**features, "media": media} if media.shape[1] else features

    def _padded(self, rows: list[list[int]], grids: list[tuple[int, int, int] | None]) -> dict[str, torch.Tensor]:
        shape = (len(rows), max(map(len, rows)))
        ids = torch.full(shape, self.prompt.id[prompts.PAD])
        mask = torch.zeros(shape, dtype=torch.long)
        positions = torch.ones(shape[0], 3, shape[1], dtype=torch.long)
        for index, (row, grid) in enumerate(zip(rows, grids, strict=True)):
            start = shape[1] - len(row)
            ids[index, start:] = torch.tensor(row)
            mask[index, start:] = 1
            first = row.index(self.prompt.id[prompts.VIDEO]) if grid else 0
            positions[index, :, start:] = position_ids(
                len(row), first, grid, MERGE, self.model.config.position_id_per_seconds
            )
        return {"input_ids": ids, "attention_mask": mask, "position_ids": positions}

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Adds token_embeddings (batch, length, hidden), and attention_mask of the same length.

        Columns that are padding in every row are dropped first: a slice of a batch need not be as wide as the batch.
        """
        start = int(features["attention_mask"].any(dim=0).int().argmax())
        ids = features["input_ids"][:, start:]
        mask = features["attention_mask"][:, start:]
        embeddings = self.model.get_input_embeddings()(ids)
        if "input_features" in features:
            sound = self.embed_sound(features)
            embeddings = _placed(embeddings, ids == self.prompt.id[prompts.AUDIO], sound)
        if "pixel_values_videos" in features:
            clips = self.embed_clips(features)
            embeddings = _placed(embeddings, ids == self.prompt.id[prompts.VIDEO], clips)
        if "media" in features:
            where = (ids == self.prompt.id[prompts.VIDEO]) | (ids == self.prompt.id[prompts.AUDIO])
            media = features["media"]
            used = torch.arange(media.shape[1], device=media.device) < where.sum(dim=1, keepdim=True)
            embeddings = _placed(embeddings, where, media[used])
        output = self.model.language_model(
            inputs_embeds=embeddings,
            attention_mask=mask,
            position_ids=features["position_ids"][:, :, start:].transpose(0, 1),
            use_cache=False,
        )
        return {**features, "attention_mask": mask, "token_embeddings": output.last_hidden_state}

    def embed_clips(self, features: dict[str, Any]) -> torch.Tensor:
        """Embeddings of all video tokens of a batch, (tokens, hidden), in order."""
        tower = self.model.visual
        with torch.set_grad_enabled(_learns(tower)):
            output = tower(features["pixel_values_videos"].to(tower.dtype), grid_thw=features["video_grid_thw"])
        clips: torch.Tensor = output.pooler_output
        return clips

    def embed_sound(self, features: dict[str, Any]) -> torch.Tensor:
        """Embeddings of all audio tokens of a batch, (tokens, hidden), in order."""
        tower, mel, mask = self.model.audio_tower, features["input_features"], features["feature_attention_mask"]
        lengths = mask.sum(dim=1)
        lengths = lengths[lengths > 0]
        if not len(lengths):
            return torch.empty(0, self.get_embedding_dimension(), device=mel.device)
        with torch.set_grad_enabled(_learns(tower)):
            packed = mel.transpose(1, 2)[mask.bool()].T.to(tower.dtype)
            output = tower(packed, feature_lens=lengths, aftercnn_lens=(lengths - 1) // 2 + 1)
        sound: torch.Tensor = output.last_hidden_state
        return sound

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        """Write weights (safetensors), model configuration, tokenizer and this module's own configuration.

        With an adapter attached only the adapter is written, and the name of the base that it came on.
        """
        quiet()
        if has_adapter(self.model):
            if self.source is None:
                raise UserError("the adapter's base was never saved; save and load it before attaching an adapter")
            write_adapter(self.model, Path(output_path), *self.source)
        else:
            self.model.save_pretrained(output_path)
        self.save_tokenizer(output_path)
        self.save_config(output_path)

    @classmethod
    def load(cls, model_name_or_path: str, *_: Any, **kwargs: Any) -> OmniEmbedder:
        """What `SentenceTransformer(path)` calls for a directory or hub repository saved by `save`."""
        return load_module(cls, model_name_or_path, **kwargs)


def _prefixed(prompt: str | None, text: str | None) -> str | None:
    return text if text is None or not prompt else prompt + text


def _placed(embeddings: torch.Tensor, where: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    return embeddings.masked_scatter(where.unsqueeze(-1), values.to(embeddings.dtype))


def _learns(tower: torch.nn.Module) -> bool:
    """Whether a graph is wanted: not through a frozen tower, even when its output feeds a checkpointed layer."""
    return torch.is_grad_enabled() and any(parameter.requires_grad for parameter in tower.parameters())
