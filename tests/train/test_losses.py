"""InfoNCE on grids small enough to work out by hand, and against sentence-transformers' own."""

from __future__ import annotations

import pytest
import torch
from sentence_transformers.losses import MultipleNegativesRankingLoss
from torch.nn.functional import normalize

from tasks.train.losses.infonce import InfoNCE

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


@pytest.mark.parametrize("case", CASES)
def test_worked_out_by_hand(case: str) -> None:
    queries, passages, temperature, expected = CASES[case]
    found = InfoNCE(temperature)(torch.tensor(queries), torch.tensor(passages))
    assert found.item() == pytest.approx(expected, abs=1e-6)


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
