"""Whether the stages of a state fit together: what each read is what the stage before it made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tasks.audit.manifest import Manifest
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.artifacts.types import RESULTS

if TYPE_CHECKING:
    from tasks.audit.snapshot import Snapshot

Held = Literal["yes", "no", "unknown"]  # unknown: the maker's manifest is not to be had


@dataclass(frozen=True)
class Link:
    """A file that a stage read.

    Attributes:
        stage: the reader.
        path, sha256, bytes: as the reader's manifest has it.
        maker: the stage that made it; None for what comes from outside the pipeline.
        holds: whether the maker's manifest lists it with this digest.
    """

    stage: str
    path: str
    sha256: str
    bytes: int
    maker: str | None
    holds: Held


def links(snapshot: Snapshot) -> list[Link]:
    """Every recorded input of every stage, in the order of the stages."""
    return [
        Link(stage, path, entry["sha256"], entry["bytes"], *_made_by(snapshot, path, entry["sha256"]))
        for stage, manifest in snapshot.manifests.items()
        for path, entry in manifest.inputs.items()
    ]


def broken(found: list[Link]) -> list[Link]:
    """The links that do not hold."""
    return [link for link in found if link.holds == "no"]


def _made_by(snapshot: Snapshot, path: str, sha256: str) -> tuple[str | None, Held]:
    place = Path(path)
    if RESULTS not in place.parents:
        return None, "yes"
    maker = place.parts[1]
    if maker not in snapshot.manifests:
        return maker, "unknown"
    return maker, "yes" if _digest_in(snapshot.manifests[maker], path) == sha256 else "no"


def _digest_in(manifest: Manifest, path: str) -> str | None:
    if path == (RESULTS / manifest.stage / MANIFEST).as_posix():
        return manifest.digest
    entry = manifest.outputs.get(path)
    return str(entry["sha256"]) if entry else None
