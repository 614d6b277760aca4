"""The tiny base's loss, by hand on a small case, and that training does what it is for."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.base.checkpoints import Checkpoints
from tasks.base.examples import PARTS, Example, base_events, batch_of, captions, text_example, tokenizer_texts
from tasks.base.learn import Targets, caption_loss, embed, learn, parts_loss
from tasks.omni.inputs import Item
from tasks.omni.tiny import TinyConfig, build_tiny
from tasks.shared.execution.items import ItemStore
from tasks.synthetic.seeding import rng_for

NAMES = {field: list(words.values()) for field, words in PARTS.items()}
EVENTS = base_events(7, 12, frozenset())
CAPTIONS = sorted({caption for event in EVENTS for caption in captions(event).values()})
SMALL = TinyConfig(
    vocab_size=600, hidden=64, layers=1, heads=4, kv_heads=2, mlp=128, vision_hidden=32, vision_depth=1,
    vision_heads=2, vision_mlp=64, audio_hidden=32, audio_layers=1, audio_heads=2, audio_mlp=64,
)  # fmt: skip


def targets(dimension: int) -> Targets:
    count = len(CAPTIONS) + sum(map(len, NAMES.values()))
    vectors = np.random.default_rng(5).normal(size=(count, 96)).astype(np.float32)
    return Targets(CAPTIONS, NAMES, vectors, dimension)


def test_targets_are_unit_vectors_of_the_students_dimension():
    made = targets(64).captions(CAPTIONS)
    assert made.shape == (len(CAPTIONS), 64)
    assert torch.allclose(made.norm(dim=1), torch.ones(len(CAPTIONS)), atol=1e-5)


def test_caption_loss_by_hand():
    """Three items, the last two with one caption: theirs is right for both, each with half of the probability."""
    teacher = targets(64)
    one, two = CAPTIONS[:2]
    examples = [Example(Item(text="x"), caption, {"kind": ("flood",)}) for caption in (one, two, two)]
    embeddings = torch.nn.functional.normalize(torch.randn(3, 64, generator=torch.Generator().manual_seed(1)), dim=1)
    vectors = teacher.captions([one, two, two])
    scores = [[float(item @ target) / 0.1 for target in vectors] for item in embeddings]

    def rows(table: list[list[float]]) -> float:
        total = 0.0
        for row, right in zip(table, ([0], [1, 2], [1, 2]), strict=True):
            log_sum = math.log(sum(math.exp(score) for score in row))
            total -= sum((row[place] - log_sum) / len(right) for place in right)
        return total / 3

    expected = (rows(scores) + rows([list(column) for column in zip(*scores, strict=True)])) / 2
    assert float(caption_loss(embeddings, examples, teacher, 0.1)) == pytest.approx(expected, rel=1e-5)


def test_parts_loss_by_hand():
    """A kind for both items and a sign for one: the sign's words share, and reading weighs double."""
    teacher = targets(64)
    kinds, words = list(PARTS["kind"]), list(PARTS["sign"])
    examples = [
        Example(Item(text="x"), CAPTIONS[0], {"kind": (kinds[2],), "sign": (words[0], words[3])}),
        Example(Item(text="y"), CAPTIONS[1], {"kind": (kinds[5],)}),
    ]
    embeddings = torch.nn.functional.normalize(torch.randn(2, 64, generator=torch.Generator().manual_seed(2)), dim=1)

    def surprise(item: int, field: str, place: int) -> float:
        scores = [float(embeddings[item] @ target) / 0.1 for target in teacher.parts[field]]
        return math.log(sum(math.exp(score) for score in scores)) - scores[place]

    kind = (surprise(0, "kind", 2) + surprise(1, "kind", 5)) / 2
    sign = (surprise(0, "sign", 0) + surprise(0, "sign", 3)) / 2
    assert float(parts_loss(embeddings, examples, teacher, 0.1)) == pytest.approx((kind + 2 * sign) / 3, rel=1e-5)


def train(
    steps: int, checkpoints: Checkpoints | None = None, dies_at: int | None = None
) -> tuple[list[float], dict[str, torch.Tensor], list[int]]:
    """Train on texts: the losses, the trained weights, and the steps that were done."""
    torch.manual_seed(0)
    model = build_tiny(tokenizer_texts(EVENTS, 7), seed=1, config=SMALL, device="cpu")
    done = []

    def batch(step: int) -> list[Example]:
        if step == dies_at:
            raise KilledError
        done.append(step)
        rng = rng_for(7, "texts", step)
        return [text_example(EVENTS[int(rng.integers(12))], rng) for _ in range(16)]

    try:
        history = learn(
            model,
            lambda first: map(batch, range(first, steps)),
            targets(64),
            steps=steps,
            learning_rate=0.01,
            temperature=0.1,
            checkpoints=checkpoints,
        )
    except KilledError:
        return [], {}, done
    return [float(entry["loss"]) for entry in history], model.state_dict(), done


class KilledError(Exception):
    pass


def test_training_teaches():
    losses, _, _ = train(30)
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])


def equal(weights: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> bool:
    return weights.keys() == others.keys() and all(torch.equal(weights[name], others[name]) for name in weights)


def test_training_is_reproducible():
    (losses, weights, _), (again, same, _) = train(4), train(4)
    assert losses == again
    assert equal(weights, same)


def test_training_goes_on_from_the_last_checkpoint_that_is_whole(tmp_path: Path):
    losses, weights, _ = train(9)
    checkpoints = Checkpoints(ItemStore("base", "tasks.base.tiny", {}, tmp_path), "key", interval=2)
    states = lambda: list(tmp_path.rglob("state.safetensors"))  # noqa: E731
    assert train(9, checkpoints, dies_at=5)[2] == [0, 1, 2, 3, 4]
    assert len(states()) == 1, "the checkpoint before it is removed"
    again, same, done = train(9, checkpoints)
    assert done == [4, 5, 6, 7, 8]
    assert again == losses
    assert equal(same, weights)
    assert train(9, checkpoints)[2] == [8]

    content = bytearray(states()[0].read_bytes())
    content[-1] ^= 1
    states()[0].write_bytes(content)
    again, same, done = train(9, checkpoints)
    assert done == list(range(9)), "a damaged checkpoint is not believed"
    assert equal(same, weights)
    checkpoints.clear(9)
    assert not states()


def test_items_are_embedded_as_alone_in_whatever_group():
    model = build_tiny(tokenizer_texts(EVENTS, 7), seed=1, config=SMALL, device="cpu")
    for step in range(3):
        items = [example.item for example in batch_of(step, EVENTS, 7, 4, 56)]
        alone = torch.cat([embed(model, [item]) for item in items])
        assert torch.allclose(embed(model, items), alone, atol=1e-5)


def test_the_towers_learn_too():
    model = build_tiny(tokenizer_texts(EVENTS, 7), seed=1, config=SMALL, device="cpu")
    before = {name: value.clone() for name, value in model.state_dict().items()}

    def batch(step: int) -> list[Example]:
        return batch_of(step, EVENTS, 7, 4, 56)

    learn(model, lambda first: map(batch, range(first, 8)), targets(64), steps=8, learning_rate=0.01, temperature=0.1)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    for tower in ("visual", "audio_tower", "language_model"):
        assert any(tower in name for name in changed), tower
