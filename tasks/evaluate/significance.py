"""Statistical significance: bootstrap intervals, paired randomisation tests, Holm's correction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tasks.evaluate.measures import PerQuery, headline
from tasks.shared.artifacts.fusion import Comparison
from tasks.shared.runtime.files import sha256_json
from tasks.shared.runtime.progress import progress

BLOCK = 1 << 22  # random numbers held at once


def interval(values: Sequence[float], resamples: int, seed: int) -> list[float]:
    """95 % percentile bootstrap interval [low, high] of the mean over queries (Efron and Tibshirani 1993, ch. 13). With
    an equal seed, equally many values are resampled alike: intervals of several systems rest on the same draws."""
    numbers = np.asarray(values, np.float64)
    return bounds(np.concatenate([numbers[drawn].mean(axis=1) for drawn in draws(len(numbers), resamples, seed)]))


def draws(count: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Bootstrap samples of so many queries: blocks of (some of the resamples, `count`) indices."""
    rng = _rng("bootstrap", seed)
    size = max(1, BLOCK // count)
    for start in range(0, resamples, size):
        yield rng.integers(0, count, (min(size, resamples - start), count))


def bounds(resampled: np.ndarray) -> list[float]:
    """The 95 % percentile interval [low, high] of what a number was in every bootstrap sample."""
    low, high = np.quantile(resampled, [0.025, 0.975])
    return [float(low), float(high)]


def randomisation_p(differences: Sequence[float], permutations: int, seed: int) -> float:
    """Two-sided p of the paired randomisation test of mean difference 0 (Smucker, Allan and Carterette 2007). Under the
    null hypothesis a query's two systems could be swapped, which flips the sign of its difference. The sample counts as
    one of its own permutations: (extreme + 1) / (permutations + 1), never 0."""
    numbers = np.asarray(differences, np.float64)
    rng = _rng("randomisation", seed)
    # sums in another order differ in the last bits: what equals the observed one must count as extreme
    observed = abs(numbers.sum()) - 1e-12 * np.abs(numbers).sum()
    size = max(1, BLOCK // len(numbers))
    extreme = 0
    for start in range(0, permutations, size):
        signs = rng.integers(0, 2, (min(size, permutations - start), len(numbers)), dtype=np.int8)
        sums = (2.0 * signs - 1.0) @ numbers
        extreme += int((np.abs(sums) >= observed).sum())
    return (extreme + 1) / (permutations + 1)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Step-down corrected p-values (Holm 1979), in the order given."""
    corrected: dict[str, float] = {}
    highest = 0.0
    for place, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        highest = max(highest, min(1.0, p_values[name] * (len(p_values) - place)))
        corrected[name] = highest
    return {name: corrected[name] for name in p_values}


def _rng(what: str, seed: int) -> np.random.Generator:
    return np.random.default_rng(int(sha256_json(["evaluate", what, seed]), 16))


def comparisons(values: Mapping[str, PerQuery], permutations: int, seed: int) -> dict[str, Comparison]:
    """Tuned against every other system, by its name, of what each scores for every query; empty without tuned."""
    others = {name: one for name, one in values.items() if name != "tuned"} if "tuned" in values else {}
    return comparisons_of({name: differences(values["tuned"], one) for name, one in others.items()}, permutations, seed)


def differences(one: PerQuery, other: PerQuery) -> list[float]:
    """By how much one ranking is above another in nDCG@10, query by query."""
    return [mine - theirs for mine, theirs in zip(headline(one), headline(other), strict=True)]


def comparisons_of(leads: Mapping[str, list[float]], permutations: int, seed: int) -> dict[str, Comparison]:
    """The means of differences by name, with the p of each and all p corrected together."""
    named = progress(leads.items(), "tests", unit="test")
    p_values = {name: randomisation_p(lead, permutations, seed) for name, lead in named}
    corrected = holm(p_values)
    return {name: Comparison(sum(lead) / len(lead), p_values[name], corrected[name]) for name, lead in leads.items()}
