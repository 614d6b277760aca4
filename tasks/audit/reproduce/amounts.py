"""How much two files differ, in the terms of what they hold: weights, vectors, rows, lines, bytes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

TEXTS = (".json", ".jsonl", ".trec", ".csv", ".txt", ".md")


@dataclass(frozen=True)
class Amount:
    """How much one file differs from another."""

    of: str  # what is counted: tensors, vectors, rows, lines, bytes
    differing: int  # how many of them are not the same in both
    total: int  # how many the recorded file has
    largest: float | None = None  # absolute difference of numbers; None where shapes differ or no numbers are compared
    lowest_cosine: float | None = None  # of vectors
    where: str | None = None  # the tensor, vector, column or offset that differs most, or first


def amount(recorded: Path, made: Path) -> Amount:
    """How much a file that was made differs from the recorded one."""
    if made.suffix == ".safetensors":
        return _weights(recorded, made)
    if made.suffix == ".parquet":
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
    names, total = before.column_names, before.num_rows
    if only := {*names} ^ {*after.column_names}:
        return Amount("rows", total, total, where=f"columns {', '.join(sorted(only))}")
    if "vector" in names and before["id"].equals(after["id"]) and not before["vector"].equals(after["vector"]):
        return _vectors(before["id"].to_pylist(), *(np.array(one["vector"].to_pylist()) for one in (before, after)))
    rows, others = before.to_pylist(), after.to_pylist()
    if total != after.num_rows:
        lost, new = Counter(map(repr, rows)), Counter(map(repr, others))
        return Amount("rows", (lost - new).total() + (new - lost).total(), total)
    pairs = list(zip(rows, others, strict=True))
    columns = [name for name in names if any(row[name] != other[name] for row, other in pairs)]
    values = [(row[name], other[name]) for row, other in pairs for name in columns]
    sizes = [abs(a - b) for a, b in values if isinstance(a, float) and isinstance(b, float) and a != b]
    differing = sum(row != other for row, other in pairs)
    return Amount("rows", differing, total, max(sizes, default=None), where=", ".join(columns) or None)


def _vectors(ids: list[str], before: np.ndarray, after: np.ndarray) -> Amount:
    if before.shape != after.shape:
        return Amount("vectors", len(ids), len(ids), where=f"dimension {before.shape[-1]} and {after.shape[-1]}")
    apart = np.abs(before - after).max(axis=1)
    lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    cosines = (before * after).sum(axis=1) / np.where(lengths == 0, 1, lengths)
    most = int(apart.argmax())
    return Amount("vectors", int((apart != 0).sum()), len(ids), float(apart.max()), float(cosines.min()), ids[most])
