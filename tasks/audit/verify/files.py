"""Files of the results and source videos against manifests and corpus; what changed since the stages ran."""

from __future__ import annotations

from collections import defaultdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tasks.audit.verify.lock import as_texts
from tasks.audit.verify.state import State
from tasks.lineage.dvc import LOCK, PARAMS
from tasks.lineage.items import VIDEOS
from tasks.lineage.model import manifest_path
from tasks.shared.artifacts.corpus import read_videos
from tasks.shared.artifacts.publish import FILES
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.params import as_read
from tasks.shared.runtime.errors import UserError


def check_files(state: State) -> None:
    """Compare every file of the results with the manifest of its stage; find those that none names.

    A manifest of another stage is not believed.
    """
    lineage, answer, known = state.lineage, state.answer, set[str]()
    unlisted = set(answer.by_where)  # folders of which is not known what belongs there

    def listed(path: str) -> bool:
        return unlisted.isdisjoint(map(str, Path(path).parents))

    for stage in lineage.stages:
        folder, own, execution = (RESULTS / stage).as_posix(), manifest_path(stage), lineage.executions.get(stage)
        if execution and (execution.stage != stage or any(one.maker != stage for one in execution.generated.values())):
            answer.find("unreadable", own, "a manifest of its stage", None, f"sha256 {execution.digest}")
            del lineage.executions[stage]
        elif not execution and not state.below(folder):
            if stage not in lineage.lock:
                answer.note("not checked", folder, f"it is not here and {LOCK} has no {stage}")
            else:
                md5s, todo = ", ".join(lineage.outs_of(stage).values()), "run `dvc checkout`, `dvc pull` or `dvc fetch`"
                answer.find("missing", folder, f"{LOCK} {stage} outs", f"md5 {md5s}", None, todo)
        elif not execution and own not in answer.by_where:
            answer.find("missing", own, "every published stage has one", None, None)
        if stage not in lineage.executions:
            unlisted.add(folder)
            continue
        outputs, unnamed = state.outputs(stage)
        outputs[own] = lineage.executions[stage].digest
        for path in unnamed:
            answer.note("not checked", path, f"{folder}/{FILES}, which names its files, is not as recorded")
        for path in filter(listed, outputs):  # what is in another folder was said of that
            state.compare(path, own, f"sha256 {outputs[path]}")
        known |= outputs.keys()
        unlisted |= {*unnamed, *lineage.executions[stage].derived}
        answer.count("results", map(state.digest, outputs))
    for path in state.files:
        if path not in known and listed(path):
            owner, found = path.split("/")[1], state.digest(path)
            record = manifest_path(owner) if owner in lineage.executions else "the stages of dvc.yaml"
            answer.find("extra", path, record, None, found.like(None), found.reason)


def check_videos(state: State) -> None:
    """Compare every source video with its digest in the corpus."""
    try:
        videos = read_videos(state.place(VIDEOS.as_posix())) if state.intact(VIDEOS.as_posix()) else None
    except UserError:
        videos = None
    if videos is None:
        if "corpus" in state.lineage.stages:
            state.answer.note("not checked", "source videos", f"{VIDEOS}, which names them, is not as recorded")
        return
    state.digests.read(state.place(one.path) for one in videos)
    for one in videos:
        state.compare(one.path, VIDEOS.as_posix(), f"sha256 {one.sha256}")
    state.answer.count("source videos", (state.digest(one.path) for one in videos))


def check_links(state: State) -> None:
    """Compare what every stage read, by its manifest, with what lies there.

    A later run of an earlier stage makes the result stale and not false, which is a note. What is known to be wrong
    gets one more record that says so.
    """
    answer = state.answer
    for link in state.lineage.links():
        path, own = link.artifact.path, manifest_path(link.reader)
        if path in answer.by_where or (link.maker is None and not state.revision):
            state.compare(path, own, f"sha256 {link.artifact.sha256}")
        elif link.maker and state.digest(path).sha256 not in (None, link.artifact.sha256) and not answer.wrong(own):
            todo = f"it is not what {link.reader} read; `dvc repro {link.reader}` makes that again"
            answer.note("changed since", path, todo)


def note_changes(state: State) -> None:
    """Note which code, params and component versions are not those that the results were made with."""
    changed: dict[tuple[str, str], list[str]] = defaultdict(list)
    params = _named(as_read(state.lineage.params))
    for stage, execution in state.lineage.executions.items():
        before = _named(execution.params) | execution.components
        now = {key: params[key] for key in before if key in params}
        now |= {name: _version(name) for name in execution.components}
        if not state.revision:
            code = {*execution.code, *(path.as_posix() for path in state.lineage.stages[stage].code)}
            before |= {path: sha256[:12] for path, sha256 in execution.code.items()}
            now |= {path: sha256[:12] for path in code if (sha256 := state.digest(path).sha256)}
        for where in sorted({*before, *now}):
            was, here = before.get(where, "not there"), now.get(where, "not there")
            if was != here:
                changed[where, f"it was {was}, it is {here}"].append(stage)
    for (where, what), stages in changed.items():
        state.answer.note("changed since", where, f"{what}; read by {', '.join(stages)}")


def _named(params: dict[str, Any]) -> dict[str, str]:
    return {f"{PARAMS} {key}": value for key, value in as_texts(params).items()}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
