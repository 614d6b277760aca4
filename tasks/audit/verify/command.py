"""Not here yet."""

from __future__ import annotations

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """None yet."""


def run(chosen: argparse.Namespace) -> int:
    """Not here yet."""
    raise NotImplementedError(chosen)
