"""How much two files differ, in the terms of what they hold: weights, vectors, rows, lines, bytes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

WEIGHTS = ".safetensors"
TEXTS = (".json", ".jsonl", ".trec", ".csv", ".txt", ".md")
TABLES = ".parquet"


@dataclass(frozen=True)
class Amount:
    """How much one file differs from another.

    Attributes:
        of: what is counted: tensors, vectors, rows, lines, bytes.
        differing: how many of them are not the same in both.
        total: how many the recorded file has.
        largest: the largest absolute difference of numbers; None where shapes differ, or no numbers are compared.
        lowest_cosine: of vectors.
        where: the tensor, vector, column or offset that differs most, or first.
    """

    of: str
    differing: int
    total: int
    largest: float | None = None
    lowest_cosine: float | None = None
    where: str | None = None


def amount(recorded: Path, made: Path) -> Amount:
    """How much a file that was made differs from the recorded one."""
    if made.suffix == WEIGHTS:
        return _weights(recorded, made)
    if made.suffix == TABLES:
        return _table(recorded, made)
    text = made.suffix in TEXTS
    before, after = ((path.read_bytes().splitlines() if text else path.read_bytes()) for path in (recorded, made))
    differing = [place for place, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]]
    first = differing[0] if differing else min(len(before), len(after))
    if not text:
        beyond = abs(len(before) - len(after))
        return Amount("bytes", len(differing) + beyond, len(before), where=f"from byte {first}")
    lost, new = Counter(before), Counter(after)
    return Amount("lines", max((lost - new).total(), (new - lost).total()), len(before), where=f"from line {first + 1}")


def _weights(recorded: Path, made: Path) -> Amount:
    from safetensors import safe_open

    largest, where, differing = 0.0, None, 0
    with safe_open(recorded, "pt") as before, safe_open(made, "pt") as after:
        names = sorted({*before.keys(), *after.keys()})
        if only := {*before.keys()} ^ {*after.keys()}:
            return Amount("tensors", len(only), len(names), where=f"{min(only)}, which only one has")
        for name in names:
            one, other = before.get_tensor(name), after.get_tensor(name)
            if one.shape != other.shape:
                return Amount("tensors", 1, len(names), where=f"{name}, of another shape")
            apart = (one.double() - other.double()).abs().max().item() if one.numel() else 0.0
            differing += apart != 0
            if not apart <= largest:  # a NaN counts
                largest, where = apart, name
    return Amount("tensors", differing, len(names), largest, where=where)


def _table(recorded: Path, made: Path) -> Amount:
    import pyarrow.parquet as pq

    before, after = pq.read_table(recorded), pq.read_table(made)
    if before.column_names != after.column_names:
        only = {*before.column_names} ^ {*after.column_names}
        return Amount("rows", before.num_rows, before.num_rows, where=f"columns {', '.join(sorted(only))}")
    named = [one.column("id") for one in (before, after) if "vector" in one.column_names]
    if named and named[0].equals(named[1]) and not before.column("vector").equals(after.column("vector")):
        vectors = (np.array(one.column("vector").to_pylist(), np.float64) for one in (before, after))
        return _vectors(before.column("id").to_pylist(), *vectors)
    if before.num_rows != after.num_rows:
        lost, new = (Counter(map(repr, one.to_pylist())) for one in (before, after))
        return Amount("rows", (lost - new).total() + (new - lost).total(), before.num_rows)
    rows: set[int] = set()
    numbers: list[float] = []
    columns = []
    for name in before.column_names:
        pairs = zip(before.column(name).to_pylist(), after.column(name).to_pylist(), strict=True)
        apart: dict[int, tuple[Any, Any]] = {row: pair for row, pair in enumerate(pairs) if pair[0] != pair[1]}
        rows |= apart.keys()
        columns += [name] if apart else []
        numbers += [abs(one - other) for one, other in apart.values() if isinstance(one, float) and other is not None]
    return Amount("rows", len(rows), before.num_rows, max(numbers, default=None), where=", ".join(columns) or None)


def _vectors(ids: list[str], before: np.ndarray, after: np.ndarray) -> Amount:
    if before.shape != after.shape:
        return Amount("vectors", len(ids), len(ids), where=f"dimension {before.shape[-1]} and {after.shape[-1]}")
    apart = np.abs(before - after).max(axis=1)
    lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    cosines = (before * after).sum(axis=1) / np.where(lengths == 0, 1, lengths)
    most = int(apart.argmax())
    return Amount("vectors", int((apart != 0).sum()), len(ids), float(apart.max()), float(cosines.min()), ids[most])
