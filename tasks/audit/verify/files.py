"""Files of the results against the manifests: missing, altered, extra."""

from __future__ import annotations

from typing import Any

from tasks.audit.verify.answer import Answer
from tasks.audit.verify.hashing import Digest
from tasks.audit.verify.state import State
from tasks.lineage.model import Artifact, Execution
from tasks.shared.artifacts.publish import FILES, FILES_SCHEMA, MANIFEST
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.parquet import read_parquet

Outputs = dict[str, Artifact]


def outputs_of(state: State, manifest: Execution) -> tuple[Outputs, list[str]]:
    """Every output that a manifest names, itself or in its `files.parquet`, and the folders whose files it cannot
    name because that table is not as recorded."""
    listed = (RESULTS / manifest.stage / FILES).as_posix()
    if not manifest.folders:
        return manifest.generated, []
    digest = state.digest(listed)
    entry = manifest.generated.get(listed)
    if entry is None or digest is None or digest.sha256 != entry.sha256:
        return manifest.generated, sorted(manifest.folders)
    try:
        rows = read_parquet(state.tree.files[listed], FILES_SCHEMA).to_pylist()
    except UserError:
        return manifest.generated, sorted(manifest.folders)
    found = {row["path"]: Artifact(**row) for row in rows}
    return manifest.generated | found, []


def outputs_hold(state: State, manifest: Execution) -> bool:
    """Whether all outputs that a manifest names are there as it names them, and nothing else."""
    outputs, unnamed = outputs_of(state, manifest)
    found = {path: state.digest(path) for path in outputs}
    own = (RESULTS / manifest.stage / MANIFEST).as_posix()
    beside = [
        path for path in (*state.tree.files, *state.tree.strange) if path.startswith(f"results/{manifest.stage}/")
    ]
    return (
        not unnamed
        and all(one is not None and one.sha256 == outputs[path].sha256 for path, one in found.items())
        and all(path in outputs or path == own or _in(path, manifest.derived) for path in beside)
    )


def check_files(state: State, answer: Answer, references: dict[str, Execution]) -> None:
    """Compare every file of the results with the manifest of its stage, and name those that none names."""
    known: set[str] = set()
    silent: list[str] = []  # folders of which it cannot be told what belongs there
    for stage in state.stages:
        folder = (RESULTS / stage).as_posix()
        if any(one.where == folder for one in answer.findings):  # missing as a whole, which is said once
            continue
        if (manifest := references.get(stage)) is None:
            silent.append(folder)
            if any(path.startswith(f"{folder}/") for path in state.tree.files):
                answer.note(
                    "not checked", folder, "without its manifest its files can only be compared with DVC's hashes"
                )
            continue
        outputs, unnamed = outputs_of(state, manifest)
        own = f"{folder}/{MANIFEST}"
        for path in unnamed:
            answer.note("not checked", path, f"{folder}/{FILES}, which names its files, is not as recorded")
        silent += [*unnamed, *manifest.derived]
        known |= {*outputs, own}
        if stage not in state.executions or state.executions[stage].digest != manifest.digest:
            _compare(state, answer, own, manifest.digest, "the recorded manifest")
        for path, entry in outputs.items():
            _compare(state, answer, path, entry.sha256, own)
        answer.count("results", len(outputs) + 1, state.digests.size(_there(state, [*outputs, own])))
    for path in state.tree.files:
        if path not in known and not any(path.startswith(f"{folder}/") for folder in silent):
            digest = state.digest(path)
            answer.find("extra", path, _keeper(path), None, f"sha256 {digest.sha256}" if digest else None)
    for path, what in state.tree.strange.items():
        if path not in known:
            answer.find("extra", path, _keeper(path), None, what)


def _compare(state: State, answer: Answer, path: str, sha256: str, record: str) -> None:
    expected = f"sha256 {sha256}"
    if state.revision and any(path.startswith(f"{one.where}/") for one in answer.findings):
        return  # the list of its folder is not to be had, which is said once
    if path in state.tree.strange:
        answer.find("missing", path, record, expected, state.tree.strange[path])
    elif path not in state.tree.files:
        answer.find("missing", path, record, expected, None)
    else:
        found = state.digests.of(state.tree.files[path])
        if not isinstance(found, Digest):
            answer.find("missing" if found.missing else "unreadable", path, record, expected, found.reason)
        elif found.sha256 != sha256:
            answer.find("altered", path, record, expected, f"sha256 {found.sha256}")


def _there(state: State, paths: list[str]) -> list[Any]:
    return [state.tree.files[path] for path in paths if path in state.tree.files]


def _in(path: str, folders: list[str]) -> bool:
    return any(path.startswith(f"{folder}/") for folder in folders)


def _keeper(path: str) -> str:
    """Who would have to name a file."""
    parts = path.split("/")
    return "/".join([*parts[:2], MANIFEST]) if len(parts) > 2 else "no stage"
