"""Objectives on documents: values worked out by hand, who gets a gradient, and how they add up.

L(d, ...) is log(1 + e^d + ...) over a row's differences of scores to its positive: L(-1) = 0.31326169,
L(1) = 1.31326169, L(0) = 0.69314718, L(-2) = 0.12692801, L(2) = 2.12692801.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sentence_transformers.losses import MultipleNegativesRankingLoss
from torch.nn.functional import normalize

from tasks.train.losses import Objectives, alignment, fusion_as_teacher, tuple_infonce
from tasks.train.views import Plan
from tests.train.small import settings
from tests.train.test_losses import LEFT, RIGHT, UP, Known

SLANT = (0.6, 0.8)
OFF = {"query": 0.0, "symmetric": 0.0, "tuple": 0.0, "teacher": 0.0, "alignment": 0.0}
PLAN = Plan(("text", "audio"), {"text": (), "audio": ()}, "video", (1, 0))


def rows(*vectors: tuple[float, float]) -> torch.Tensor:
    return torch.tensor(vectors)


def weighted(embedded: dict[str, torch.Tensor], plan: Plan = PLAN, **weights: float) -> Any:
    negatives = 0 if not weights.get("query") else 2
    params = settings(objectives=OFF | weights, temperature=1.0, negatives=negatives)
    return Objectives(params)({name: one if one.dim() == 3 else one[None] for name, one in embedded.items()}, plan)


def test_tuples_by_hand() -> None:
    # the swapped document is the first itself. Its anchor scores 1, 0, 1: log(2 + e^-1) = 0.86199480; the second's
    # 0, 1, 0: L(-1, -1) = 0.55144471; back the same
    found = tuple_infonce(rows(RIGHT, UP), rows(RIGHT, UP), rows(RIGHT), 1.0)
    assert found.item() == pytest.approx((0.86199480 + 0.55144471) / 2, abs=1e-6)
    # there: 0.6, 0, -1 and 0.8, 1, 0: L(-0.6, -1.6) and L(-0.2, -1). Back: 0.6, 0.8, -0.6 and 0, 1, 0:
    # L(0.2, -1.2) and L(-1, -1)
    found = tuple_infonce(rows(RIGHT, UP), rows(SLANT, UP), rows(LEFT), 1.0)
    there, back = (0.56002037 + 0.78235249) / 2, (0.92528891 + 0.55144471) / 2
    assert found.item() == pytest.approx((there + back) / 2, abs=1e-6)


def test_swapped_documents_get_no_gradient() -> None:
    fused, second, swapped = (rows(RIGHT, SLANT).requires_grad_() for _ in range(3))
    tuple_infonce(fused, second, swapped, 1.0).backward()
    assert swapped.grad is None
    assert fused.grad is not None and fused.grad.any() and second.grad is not None and second.grad.any()


def test_the_teacher_by_hand() -> None:
    # first student at temperature 1: there 0.6, 0 and 0.8, 1: L(-0.6), L(-0.2); back 0.6, 0.8 and 0, 1: L(0.2), L(-1)
    first = (0.43748795 + 0.59813887 + 0.79813887 + 0.31326169) / 4
    # second at 0.5: there 2, 2 and 0, 0: L(0) twice; back 2, 0 and 2, 0, of which the positive is the 0: L(-2), L(2)
    second = (0.69314718 * 2 + 0.12692801 + 2.12692801) / 4
    found = fusion_as_teacher(rows(RIGHT, UP), (rows(SLANT, UP), rows(RIGHT, RIGHT)), (1.0, 0.5))
    assert found.item() == pytest.approx((first + second) / 2, abs=1e-6)


def test_the_teacher_learns_nothing() -> None:
    everything = normalize(torch.randn(3, 4, 8, generator=torch.Generator().manual_seed(1)), dim=2).requires_grad_()
    embedded = {"fused": everything[:1], "text": everything[1:2], "audio": everything[2:]}
    plan = Plan(("text", "audio"), {"text": (), "audio": ()})
    (gradient,) = torch.autograd.grad(weighted(embedded, plan, teacher=1.0).total, everything)
    assert torch.equal(gradient[0], torch.zeros(4, 8)), "exactly"
    assert all(row.abs().max() > 1e-3 for row in gradient[1:].flatten(0, 1)), "students do"


def test_alignment_by_hand() -> None:
    # at 1 and 1/4, together 1/2: there 1.2, 0 and 1.6, 2; back 1.2, 1.6 and 0, 2: L(-1.2), L(-0.4), L(0.4), L(-2)
    found = alignment(rows(RIGHT, UP), rows(SLANT, UP), (1.0, 0.25))
    assert found.item() == pytest.approx((0.26328247 + 0.51301525 + 0.91301525 + 0.12692801) / 4, abs=1e-6)


def test_from_document_to_queries_by_hand() -> None:
    # both positives are the same: queries score 1, 1 and 0, 0; back they score 1, 0 and, for the second, 1, 0 too.
    # The hard negatives are nobody's candidates on the way back
    embedded = {"queries": rows(RIGHT, UP), "passages": torch.tensor([[RIGHT, RIGHT], [LEFT, LEFT]])}
    found = weighted(embedded, symmetric=1.0)
    assert found.total.item() == pytest.approx((0.31326169 + 1.31326169) / 2, abs=1e-6)
    found = weighted(embedded, query=0.5, symmetric=0.5)
    # L(0, -2, -2) and L(0, 0, 0): log(2 + 2 e^-2) and log 4
    assert found.parts["query"].item() == pytest.approx((0.82007518 + 1.38629436) / 2, abs=1e-6)
    assert found.total.item() == pytest.approx((found.parts["query"].item() + 0.81326169) / 2, abs=1e-6)


@pytest.mark.parametrize("negatives", [0, 2])
def test_half_and_half_is_the_symmetric_loss_of_sentence_transformers(negatives: int) -> None:
    generator = torch.Generator().manual_seed(negatives)
    draw = [normalize(torch.randn(5, 16, generator=generator), dim=1) for _ in range(2 + negatives)]
    stock = MultipleNegativesRankingLoss(
        Known(), scale=1.0, directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction"
    )  # type: ignore[arg-type]
    expected = stock([{"sentence_embedding": one} for one in draw], None)
    found = weighted({"queries": draw[0], "passages": torch.stack(draw[1:])}, query=0.5, symmetric=0.5)
    assert found.total.item() == pytest.approx(expected.item(), rel=1e-5)


def test_weights_add_up_what_is_told_unweighted() -> None:
    embedded = {"queries": rows(RIGHT, UP), "passages": rows(SLANT, UP), "second": rows(RIGHT, SLANT)}
    embedded |= {"swapped": rows(LEFT, UP), "text": rows(UP, UP), "audio": rows(RIGHT, LEFT)}
    weights = {"query": 1.0, "symmetric": 0.5, "tuple": 0.25, "teacher": 2.0, "alignment": 0.125}
    found = weighted(embedded, **weights)
    assert list(found.parts) == list(weights)
    alone = {name: weighted(embedded, **{name: 1.0}).total.item() for name in weights}
    assert {name: part.item() for name, part in found.parts.items()} == pytest.approx(alone, rel=1e-6)
    assert found.total.item() == pytest.approx(sum(weight * alone[name] for name, weight in weights.items()), rel=1e-6)


def test_who_has_no_partner_has_no_tuple_negative() -> None:
    embedded = {
        "passages": rows(RIGHT, UP),
        "second": rows(SLANT, UP),
        "swapped": rows(LEFT, UP),
        "queries": rows(UP, UP),
    }
    for places, partners in (([0], (1, None)), ([1], (None, 0)), ([0, 1], (1, 0)), ([], (None, None))):
        found = weighted(embedded, Plan(None, {}, "text", partners), tuple=1.0).total
        expected = tuple_infonce(embedded["passages"], embedded["second"], embedded["swapped"][places], 1.0)
        assert found.item() == pytest.approx(expected.item(), rel=1e-6)


def test_what_a_document_lacks_it_stands_in_for_itself_without_a_gradient() -> None:
    everything = normalize(torch.randn(3, 2, 8, generator=torch.Generator().manual_seed(2)), dim=2).requires_grad_()
    embedded = {"fused": everything[:1], "text": everything[1:2], "audio": everything[2:]}
    lacking = Plan(("text", "audio"), {"text": (1,), "audio": ()})
    found = weighted(embedded, lacking, alignment=1.0, teacher=1.0)
    filled = torch.stack([everything[1, 0], everything[0, 1]])[None].detach()
    expected = weighted(embedded | {"text": filled}, alignment=1.0, teacher=1.0)
    assert found.total.item() == pytest.approx(expected.total.item(), rel=1e-6)
    (gradient,) = torch.autograd.grad(found.total, everything)
    assert torch.equal(gradient[0], torch.zeros(2, 8)) and torch.equal(gradient[1, 1], torch.zeros(8))
    assert gradient[1, 0].any() and gradient[2].any(dim=1).all()


def test_one_modality_alone_has_its_own_temperature() -> None:
    embedded = {"fused": rows(RIGHT, UP)[None], "text": rows(SLANT, UP)[None], "audio": rows(RIGHT, RIGHT)[None]}
    heat = {"text": 1.0, "video": None, "audio": None}
    params = settings(objectives=OFF | {"teacher": 1.0}, temperature=0.5, temperatures=heat, negatives=0)
    expected = fusion_as_teacher(embedded["fused"][0], (embedded["text"][0], embedded["audio"][0]), (1.0, 0.5))
    assert Objectives(params)(embedded, PLAN).total.item() == pytest.approx(expected.item(), rel=1e-6)
