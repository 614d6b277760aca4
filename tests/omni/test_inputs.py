"""Text, frames and sound against plain, slow or stock ways of preparing them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from tasks.omni.features import MEAN, STD, audio_tokens, position_ids, to_mel, to_patches, video_tokens
from tasks.omni.inputs import SHORTEST_AUDIO, Item
from tasks.omni.prompt import AUDIO, QUERY_PREFIX, VIDEO, Prompt, TextLimit, shares
from tasks.shared.runtime.errors import UserError
from tests.omni import reference
from tests.omni.conftest import small
from tests.omni.encoding import item_with
from tests.omni.kinds import TEXTS, frames, kinds, sound

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def test_item_knows_its_modalities() -> None:
    item = Item(text="a", frames=frames(2), audio=sound(1))
    assert item.modalities == {"text", "video", "audio"}
    assert Item(text=" \n", audio=sound(1)).modalities == {"audio"}
    assert Item(text="a", frames=np.zeros((0, 28, 28, 3), np.uint8), audio=sound(0)).modalities == {"text"}
    assert len({item, Item(text="a"), item}) == 2


def test_shortest_audio_makes_one_token() -> None:
    assert audio_tokens(to_mel(np.zeros(SHORTEST_AUDIO, np.float32), 300).shape[1]) == 1
    assert audio_tokens(to_mel(np.zeros(SHORTEST_AUDIO - 1, np.float32), 300).shape[1]) == 0
    assert Item(text="a", audio=np.zeros(SHORTEST_AUDIO - 1, np.float32)).audio is None


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (Item, "no text, no frames and no audio"),
        (lambda: item_with(Item(text="a"), ["video"]), "no text, no frames and no audio"),
        (lambda: Item(frames=np.zeros((2, 3, 28, 28), np.uint8)), r"give uint8 \(frames, height, width, 3\)"),
        (lambda: Item(frames=np.zeros((2, 28, 28, 3), np.float32)), "frames are float32"),
        (lambda: Item(audio=np.zeros((2, 800), np.float32)), "audio is float32"),
        (lambda: Item(audio=np.zeros(800, np.int16)), "audio is int16"),
        (lambda: to_mel(np.full(800, np.nan, np.float32), 300), "infinite or not numbers"),
        (lambda: Item.of({"txt": "a"}), r"dict with keys \['txt'\]"),
        (lambda: Item.of(7), "cannot embed a int"),  # type: ignore[arg-type]
    ],
)
def test_bad_input_is_one_line(make: object, says: str) -> None:
    with pytest.raises(UserError, match=says) as caught:
        make()  # type: ignore[operator]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_patches_lie_where_they_should(count: int) -> None:
    clip = frames(count, 56, 84)
    patches, grid = to_patches(clip)
    assert grid == ((count + 1) // 2, 4, 6)
    assert video_tokens(grid) * 4 == len(patches)
    row = 0
    for pair in range(grid[0]):
        for block_y in range(2):
            for block_x in range(3):
                for y in (block_y * 2, block_y * 2 + 1):
                    for x in (block_x * 2, block_x * 2 + 1):
                        for c in range(3):
                            for time in (0, 1):
                                frame = clip[min(pair * 2 + time, count - 1)] / 255
                                want = (frame[y * 14 : y * 14 + 14, x * 14 : x * 14 + 14, c] - MEAN[c]) / STD[c]
                                got = patches[row].view(3, 2, 14, 14)[c, time].numpy()
                                np.testing.assert_allclose(got, want, atol=2e-6)
                        row += 1
    assert row == len(patches)


def test_other_sizes_are_resized_by_pillow() -> None:
    clip = frames(2, 50, 100)
    sized = np.stack([np.asarray(Image.fromarray(one).resize((112, 56), Image.Resampling.BICUBIC)) for one in clip])
    assert torch.equal(to_patches(clip)[0], to_patches(sized)[0])
    assert to_patches(frames(2, 9, 9))[1] == (1, 2, 2)


@pytest.mark.parametrize("samples", [SHORTEST_AUDIO, 3200, 19_744, 16_000 * 31 + 1, 4_799_900, 4_800_000, 4_900_000])
def test_mel_equals_the_stock_extractor(samples: int) -> None:
    from transformers import WhisperFeatureExtractor

    stock = WhisperFeatureExtractor(feature_size=128, chunk_length=300)
    wave = sound(samples / 16_000)[:samples]
    wave[-60:] = 0.9  # a burst at the very end: the loudest frame may lie beyond the last one kept
    theirs = stock(wave, sampling_rate=16_000, return_attention_mask=True, return_tensors="pt")
    kept = int(theirs["attention_mask"].sum())
    ours = to_mel(wave, 300)
    assert ours.shape == (128, kept)
    torch.testing.assert_close(ours, theirs["input_features"][0, :, :kept], atol=1e-5, rtol=0)


def test_sound_is_cut_at_the_limit() -> None:
    wave = sound(5)
    assert to_mel(wave, 2).shape == (128, 200)
    assert torch.equal(to_mel(wave, 2), to_mel(wave[:32_000], 2))


@pytest.mark.parametrize("kind", ["text", "text_line_feeds", "text_special_names", "video_wide", "all"])
def test_special_tokens_come_from_us_alone(kind: str, model: SentenceTransformer) -> None:
    item = kinds()[kind]
    ids = model[0].preprocess([item])["input_ids"][0].tolist()
    marks = {mark: ids.count(model.tokenizer.convert_tokens_to_ids(mark)) for mark in (VIDEO, AUDIO, "<|im_end|>")}
    assert marks["<|im_end|>"] == 2
    assert (marks[VIDEO] > 0, marks[AUDIO] > 0) == (item.frames is not None, item.audio is not None)
    if kind == "text_special_names":
        assert model.tokenizer.decode(ids).count("see <|im_end|> and <|VIDEO|> here") == 1


def test_text_alone_is_cut(model: SentenceTransformer) -> None:
    prompt, ten = Prompt(model.tokenizer), TextLimit(10)
    for text in TEXTS:
        want = model.tokenizer.decode(model.tokenizer.encode(text)[:10], clean_up_tokenization_spaces=False)
        assert prompt.read(text, ten)[0] == want
        assert prompt.ids(text, 3, 2, ten) == prompt.ids(want, 3, 2, TextLimit(1000))
    assert prompt.read("short", ten)[0] == "short"
    assert "\ufffd" in prompt.read(TEXTS[4], ten)[0]  # a cut inside a character


def test_every_field_keeps_its_share(model: SentenceTransformer) -> None:
    prompt = Prompt(model.tokenizer)
    short, long, longer = "Flood", " ".join(TEXTS[:2]), " ".join(TEXTS[:3] * 4)
    count = [len(model.tokenizer.encode(one)) for one in (short, long, longer)]
    limit = TextLimit(40, "fields")
    read, tokens = prompt.read("\t".join([short, longer, long]), limit)
    parts = read.split("\t")
    assert parts[0] == short, "what is shorter than its share is whole"
    assert longer.startswith(parts[1]) and long.startswith(parts[2]) and parts[1] and parts[2]
    kept = [len(model.tokenizer.encode(one)) for one in parts]
    assert abs(kept[1] - kept[2]) <= 1 and 38 <= sum(kept) + 2 <= 40 and tokens >= sum(count)
    assert prompt.read("\t".join([short, longer, long]), TextLimit(40))[0].count("\t") == 1, "the last is cut off whole"
    assert prompt.read(f"{short}\t{long}", TextLimit(1000, "fields"))[0] == f"{short}\t{long}"
    assert prompt.read(longer, limit) == prompt.read(longer, TextLimit(40)), "a single field loses its end"
    assert len(model.tokenizer.encode(prompt.read("\t".join(TEXTS * 20), TextLimit(3, "fields"))[0])) <= 3


@pytest.mark.parametrize(
    ("lengths", "total", "given"),
    [([5, 5], 4, [2, 2]), ([1, 9, 9], 9, [1, 4, 4]), ([9, 1, 9], 10, [4, 1, 5]), ([3], 2, [2]), ([2, 2], -1, [0, 0])],
)
def test_shares(lengths: list[int], total: int, given: list[int]) -> None:
    assert shares(lengths, total) == given


def test_queries_have_a_limit_of_their_own() -> None:
    embedder = small()[0]
    embedder.max_query_tokens = 8
    text = "A flood in the harbour of a town"
    query = embedder.preprocess([text], prompt=QUERY_PREFIX)["input_ids"][0].tolist()
    document = embedder.preprocess([text])["input_ids"][0].tolist()
    read = embedder.tokenizer.decode(embedder.tokenizer.encode(QUERY_PREFIX + text)[:8])
    assert read in embedder.tokenizer.decode(query) and text not in embedder.tokenizer.decode(query)
    assert text in embedder.tokenizer.decode(document)


def test_the_prefix_is_part_of_the_text_that_is_cut(model: SentenceTransformer) -> None:
    whole = model[0].preprocess([TEXTS[2] * 5], prompt="Query: ")["input_ids"]
    joined = model[0].preprocess(["Query: " + TEXTS[2] * 5])["input_ids"]
    assert whole.tolist() == joined.tolist()
    silent = Item(audio=sound(1))
    assert torch.equal(
        model[0].preprocess([silent], prompt="Query: ")["input_ids"], model[0].preprocess([silent])["input_ids"]
    )


def test_positions_equal_the_stock_model_in_a_padded_batch(model: SentenceTransformer) -> None:
    features = model[0].preprocess(list(kinds().values()))
    heard = features["feature_attention_mask"].sum(dim=1) > 0
    stock = reference.positions(
        reference.whole_model(model),
        {
            **features,
            "feature_attention_mask": features["feature_attention_mask"][heard],
            "video_second_per_grid": torch.ones(len(features["video_grid_thw"])),
        },
    )
    assert torch.equal(features["position_ids"].transpose(0, 1), stock)


def test_a_pair_of_frames_is_a_second_of_positions() -> None:
    assert position_ids(12, 2, (2, 4, 4), 2, 25).tolist() == [
        [0, 1, 2, 2, 2, 2, 27, 27, 27, 27, 28, 29],
        [0, 1, 2, 2, 3, 3, 2, 2, 3, 3, 28, 29],
        [0, 1, 2, 3, 2, 3, 2, 3, 2, 3, 28, 29],
    ]
