"""What changed since the stages ran, and what they read: code, params and versions, links between stages, videos."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tasks.audit.verify.answer import Answer
from tasks.audit.verify.hashing import Digest
from tasks.audit.verify.locked import canonical, dep_hash
from tasks.audit.verify.state import State
from tasks.lineage.dvc import LOCK, PARAMS
from tasks.lineage.model import Execution
from tasks.shared.artifacts.corpus import read_videos
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.params import as_read
from tasks.shared.execution.tracking import flat
from tasks.shared.runtime.errors import UserError

References = dict[str, Execution]
VIDEOS = "results/corpus/manifest.parquet"


def check_links(state: State, answer: Answer, references: References) -> None:
    """Compare what every stage read, by its manifest, with what lies there.

    A later run of an earlier stage makes what follows stale, and then dvc.lock says so too. Where dvc.lock says that
    the stage read just this, the manifest that says otherwise was altered.
    """
    for stage, manifest in references.items():
        own = (RESULTS / stage / MANIFEST).as_posix()
        for path, entry in manifest.used.items():
            answer.count("links between stages")
            expected = f"sha256 {entry.sha256}"
            if not path.startswith(f"{RESULTS}/"):
                if not state.revision:
                    _compare(answer, path, own, expected, state.digests.of(state.home / path))
                continue
            found = state.digest(path)
            if found is None or found.sha256 == entry.sha256 or answer.wrong(path, own):
                continue
            if _read(state, stage, path):
                answer.find("altered", own, LOCK, f"input {path} with sha256 {found.sha256}", expected)
            elif not any(note.where == path for note in answer.notes):
                answer.note("changed since", path, f"it is not what {stage} read; `dvc repro {stage}` makes that again")


def _read(state: State, stage: str, path: str) -> bool:
    """Whether dvc.lock says that a stage read a file as it lies there."""
    deps = state.lock[stage].deps if stage in state.lock else {}
    around = {dep: md5 for dep, md5 in deps.items() if path == dep or path.startswith(f"{dep}/")}
    return bool(around) and all(dep_hash(state, dep, md5) == md5 for dep, md5 in around.items())


def _compare(answer: Answer, path: str, record: str, expected: str, found: Any) -> None:
    if not isinstance(found, Digest):
        answer.find("missing" if found.missing else "unreadable", path, record, expected, found.reason)
    elif f"sha256 {found.sha256}" != expected:
        answer.find("altered", path, record, expected, f"sha256 {found.sha256}")


def video_files(state: State, answer: Answer, references: References) -> dict[str, tuple[Path, str]]:
    """Where every source video lies and its recorded sha256, by its path; none where their table is not as recorded."""
    digest = state.digest(VIDEOS)
    recorded = references["corpus"].generated.get(VIDEOS) if "corpus" in references else None
    if digest is None or recorded is None or digest.sha256 != recorded.sha256:
        if "corpus" in state.stages:
            answer.note("not checked", "source videos", f"{VIDEOS}, which names them, is not as recorded")
        return {}
    try:
        videos = read_videos(state.tree.files[VIDEOS])
    except UserError as error:
        answer.note("not checked", "source videos", str(error))
        return {}
    return {one.path: (state.tree.files.get(one.path, state.home / one.path), one.sha256) for one in videos}


def check_videos(state: State, answer: Answer, videos: dict[str, tuple[Path, str]]) -> None:
    """Compare every source video with its digest in the corpus."""
    for path, (place, sha256) in videos.items():
        if not (state.revision and path.startswith(f"{RESULTS}/") and path not in state.tree.files):
            _compare(answer, path, VIDEOS, f"sha256 {sha256}", state.digests.of(place))
    answer.count("source videos", len(videos), state.digests.size(place for place, _ in videos.values()))


def note_changes(state: State, answer: Answer, references: References) -> None:
    """Say which code, params and component versions are not those that the results were made with."""
    changed: dict[tuple[str, str], list[str]] = defaultdict(list)
    for stage, manifest in references.items():
        if not state.revision:
            _code(state, answer, stage, manifest, changed)
        now = _present(state.params, manifest.params)
        for key, value in flat(manifest.params).items():
            if state.params is not None and canonical(now, key) != canonical({key: value}, key):
                what = f"it was {canonical({key: value}, key)}, it is {canonical(now, key) or 'not there'}"
                changed[f"{PARAMS} {key}", what].append(stage)
        for name, made in manifest.components.items():
            answer.count("component versions")
            if (installed := _version(name)) != made:
                changed[name, f"it was {made}, it is {installed or 'not installed'}"].append(stage)
    for (where, what), stages in changed.items():
        answer.note("changed since", where, f"{what}; read by {', '.join(stages)}")


def _code(
    state: State, answer: Answer, stage: str, manifest: Execution, changed: dict[tuple[str, str], list[str]]
) -> None:
    now = {path.as_posix() for path in state.stages[stage].code}
    for path in sorted({*manifest.code, *now}):
        answer.count("code files")
        digest = state.digests.of(state.home / path)
        if path not in manifest.code:
            changed[path, "it was not there"].append(stage)
        elif not isinstance(digest, Digest):
            changed[path, f"it was sha256 {manifest.code[path]}, {digest.reason}"].append(stage)
        elif digest.sha256 != manifest.code[path]:
            changed[path, f"it was sha256 {manifest.code[path]}, it is {digest.sha256}"].append(stage)


def _present(params: Any, recorded: dict[str, Any]) -> dict[str, Any]:
    """What params.yaml has now for the keys of a manifest, flattened as those are."""
    now: dict[str, Any] = {}
    for key in recorded:
        value = params
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        now[key] = as_read(value, key)
    return flat(now)


@lru_cache
def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
