"""Contestants compared over seeds: means, intervals and paired tests, by seed and over all that was measured.

A seed is one sample: its own corpus, base and training. The interval over seeds is Student's, of so few values wide,
and answers what another seed would give; the test over pooled queries (or videos) answers for these trainings only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.evaluate.significance import interval, randomisation_p

RESAMPLES = 100_000

BySeed = Sequence[Mapping[str, float]]  # of every seed, the value of every query or video


@dataclass(frozen=True)
class Standing:
    """One contestant, and its lead over the first.

    Attributes:
        mean: over seeds, of each seed's mean; between: its 95 % interval (Student's t); None with one seed.
        lead, lead_between, lead_p: of its means less the first's, by seed; p of the paired t test.
        pooled_between, pooled_p: of the lead over the queries of all seeds: bootstrap interval, randomisation test.
    """

    name: str
    mean: float
    between: tuple[float, float] | None
    lead: float = 0.0
    lead_between: tuple[float, float] | None = None
    lead_p: float | None = None
    pooled_between: tuple[float, float] | None = None
    pooled_p: float | None = None


def standings(contestants: Mapping[str, BySeed]) -> list[Standing]:
    """Every contestant against the first, which has no lead."""
    first, *others = contestants
    found = [Standing(first, _mean(contestants[first]), _between(_means(contestants[first])))]
    for name in others:
        leads = [
            [mine[unit] - theirs[unit] for unit in theirs]
            for mine, theirs in zip(contestants[name], contestants[first], strict=True)
        ]
        by_seed = np.array([np.mean(one) for one in leads])
        pooled = [lead for one in leads for lead in one]
        low, high = interval(pooled, RESAMPLES, seed=0)
        found.append(
            Standing(
                name, _mean(contestants[name]), _between(_means(contestants[name])), float(by_seed.mean()),
                _between(by_seed), _t_p(by_seed), (low, high), randomisation_p(pooled, RESAMPLES, seed=0),
            )
        )  # fmt: skip
    return found


def table(measure: str, found: Sequence[Standing]) -> str:
    """A row a contestant."""
    head = [measure, "mean", "over seeds", f"less {found[0].name}", "over seeds", "p", "over all pooled", "p"]
    rows = [head] + [
        [
            one.name, f"{one.mean:.4f}", _said(one.between, ".4f"),
            *(["", "", "", "", ""] if one is found[0] else [
                f"{one.lead:+.4f}", _said(one.lead_between, "+.4f"), "-" if one.lead_p is None else f"{one.lead_p:.4f}",
                _said(one.pooled_between, "+.4f"), f"{one.pooled_p:.5f}",
            ]),
        ]
        for one in found
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _means(by_seed: BySeed) -> np.ndarray:
    return np.array([np.mean(list(one.values())) for one in by_seed])


def _mean(by_seed: BySeed) -> float:
    return float(_means(by_seed).mean())


def _between(values: np.ndarray) -> tuple[float, float] | None:
    """Student's 95 % interval of a mean."""
    from scipy import stats

    if len(values) < 2:
        return None
    reach = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return float(values.mean()) - reach, float(values.mean()) + reach


def _t_p(differences: np.ndarray) -> float | None:
    """Two-sided p of Student's paired test; None with one seed or where no seed differs."""
    from scipy import stats

    if len(differences) < 2 or not differences.any():
        return None
    return float(stats.ttest_1samp(differences, 0.0).pvalue)


def _said(between: tuple[float, float] | None, form: str) -> str:
    return "-" if between is None else f"{between[0]:{form}} to {between[1]:{form}}"
