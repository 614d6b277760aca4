"""Models as they are published: opened whole whatever their layout, and refused where anything is missing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tasks.omni.loading import load_embedder
from tasks.omni.prompt import TextLimit
from tasks.shared.runtime.errors import UserError
from tests.omni import reference
from tests.omni.kinds import TEXTS, kinds
from tests.omni.published import qwen_tokenizer, write_thinker

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def files(published: SentenceTransformer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tensors, dict[str, Any]]:
    """Weights and configuration of the whole model as transformers writes them, the head included."""
    folder = write_thinker(tmp_path_factory.mktemp("files"), reference.whole_model(published))
    tensors = {name: value for file in folder.glob("*.safetensors") for name, value in load_file(file).items()}
    return tensors, json.loads((folder / "config.json").read_text())


def write(folder: Path, tensors: Tensors, config: dict[str, Any]) -> str:
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config))
    qwen_tokenizer().save_pretrained(folder)
    return str(folder)


def test_the_hubs_layout_is_the_whole_models(published: SentenceTransformer) -> None:
    """Equal to the stock construction: the full Thinker with its head, hidden_states[-1], last token, normalised."""
    whole = reference.whole_model(published)
    for name, item in kinds().items():
        features = published[0].preprocess([item])
        stock = {key: value for key, value in features.items() if key not in ("position_ids", "num_videos_per_sample")}
        if "video_grid_thw" in stock:
            stock["video_second_per_grid"] = torch.ones(1)
        with torch.no_grad():
            ours = published(features)["sentence_embedding"]
        assert torch.cosine_similarity(ours, reference.embedding(whole, stock)).item() > 0.9999, name


def old_thinker(tensors: Tensors) -> Tensors:
    assert "lm_head.weight" in tensors and "model.layers.0.mlp.up_proj.weight" in tensors, "transformers 4 named so"
    return tensors


def whole_omni(tensors: Tensors) -> Tensors:
    thinker = {f"thinker.{name}": value for name, value in tensors.items()}
    return thinker | {"talker.codec_head.weight": torch.ones(2, 2)}


def without_head(tensors: Tensors) -> Tensors:
    return {name: value for name, value in tensors.items() if not name.startswith("lm_head")}


@pytest.mark.parametrize("layout", [old_thinker, whole_omni, without_head])
def test_every_layout_gives_the_same_weights(
    layout: Callable[[Tensors], Tensors], files: tuple[Tensors, dict[str, Any]], published: SentenceTransformer,
    tmp_path: Path, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    tensors, config = files
    if layout is whole_omni:
        config = {"model_type": "qwen2_5_omni", "thinker_config": config, "talker_config": {}, "token2wav_config": {}}
    opened = load_embedder(write(tmp_path / "model", layout(tensors), config), device="cpu")
    mine, theirs = opened[0].model.state_dict(), published[0].model.state_dict()
    assert mine.keys() == theirs.keys() and not any("lm_head" in name for name in mine)
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    assert "UNEXPECTED" not in capfd.readouterr().err, "that the head is left out is no news"


@pytest.mark.parametrize(
    ("gone", "says"),
    [
        ("model.layers.1.mlp.up_proj.weight", r"lacks language_model.layers.1.mlp.up_proj.weight;"),
        ("visual.blocks.0.", r"lacks visual.blocks.0.\S+, visual.blocks.0.\S+, visual.blocks.0.\S+ and \d+ more;"),
        ("model.norm.weight", r"lacks language_model.norm.weight; download it again"),
    ],
)
def test_weights_that_would_be_left_at_random(
    gone: str, says: str, files: tuple[Tensors, dict[str, Any]], tmp_path: Path
) -> None:
    tensors, config = files
    less = {name: value for name, value in tensors.items() if not name.startswith(gone)}
    assert len(less) < len(tensors)
    with pytest.raises(UserError, match=says) as caught:
        load_embedder(write(tmp_path / "model", less, config), device="cpu")
    assert "\n" not in str(caught.value)


def test_weights_of_another_shape_or_half_a_file(files: tuple[Tensors, dict[str, Any]], tmp_path: Path) -> None:
    tensors, config = files
    name = "model.norm.weight"
    with pytest.raises(UserError, match=r"shape|size") as caught:
        load_embedder(write(tmp_path / "shape", {**tensors, name: torch.ones(63)}, config), device="cpu")
    assert "\n" not in str(caught.value)
    broken = tmp_path / "half"
    write(broken, tensors, config)
    half = (broken / "model.safetensors").read_bytes()[:-1000]
    (broken / "model.safetensors").write_bytes(half)
    with pytest.raises(UserError, match="cannot be loaded") as caught:
        load_embedder(str(broken), device="cpu")
    assert "\n" not in str(caught.value)


def test_no_weights_that_are_pickled(files: tuple[Tensors, dict[str, Any]], tmp_path: Path) -> None:
    tensors, config = files
    folder = Path(write(tmp_path / "model", tensors, config))
    torch.save(tensors, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match="cannot be loaded"):
        load_embedder(str(folder), device="cpu")


def test_the_tokenizer_comes_from_the_processor(published: SentenceTransformer, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no tokenizer; name the repository that has it in base\.processor"):
        load_embedder(str(published[0].source[0]), device="cpu")
    foreign = tmp_path / "foreign"
    shutil.copytree(published[0].source[0], foreign)
    from transformers import Qwen2Tokenizer

    Qwen2Tokenizer(vocab={"a": 0}, merges=[]).save_pretrained(foreign)
    with pytest.raises(UserError, match=r"the tokenizer has no .*<\|VIDEO\|>.*name a Qwen2.5-Omni processor"):
        load_embedder(str(foreign), device="cpu")


def test_prompts_are_those_of_the_published_vocabulary(published: SentenceTransformer) -> None:
    """Ids that Qwen's own documentation and tools show for this system prompt, and ids of the marks."""
    ids = published[0].preprocess([TEXTS[0]])["input_ids"][0].tolist()
    assert ids[:14] == [151644, 8948, 198, 2610, 525, 264, 10950, 17847, 13, 151645, 198, 151644, 872, 198]
    assert ids[-3:] == [151645, 198, 151643]
    every = published[0].prompt.ids("x", 1, 1, TextLimit())
    assert every[-9:] == [151652, 151656, 151653, 151647, 151646, 151648, 151645, 198, 151643]


def test_saved_again_it_is_one_directory(published: SentenceTransformer, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    published.save(str(tmp_path / "saved"), create_model_card=False)
    plain = SentenceTransformer(
        str(tmp_path / "saved"), device="cpu", trust_remote_code=True
    )  # the input module is ours
    item = {"text": TEXTS[3], "video": kinds()["video"].frames}
    assert abs(plain.encode(item) - published.encode(item)).max() < 1e-6
