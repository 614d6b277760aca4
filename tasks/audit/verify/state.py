"""The state to verify. What is damaged in it is a finding, so it is read where other commands would refuse."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tasks.audit.verify.answer import Answer
from tasks.audit.verify.digests import Digest, Digests, Unread, compare, dir_hash, walk
from tasks.lineage.dvc import FOLDER, LOCK, LockedStage, Objects, parse_lock
from tasks.lineage.lineage import Lineage
from tasks.lineage.model import Artifact, Execution, manifest_path
from tasks.lineage.open import revision, workspace
from tasks.shared.artifacts.publish import FILES, FILES_SCHEMA
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime import git
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import link_or_copy
from tasks.shared.runtime.parquet import read_parquet


@dataclass
class State:
    """A state with its files.

    Attributes:
        lineage: its records; manifests that cannot be read are not among them.
        objects: DVC's.
        committed: dvc.lock of HEAD, which the workspace's is compared with.
        files: where each file of the results lies, by its path as seen from the project's root.
        irregular: what lies there and is no file, and what it is.
    """

    lineage: Lineage
    objects: Objects
    committed: dict[str, LockedStage] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    irregular: dict[str, str] = field(default_factory=dict)
    digests: Digests = field(default_factory=Digests)
    _folders: dict[str, str | None] = field(default_factory=dict)

    @property
    def revision(self) -> bool:
        """Whether this is not the workspace: its files are DVC's objects."""
        return self.lineage.objects is not None

    def digest(self, path: str) -> Digest | Unread:
        """The digest of a file of the results."""
        if path in self.files:
            return self.digests.of(self.files[path])
        return Unread(True, self.irregular.get(path))

    def sha256(self, path: str) -> str | None:
        """sha256 of a file of the results; None where it cannot be had."""
        found = self.digest(path)
        return found.sha256 if isinstance(found, Digest) else None

    def compare(self, answer: Answer, path: str, expected: str | None, record: str) -> None:
        """Compare a file of the results with what a record says of it."""
        compare(answer, path, self.digest(path), expected, record)

    def below(self, folder: str) -> dict[str, Path]:
        """The files of a folder of the results by their path in it."""
        start = f"{folder}/"
        return {path.removeprefix(start): file for path, file in self.files.items() if path.startswith(start)}

    def md5(self, path: str, like: str) -> str | None:
        """DVC's md5 of a file of the results, or of a folder where `like` is a folder's; None if it cannot be had."""
        if not like.endswith(FOLDER):
            found = self.digest(path)
            return found.md5 if isinstance(found, Digest) else None
        if path not in self._folders:
            self._folders[path] = folder_md5(self.digests, self.below(path))
        return self._folders[path]

    def intact(self, path: str) -> bool:
        """Whether a file of the results is what its stage's manifest says."""
        execution = self.lineage.executions.get(path.split("/")[1])
        recorded = execution.digest_of(path) if execution else None
        return recorded is not None and self.sha256(path) == recorded

    def outputs(self, execution: Execution) -> tuple[dict[str, Artifact], list[str]]:
        """All outputs that a manifest names, itself or in its `files.parquet`; and the folders whose files are not
        known, because that table is not as recorded."""
        listed = (RESULTS / execution.stage / FILES).as_posix()
        if not execution.folders:
            return execution.generated, []
        try:
            rows = read_parquet(self.files[listed], FILES_SCHEMA).to_pylist() if self.intact(listed) else None
        except UserError:
            rows = None
        if rows is None:
            return execution.generated, sorted(execution.folders)
        return execution.generated | {row["path"]: Artifact(**row) for row in rows}, []

    def listing(self, md5: str) -> dict[str, str] | None:
        """The md5 of a folder's files as DVC's cache has it; None where it lacks that, or has it damaged."""
        try:
            if md5.endswith(FOLDER) and self.objects.has(md5):
                found = self.digests.of(self.objects.path(md5))
                if isinstance(found, Digest) and found.md5 + FOLDER == md5:
                    return self.objects.files(md5)
        except (UserError, ValueError, KeyError, TypeError):
            pass
        return None

    @contextmanager
    def laid_out(self, *stages: str) -> Iterator[Path]:
        """A results folder with the files of some stages, for their readers: the workspace's own, or links to all but
        those of large folders."""
        if not self.revision:
            yield self.lineage.results
            return
        with tempfile.TemporaryDirectory() as name:
            for stage in (one for one in stages if one in self.lineage.executions):
                large = tuple(f"{folder}/" for folder in self.lineage.executions[stage].folders)
                for path, file in self.files.items():
                    if path.startswith(f"{RESULTS / stage}/") and not path.startswith(large):
                        link_or_copy(file, Path(name) / Path(path).relative_to(RESULTS))
            yield Path(name)


def folder_md5(digests: Digests, files: dict[str, Path]) -> str | None:
    """DVC's md5 of a folder, from its files by their path in it; None where there is none or one cannot be read."""
    found = {name: digests.of(file) for name, file in files.items()}
    md5s = {name: one.md5 for name, one in found.items() if isinstance(one, Digest)}
    return dir_hash(md5s) if files and len(md5s) == len(files) else None


def open_workspace(answer: Answer) -> State:
    """The workspace. Raises UserError where this is no project, and where it has no results at all."""
    unreadable: dict[str, str] = {}
    lineage = workspace(unreadable=unreadable)
    for path, reason in unreadable.items():
        answer.find("unreadable", path, f"the format of {Path(path).name}", None, None, reason)
    if not Path(LOCK).is_file():
        answer.note("not checked", LOCK, "it is not here: DVC's hashes cannot be compared")
    state = State(lineage, Objects(), _committed(lineage))
    _check_manifests(state, answer)
    recorded = [path for one in lineage.executions.values() for path in (*one.generated, *one.folders)]
    state.files, state.irregular = walk(Path(), RESULTS, recorded)
    if not state.files and not lineage.lock:
        raise UserError(f"there are no results in {RESULTS}; run `dvc repro`, or `dvc pull` in a clone")
    return state


def open_revision(answer: Answer, rev: str) -> State:
    """What a commit recorded, as far as DVC's cache has it. Raises UserError for an unknown commit."""
    lineage = revision(rev)
    assert lineage.objects is not None
    state = State(lineage, lineage.objects)
    for out, md5 in lineage.outs.items():
        objects = {out: md5}
        if md5.endswith(FOLDER) and (listing := state.listing(md5)) is not None:
            objects = {f"{out}/{name}": one for name, one in listing.items()}
        for path, one in objects.items():
            answer.count("DVC objects")
            if lineage.objects.has(one) and not one.endswith(FOLDER):
                state.files[path] = lineage.objects.path(one)
            else:
                remark = "of its object in DVC's cache; `dvc fetch` may bring it"
                found = "another content" if lineage.objects.has(one) else None
                answer.compare(path, LOCK, f"md5 {one}", found, remark)
    _check_manifests(state, answer)
    return state


def _committed(lineage: Lineage) -> dict[str, LockedStage]:
    text = git.file_at(lineage.commit, LOCK) if lineage.commit else None
    if text and Path(LOCK).is_file() and Path(LOCK).read_bytes() == text.encode():
        return lineage.lock
    try:
        return parse_lock(text, LOCK) if text else {}
    except UserError:
        return {}


def _check_manifests(state: State, answer: Answer) -> None:
    """Find manifests that are missing or those of another stage; the latter are not believed."""
    lineage = state.lineage
    for stage in lineage.stages:
        folder, path = (RESULTS / stage).as_posix(), manifest_path(stage)
        execution = lineage.executions.get(stage)
        if execution is not None:
            if execution.stage != stage or any(one.maker != stage for one in execution.generated.values()):
                answer.find("unreadable", path, "a manifest of its stage", None, f"sha256 {execution.digest}")
                del lineage.executions[stage]
        elif path in answer.by_where or state.revision:
            continue
        elif Path(folder).exists():
            answer.find("missing", path, "every published stage has one", None, None)
        elif stage in lineage.lock:
            md5s = ", ".join(lineage.outs_of(stage).values())
            answer.find(
                "missing", folder, f"{LOCK} {stage} outs", f"md5 {md5s}", None, "run `dvc checkout` or `dvc pull`"
            )
        else:
            answer.note("not checked", folder, f"it is not here and {LOCK} has no {stage}")
