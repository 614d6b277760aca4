"""The state to verify. What is damaged in it is a finding, so it is read where other commands would refuse."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from tasks.audit.verify.answer import Answer
from tasks.audit.verify.hashing import Digest, Digests
from tasks.audit.verify.places import Tree, walked
from tasks.lineage.dvc import LOCK, PARAMS, LockedStage, Objects, parse_lock
from tasks.lineage.manifest import parse_manifest
from tasks.lineage.mlflow import Tracking
from tasks.lineage.model import Execution, value_at
from tasks.lineage.open import revision
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.pipeline import DVC_FILE, StageSpec, stages_of
from tasks.shared.runtime import git
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import link_or_copy

DIR = ".dir"


@dataclass
class State:
    """A state and all that is read of it.

    Attributes:
        root: below which `results/...` and the source videos lie.
        home: the project's root, where the source videos and MLflow are.
        executions: of the manifests that could be read, by stage.
        params: of its params.yaml; None where that could not be read.
        lock: dvc.lock by stage; committed: the same as HEAD has it.
        revision: whether this is not the workspace.
    """

    root: Path
    home: Path
    stages: dict[str, StageSpec]
    executions: dict[str, Execution]
    params: dict[str, Any] | None
    lock: dict[str, LockedStage]
    committed: dict[str, LockedStage]
    tree: Tree
    tracking: Tracking
    objects: Objects
    revision: bool = False
    digests: Digests = field(default_factory=Digests)

    @property
    def outs(self) -> dict[str, tuple[str, str]]:
        """Stage and DVC's md5 of every output of dvc.lock, by path."""
        return {path: (name, str(md5)) for name, stage in self.lock.items() for path, md5 in stage.outs.items()}

    def digest(self, path: str) -> Digest | None:
        """The digest of a file of the results; None where it cannot be had."""
        found = self.digests.of(self.tree.files[path]) if path in self.tree.files else None
        return found if isinstance(found, Digest) else None

    def listing(self, md5: str) -> dict[str, str] | None:
        """The md5 of a folder's files as DVC's cache has it; None where it lacks that, or has it damaged."""
        try:
            if not self.objects.has(md5):
                return None
            if (found := self.digests.of(self.objects.path(md5))) and isinstance(found, Digest):
                return self.objects.files(md5) if found.md5 + DIR == md5 else None
        except (UserError, ValueError, KeyError, TypeError):
            pass
        return None


def workspace(answer: Answer, root: Path = Path(), objects: Objects | None = None) -> State:
    """The workspace. Raises UserError where this is no project, and where it has no results at all."""
    texts = [_text(root / name) for name in (str(DVC_FILE), PARAMS)]
    params = yaml.safe_load(texts[1])
    stages = stages_of(texts[0], lambda key: value_at(params, key))
    lock = _lock(answer, root / LOCK)
    head = git.head(root)
    text = git.file_at(head, LOCK, root) if head else None
    committed = _lock_of(text) if text else {}
    manifests = _manifests(answer, stages, lock, root)
    answer.commit = head
    recorded = {path for manifest in manifests.values() for path in (*manifest.generated, *manifest.folders)}
    tree = walked(root, recorded)
    if not tree.files and not lock:
        raise UserError(f"there are no results in {RESULTS}; run `dvc repro`, or `dvc pull` in a clone")
    tracking = Tracking(root=root)
    return State(root, root, stages, manifests, params, lock, committed or {}, tree, tracking, objects or Objects(root))


def of_revision(answer: Answer, rev: str, root: Path = Path()) -> State:
    """What a commit recorded, as far as DVC's cache has it. Raises UserError for an unknown commit."""
    lineage = revision(rev, root)
    answer.state, answer.commit = lineage.name, lineage.commit
    assert lineage.objects is not None
    manifests = {stage: one for stage, one in lineage.executions.items() if _sound(one, stage)}
    params = yaml.safe_load(git.file_at(str(lineage.commit), PARAMS, root) or "")
    state = State(
        lineage.root, root, lineage.stages, manifests, params, lineage.lock, {}, Tree(), lineage.tracking,
        lineage.objects, revision=True,
    )  # fmt: skip
    for out, (_, md5) in state.outs.items():
        entries = {out: md5}
        if md5.endswith(DIR):
            answer.count("DVC objects")
            if (listing := state.listing(md5)) is None:
                there = lineage.objects.has(md5)
                answer.find("altered" if there else "missing", out, "dvc.lock", f"md5 {md5}", None, IN_CACHE)
            entries = {f"{out}/{name}": one for name, one in (listing or {}).items()}
        for path, one in entries.items():
            answer.count("DVC objects")
            if lineage.objects.has(one):
                state.tree.files[path] = lineage.objects.path(one)
            else:
                answer.find("missing", path, "dvc.lock", f"md5 {one}", None, IN_CACHE)
    return state


@contextmanager
def laid_out(state: State, *stages: str) -> Iterator[Path]:
    """A results folder with the files of some stages, for the artifacts' readers: the workspace's own, or links."""
    if not state.revision:
        yield state.root / RESULTS
        return
    with tempfile.TemporaryDirectory() as name:
        for stage in stages:
            for path, file in state.tree.below((RESULTS / stage).as_posix()).items():
                link_or_copy(file, Path(name) / stage / path)
        yield Path(name)


IN_CACHE = "as an object in DVC's cache; `dvc fetch` may bring it"


def _lock(answer: Answer, path: Path) -> dict[str, LockedStage]:
    if not path.is_file():
        answer.note("not checked", LOCK, "it is not here: DVC's hashes cannot be compared")
        return {}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        answer.find("unreadable", LOCK, "DVC", "YAML", str(error))
        return {}
    found = _lock_of(text)
    if found is None:
        answer.find("unreadable", LOCK, "DVC", "stages with deps, outs and params", None, "restore it from git")
    return found or {}


@lru_cache(2)  # HEAD's is mostly the workspace's, and to read it is what a small project's verification takes
def _lock_of(text: str) -> dict[str, LockedStage] | None:
    """The stages of a dvc.lock; None where the text is none."""
    try:
        found = parse_lock(text, LOCK)
    except (UserError, ValueError, RecursionError):
        return None
    return {
        name: LockedStage(_texts(one.deps), _texts(one.outs), one.params) for name, one in found.items()
    }  # fmt: skip


def _texts(hashes: dict[str, str]) -> dict[str, str]:
    return {str(path): str(md5) for path, md5 in hashes.items()}


def _manifests(
    answer: Answer, stages: dict[str, StageSpec], lock: dict[str, LockedStage], root: Path
) -> dict[str, Execution]:
    found: dict[str, Execution] = {}
    for stage in stages:
        folder = RESULTS / stage
        path = (folder / MANIFEST).as_posix()
        try:
            manifest = parse_manifest((root / path).read_bytes(), path)
        except OSError:
            if (root / folder).exists():
                answer.find("missing", path, "every published stage has one", None, None)
            elif stage in lock:
                answer.find("missing", folder.as_posix(), LOCK, f"md5 {_of_stage(lock[stage])}", None, PULL)
            else:
                answer.note("not checked", folder.as_posix(), f"it is not here and {LOCK} has no {stage}")
            continue
        except UserError as error:
            answer.find("unreadable", path, "every published stage has one", None, str(error))
            continue
        if _sound(manifest, stage):
            found[stage] = manifest
        else:
            answer.find("unreadable", path, "the schema of a manifest", None, manifest.digest)
    return found


PULL = "run `dvc checkout`, or `dvc pull`"


def _of_stage(locked: LockedStage) -> str:
    return ", ".join(locked.outs.values())


def _sound(manifest: Execution, stage: str) -> bool:
    """Whether a manifest is this stage's, and names files of this stage alone."""
    return manifest.stage == stage and all(one.maker == stage for one in manifest.generated.values())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        raise UserError(f"{path} is missing; run from the project's root") from None
