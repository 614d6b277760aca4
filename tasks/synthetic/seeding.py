"""Random numbers by name: every item draws from its own generator, so neither order nor process matters."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def rng_for(seed: int, *names: str | int) -> np.random.Generator:
    """The generator that belongs to a seed and a name; equal names give equal draws."""
    key = "\x1f".join([str(seed), *map(str, names)])
    return np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode()).digest()[:16], "little"))


def pick(rng: np.random.Generator, choices: Sequence[T]) -> T:
    """One of some choices, each equally likely."""
    return choices[int(rng.integers(len(choices)))]


def hex_name(seed: int, *names: str | int) -> str:
    """A short opaque name that reveals nothing about what it names."""
    return hashlib.sha256("\x1f".join([str(seed), *map(str, names)]).encode()).hexdigest()[:8]
