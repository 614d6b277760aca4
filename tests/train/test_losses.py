"""InfoNCE on grids small enough to work out by hand, and against sentence-transformers' own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sentence_transformers.losses import MultipleNegativesRankingLoss
from torch.nn.functional import normalize

from tasks.train.losses import InfoNCE, hardened

RIGHT, UP, LEFT = (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)
CASES = {
    # each query equals its positive and is square to the other's: log(1 + e^-1), and with 1/2 log(1 + e^-2)
    "told apart": ([RIGHT, UP], [[RIGHT, UP]], 1.0, 0.31326169),
    "told apart, colder": ([RIGHT, UP], [[RIGHT, UP]], 0.5, 0.12692801),
    # the first query also sees its own negative (opposite) and the second's (equal to its positive); and the other way
    # round the second sees two squares: (log(2 + e^-1 + e^-2) + log(1 + 3 e^-1)) / 2 with scores 1 0 -1 1 and 1 0 0 0
    "hard negatives": ([RIGHT, UP], [[RIGHT, UP], [LEFT, RIGHT]], 1.0, (0.91757580 + 0.74366838) / 2),
    # scores 0.6 and 0.8; 0.8 and -0.6, the second's positive: (log(1 + e^0.2) + log(1 + e^1.4)) / 2
    "a worse positive": ([RIGHT, UP], [[(0.6, 0.8), (0.8, -0.6)]], 1.0, (0.79813887 + 1.62041735) / 2),
    # one query, its positive, and two negatives just like it: log 3 at any temperature
    "nothing to tell by": ([RIGHT], [[UP], [UP], [UP]], 0.02, 1.09861229),
    "alone": ([RIGHT], [[UP]], 0.02, 0.0),
}


MASKED = {
    # scores 0.6, 0, 1, -1; the negative that scores 1 is 0.4 above the positive: beyond a margin of 0.2 but not of 0.5.
    # The second's are 0.8, 1, 0, 0: nothing is above. L(d, ...) = log(1 + e^d + ...) over differences to the positive:
    # (L(-0.6, -1.6) + L(-0.2, -1, -1)) / 2, and with it (L(0.4, -0.6, -1.6) + L(-0.2, -1, -1)) / 2
    "beyond": (0.2, 1.0, (0.56002037 + 0.93785245) / 2),
    "within": (0.5, 1.0, (1.17635477 + 0.93785245) / 2),
    "at no margin": (None, 1.0, (1.17635477 + 0.93785245) / 2),
    # the margin is one of cosines, whatever the temperature: (L(0.8, -1.2, -3.2) + L(-0.4, -2, -2)) / 2
    "within, colder": (0.5, 0.5, (1.27186433 + 0.66319847) / 2),
    # all that scores above its positive minus 2 is taken out, but never the positive itself: nothing is left to tell
    "all": (-2.0, 1.0, 0.0),
}
WEIGHED = {
    # scores 1 (positive), 0 and -1. At beta 1 the negatives' weights 1 and e^-1 over their mean are 1.46211716 and
    # 0.53788284: log(e^1 + 1.46211716 e^0 + 0.53788284 e^-1) - 1
    "beta 1": (1.0, 1.0, 0.47665482),
    # scores 2, 0, -2 at half the temperature; with half the beta the same weights: log(e^2 + 1.46.. + 0.53.. e^-2) - 2
    "half of beta, colder": (0.5, 0.5, 0.18874067),
}


@pytest.mark.parametrize("case", CASES)
def test_worked_out_by_hand(case: str) -> None:
    queries, passages, temperature, expected = CASES[case]
    found = InfoNCE(temperature)(torch.tensor(queries), torch.tensor(passages))
    assert found.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("case", MASKED)
def test_false_negatives_leave_the_denominator(case: str) -> None:
    margin, temperature, expected = MASKED[case]
    queries, passages = torch.tensor([RIGHT, UP]), torch.tensor([[(0.6, 0.8), UP], [RIGHT, LEFT]])
    passages.requires_grad_()
    found = InfoNCE(temperature, margin)(queries, passages)
    assert found.item() == pytest.approx(expected, abs=1e-6)
    found.backward()
    assert passages.grad is not None and passages.grad.isfinite().all()


@pytest.mark.parametrize("case", WEIGHED)
def test_hard_negatives_weigh_more(case: str) -> None:
    beta, temperature, expected = WEIGHED[case]
    found = InfoNCE(temperature, hardness=beta)(torch.tensor([RIGHT]), torch.tensor([[RIGHT], [UP], [LEFT]]))
    assert found.item() == pytest.approx(expected, abs=1e-6)


def test_hardness_as_its_authors_write_it() -> None:
    """Their public code: the negatives' sum is replaced by their number times a mean weighted by exp(beta * score)."""
    generator = torch.Generator().manual_seed(5)
    queries, *passages = (normalize(torch.randn(4, 8, generator=generator), dim=1) for _ in range(4))
    scores = (queries @ torch.cat(passages).T / 0.3).double().numpy()
    expected = []
    for row, own in enumerate(scores):
        positive, negatives = np.exp(own[row]), np.exp(np.delete(own, row))
        importance = negatives**0.7
        hard = len(negatives) * (importance * negatives).sum() / importance.sum()
        expected.append(-np.log(positive / (positive + hard)))
    found = InfoNCE(0.3, hardness=0.7)(queries, torch.stack(passages))
    assert found.item() == pytest.approx(np.mean(expected), rel=1e-5)


def test_weights_of_hardness_have_no_gradient() -> None:
    """Of a softmax with given weights the gradient by a score is its probability."""
    scores = torch.tensor([[1.0, 0.0, -1.0]], requires_grad=True)
    torch.nn.functional.cross_entropy(hardened(scores, 1.0), torch.tensor([0])).backward()
    terms = np.array([np.e, 1.46211716, 0.53788284 / np.e])
    assert scores.grad is not None
    assert scores.grad[0].numpy() == pytest.approx(terms / terms.sum() - [1, 0, 0], abs=1e-6)


def test_masked_negatives_have_no_part_in_the_mean_weight() -> None:
    scores = torch.tensor([[1.0, 0.0, -1.0, -torch.inf], [0.0, 1.0, -torch.inf, -torch.inf]])
    found = hardened(scores, 1.0)
    assert found[0].exp().tolist() == pytest.approx([np.e, 1.46211716, 0.53788284 / np.e, 0.0], abs=1e-6)
    assert found[1].exp().tolist() == pytest.approx([1.0, np.e, 0.0, 0.0], abs=1e-6), "a single one weighs 1"
    alone = hardened(torch.tensor([[0.5, -torch.inf], [-torch.inf, 0.5]]), 1.0)
    assert alone.diagonal().tolist() == [0.5, 0.5], "without negatives nothing changes"


def test_it_is_one_way() -> None:
    queries, passages = torch.tensor([RIGHT, UP]), torch.tensor([[RIGHT, RIGHT]])
    assert InfoNCE(1.0)(queries, passages).item() == pytest.approx(0.69314718)  # neither can choose: log 2
    assert InfoNCE(1.0)(passages[0], queries[None]).item() == pytest.approx((0.31326169 + 1.31326169) / 2)


class Known(torch.nn.Module):
    """A model whose embeddings are given."""

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return features


@pytest.mark.parametrize("temperature", [1.0, 0.05, 0.02])
@pytest.mark.parametrize("negatives", [0, 1, 3])
def test_equals_sentence_transformers(temperature: float, negatives: int) -> None:
    generator = torch.Generator().manual_seed(negatives)
    draw = [torch.randn(5, 16, generator=generator) for _ in range(2 + negatives)]
    mine = [normalize(one, dim=1).requires_grad_() for one in draw]
    theirs = [one.detach().clone().requires_grad_() for one in mine]
    found = InfoNCE(temperature)(mine[0], torch.stack(mine[1:]))
    stock = MultipleNegativesRankingLoss(Known(), scale=1 / temperature)  # type: ignore[arg-type]
    expected = stock([{"sentence_embedding": one} for one in theirs], None)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    found.backward()
    expected.backward()
    for one, other in zip(mine, theirs, strict=True):
        along = (other.grad * other).sum(dim=1, keepdim=True) * other  # theirs normalises, which takes this part away
        across = one.grad - (one.grad * one).sum(dim=1, keepdim=True) * one
        torch.testing.assert_close(across, other.grad - along, atol=1e-5, rtol=1e-4)
