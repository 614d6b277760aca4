"""Which metric of a run was changed, where only its seal tells that something was.

Most metrics are stated by an artifact as well; of the others (how many items came from the store) there is only the
seal. So single changes are undone one at a time until the seal holds: then that was the change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from tasks.shared.execution.tracking import seal

Entry = tuple[str, int, float]
TRIES = 20_000  # what the search may cost: a second or two
LONGEST = 2_000  # entries of a run that is searched; each try is a hash over all of them


@dataclass(frozen=True)
class Change:
    """What was done to a run's metrics: before is None for one that was added, after for one that was deleted."""

    name: str
    step: int
    before: float | None
    after: float | None


def sealed(tag: str, params: Mapping[str, str], metrics: Collection[Entry]) -> bool:
    """Whether a seal is that of these params and metrics."""
    return seal(params, metrics) == tag


def explain(
    tag: str, params: Mapping[str, str], metrics: list[Entry], unstated: Collection[str], most: int
) -> Change | None:
    """The single change to the metrics that broke a seal; None where no single one explains it.

    Args:
        tag: the seal.
        params, metrics: as MLflow has them, with what artifacts state put right.
        unstated: names of metrics that no artifact states, which count items.
        most: items that there can be.
    """
    if len(metrics) > LONGEST:
        return None
    for tries, (change, repaired) in enumerate(_repairs(metrics, unstated, most)):
        if tries >= TRIES:
            return None
        if sealed(tag, params, repaired):
            return change
    return None


def _repairs(metrics: list[Entry], unstated: Collection[str], most: int) -> Iterator[tuple[Change, list[Entry]]]:
    for place, (name, step, value) in enumerate(metrics):
        yield Change(name, step, None, value), metrics[:place] + metrics[place + 1 :]
    there = {name for name, _, _ in metrics}
    for name in sorted(unstated):
        for count in range(most + 1):
            if name not in there:
                yield Change(name, 0, float(count), None), [*metrics, (name, 0, float(count))]
                continue
            for place, (other, step, value) in enumerate(metrics):
                if other == name:
                    repaired = [*metrics[:place], (name, step, float(count)), *metrics[place + 1 :]]
                    yield Change(name, step, float(count), value), repaired
