"""A grid of experiments: its cells, and who computes what, so that what cells share is computed once.

A cell is params.yaml with other values at some keys. Two cells share a stage when the params of the stage and of all
that it follows from are the same in both. The first of them runs it; the others wait, and DVC restores it to them from
its cache of runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from tasks.shared.execution.params import Params, as_read
from tasks.shared.execution.pipeline import StageSpec, order_of, parents_of
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_json

Overrides = dict[str, Any]  # by dotted key of params.yaml


@dataclass(frozen=True)
class Unit:
    """Stages of one cell that run in one task: one that the cell computes, or a series that DVC restores to it.

    Attributes:
        cell: its number.
        owned: whether this cell is the one that computes them.
        after: numbers of the units, in the order of all units, that must have ended before.
    """

    cell: int
    stages: tuple[str, ...]
    owned: bool
    after: frozenset[int]


def cells_of(grid: Mapping[str, Sequence[Any]]) -> list[Overrides]:
    """Every combination of the values, the last key's changing fastest. Raises UserError for a grid without any."""
    for key, values in grid.items():
        if not isinstance(values, list) or not values:
            raise UserError(f"grid: {key} needs a list of values, as {key}: [1, 2]; it has {values!r}")
        meant = [as_read(value, key) for value in values]
        if any(meant.count(value) > 1 for value in meant):
            raise UserError(f"grid: {key} names a value twice; take one of them out")
    if not grid:
        raise UserError('grid: no key to vary; name one, as {"train.epochs": [1, 2]}')
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


def units_of(cells: Sequence[Params], specs: Mapping[str, StageSpec]) -> list[Unit]:
    """All units, in an order in which none comes before what it needs."""
    order = order_of(specs)
    keys = [_keys(params, specs, order) for params in cells]
    owner: dict[str, int] = {}  # of a stage's key: the unit that runs it
    units: list[Unit] = []
    for number, cell in enumerate(keys):
        previous: frozenset[int] = frozenset()
        for stages, owned in _runs(order, [cell[stage] not in owner for stage in order]):
            shared = () if owned else (owner[cell[stage]] for stage in stages)
            units.append(Unit(number, stages, owned, previous.union(shared)))
            previous = frozenset([len(units) - 1])
            if owned:
                owner[cell[stages[0]]] = len(units) - 1
    return units


def _keys(params: Params, specs: Mapping[str, StageSpec], order: Sequence[str]) -> dict[str, str]:
    """By stage, the digest of its params and of those of all that it follows from."""
    parents = parents_of(specs)
    found: dict[str, str] = {}
    for stage in order:
        values = {key: params.section(key) for key in specs[stage].params}
        found[stage] = sha256_json([stage, values, [found[parent] for parent in parents[stage]]])
    return found


def _runs(order: Sequence[str], owned: Sequence[bool]) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Stages that a cell runs, each alone, and those between them that it gets restored, together."""
    restored: list[str] = []
    for stage, own in zip(order, owned, strict=True):
        if not own:
            restored.append(stage)
            continue
        if restored:
            yield tuple(restored), False
            restored = []
        yield (stage,), True
    if restored:
        yield tuple(restored), False
