"""The state to verify. What is damaged in it is a finding, so it is read where other commands would refuse."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from tasks.audit.recorded import recorded_outputs
from tasks.audit.verify.answer import Answer
from tasks.audit.verify.digests import Digest, Digests, walk
from tasks.lineage.dvc import FOLDER, LOCK, LockedStage, Objects, parse_lock
from tasks.lineage.lineage import Lineage
from tasks.lineage.open import revision, workspace
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime import git
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import files_under


@dataclass
class State:
    """A state with its files, and what is found of it.

    Attributes:
        lineage: its records; manifests that cannot be read are not among them.
        revision: it is not the workspace; its files are DVC's objects, laid out below its root.
        committed: dvc.lock of HEAD, which the workspace's is compared with.
        files: where all lies that is in the results, by its path as seen from the project's root.
    """

    lineage: Lineage
    answer: Answer
    objects: Objects
    revision: bool
    committed: dict[str, LockedStage] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    digests: Digests = field(default_factory=Digests)

    def place(self, path: str) -> Path:
        """Where a file lies, of the results or outside."""
        root = self.lineage.root if path.startswith(f"{RESULTS}/") else Path()
        return self.files.get(path, root / path)

    def digest(self, path: str) -> Digest:
        """What is at a path."""
        return self.digests[self.place(path)]

    def compare(self, path: str, record: str, expected: str | None) -> None:
        """Compare a file with what a record says of it."""
        self.answer.compare_file(path, record, expected, self.digest(path))

    def below(self, folder: str) -> dict[str, Path]:
        """The files of a folder by their path in it; outside of the results without those that .dvcignore names."""
        if folder.startswith(f"{RESULTS}/"):
            start = f"{folder}/"
            return {path.removeprefix(start): file for path, file in self.files.items() if path.startswith(start)}
        found = files_under(Path(folder)) if Path(folder).is_dir() else []
        kept = [one for one in found if "__pycache__" not in one.parts and one.suffix not in (".pyc", ".pyo", ".pyd")]
        return {file.relative_to(folder).as_posix(): file for file in kept}

    def md5(self, path: str) -> str | None:
        """DVC's md5 of a file or folder; None where it cannot be had."""
        return self.digest(path).md5 or self.digests.folder_md5(self.below(path))

    def intact(self, path: str) -> bool:
        """Whether a file of the results is what its stage's manifest says."""
        execution = self.lineage.executions.get(path.split("/")[1])
        recorded = execution.digest_of(path) if execution else None
        return recorded is not None and self.digest(path).sha256 == recorded

    def outputs(self, stage: str) -> tuple[dict[str, str], list[str]]:
        """sha256 of all outputs that a stage's manifest names, itself or in its `files.parquet`; and the folders whose
        files are not known, because that table is not as recorded."""
        try:
            return recorded_outputs(self.lineage, stage), []
        except UserError:
            execution = self.lineage.executions[stage]
            return {path: one.sha256 for path, one in execution.generated.items()}, sorted(execution.folders)

    def listing(self, md5: str) -> dict[str, str] | None:
        """The md5 of a folder's files as DVC's cache has it; None where it lacks that, or has it damaged."""
        if md5.endswith(FOLDER) and self.objects.has(md5):
            with suppress(ValueError, KeyError, TypeError):
                whole = self.digests[self.objects.path(md5)].md5 == md5.removesuffix(FOLDER)
                return self.objects.files(md5) if whole else None
        return None


@contextmanager
def opened(rev: str | None) -> Iterator[State]:
    """The workspace, or what a commit recorded as far as DVC's cache has it.

    Raises UserError where this is no project, where it has no results at all, and for an unknown commit.
    """
    with tempfile.TemporaryDirectory() as folder:
        unreadable: dict[str, str] = {}
        lineage = revision(rev) if rev else workspace(unreadable=unreadable)
        state = State(lineage, Answer(lineage.name, lineage.commit), Objects(), rev is not None)
        if state.revision:
            state.lineage = replace(lineage, root=Path(folder), objects=None)
            _lay_out(state)
        else:
            text = git.file_at(lineage.commit, LOCK) if lineage.commit else None
            with suppress(UserError):
                state.committed = parse_lock(text, LOCK) if text else {}
            if not Path(LOCK).is_file():
                state.answer.note("not checked", LOCK, "it is not here: DVC's hashes cannot be compared")
        for path, reason in unreadable.items():
            state.answer.find("unreadable", path, f"the format of {Path(path).name}", None, None, reason)
        recorded = [path for one in lineage.executions.values() for path in (*one.generated, *one.folders)]
        state.files = walk(state.lineage.root, RESULTS, recorded)
        state.digests.read(state.files.values())
        if not state.files and not lineage.lock:
            raise UserError(f"there are no results in {RESULTS}; run `dvc repro`, or `dvc pull` in a clone")
        yield state


def _lay_out(state: State) -> None:
    """Links to DVC's objects where the files of a revision belong; a folder whose list is not to be had is found."""
    for stage, locked in state.lineage.lock.items():
        for out, md5 in locked.outs.items():
            listing = state.listing(md5) if md5.endswith(FOLDER) else {"": md5}
            if listing is None:
                there = "another content" if state.objects.has(md5) else None
                remark = "of its list in DVC's cache; `dvc fetch` may bring it"
                state.answer.compare(out, f"{LOCK} {stage} outs {out}", f"md5 {md5}", there, remark)
            for name, one in (listing or {}).items():
                state.answer.checked["DVC objects"] += 1
                place = state.lineage.root / out / name
                if state.objects.has(one):
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.symlink_to(state.objects.path(one).absolute())
