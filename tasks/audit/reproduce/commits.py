"""The commit whose code made results: found by the sha256 that the manifests have of every source file."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tasks.audit.reproduce.params import changed
from tasks.audit.reproduce.sources import CODE, Sources
from tasks.audit.text import short
from tasks.lineage.dvc import LOCK, PARAMS
from tasks.lineage.model import Execution, Run
from tasks.shared.execution.pipeline import DVC_FILE, StageSpec, stages_of, upstream_of
from tasks.shared.runtime import git
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.progress import progress


@dataclass(frozen=True)
class Candidate:
    """A commit that may have made results, and why it is thought of."""

    commit: str
    why: str


@dataclass(frozen=True)
class Mismatch:
    """A source file that a commit has otherwise than the manifest of a stage.

    Attributes:
        recorded: sha256 in the manifest; None where the manifest does not name the file.
        there: sha256 at the commit; None where the commit does not have the file.
    """

    stage: str
    path: str
    recorded: str | None
    there: str | None


@dataclass(frozen=True)
class Found:
    """The commit to run, why it was looked at, and its params by section as params.yaml has them."""

    commit: str
    why: str
    params: dict[str, Any]


def candidates(
    commit: str | None, runs: Mapping[str, list[Run]], last: str, root: Path = Path()
) -> Iterator[Candidate]:
    """Commits to look at, the likeliest first.

    Those of clean runs that published the results, from the last stage up; the state's own; those that changed
    dvc.lock; those of runs whose tracked files differed from the commit. A commit comes once.

    Args:
        commit: the state's own; None where there is none.
        runs: that published the results, by stage, in the order of the stages.
        last: how the state's own commit is called: HEAD, or a revision.
    """
    backwards = [run for of_stage in reversed(list(runs.values())) for run in reversed(of_stage) if run.commit]
    found = [Candidate(str(run.commit), f"of run {run.run_id} of {run.stage}") for run in backwards if not run.dirty]
    found += [Candidate(commit, last)] if commit else []
    found += [Candidate(one, f"changed {LOCK}") for one in git.commits_of(LOCK, root)]
    found += [
        Candidate(str(run.commit), f"of run {run.run_id} of {run.stage}, when tracked files differed from it")
        for run in backwards
        if run.dirty
    ]
    told: set[str] = set()
    for one in found:
        if one.commit not in told:
            told.add(one.commit)
            yield one


def choose(
    likely: Iterable[Candidate],
    manifests: Mapping[str, Execution],
    params: Mapping[str, Any],
    runs: Mapping[str, list[Run]],
    root: Path = Path(),
) -> Found:
    """The first commit whose code is that of all manifests; of several, rather one that has the params too.

    Where none of the likely ones fits, every commit that changed code or dvc.yaml is looked at, so that what is said
    to be in no commit is in none of this clone.

    Raises UserError that names the first file in which the nearest commit differs.
    """
    sources = Sources(root)
    seen: dict[str, list[Mismatch]] = {}
    absent: list[Candidate] = []
    fitting: list[Found] = []
    damage: UserError | None = None  # another commit may have the same code, whole
    for one in likely:
        if not sources.has(one.commit):
            absent.append(one)
            continue
        try:
            seen[one.commit] = mismatches(one.commit, manifests, params, sources)
        except UserError as error:
            damage = damage or error
            continue
        if not seen[one.commit]:
            found = Found(one.commit, one.why, params_at(one.commit, root))
            if not changed(found.params, params):
                return found
            fitting.append(found)
    if fitting:
        return fitting[0]
    if damage:
        raise damage
    others = [commit for commit in _commits_of_code(root) if commit not in seen]
    for commit in progress(others, "commits", unit="commit"):
        seen[commit] = mismatches(commit, manifests, params, sources)
        if not seen[commit]:
            return Found(commit, "the newest that has this code", params_at(commit, root))
    raise UserError(_nowhere(seen, absent, runs))


def mismatches(
    commit: str, manifests: Mapping[str, Execution], params: Mapping[str, Any], sources: Sources
) -> list[Mismatch]:
    """In what a commit's code is not that of the manifests; empty where it is. dvc.yaml counts as code."""
    there = sources.at(commit)
    specs = _specs(commit, params, sources.root)
    last = list(manifests)[-1]
    if last not in specs or upstream_of(specs, last) != list(manifests):
        return [Mismatch(last, str(DVC_FILE), None, None)]
    found = []
    for stage, manifest in manifests.items():
        if set(specs[stage].params) != set(manifest.params):
            found.append(Mismatch(stage, str(DVC_FILE), None, None))
        of_stage = {path: sha256 for path, sha256 in there.items() if _depends(specs[stage], Path(path))}
        found += [
            Mismatch(stage, path, manifest.code.get(path), of_stage.get(path))
            for path in sorted(manifest.code.keys() | of_stage.keys())
            if manifest.code.get(path) != of_stage.get(path)
        ]
    return found


def params_at(commit: str, root: Path) -> dict[str, Any]:
    """params.yaml of a commit, by section. Raises UserError where it has none."""
    try:
        raw = yaml.safe_load(git.file_at(commit, PARAMS, root) or "")
    except yaml.YAMLError:
        raw = None
    if not isinstance(raw, dict):
        raise UserError(f"commit {commit[:10]} has no {PARAMS} that can be read")
    return raw


def _depends(spec: StageSpec, path: Path) -> bool:
    return any(dep == path or (dep in path.parents and dep.parts[0] == CODE) for dep in spec.deps)


def _specs(commit: str, params: Mapping[str, Any], root: Path) -> dict[str, StageSpec]:
    """Stages of a commit's dvc.yaml with the recorded params filled in; none where it cannot be read so."""

    def value(dotted: str) -> Any:
        if dotted in params:
            return params[dotted]
        found: Any = params
        for key in dotted.split("."):
            found = found[key]
        return found

    try:
        return stages_of(git.file_at(commit, str(DVC_FILE), root) or "", value)
    except (yaml.YAMLError, KeyError, TypeError, AttributeError):
        return {}


def _commits_of_code(root: Path) -> list[str]:
    arguments = ["git", "log", "--all", "--format=%H", "--", CODE, str(DVC_FILE)]
    return subprocess.run(arguments, cwd=root, capture_output=True, text=True, check=False).stdout.split()


def _nowhere(seen: Mapping[str, list[Mismatch]], absent: list[Candidate], runs: Mapping[str, list[Run]]) -> str:
    """Why no commit fits, in one line."""
    lacking = f"; commit {absent[0].commit[:10]} ({absent[0].why}) is not in this clone: `git fetch`" if absent else ""
    if not seen:
        return f"no commit is known to have made these results{lacking}; run `dvc repro` and commit {LOCK}"
    commit, differing = min(seen.items(), key=lambda pair: len(pair[1]))
    first = differing[0]
    if first.path == str(DVC_FILE):
        what = f"a {DVC_FILE} with the stages and params that made {first.stage}"
    else:
        digest = f"sha256 {short(first.recorded)}" if first.recorded else "absent when it ran"
        what = f"the code that made {first.stage} ({first.path}, {digest})"
    more = len({one.path for one in differing}) - 1
    also = f" and {more} more file{'s' if more > 1 else ''}" if more else ""
    dirty = next((run for run in runs.get(first.stage, []) if run.dirty), None)
    how = f"run {dirty.run_id} says so" if dirty else "or another clone has it"
    return (
        f"{what}{also} is in no commit of this clone (nearest: {commit[:10]}): it was run from a dirty tree, {how}"
        f"{lacking}. Commit the code, run `dvc repro` and commit {LOCK} to have a score that can be reproduced"
    )
