"""An item's token ids, as Qwen2.5-Omni's chat template and processor make them.

Rendered: system turn, then one user turn with text, video and audio in this order and without separators, then
`<|endoftext|>`, whose last hidden state is the embedding. Text is tokenised as plain characters: a special token's
name inside a caption stays text, and cannot open a turn or stand for a frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.shared.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BEFORE = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>"
ROLE = "user\n"  # tokenised together with the text: a text that starts with a line feed merges with this one
AFTER = "<|im_end|>\n<|endoftext|>"
QUERY_PREFIX = "Query: "

PAD, VISION_BOS, VISION_EOS, VIDEO = "<|endoftext|>", "<|vision_bos|>", "<|vision_eos|>", "<|VIDEO|>"
AUDIO_BOS, AUDIO_EOS, AUDIO = "<|audio_bos|>", "<|audio_eos|>", "<|AUDIO|>"


class Prompt:
    """Renders items to token ids.

    Args:
        tokenizer: of a Qwen2.5-Omni model.
        max_text_tokens: the text, its prefix included, is cut to this many tokens.

    Raises:
        UserError: the tokenizer lacks one of the model's marks.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, max_text_tokens: int) -> None:
        self.tokenizer = tokenizer
        self.max_text_tokens = max_text_tokens
        self.before: list[int] = tokenizer.encode(BEFORE, add_special_tokens=False)
        self.after: list[int] = tokenizer.encode(AFTER, add_special_tokens=False)
        vocab = tokenizer.get_vocab()
        marks = (PAD, VISION_BOS, VISION_EOS, VIDEO, AUDIO_BOS, AUDIO_EOS, AUDIO)
        absent = [mark for mark in marks if mark not in vocab]
        if absent:
            raise UserError(f"the tokenizer has no {', '.join(absent)}; name a Qwen2.5-Omni processor")
        self.id: dict[str, int] = {mark: vocab[mark] for mark in marks}

    def ids(self, text: str | None, video_tokens: int, audio_tokens: int) -> list[int]:
        """Token ids of an item; 0 video or audio tokens: the item has none, and no marks for it either."""
        ids = self.before + self._plain(ROLE + self.cut(text or ""))
        if video_tokens:
            ids += [self.id[VISION_BOS], *[self.id[VIDEO]] * video_tokens, self.id[VISION_EOS]]
        if audio_tokens:
            ids += [self.id[AUDIO_BOS], *[self.id[AUDIO]] * audio_tokens, self.id[AUDIO_EOS]]
        return ids + self.after

    def cut(self, text: str) -> str:
        """The text's first `max_text_tokens` tokens, decoded; half a character at the cut becomes U+FFFD."""
        return self.read(text)[0]

    def read(self, text: str) -> tuple[str, int]:
        """The text as it is read, which is `cut`, and how many tokens the whole of it has."""
        ids = self._plain(text)
        if len(ids) <= self.max_text_tokens:
            return text, len(ids)
        first = ids[: self.max_text_tokens]
        return str(self.tokenizer.decode(first, clean_up_tokenization_spaces=False)), len(ids)

    def _plain(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        return ids
