"""Spearman's rank correlation, and how likely it would be by chance: by permutation, free and within groups."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.shared.runtime.files import sha256_json

MOST, FEWEST_PERMUTATIONS = 9_999, 999
BUDGET = 5_000_000  # numbers permuted for a test: of more than 500 pairs there are fewer permutations
BLOCK = 1 << 21  # numbers permuted at once
FEWEST = 3  # pairs


@dataclass(frozen=True)
class Association:
    """Of n pairs.

    Attributes:
        permutations: how many were drawn for each p; none of a p is below 1 / (permutations + 1).
        rho: Spearman's, equal values at their mean rank; None where a side is constant or n is below 3.
        p: two-sided, of free permutations; the observed order counts as one of them.
        rho_within: the same of ranks less their group's mean; None without groups, or where nothing is left.
        p_within: two-sided, of permutations within the groups: what language and type of the query explain cannot
            make it small.
    """

    n: int
    permutations: int
    rho: float | None
    p: float | None
    rho_within: float | None
    p_within: float | None


def associate(x: Sequence[float], y: Sequence[float], groups: Sequence[Hashable] | None, seed: int) -> Association:
    """Spearman's rho of x and y (Spearman 1904) with permutation tests (Good 2005, ch. 3)."""
    if len(x) < FEWEST:
        return Association(len(x), 0, None, None, None, None)
    draws = min(MOST, max(FEWEST_PERMUTATIONS, BUDGET // len(x)))
    a, b = _ranks(x), _ranks(y)
    nobody = np.zeros(len(x), np.int64)
    rho, p = _tested(_centred(a, nobody), _centred(b, nobody), nobody, draws, seed)
    if groups is None:
        return Association(len(x), draws, rho, p, None, None)
    numbers: dict[Hashable, int] = {}
    group = np.array([numbers.setdefault(one, len(numbers)) for one in groups])
    within, p_within = _tested(_centred(a, group), _centred(b, group), group, draws, seed)
    return Association(len(x), draws, rho, p, within, p_within)


def _ranks(values: Sequence[float]) -> np.ndarray:
    """Ranks from 1, equal values at the mean of theirs."""
    _, inverse, counts = np.unique(np.asarray(values, np.float64), return_inverse=True, return_counts=True)
    means: np.ndarray = (counts.cumsum() - (counts - 1) / 2)[inverse]
    return means


def _centred(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    means = np.bincount(group, values) / np.bincount(group)
    centred: np.ndarray = values - means[group]
    return centred


def _tested(
    a: np.ndarray, b: np.ndarray, group: np.ndarray, permutations: int, seed: int
) -> tuple[float | None, float | None]:
    """Correlation of centred values and its p under permutation within groups; None where a side is constant."""
    scale = float(np.sqrt((a @ a) * (b @ b)))
    if scale < 1e-9:
        return None, None
    observed = abs(a @ b) - 1e-9 * scale  # sums in another order differ in the last bits
    rng = np.random.default_rng(int(sha256_json(["negatives", "association", seed]), 16))
    places = np.argsort(group, kind="stable")
    left = a[places]
    rows = max(1, BLOCK // len(a))
    extreme = 0
    for start in range(0, permutations, rows):
        # a random number beside the group's: sorted, every group is shuffled and stays in its places
        keys = rng.random((min(rows, permutations - start), len(a))) + group
        extreme += int((np.abs(b[np.argsort(keys, axis=1)] @ left) >= observed).sum())
    return float(a @ b / scale), (extreme + 1) / (permutations + 1)
