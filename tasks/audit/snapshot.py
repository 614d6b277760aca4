"""A state of the pipeline to audit: the workspace, a revision of git, or what an MLflow run was made of.

Every state has its stages' manifests, DVC's hashes of the outputs, and the files themselves at their usual paths below
`root`, so that the artifacts' own readers read them. Of the workspace these are the files that lie there. Of another
state they are DVC's objects, brought into a folder of the item store when they are asked for, and never into the
workspace.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tasks.audit.executions import Execution, Executions
from tasks.audit.links import broken, links
from tasks.audit.lock import LockedStage, parse_lock
from tasks.audit.manifest import Manifest, parse_manifest, read_manifest_file
from tasks.audit.objects import FOLDER, Objects
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.items import store_folder
from tasks.shared.execution.pipeline import DVC_FILE, StageSpec, stages_of, upstream_of
from tasks.shared.runtime import git
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import link_or_copy, sha256_json

LOCK = "dvc.lock"
PARAMS = "params.yaml"
FINAL = "evaluate"  # the stage that makes the score


@dataclass
class Snapshot:
    """A state of the pipeline.

    Attributes:
        name: for people: `workspace`, `revision abc1234` or `run 0123...`.
        root: the folder below which `results/...` lies.
        stages: of its dvc.yaml, as each feeds the next.
        params: of its params.yaml, by section.
        manifests: of the stages that were published, by stage, in that order.
        missing: stages whose manifest is not to be had, and why.
        outs: DVC's md5 of every recorded output, by path.
        lock: dvc.lock by stage; empty where there is none.
        commit: of git: the workspace's HEAD, the revision, or the run's; None where unknown.
        dirty: tracked files that differ from the commit (workspace), or the mark that there were some (run).
        executions: where MLflow's runs are looked up.
    """

    name: str
    root: Path
    stages: dict[str, StageSpec]
    params: dict[str, Any]
    manifests: dict[str, Manifest]
    missing: dict[str, str]
    outs: dict[str, str]
    lock: dict[str, LockedStage]
    commit: str | None
    dirty: list[str]
    executions: Executions
    objects: Objects | None = field(default=None, repr=False)  # None: the workspace

    @property
    def results(self) -> Path:
        """The results folder, for the artifacts' readers."""
        return self.root / RESULTS

    def manifest(self, stage: str) -> Manifest:
        """A stage's manifest. Raises UserError where it is not to be had."""
        if stage not in self.manifests:
            raise UserError(self.missing.get(stage, f"{self.name} has no stage {stage}"))
        return self.manifests[stage]

    def param(self, key: str) -> Any:
        """A param by its dotted key, or a section. Raises KeyError where there is none of that name."""
        return _value(self.params, key)

    def need(self, *paths: str | Path) -> Path:
        """Have files or folders (as seen from the project's root) below `root`; where the first of them lies.

        Raises UserError where one is not to be had.
        """
        for path in map(Path, paths):
            target = self.root / path
            if self.objects is None:
                if not target.exists():
                    raise UserError(f"{path} is missing; run `dvc checkout`, or `dvc repro` to make it")
            elif not target.exists() or target.is_dir():
                self._bring(path)
        return self.root / paths[0]

    def has(self, path: str | Path) -> bool:
        """Whether this state recorded a file of this path among its outputs."""
        if self.objects is None:
            return (self.root / path).exists()
        return bool(self._objects_of(Path(path)))

    def md5_of(self, path: str | Path) -> str | None:
        """DVC's recorded md5 of an output or of a file in a folder of outputs; None where that is not recorded here."""
        path = Path(path)
        if path.as_posix() in self.outs:
            return self.outs[path.as_posix()]
        objects = self.objects or Objects(self.root)
        for out, md5 in self.outs.items():
            if Path(out) in path.parents and md5.endswith(FOLDER):
                if not objects.has(md5):
                    return None
                return objects.files(md5).get(path.relative_to(out).as_posix())
        return None

    def runs_of(self, stage: str) -> list[Execution]:
        """Executions that published this very result of a stage, the oldest first; none where MLflow has none."""
        if stage not in self.manifests:
            return []
        digest = self.manifests[stage].digest
        return self.executions.of_manifests([digest])[digest]

    def _objects_of(self, path: Path) -> dict[Path, str]:
        """The md5 of the file, or of every file below the folder, at a path."""
        assert self.objects is not None
        found: dict[Path, str] = {}
        for out, md5 in self.outs.items():
            place = Path(out)
            if place == path or path in place.parents:
                files = self.objects.files(md5) if md5.endswith(FOLDER) else {"": md5}
                found |= {place / name: one for name, one in files.items()}
            elif place in path.parents and md5.endswith(FOLDER):
                inner = path.relative_to(place).as_posix()
                files = self.objects.files(md5)
                if inner in files:
                    found[path] = files[inner]
                else:
                    found |= {place / name: one for name, one in files.items() if name.startswith(f"{inner}/")}
        return found

    def _bring(self, path: Path) -> None:
        assert self.objects is not None
        try:
            recorded = self._objects_of(path)
            wanted = {file: md5 for file, md5 in recorded.items() if not (self.root / file).is_file()}
            self.objects.fetch(wanted.values())
        except UserError as error:
            raise UserError(f"{path} of {self.name}: {error}") from None
        if not recorded:
            raise UserError(f"{self.name} has no {path}; it was made by another version, or the stage did not run")
        for file, md5 in wanted.items():
            link_or_copy(self.objects.path(md5), self.root / file)


def workspace(root: Path = Path(), executions: Executions | None = None) -> Snapshot:
    """The state that lies in the workspace. Raises UserError where this is no project of reeltrace."""
    stages, params = _project(_text(root / DVC_FILE), _text(root / PARAMS))
    manifests: dict[str, Manifest] = {}
    missing: dict[str, str] = {}
    for stage in stages:
        path = root / RESULTS / stage / MANIFEST
        if path.is_file():
            manifests[stage] = read_manifest_file(path)
        else:
            missing[stage] = (
                f"{RESULTS / stage} is not here; run `dvc checkout` (or `dvc pull`), or `dvc repro {stage}`"
            )
    lock = parse_lock((root / LOCK).read_text(encoding="utf-8"), LOCK) if (root / LOCK).is_file() else {}
    return Snapshot(
        name="workspace",
        root=root,
        stages=stages,
        params=params,
        manifests=manifests,
        missing=missing,
        outs={path: md5 for one in lock.values() for path, md5 in one.outs.items()},
        lock=lock,
        commit=git.head(root),
        dirty=git.changed_files(root),
        executions=executions or Executions(root=root),
    )


def revision(rev: str, root: Path = Path(), executions: Executions | None = None) -> Snapshot:
    """The state that a commit records. Raises UserError where there is no such commit, or it has no dvc.lock."""
    commit = git.commit_of(rev, root)
    texts = {name: git.file_at(commit, name, root) for name in (str(DVC_FILE), PARAMS, LOCK)}
    for name, text in texts.items():
        if text is None:
            todo = "; commit it after `dvc repro`, it is what a revision's results are found by" if name == LOCK else ""
            raise UserError(f"revision {rev} has no {name}{todo}")
    lock = parse_lock(str(texts[LOCK]), f"{LOCK} of {rev}")
    stages, params = _project(str(texts[str(DVC_FILE)]), str(texts[PARAMS]))
    snapshot = Snapshot(
        name=f"revision {rev}" if commit.startswith(rev) else f"revision {rev} ({commit[:10]})",
        root=store_folder().absolute() / "snapshots" / commit,
        stages=stages,
        params=params,
        manifests={},
        missing={},
        outs={path: md5 for one in lock.values() for path, md5 in one.outs.items()},
        lock=lock,
        commit=commit,
        dirty=[],
        executions=executions or Executions(root=root),
        objects=Objects(root),
    )
    for stage in snapshot.stages:
        try:
            snapshot.manifests[stage] = read_manifest_file(snapshot.need(RESULTS / stage / MANIFEST))
        except UserError as error:
            snapshot.missing[stage] = str(error)
    return snapshot


def of_run(run_id: str, root: Path = Path(), executions: Executions | None = None) -> Snapshot:
    """The state that an MLflow run was made of: its own result, and by digest the results that it read.

    Where that is what lies in the workspace, it is the workspace. Raises UserError for an unknown run, and for one
    that published nothing.
    """
    executions = executions or Executions(root=root)
    found = executions.get(run_id)
    if found is None:
        raise UserError(executions.problem or f"MLflow has no run {run_id}; `make ui` lists the runs")
    if found.manifest is None:
        raise UserError(f"run {run_id} of {found.stage} published nothing (it is {found.status.lower()})")
    here = workspace(root, executions)
    if found.stage in here.manifests and here.manifests[found.stage].digest == found.manifest:
        above = upstream_of(here.stages, found.stage)
        if not any(link.stage in above for link in broken(links(here))):
            return here
    objects = Objects(root)
    chain = _followed(found, executions, objects)
    manifests = {stage: _published(one, objects) for stage in here.stages if (one := chain.get(stage))}
    return Snapshot(
        name=f"run {run_id}",
        root=store_folder().absolute() / "snapshots" / sha256_json(sorted(one.run_id for one in chain.values()))[:40],
        stages=here.stages,
        params=_recorded(manifests.values()),
        manifests=manifests,
        missing={
            stage: f"no run of {stage} that run {run_id} was made of is known to MLflow"
            for stage in here.stages
            if stage not in chain
        },
        outs={path: md5 for one in chain.values() for path, md5 in one.outs.items()},
        lock={},
        commit=found.commit,
        dirty=["when it ran, tracked files differed from the commit"] if found.dirty else [],
        executions=executions,
        objects=objects,
    )


def _followed(first: Execution, executions: Executions, objects: Objects) -> dict[str, Execution]:
    """The runs that made what a run read, by stage: digests of inputs among digests of outputs, not time, decide."""
    chain = {first.stage: first}
    open_ends = [first]
    while open_ends:
        one = open_ends.pop(0)
        wanted: dict[str, dict[str, str]] = {}
        for path, entry in _published(one, objects).inputs.items():
            place = Path(path)
            if RESULTS in place.parents and (stage := place.parts[1]) not in chain:
                wanted.setdefault(stage, {})[path] = entry["sha256"]
        candidates = executions.of_stages(wanted)
        for stage, inputs in wanted.items():
            for maker in reversed([each for each in candidates if each.stage == stage and each.manifest]):
                if _made(maker, inputs, objects):
                    chain[stage] = maker
                    open_ends.append(maker)
                    break
    return chain


def _made(maker: Execution, inputs: dict[str, str], objects: Objects) -> bool:
    own = (RESULTS / maker.stage / MANIFEST).as_posix()
    if own in inputs:
        return inputs[own] == maker.manifest
    try:
        outputs = _published(maker, objects).outputs
    except UserError:
        return False
    return all(outputs.get(path, {}).get("sha256") == sha256 for path, sha256 in inputs.items())


def _published(execution: Execution, objects: Objects) -> Manifest:
    """The manifest that a run published, from DVC's objects."""
    path = RESULTS / execution.stage / MANIFEST
    outs = execution.outs
    try:
        if path.as_posix() in outs:
            md5 = outs[path.as_posix()]
        else:
            md5 = objects.files(outs[path.parent.as_posix()])[MANIFEST]
        content = objects.path(md5).read_bytes()
    except KeyError:
        raise UserError(f"run {execution.run_id} does not say where its {path} is in DVC's cache") from None
    except UserError as error:
        raise UserError(f"{path} of run {execution.run_id}: {error}") from None
    manifest = parse_manifest(content, f"{path} of run {execution.run_id}")
    if manifest.digest != execution.manifest:
        raise UserError(f"{path} in DVC's cache is not the one that run {execution.run_id} published; run `dvc fetch`")
    return manifest


def _value(params: dict[str, Any], dotted: str) -> Any:
    found: Any = params
    for key in dotted.split("."):
        found = found[key]
    return found


def _recorded(manifests: Iterable[Manifest]) -> dict[str, Any]:
    """Params as manifests have them, by section."""
    params: dict[str, Any] = {}
    for manifest in manifests:
        for dotted, value in manifest.params.items():
            *sections, key = dotted.split(".")
            place = params
            for section in sections:
                place = place.setdefault(section, {})
            place[key] = value
    return params


def _project(dvc_yaml: str, params_yaml: str) -> tuple[dict[str, StageSpec], dict[str, Any]]:
    """The stages and params of a state. Params are not checked: another version's may be other ones."""
    params: dict[str, Any] = yaml.safe_load(params_yaml)
    return stages_of(dvc_yaml, lambda key: _value(params, key)), params


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run from the project's root") from None
