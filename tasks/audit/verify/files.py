"""Files of the results and source videos against manifests and corpus; what changed since the stages ran."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tasks.audit.verify.answer import Answer
from tasks.audit.verify.digests import Digest, compare
from tasks.audit.verify.lock import as_texts
from tasks.audit.verify.state import State
from tasks.lineage.dvc import PARAMS
from tasks.lineage.items import VIDEOS
from tasks.lineage.model import manifest_path
from tasks.shared.artifacts.corpus import read_videos
from tasks.shared.artifacts.publish import FILES
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.params import as_read
from tasks.shared.runtime.errors import UserError


def check_files(state: State, answer: Answer) -> None:
    """Compare every file of the results with the manifest of its stage; find those that none names."""
    lineage, known = state.lineage, set[str]()
    absent = {where for where in answer.by_where if where not in state.files}
    unlisted = list(absent)  # folders of which it is not known what belongs there
    for stage in lineage.stages:
        folder, own, execution = (RESULTS / stage).as_posix(), manifest_path(stage), lineage.executions.get(stage)
        if execution is None:
            unlisted.append(folder)
            if state.below(folder):
                answer.note("not checked", folder, "without its manifest its files are compared with dvc.lock alone")
            continue
        outputs, unnamed = state.outputs(execution)
        for path in unnamed:
            answer.note("not checked", path, f"{folder}/{FILES}, which names its files, is not as recorded")
        unlisted += [*unnamed, *execution.derived]
        known |= {*outputs, own}
        for path, artifact in outputs.items():
            if not absent.intersection(map(str, Path(path).parents)):  # said once for the whole folder
                state.compare(answer, path, f"sha256 {artifact.sha256}", own)
        there = [state.files[path] for path in (*outputs, own) if path in state.files]
        answer.count("results", len(outputs) + 1, state.digests.size(there))
    unlisted_folders = tuple(f"{one}/" for one in unlisted)
    for path in (*state.files, *state.irregular):
        if path not in known and not path.startswith(unlisted_folders):
            owner = path.split("/")[1]
            record = manifest_path(owner) if owner in lineage.executions else "the stages of dvc.yaml"
            now = state.sha256(path)
            answer.find("extra", path, record, None, now and f"sha256 {now}", state.irregular.get(path))


def video_files(state: State) -> dict[str, tuple[Path, str]]:
    """Where every source video lies and its recorded sha256, by its path; none where their table cannot be read."""
    try:
        videos = read_videos(state.files[VIDEOS.as_posix()]) if VIDEOS.as_posix() in state.files else []
    except UserError:
        return {}
    return {one.path: (state.files.get(one.path, Path(one.path)), one.sha256) for one in videos}


def check_videos(state: State, answer: Answer, videos: dict[str, tuple[Path, str]]) -> None:
    """Compare every source video with its digest in the corpus."""
    if not state.intact(VIDEOS.as_posix()):
        if "corpus" in state.lineage.stages:
            answer.note("not checked", "source videos", f"{VIDEOS}, which names them, is not as recorded")
        return
    for path, (place, sha256) in videos.items():
        if not (state.revision and path.startswith(f"{RESULTS}/") and path not in state.files):
            compare(answer, path, state.digests.of(place), f"sha256 {sha256}", VIDEOS.as_posix())
    answer.count("source videos", len(videos), state.digests.size(place for place, _ in videos.values()))


def check_links(state: State, answer: Answer) -> None:
    """Compare what every stage read, by its manifest, with what lies there.

    A later run of an earlier stage makes the result stale and not false, which is a note. What is known to be wrong
    gets one more record that says so.
    """
    for link in state.lineage.links():
        answer.count("links between stages")
        path, expected, own = link.artifact.path, f"sha256 {link.artifact.sha256}", manifest_path(link.reader)
        if link.maker is None:
            if not state.revision:
                compare(answer, path, state.digests.of(Path(path)), expected, own)
        elif path in answer.by_where:
            state.compare(answer, path, expected, own)
        elif state.sha256(path) not in (None, link.artifact.sha256) and not answer.wrong(own):
            todo = f"it is not what {link.reader} read; `dvc repro {link.reader}` makes that again"
            answer.note("changed since", path, todo)


def note_changes(state: State, answer: Answer) -> None:
    """Note which code, params and component versions are not those that the results were made with."""
    changed: dict[tuple[str, str], list[str]] = defaultdict(list)
    for stage, execution in state.lineage.executions.items():
        now = {path.as_posix() for path in state.lineage.stages[stage].code} if not state.revision else set()
        for path in sorted({*execution.code, *now}) if not state.revision else ():
            answer.count("code files")
            found = state.digests.of(Path(path))
            if not isinstance(found, Digest):
                changed[path, "it is not there any more"].append(stage)
            elif found.sha256 != execution.code.get(path):
                changed[path, "it changed" if path in execution.code else "it is new"].append(stage)
        now_params = as_texts({key: _param(state, key) for key in execution.params})
        for key, before in as_texts(execution.params).items():
            if now_params.get(key) != before:
                changed[f"{PARAMS} {key}", f"it was {before}, it is {now_params.get(key, 'not there')}"].append(stage)
        for name, before in execution.components.items():
            answer.count("component versions")
            if (installed := _version(name)) != before:
                changed[name, f"it was {before}, it is {installed or 'not installed'}"].append(stage)
    for (where, what), stages in changed.items():
        answer.note("changed since", where, f"{what}; read by {', '.join(stages)}")


def _param(state: State, key: str) -> Any:
    """What params.yaml has now for a key of a manifest."""
    try:
        return as_read(state.lineage.param(key), key)
    except (KeyError, TypeError):
        return None


@lru_cache
def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
