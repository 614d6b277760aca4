"""Which manifest of a stage to believe.

A manifest is the word that everything else is compared with, so it is compared first with all who know its digest:
dvc.lock, the later stages that read it, and the MLflow runs that published it. Where it was altered, the recorded one
is taken from DVC's cache or from the copy that MLflow keeps, so that what was altered with it is still named.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlparse

from tasks.audit.verify.answer import Answer
from tasks.audit.verify.files import outputs_hold
from tasks.audit.verify.hashing import dir_hash
from tasks.audit.verify.state import DIR, State
from tasks.lineage.manifest import parse_manifest
from tasks.lineage.model import Execution, Run
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError


@dataclass
class Runs:
    """MLflow's runs of the stages, whatever they published."""

    all: list[Run] = field(default_factory=list)

    def published(self, digest: str) -> list[Run]:
        """Those that say they published this manifest; it names its stage, so no other stage's can have its digest."""
        return [one for one in self.all if one.manifest == digest]

    def made(self, state: State, stage: str) -> list[Run]:
        """Those whose outputs had DVC's hashes as dvc.lock has them, whatever else they say they are."""
        if stage not in state.lock:
            return []
        derived = state.executions[stage].derived if stage in state.executions else []
        wanted = {path: md5 for path, md5 in state.lock[stage].outs.items() if path not in derived}
        return [one for one in self.all if wanted and wanted.items() <= one.outs.items()]

    def of(self, stage: str) -> list[Run]:
        """Those of a stage that published anything."""
        return [one for one in self.all if one.stage == stage and one.manifest]


def runs_of(state: State) -> Runs:
    """All runs of the state's stages, and those that published its manifests under whatever name."""
    digests = {one.digest for one in state.executions.values()}
    found = {one.run_id: one for one in state.tracking.of_stages(list(state.stages))}
    for several in state.tracking.of_manifests(digests).values():
        found |= {one.run_id: one for one in several}
    return Runs(list(found.values()))


def references(state: State, answer: Answer, runs: Runs) -> dict[str, Execution]:
    """The manifest of every stage to compare with; a stage of which none can be believed is not there.

    Later stages come first: what they say that they read is testimony about the earlier ones, as far as they are
    believed themselves.
    """
    believed: dict[str, Execution] = {}
    for stage in reversed(state.stages):
        if (manifest := _reference(state, answer, stage, runs, believed)) is not None:
            believed[stage] = manifest
    return {stage: believed[stage] for stage in state.stages if stage in believed}


def _reference(
    state: State, answer: Answer, stage: str, runs: Runs, believed: dict[str, Execution]
) -> Execution | None:
    path = (RESULTS / stage / MANIFEST).as_posix()
    present = state.executions.get(stage)
    read = [
        (name, one, entry.sha256)
        for name, manifest in believed.items()
        for one, entry in manifest.used.items()
        if one.startswith(f"{RESULTS / stage}/")
    ]
    if present is not None:
        against = list(_against(state, stage, path, present, runs, read))
        if not against:
            return present
        for record, expected in against:
            answer.find("altered", path, record, expected, f"sha256 {present.digest}")
    return _recorded(state, stage, path, runs, read)


Read = list[tuple[str, str, str]]  # later stage, what it read of this one, sha256


def _against(
    state: State, stage: str, path: str, present: Execution, runs: Runs, read: Read
) -> Iterator[tuple[str, str]]:
    """Who says that the manifest that lies there is another one than was recorded; nobody where it is believed."""
    published = bool(runs.published(present.digest))
    whole, locked = _locked(state, path)
    agree = (path, present.digest) in [(one, digest) for _, one, digest in read]
    disagree = [
        ((RESULTS / name / MANIFEST).as_posix(), f"sha256 {digest}" + (f" of {one}" if one != path else ""))
        for name, one, digest in read
        if digest != (present.digest_of(one)) and not any(one.startswith(f"{folder}/") for folder in present.folders)
    ]
    if whole and published:
        return
    if whole:  # dvc.lock agrees: a later run of this stage, unless MLflow has the earlier ones and not this
        if disagree and runs.of(stage):
            yield from disagree
        elif not _committed(state, path) and (twin := _twin(stage, present, runs)):
            yield f"MLflow run {twin[0]}, which read the same", f"sha256 {twin[1].digest}"
    elif locked is not None and locked != _md5(state, path):
        if not (outputs_hold(state, present) and (agree or published or _committed(state, path))):
            yield "dvc.lock", f"md5 {locked}"
            yield from disagree
    elif locked is None and not published and not agree:
        for run in runs.made(state, stage):
            if run.manifest is not None:
                yield f"MLflow run {run.run_id}", f"sha256 {run.manifest}"
        yield from disagree


def _locked(state: State, path: str) -> tuple[bool, str | None]:
    """Whether the output that a file belongs to has the hash of dvc.lock, and the file's own md5 there if known."""
    for out, (_, md5) in state.outs.items():
        if out == path:
            return md5 == _md5(state, path), md5
        if path.startswith(f"{out}/"):
            if not state.revision and folder_hash(state, out) == md5:
                return True, _md5(state, path)
            return False, (state.listing(md5) or {}).get(path.removeprefix(f"{out}/"))
    return False, None


def folder_hash(state: State, folder: str) -> str | None:
    """DVC's md5 of a folder as it lies there; None where not every file of it can be read."""
    names = state.tree.below(folder)
    digests = {name: state.digest(f"{folder}/{name}") for name in names}
    if not names or None in digests.values():
        return None
    return dir_hash({name: one.md5 for name, one in digests.items() if one is not None})


def out_hash(state: State, out: str, md5: str) -> str | None:
    """DVC's md5 of an output as it lies there, a file's or a folder's as dvc.lock has it."""
    return folder_hash(state, out) if md5.endswith(DIR) else _md5(state, out)


def _md5(state: State, path: str) -> str | None:
    found = state.digest(path)
    return found.md5 if found else None


def _committed(state: State, path: str) -> bool:
    """Whether HEAD's dvc.lock has the output that a file belongs to as it lies there."""
    outs = {out: md5 for one in state.committed.values() for out, md5 in one.outs.items()}
    around = {out: md5 for out, md5 in outs.items() if path == out or path.startswith(f"{out}/")}
    return bool(around) and all(out_hash(state, out, md5) == md5 for out, md5 in around.items())


def _recorded(state: State, stage: str, path: str, runs: Runs, read: Read) -> Execution | None:
    """The manifest that was recorded, where its bytes are kept somewhere: by its md5 in DVC's cache, else by its
    sha256 or by what later stages read among MLflow's copies."""
    _, locked = _locked(state, path)
    if (kept := _cached(state, locked)) is not None:
        return kept
    wanted = {digest for _, one, digest in read if one == path} | {run.manifest for run in runs.made(state, stage)}
    files = [(one, digest) for _, one, digest in read if one != path]
    for run in reversed(runs.of(stage)):
        copy = _copy(run)
        if copy is not None and (
            copy.digest in wanted or (files and all(copy.digest_of(one) == digest for one, digest in files))
        ):
            return copy
    present = state.executions.get(stage)
    twin = _twin(stage, present, runs) if present is not None else None
    return twin[1] if twin else None


def _twin(stage: str, present: Execution, runs: Runs) -> tuple[str, Execution] | None:
    """A run of the same inputs, params, code and versions that published something else, and what it published.

    Equal work gives equal bytes, so one of the two is not what the stage made.
    """
    for run in reversed(runs.of(stage)):
        copy = _copy(run)
        if copy is not None and copy.digest != present.digest and _recipe(copy) == _recipe(present):
            return run.run_id, copy
    return None


def _recipe(manifest: Execution) -> tuple[object, ...]:
    return manifest.used, manifest.params, manifest.code, manifest.components


def _cached(state: State, md5: str | None) -> Execution | None:
    try:
        if md5 is None or not state.objects.has(md5):
            return None
        content = state.objects.path(md5).read_bytes()
        if hashlib.md5(content, usedforsecurity=False).hexdigest() == md5:
            return parse_manifest(content, md5)
    except (OSError, UserError):  # no DVC project, or an object that is no manifest
        pass
    return None


def _copy(run: Run) -> Execution | None:
    """MLflow's copy of the manifest that a run published; None where it is not what the run says it is."""
    if (folder := local(run.artifacts)) is None:
        return None
    try:
        found = parse_manifest((folder / MANIFEST).read_bytes(), run.run_id)
    except (OSError, UserError):
        return None
    return found if found.digest == run.manifest else None


def local(address: str) -> Path | None:
    """The folder of an address on this machine; None for one elsewhere."""
    parsed = urlparse(address)
    if parsed.scheme == "file":
        return Path(unquote(parsed.path))
    return None if parsed.scheme else Path(address)
