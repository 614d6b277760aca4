"""What the stages to run again read from earlier stages and from outside, each with the bytes that were recorded."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from tasks.audit.recorded import recorded_file, recorded_outputs
from tasks.audit.text import short
from tasks.lineage.lineage import FINAL, Lineage
from tasks.lineage.model import manifest_path
from tasks.shared.artifacts.corpus import read_videos
from tasks.shared.artifacts.index import MANIFEST as INDEX
from tasks.shared.artifacts.index import read_index_manifest
from tasks.shared.artifacts.models import MODEL, systems
from tasks.shared.artifacts.scores import METRICS, read_scores
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import link_or_copy, sha256_file
from tasks.shared.runtime.models import resolve_model
from tasks.shared.runtime.progress import progress

READERS = {"corpus", "extract"}  # stages that read video files
OF_THE_BASE = {"base", "mine", "train", "encode"}  # stages that load the starting model, or may


def bring(lineage: Lineage, stages: Iterable[str], root: Path) -> None:
    """Put what stages published below a root; not the index, which no stage that makes a score reads.

    Raises UserError where a file is not to be had or its bytes are not those recorded.
    """
    wanted: dict[str, str] = {}
    for stage in stages:
        execution = lineage.execution(stage)
        if outs := [path for path in lineage.outs_of(stage) if path not in execution.derived]:
            lineage.need(*outs)  # whole folders at once, not file by file
        wanted |= recorded_outputs(lineage, stage) | {manifest_path(stage): execution.digest}

    def place(path: str) -> None:
        link_or_copy(recorded_file(lineage, path, wanted[path]), root / path)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in progress(pool.map(place, wanted), "recorded files", total=len(wanted), unit="file"):
            pass


def external_files(lineage: Lineage, again: Collection[str]) -> dict[str, str]:
    """Recorded sha256 of every file from outside the pipeline that the stages to run again read, by path.

    Raises UserError where the recorded list of videos is not to be had.
    """
    found = {
        one.path: one.sha256 for stage in again for one in lineage.execution(stage).used.values() if one.maker is None
    }
    corpus = lineage.executions.get("corpus")
    if READERS.isdisjoint(again) or corpus is None or corpus.param("corpus.source") == "demo":
        return found
    videos = read_videos(recorded_file(lineage, RESULTS / "corpus" / "manifest.parquet"))
    return found | {video.path: video.sha256 for video in videos if RESULTS not in Path(video.path).parents}


def check(lineage: Lineage, again: Sequence[str], recorded: Mapping[str, str], worktree: Path) -> list[str]:
    """What could not be checked of what the stages to run again read from outside, and why.

    Raises UserError where it is not what the results were made of.
    """

    def problem(path: str) -> str | None:
        try:
            here = sha256_file(worktree / path)
        except OSError:
            return f"{path} is missing"
        return None if here == recorded[path] else f"{path} has sha256 {short(here)}, recorded {short(recorded[path])}"

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        checked = progress(pool.map(problem, recorded), "external files", total=len(recorded), unit="file")
        wrong = list(filter(None, checked))
    if wrong:
        more = f" ({len(wrong) - 1} more like it)" if len(wrong) > 1 else ""
        raise UserError(
            f"{wrong[0]}{more}; the score was made of other bytes. Restore them, or take what was made of them as "
            "recorded: --from STAGE"
        )
    unknown = []
    for param, needed, weights in (
        ("retriever.model", FINAL in again, _retriever),
        ("base.model", not OF_THE_BASE.isdisjoint(again), _base),
    ):
        try:
            found = weights(lineage, worktree) if needed else None
        except UserError as error:
            unknown.append(f"weights not checked: {error}")
            continue
        if found and found[1] != found[2]:
            raise UserError(
                f"{param}: {found[0]} has other weights than the results were made with (digest {short(found[2])}, "
                f"recorded {short(found[1])}); put the model of that time there"
            )
    return unknown


def _retriever(lineage: Lineage, worktree: Path) -> tuple[str, str, str] | None:
    """Name, recorded digest and digest here of the text retriever, by what the scores name."""
    found = read_scores(recorded_file(lineage, RESULTS / FINAL / METRICS).parent).retriever
    if not found or not found.get("digest"):
        return None
    name = str(found["model"])
    here = resolve_model(_placed(name, worktree), found.get("revision"), "retriever").digest()
    return name, str(found["digest"]), here


def _base(lineage: Lineage, worktree: Path) -> tuple[str, str, str] | None:
    """The same of a base named as a directory, by the checkpoint that the index was encoded with."""
    if not {"base", "encode"} <= lineage.executions.keys():
        return None
    name = lineage.execution("base").param("base.model")
    if not name or not (worktree / name).is_dir():
        return None
    recorded = read_index_manifest(recorded_file(lineage, RESULTS / "encode" / INDEX).parent).encoding
    lineage.need(RESULTS / "base" / MODEL, RESULTS / "train")
    indexed = systems(lineage.results)[0]
    named = {key: getattr(indexed, key) for key in ("model", "processor", "adapter")}
    paths: dict[str, Any] = {key: _placed(of, worktree) for key, of in named.items() if of}
    return name, recorded.checkpoint, replace(indexed, **paths).digest()


def _placed(name: str, worktree: Path) -> str:
    return str(worktree / name) if (worktree / name).is_dir() else name
