"""Muon (Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"), in float32 and shape by shape.

torch.optim.Muon orthogonalises in bfloat16, one matrix at a time. A CPU without bfloat16 units took 16 to 36 times as
long for that as for float32, and it was 63 % of the tiny base's training.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch

MOMENTUM = 0.95
POLYNOMIAL = (3.4445, -4.7750, 2.0315)  # the paper's coefficients of one Newton-Schulz step
STEPS = 5


class Muon(torch.optim.Optimizer):
    """Moves every matrix (a parameter of two dimensions) by its gradient's Nesterov momentum, made nearly orthogonal.

    `lr` is scaled by 0.2 times the root of the longer side, so that it is one of AdamW (Liu et al. 2025, "Muon is
    scalable for LLM training"); `weight_decay` is decoupled, per unit of lr.
    """

    def __init__(self, matrices: Iterable[torch.nn.Parameter], *, lr: float, weight_decay: float) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002 - torch's signature
        """Move all that have a gradient."""
        for group in self.param_groups:
            alike: dict[tuple[int, int], list[tuple[torch.nn.Parameter, torch.Tensor]]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                if not state:
                    state["momentum"] = torch.zeros_like(matrix)
                average = state["momentum"].lerp_(matrix.grad, 1 - MOMENTUM)
                update = matrix.grad.lerp(average, MOMENTUM)
                alike[(min(matrix.shape), max(matrix.shape))].append((matrix, _wide(update)))
            for (_, longer), members in alike.items():
                updates = orthogonalised(torch.stack([update for _, update in members]))
                for (matrix, _), update in zip(members, updates, strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"])
                    tall = matrix.shape[0] > matrix.shape[1]
                    matrix.add_(update.T if tall else update, alpha=-group["lr"] * 0.2 * longer**0.5)


def orthogonalised(matrices: torch.Tensor) -> torch.Tensor:
    """Matrices (count, rows, columns), rows <= columns, with singular values brought near 1: about 0.7 to 1.2."""
    a, b, c = POLYNOMIAL
    x = matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def _wide(matrix: torch.Tensor) -> torch.Tensor:
    return matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
