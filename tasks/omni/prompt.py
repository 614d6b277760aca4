"""An item's token ids, as Qwen2.5-Omni's chat template and processor make them.

Rendered: system turn, then one user turn with text, video and audio in this order and without separators, then
`<|endoftext|>`, whose last hidden state is the embedding. Text is tokenised as plain characters: a special token's
name inside a caption stays text, and cannot open a turn or stand for a frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tasks.shared.runtime.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BEFORE = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>"
ROLE = "user\n"  # tokenised together with the text: a text that starts with a line feed merges with this one
AFTER = "<|im_end|>\n<|endoftext|>"
QUERY_PREFIX = "Query: "

PAD, VISION_BOS, VISION_EOS, VIDEO = "<|endoftext|>", "<|vision_bos|>", "<|vision_eos|>", "<|VIDEO|>"
AUDIO_BOS, AUDIO_EOS, AUDIO = "<|audio_bos|>", "<|audio_eos|>", "<|AUDIO|>"


Cut = Literal["end", "fields"]


@dataclass(frozen=True)
class TextLimit:
    """How much of an item's text is read: so many tokens at most, the prefix included. Of a longer text "end" cuts off
    the end (as Tevatron does; whatever is the last field loses first); with "fields" its fields, which tabs part, share
    the tokens: short ones are whole, long ones get equally much."""

    tokens: int = 512
    cut: Cut = "end"


class Prompt:
    """Renders items to token ids. Raises UserError where a tokenizer lacks one of Qwen2.5-Omni's marks."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        self.before: list[int] = tokenizer.encode(BEFORE, add_special_tokens=False)
        self.after: list[int] = tokenizer.encode(AFTER, add_special_tokens=False)
        vocab = tokenizer.get_vocab()
        marks = (PAD, VISION_BOS, VISION_EOS, VIDEO, AUDIO_BOS, AUDIO_EOS, AUDIO)
        absent = [mark for mark in marks if mark not in vocab]
        if absent:
            raise UserError(f"the tokenizer has no {', '.join(absent)}; name a Qwen2.5-Omni processor")
        self.id: dict[str, int] = {mark: vocab[mark] for mark in marks}

    def ids(self, text: str | None, video_tokens: int, audio_tokens: int, limit: TextLimit) -> list[int]:
        """Token ids of an item; 0 video or audio tokens: the item has none, and no marks for it either."""
        ids = self.before + self._plain(ROLE + self.read(text or "", limit)[0])
        if video_tokens:
            ids += [self.id[VISION_BOS], *[self.id[VIDEO]] * video_tokens, self.id[VISION_EOS]]
        if audio_tokens:
            ids += [self.id[AUDIO_BOS], *[self.id[AUDIO]] * audio_tokens, self.id[AUDIO_EOS]]
        return ids + self.after

    def read(self, text: str, limit: TextLimit) -> tuple[str, int]:
        """The text as it is read, and how many tokens the whole of it has. What is cut is cut between tokens and
        decoded; half a character at a cut becomes U+FFFD."""
        ids = self._plain(text)
        if len(ids) <= limit.tokens:
            return text, len(ids)
        cut = ids
        if limit.cut == "fields" and (fields := text.split("\t"))[1:]:
            tokens = [self._plain(field) for field in fields]
            kept = shares([len(one) for one in tokens], limit.tokens - (len(fields) - 1))  # a tab between two
            parts = zip(fields, tokens, kept, strict=True)
            text = "\t".join(field if len(one) == share else self._decoded(one[:share]) for field, one, share in parts)
            if len(cut := self._plain(text)) <= limit.tokens:  # else, cut apart, the words made more tokens
                return text, len(ids)
        return self._decoded(cut[: limit.tokens]), len(ids)

    def _decoded(self, ids: list[int]) -> str:
        return str(self.tokenizer.decode(ids, clean_up_tokenization_spaces=False))

    def _plain(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]


def shares(lengths: list[int], total: int) -> list[int]:
    """What each gets of a total that is less than their sum: short ones all they have, the others equally much."""
    given = [0] * len(lengths)
    left = max(total, 0)
    order = sorted(range(len(lengths)), key=lambda index: lengths[index])
    for place, index in enumerate(order):
        given[index] = min(lengths[index], left // (len(order) - place))
        left -= given[index]
    return given
