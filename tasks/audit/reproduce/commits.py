"""The commit whose code made results: found by the sha256 that the manifests have of every source file."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from tasks.audit.diff.pair import Change, changes
from tasks.audit.text import short
from tasks.lineage.dvc import LOCK, PARAMS
from tasks.lineage.lineage import Lineage
from tasks.lineage.model import Execution, Run, value_at
from tasks.shared.execution.params import as_read
from tasks.shared.execution.params_file import overridden
from tasks.shared.execution.pipeline import DVC_FILE, StageSpec, stages_of, upstream_of
from tasks.shared.execution.tracking import flat
from tasks.shared.runtime import git
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.progress import progress

CODE = "tasks"
ANOTHER_DAG = Change(str(DVC_FILE), "changed", None, None)
Mismatches = list[tuple[str, Change]]  # by stage, source files in which a commit (B) differs from a manifest (A)


def find_commit(
    lineage: Lineage, executions: Mapping[str, Execution], params: Mapping[str, Any], runs: Mapping[str, list[Run]]
) -> tuple[str, str, dict[str, Any]]:
    """The first likely commit whose code is that of all manifests, why it was looked at, and its params.yaml.

    Of several, rather one that has the params too. Where no likely one fits, every commit that changed code or
    dvc.yaml is looked at. Raises UserError that names the first file in which the nearest commit differs.
    """
    seen: dict[str, Mismatches] = {}
    unreadable: list[str] = []

    def fitting(commits: Mapping[str, str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for commit, why in progress(commits.items(), "commits", unit="commit"):
            try:
                seen[commit] = mismatches(commit, executions, params)
                if not seen[commit]:
                    yield commit, why, _params_at(commit)
            except UserError as error:
                unreadable.append(str(error))

    likely, first = _likely(lineage, runs), None
    for found in fitting(likely):
        if not params_changed(found[2], params):
            return found
        first = first or found
    if first is None:
        others = [one for one in git.commits_of(CODE, str(DVC_FILE)) if one not in likely]
        first = next(fitting(dict.fromkeys(others, "the newest that has this code")), None)
    if first is None:
        raise UserError(_nowhere(seen, runs, f"; {unreadable[0]}" if unreadable else ""))
    return first


def _likely(lineage: Lineage, runs: Mapping[str, list[Run]]) -> dict[str, str]:
    """Commits to look at first, and why: those of runs that published the results, clean ones before others and the
    last stage's before those of earlier ones; the state's own; those that changed dvc.lock."""
    found: dict[str, str] = {}
    backwards = [run for of_stage in reversed(list(runs.values())) for run in reversed(of_stage) if run.commit]
    for run in sorted(backwards, key=lambda one: one.dirty):
        differed = ", when tracked files differed from it" if run.dirty else ""
        found.setdefault(str(run.commit), f"of run {run.run_id} of {run.stage}{differed}")
    if lineage.commit:
        found.setdefault(lineage.commit, "HEAD" if lineage.objects is None else f"of {lineage.name}")
    for commit in git.commits_of(LOCK):
        found.setdefault(commit, f"changed {LOCK}")
    return found


def params_changed(params: Mapping[str, Any], recorded: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Keys in which a params.yaml is not as recorded: what it has, and what was recorded; None where there is none."""
    found = changes(flat(as_read(params)), flat(as_read(overridden(params, recorded))))
    return {one.key: [one.a, one.b] for one in found}


def mismatches(commit: str, executions: Mapping[str, Execution], params: Mapping[str, Any]) -> Mismatches:
    """In what a commit's code is not that of the manifests; empty where it is. dvc.yaml counts as code.

    Raises UserError where this clone lacks the commit or an object of it.
    """
    there, specs, last = _sources(commit), _specs(commit, params), list(executions)[-1]
    if last not in specs or upstream_of(specs, last) != list(executions):
        return [(last, ANOTHER_DAG)]
    found = []
    for stage, execution in executions.items():
        if set(specs[stage].params) != set(execution.params):
            found.append((stage, ANOTHER_DAG))
        of_stage = {  # dvc.yaml does not name empty files
            path: digest
            for path, digest in there.items()
            if path in execution.code or not {Path(path), *Path(path).parents[:-1]}.isdisjoint(specs[stage].deps)
        }
        found += [(stage, one) for one in changes(execution.code, of_stage)]
    return found


def _sources(commit: str) -> dict[str, str]:
    """sha256 of every source file of a commit as it is checked out, by its path from the project's root."""
    done = subprocess.run(["git", "archive", commit, CODE], capture_output=True, check=False)
    if done.returncode:
        reason = " ".join(done.stderr.decode(errors="replace").split())[:200]
        raise UserError(
            f"commit {commit[:10]} cannot be read from git ({reason}); mend it with `git fetch` or `git fsck`"
        )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as files:
        contents = {one.name: files.extractfile(one) for one in files if one.isfile()}
        return {name: hashlib.sha256(content.read()).hexdigest() for name, content in contents.items() if content}


def _params_at(commit: str) -> dict[str, Any]:
    """params.yaml of a commit, by section. Raises UserError where it has none."""
    with suppress(yaml.YAMLError):
        if isinstance(found := yaml.safe_load(git.file_at(commit, PARAMS) or ""), dict):
            return found
    raise UserError(f"commit {commit[:10]} has no {PARAMS} that can be read")


def _specs(commit: str, params: Mapping[str, Any]) -> dict[str, StageSpec]:
    """Stages of a commit's dvc.yaml with the recorded params filled in; none where it cannot be read so."""
    with suppress(UserError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        text = git.file_at(commit, str(DVC_FILE)) or ""
        return stages_of(text, lambda key: params[key] if key in params else value_at(params, key))
    return {}


def _nowhere(seen: Mapping[str, Mismatches], runs: Mapping[str, list[Run]], unreadable: str) -> str:
    """Why no commit fits, in one line."""
    if not any(seen.values()):
        return f"no commit is known to have made these results{unreadable}; run `dvc repro` and commit {LOCK}"
    commit, differing = min(((one, of) for one, of in seen.items() if of), key=lambda pair: len(pair[1]))
    stage, first = differing[0]
    what = f"a {DVC_FILE} with the stages and params that made {stage}"
    if first is not ANOTHER_DAG:
        digest = f"sha256 {short(first.a)}" if first.a else "absent when it ran"
        what = f"the code that made {stage} ({first.key}, {digest})"
    dirty = next((run for run in runs.get(stage, []) if run.dirty), None)
    how = f"run {dirty.run_id} says so" if dirty else "or another clone has it"
    return (
        f"{what} is in no commit of this clone (nearest: {commit[:10]}): it was run from a dirty tree, {how}"
        f"{unreadable}. Commit the code, run `dvc repro` and commit {LOCK} to have a score that can be reproduced"
    )
