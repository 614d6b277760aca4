"""The engine around a loss: what it computes a piece at a time is what is computed at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest
import torch

from tasks.train.contrast import Contrast, by_length
from tasks.train.inputs import Batch, Features
from tasks.train.losses import InfoNCE, Losses, Objectives, fusion_as_teacher
from tasks.train.views import Plan
from tests.train.small import EVERYTHING, adapter, batch, learner, settings

ROWS = [0, 1, 2, 3, 4]  # with two negatives each: 20 items in all
QUERY = Objectives(settings())  # what the recipe learns
Gradients = dict[str, torch.Tensor]


def found(model: torch.nn.Module, value: torch.Tensor, scale: float = 1.0) -> tuple[float, Gradients]:
    (value * scale).backward()
    gradients = {name: weight.grad for name, weight in adapter(model).items() if weight.grad is not None}
    assert len(gradients) == len(adapter(model))
    return value.item(), cast("Gradients", gradients)


def at_once(model: Any, given: Batch, pieces: int) -> torch.Tensor:
    """The loss with every activation remembered, embedded in the engine's pieces, so that dropout draws the same."""

    def embedded(features: Features) -> torch.Tensor:
        rows: dict[int, torch.Tensor] = {}
        for places in by_length(features["attention_mask"].sum(dim=1), pieces):
            part = model({name: tensor[places] for name, tensor in features.items()})["sentence_embedding"]
            rows |= dict(zip(places.tolist(), part, strict=True))
        return torch.stack([rows[place] for place in sorted(rows)])

    queries, passages = embedded(given["learnt"]["queries"]), embedded(given["learnt"]["passages"])
    return InfoNCE(0.1)(queries, passages.unflatten(0, (-1, len(queries))))


def same(one: Gradients, other: Gradients, tolerance: float = 2e-5) -> None:
    largest = max(gradient.abs().max().item() for gradient in other.values())
    assert largest > 0.01
    for name, gradient in other.items():
        torch.testing.assert_close(one[name], gradient, atol=tolerance * largest, rtol=1e-3, msg=name)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("size", [1, 2, 3, 15, 20])
def test_cached_equals_uncached(size: int, dropout: float) -> None:
    model = learner(dropout)
    given = batch(model, ROWS)
    torch.manual_seed(11)
    loss, gradients = found(model, Contrast(model, QUERY, size)(given))
    after = torch.rand(1)
    other = learner(dropout)
    torch.manual_seed(11)
    expected, theirs = found(other, at_once(other, given, size))
    assert loss == pytest.approx(expected, rel=1e-5)
    same(gradients, theirs)
    assert torch.equal(after, torch.rand(1)), "replayed dropout leaves no trace in later random numbers"


@pytest.mark.parametrize("size", [1, 3, 50])
def test_a_mini_batch_is_of_about_one_length(size: int) -> None:
    lengths = torch.tensor([7, 400, 90, 7, 310, 100, 99, 98, 305, 5, 9000, 900, 900, 900])
    pieces = [places.tolist() for places in by_length(lengths, size)]
    assert sorted(place for piece in pieces for place in piece) == list(range(14))
    for piece in pieces:
        assert len(piece) <= size
        assert lengths[piece].min() >= 0.75 * lengths[piece].max()
        assert len(piece) == 1 or lengths[piece].max() * len(piece) <= 2048
    if size == 50:
        assert pieces == [[10], [11, 12], [13], [1, 4, 8], [5, 6, 7, 2], [0, 3], [9]]


def everything_at_once(model: Any, given: Batch, loss: Objectives) -> Losses:
    """All objectives with every activation of every view remembered, but for views that get no gradient."""
    rows = given["rows"]
    embedded = {name: model(dict(one))["sentence_embedding"] for name, one in given["learnt"].items()}
    with torch.no_grad():
        embedded |= {name: model(dict(one))["sentence_embedding"] for name, one in given["fixed"].items()}
    return loss({name: one.unflatten(0, (-1, rows)) for name, one in embedded.items()}, given["plan"])


@pytest.mark.parametrize(("size", "number"), [(1, 0), (2, 1), (999, 2)])
def test_all_objectives_cached_equal_uncached(size: int, number: int) -> None:
    loss = Objectives(settings(**EVERYTHING))
    model = learner()
    given = batch(model, [5, 3, 4, 0], number, **EVERYTHING)
    shown = {"queries", "passages", "fused", "second", *(given["plan"].pair or ())}
    assert (set(given["learnt"]), set(given["fixed"])) == (shown, {"swapped"})
    engine = Contrast(model, loss, size)
    value, gradients = found(model, engine(given))
    other = learner()
    expected = everything_at_once(other, given, loss)
    assert value == pytest.approx(expected.total.item(), rel=1e-6)
    assert {name: part.item() for name, part in engine.parts.items()} == pytest.approx(
        {name: part.item() for name, part in expected.parts.items()}, rel=1e-5
    )
    assert all(part > 0.01 for part in engine.parts.values())
    same(gradients, found(other, expected.total)[1])


def test_all_objectives_can_be_learnt_together() -> None:
    model = learner()
    engine = Contrast(model, Objectives(settings(**EVERYTHING)), 999)
    batches = [batch(model, [5, 3, 4, 0], number, **EVERYTHING) for number in range(3)]
    optimiser = torch.optim.Adam(adapter(model).values(), lr=0.005)
    told = []
    for given in batches * 6:
        optimiser.zero_grad()
        engine(given).backward()
        told.append({name: part.item() for name, part in engine.parts.items()})
        optimiser.step()
    for name in told[0]:
        first, last = (sum(one[name] for one in some) for some in (told[:3], told[-3:]))
        assert last < 0.9 * first, name


def test_only_what_is_learnt_of_is_embedded() -> None:
    model = learner()
    off = dict.fromkeys(("query", "symmetric", "tuple", "teacher", "alignment"), 0.0)
    for weights, learnt, fixed in (
        ({"query": 1.0}, {"queries", "passages"}, set()),
        ({"query": 1.0, "tuple": 1.0}, {"queries", "passages", "second"}, {"swapped"}),
        ({"symmetric": 1.0, "teacher": 1.0}, {"queries", "passages", "text", "audio"}, set()),
        ({"teacher": 1.0}, {"text", "audio"}, {"fused"}),
        ({"tuple": 1.0, "alignment": 1.0}, {"fused", "second", "text", "audio"}, {"swapped"}),
    ):
        negatives = 2 if "query" in weights else 0
        given = batch(model, [5, 3, 4], objectives=off | weights, negatives=negatives)
        assert (set(given["learnt"]), set(given["fixed"])) == (learnt, fixed)


def test_the_teacher_gets_exactly_no_gradient_through_the_engine() -> None:
    """Passages teach what is held fixed here, and then learn from it."""

    def teach(embedded: Mapping[str, torch.Tensor], plan: Plan) -> Losses:
        return Losses(fusion_as_teacher(embedded["passages"][0], (embedded["passages"][1].detach(),), (0.1,)), {})

    def learn(embedded: Mapping[str, torch.Tensor], plan: Plan) -> Losses:
        return Losses(fusion_as_teacher(embedded["passages"][1], (embedded["passages"][0],), (0.1,)), {})

    model = learner()
    for loss, nothing in ((teach, True), (learn, False)):
        model.zero_grad()
        embedded = Contrast(model, cast("Any", Connected(loss)), 4)
        value, gradients = found(model, embedded(batch(model, ROWS)))
        assert value > 0.1
        assert all(torch.equal(one, torch.zeros_like(one)) for one in gradients.values()) == nothing


class Connected:
    """A loss that hangs together with the embeddings, if only by nothing."""

    def __init__(self, loss: Callable[[Mapping[str, torch.Tensor], Plan], Losses]) -> None:
        self.loss = loss

    def __call__(self, embedded: Mapping[str, torch.Tensor], plan: Plan) -> Losses:
        losses = self.loss(embedded, plan)
        return Losses(losses.total + 0 * embedded["passages"].sum(), losses.parts)


def test_from_a_batch_of_one_documents_learn_nothing() -> None:
    model = learner()
    engine = Contrast(model, Objectives(settings(**EVERYTHING)), 999)
    given = batch(model, [5], **EVERYTHING)
    value = engine(given).item()
    assert "swapped" not in given["fixed"]
    parts = {name: part.item() for name, part in engine.parts.items()}
    assert value == parts.pop("query") > 0.1
    assert set(parts.values()) == {0.0}


def test_dropout_counts_and_is_replayed() -> None:
    losses = []
    for seed in (1, 2):
        model = learner(0.3)
        torch.manual_seed(seed)
        losses.append(Contrast(model, QUERY, 3)(batch(model, ROWS)).item())
    assert abs(losses[0] - losses[1]) > 1e-4


def test_what_the_loss_is_multiplied_with_reaches_the_weights() -> None:
    halves = []
    for scale in (1.0, 0.5):
        model = learner()
        halves.append(found(model, Contrast(model, QUERY, 4)(batch(model, ROWS)), scale)[1])
    same({name: gradient * 2 for name, gradient in halves[1].items()}, halves[0])


def test_gradients_add_up_over_batches() -> None:
    model = learner()
    engine = Contrast(model, QUERY, 4)
    (engine(batch(model, [0, 1, 2])) / 2).backward()
    _, both = found(model, engine(batch(model, [3, 4, 5])), 0.5)
    other = learner()
    mean = (at_once(other, batch(other, [0, 1, 2]), 99) + at_once(other, batch(other, [3, 4, 5]), 99)) / 2
    same(both, found(other, mean)[1])


@pytest.mark.parametrize("size", [2, 20])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_checkpointing_changes_nothing_but_memory(size: int, dropout: float) -> None:
    results = []
    for checkpointing in (False, True):
        model: Any = learner(dropout)
        language_model = model[0].model.language_model
        runs: list[int] = []
        language_model.layers[0].mlp.register_forward_pre_hook(lambda *_, runs=runs: runs.append(1))
        if checkpointing:
            language_model.gradient_checkpointing_enable({"use_reentrant": False})
        torch.manual_seed(11)
        results.append((*found(model, Contrast(model, QUERY, size)(batch(model, ROWS))), len(runs)))
    (plain, gradients, runs), (loss, found_gradients, more) = results
    assert loss == pytest.approx(plain, rel=1e-6)
    same(found_gradients, gradients)
    assert more > runs, "layers are computed again"


def test_what_fills_a_share_is_no_candidate_and_weighs_nothing() -> None:
    model = learner()
    given = batch(model, [0, 1, 0])
    given["batch_rows"] = 2  # as on a rank whose last row is there to fill up
    loss, gradients = found(model, Contrast(model, QUERY, 2)(given))
    other = learner()
    expected, theirs = found(other, at_once(other, batch(other, [0, 1]), 2))
    assert loss == pytest.approx(expected, rel=1e-5)
    same(gradients, theirs)


def test_bfloat16_learns_float32_weights_close_to_those_of_float32() -> None:
    model = learner(dtype=torch.bfloat16)
    kinds = {weight.dtype for weight in adapter(model).values()}
    frozen = {weight.dtype for weight in model.parameters() if not weight.requires_grad}
    assert (kinds, frozen) == ({torch.float32}, {torch.bfloat16})
    seen: set[torch.dtype] = set()
    layer: Any = model[0].model.language_model.layers[0].mlp  # type: ignore[union-attr]
    layer.register_forward_hook(lambda _, __, output: seen.add(output.dtype))
    loss, gradients = found(model, Contrast(model, QUERY, 3, dtype="bfloat16")(batch(model, ROWS)))
    assert seen == {torch.bfloat16}
    assert {gradient.dtype for gradient in gradients.values()} == {torch.float32}
    other = learner()
    expected, theirs = found(other, at_once(other, batch(other, ROWS), 99))
    assert loss == pytest.approx(expected, rel=0.05)
    mine, their = (torch.cat([one[name].flatten() for name in theirs]) for one in (gradients, theirs))
    assert torch.nn.functional.cosine_similarity(mine, their, dim=0) > 0.98
