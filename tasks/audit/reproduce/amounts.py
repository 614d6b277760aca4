"""How much two files differ, in the terms of what they hold: weights, vectors, rows, lines."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

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
    if made.suffix in TEXTS:
        return _lines(recorded, made)
    before, after = recorded.read_bytes(), made.read_bytes()
    differing = [place for place, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]]
    beyond = abs(len(before) - len(after))
    first = differing[0] if differing else min(len(before), len(after))
    return Amount("bytes", len(differing) + beyond, len(before), where=f"from byte {first}")


def _weights(recorded: Path, made: Path) -> Amount:
    from safetensors import safe_open

    largest, where, differing = 0.0, None, 0
    with safe_open(recorded, "pt") as before, safe_open(made, "pt") as after:
        names = sorted({*before.keys(), *after.keys()})
        for name in names:
            if name not in before.keys() or name not in after.keys():  # noqa: SIM118 (no mapping)
                return Amount("tensors", 1, len(names), where=f"{name}, which only one has")
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
    if before.column_names == after.column_names == ["id", "vector"]:
        ids = before.column("id").to_pylist()
        if ids == after.column("id").to_pylist():
            return _vectors(ids, before.column("vector").to_pylist(), after.column("vector").to_pylist())
    if before.column_names != after.column_names:
        strange = set(before.column_names) ^ set(after.column_names)
        return Amount("rows", before.num_rows, before.num_rows, where=f"columns {', '.join(sorted(strange))}")
    if before.num_rows != after.num_rows:
        rows = Counter(map(repr, before.to_pylist())), Counter(map(repr, after.to_pylist()))
        return Amount("rows", (rows[0] - rows[1]).total() + (rows[1] - rows[0]).total(), before.num_rows)
    differing: set[int] = set()
    columns, largest = [], None
    for name in before.column_names:
        pairs = zip(before.column(name).to_pylist(), after.column(name).to_pylist(), strict=True)
        apart = {row: pair for row, pair in enumerate(pairs) if pair[0] != pair[1]}
        if apart:
            differing |= apart.keys()
            columns.append(name)
            sizes = [abs(one - other) for one, other in apart.values() if isinstance(one, float) and other is not None]
            largest = max([*sizes, largest or 0.0]) if sizes else largest
    return Amount("rows", len(differing), before.num_rows, largest, where=", ".join(columns) or None)


def _vectors(ids: list[str], recorded: list[list[float]], made: list[list[float]]) -> Amount:
    import numpy as np

    before, after = np.asarray(recorded, np.float64), np.asarray(made, np.float64)
    if before.shape != after.shape:
        return Amount("vectors", len(ids), len(ids), where=f"dimension {before.shape[-1]} and {after.shape[-1]}")
    apart = np.abs(before - after).max(axis=1)
    lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    cosines = (before * after).sum(axis=1) / np.where(lengths == 0, 1, lengths)
    return Amount(
        "vectors", int((apart != 0).sum()), len(ids), float(apart.max()), float(cosines.min()), ids[int(apart.argmax())]
    )


def _lines(recorded: Path, made: Path) -> Amount:
    before, after = recorded.read_bytes().splitlines(), made.read_bytes().splitlines()
    only = (Counter(before) - Counter(after)).total()
    new = (Counter(after) - Counter(before)).total()
    first = next((n for n, pair in enumerate(zip(before, after, strict=False), 1) if pair[0] != pair[1]), None)
    return Amount("lines", max(only, new), len(before), where=f"from line {first or min(len(before), len(after)) + 1}")
