"""The commit whose code made results: found by the sha256 that the manifests have of every source file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tasks.audit.change import Change, changes
from tasks.audit.reproduce.params import params_changed
from tasks.audit.reproduce.sources import CODE, Sources
from tasks.audit.text import short
from tasks.lineage.dvc import LOCK, PARAMS
from tasks.lineage.model import Execution, Run, value_at
from tasks.shared.execution.pipeline import DVC_FILE, StageSpec, stages_of, upstream_of
from tasks.shared.runtime import git
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.progress import progress

ANOTHER_DAG = Change(str(DVC_FILE), "changed", None, None)
Mismatches = list[tuple[str, Change]]  # by stage, source files in which a commit (B) differs from a manifest (A)


@dataclass(frozen=True)
class Found:
    """The commit to run, why it was looked at, and its params by section as params.yaml has them."""

    commit: str
    why: str
    params: dict[str, Any]


def candidates(commit: str | None, runs: Mapping[str, list[Run]], own: str, root: Path = Path()) -> dict[str, str]:
    """Commits to look at and why, the likeliest first.

    Those of clean runs that published the results, from the last stage up; the state's own; those that changed
    dvc.lock; those of runs whose tracked files differed from the commit.

    Args:
        commit: the state's own; None where there is none. `own` says what it is: HEAD, or a revision.
        runs: that published the results, by stage, in the order of the stages.
    """
    backwards = [run for of_stage in reversed(list(runs.values())) for run in reversed(of_stage) if run.commit]
    found = [(str(run.commit), f"of run {run.run_id} of {run.stage}") for run in backwards if not run.dirty]
    found += [(commit, own)] if commit else []
    found += [(one, f"changed {LOCK}") for one in git.commits_of(LOCK, root=root)]
    differed = "when tracked files differed from it"
    found += [(str(run.commit), f"of run {run.run_id} of {run.stage}, {differed}") for run in backwards if run.dirty]
    likely: dict[str, str] = {}
    for one, why in found:
        likely.setdefault(one, why)
    return likely


def choose(
    likely: Mapping[str, str],
    executions: Mapping[str, Execution],
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
    seen: dict[str, Mismatches] = {}
    fitting: list[Found] = []
    absent = [commit for commit in likely if not sources.has(commit)]
    damage: UserError | None = None  # another commit may have the same code, whole
    for commit in (one for one in likely if one not in absent):
        try:
            seen[commit] = mismatches(commit, executions, params, sources)
        except UserError as error:
            damage = damage or error
            continue
        if not seen[commit]:
            found = Found(commit, likely[commit], params_at(commit, root))
            if not params_changed(found.params, params):
                return found
            fitting.append(found)
    if fitting:
        return fitting[0]
    if damage:
        raise damage
    others = [commit for commit in git.commits_of(CODE, str(DVC_FILE), root=root) if commit not in seen]
    for commit in progress(others, "commits", unit="commit"):
        seen[commit] = mismatches(commit, executions, params, sources)
        if not seen[commit]:
            return Found(commit, "the newest that has this code", params_at(commit, root))
    lacking = f"; commit {absent[0][:10]} ({likely[absent[0]]}) is not in this clone: `git fetch`" if absent else ""
    raise UserError(_nowhere(seen, runs, lacking))


def mismatches(
    commit: str, executions: Mapping[str, Execution], params: Mapping[str, Any], sources: Sources
) -> Mismatches:
    """In what a commit's code is not that of the manifests; empty where it is. dvc.yaml counts as code."""
    there = sources.at(commit)
    specs = _specs(commit, params, sources.root)
    last = list(executions)[-1]
    if last not in specs or upstream_of(specs, last) != list(executions):
        return [(last, ANOTHER_DAG)]
    found = []
    for stage, execution in executions.items():
        if set(specs[stage].params) != set(execution.params):
            found.append((stage, ANOTHER_DAG))
        named = [path for path in there if path in execution.code or _depends(specs[stage], Path(path))]
        of_stage = {path: there[path] for path in named}  # dvc.yaml does not name empty files
        found += [(stage, one) for one in changes(execution.code, of_stage)]
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
    try:
        return stages_of(
            git.file_at(commit, str(DVC_FILE), root) or "",
            lambda key: params[key] if key in params else value_at(params, key),
        )
    except (yaml.YAMLError, KeyError, TypeError, AttributeError):
        return {}


def _nowhere(seen: Mapping[str, Mismatches], runs: Mapping[str, list[Run]], lacking: str) -> str:
    """Why no commit fits, in one line."""
    if not seen:
        return f"no commit is known to have made these results{lacking}; run `dvc repro` and commit {LOCK}"
    commit, differing = min(seen.items(), key=lambda pair: len(pair[1]))
    stage, first = differing[0]
    what = f"a {DVC_FILE} with the stages and params that made {stage}"
    if first is not ANOTHER_DAG:
        digest = f"sha256 {short(first.a)}" if first.a else "absent when it ran"
        what = f"the code that made {stage} ({first.key}, {digest})"
    more = len({one.key for _, one in differing}) - 1
    also = f" and {more} more file{'s' if more > 1 else ''}" if more else ""
    dirty = next((run for run in runs.get(stage, []) if run.dirty), None)
    how = f"run {dirty.run_id} says so" if dirty else "or another clone has it"
    return (
        f"{what}{also} is in no commit of this clone (nearest: {commit[:10]}): it was run from a dirty tree, {how}"
        f"{lacking}. Commit the code, run `dvc repro` and commit {LOCK} to have a score that can be reproduced"
    )
