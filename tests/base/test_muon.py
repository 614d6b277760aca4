"""The tiny base's optimiser against PyTorch's own, which computes in bfloat16."""

import torch

from tasks.base.muon import Muon, orthogonalised

SHAPES = [(24, 24), (40, 16), (16, 40), (24, 24), (7, 1)]


def matrices() -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(3)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def moved(optimizer: torch.optim.Optimizer, parameters: list[torch.nn.Parameter]) -> list[torch.Tensor]:
    """How far the parameters are from where they began after a few steps down the same gradients."""
    before = [one.detach().clone() for one in parameters]
    for step in range(4):
        generator = torch.Generator().manual_seed(step)
        for one in parameters:
            one.grad = torch.randn(one.shape, generator=generator)
        optimizer.step()
    return [one.detach() - other for one, other in zip(parameters, before, strict=True)]


def test_it_moves_as_pytorchs_does():
    ours, theirs = matrices(), matrices()
    mine = moved(Muon(ours, lr=0.05, weight_decay=0.1), ours)
    stock = torch.optim.Muon(theirs, lr=0.05, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for one, other in zip(mine, moved(stock, theirs), strict=True):
        assert torch.nn.functional.cosine_similarity(one.flatten(), other.flatten(), dim=0) > 0.999
        assert abs(float(one.norm() / other.norm()) - 1) < 0.02


def test_singular_values_come_near_one():
    made = orthogonalised(torch.randn(3, 12, 30, generator=torch.Generator().manual_seed(1)))
    values = torch.linalg.svdvals(made)
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_what_has_no_gradient_stays():
    ours = matrices()
    ours[0].grad = torch.ones_like(ours[0])
    kept = [one.detach().clone() for one in ours]
    Muon(ours, lr=0.05, weight_decay=0.1).step()
    assert not torch.equal(ours[0], kept[0])
    assert all(torch.equal(one, other) for one, other in zip(ours[1:], kept[1:], strict=True))
