"""dvc.lock against what lies there: the outputs, and for what a stage read and its params the stage's manifest.

A hash in dvc.lock that everything else contradicts is what was altered, not the files. What changed after a stage ran
makes its result stale, not false: that is a note.
"""

from __future__ import annotations

from typing import Any

from tasks.audit.verify.answer import Answer
from tasks.audit.verify.hashing import Digest, dir_hash
from tasks.audit.verify.state import DIR, State
from tasks.audit.verify.trusted import Runs, out_hash
from tasks.lineage.dvc import LOCK
from tasks.lineage.model import Execution
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.params import as_read
from tasks.shared.execution.tracking import flat
from tasks.shared.runtime.files import canonical_json, files_under

References = dict[str, Execution]
ANOTHER = "or the results are another revision's: `dvc checkout` brings those of this one"


def check_outs(state: State, answer: Answer, references: References, runs: Runs) -> None:
    """Compare every output with its hash in dvc.lock, a revision's objects with the names that they have."""
    for out, (stage, md5) in state.outs.items():
        answer.count("outputs in dvc.lock")
        if any(one.where in (out, (RESULTS / stage).as_posix()) and one.kind == "missing" for one in answer.findings):
            continue
        if out in state.tree.strange:
            answer.find("missing", out, LOCK, f"md5 {md5}", state.tree.strange[out])
            continue
        found = out_hash(state, out, md5)
        if found == md5 and not state.revision:
            continue
        if not state.revision and found and not answer.wrong(out) and _vouched(state, references, runs, out, found):
            answer.find("altered", f"{LOCK} {stage} outs {out}", out, f"md5 {found}", f"md5 {md5}", ANOTHER)
        elif md5.endswith(DIR):
            _folder(state, answer, out, md5, found)
        elif found is None:
            answer.find("missing", out, LOCK, f"md5 {md5}", None)
        elif found != md5:
            answer.find("altered", out, LOCK, f"md5 {md5}", f"md5 {found}")


def check_entries(state: State, answer: Answer) -> None:
    """Find what is gone from dvc.lock itself: HEAD's has it, and it is still true of what lies there."""
    for stage, before in state.committed.items():
        locked = state.lock.get(stage)
        if locked is None and not any(one.where == LOCK for one in answer.findings):
            if all(out_hash(state, out, md5) == md5 for out, md5 in before.outs.items()):
                answer.find(
                    "missing", f"{LOCK} {stage}", f"{LOCK} as git has it", ", ".join(before.outs.values()), None
                )
            continue
        for kind in ("outs", "deps"):
            for path, md5 in getattr(before, kind).items():
                if locked and path not in getattr(locked, kind) and dep_hash(state, path, md5) == md5:
                    where = f"{LOCK} {stage} {kind} {path}"
                    answer.find("missing", where, f"{LOCK} as git has it", f"md5 {md5}", None)


def _vouched(state: State, references: References, runs: Runs, out: str, found: str) -> bool:
    """Whether any record but dvc.lock's own has the hash that an output has now."""
    stage, _ = state.outs[out]
    manifest, present = references.get(stage), state.executions.get(stage)
    if manifest is None or present is None or manifest.digest != present.digest:
        return False
    digest = state.digest(out)
    if digest is not None and manifest.digest_of(out) == digest.sha256:
        return True
    own = (RESULTS / stage / MANIFEST).as_posix()
    derived = out in manifest.derived
    return (
        any(run.outs.get(out) == found for run in runs.published(manifest.digest))
        or any(one.deps.get(out) == found for one in state.lock.values())
        or (stage in state.committed and state.committed[stage].outs.get(out) == found)
        or (
            not derived
            and any(one.used[own].sha256 == manifest.digest for one in references.values() if own in one.used)
        )
    )


def _folder(state: State, answer: Answer, out: str, md5: str, found: str | None) -> None:
    """Name the files of a folder that has another hash, as far as DVC's cache or the findings so far can tell."""
    listing = state.listing(md5)
    if listing is None:
        about = [one for one in answer.findings if one.where.startswith(f"{out}/")]
        for one in about:
            answer.find(one.kind, one.where, LOCK, f"md5 {md5} of {out}", None)
        if not about:
            remark = "DVC's cache has no list of its files, so the file cannot be named"
            answer.find("altered", out, LOCK, f"md5 {md5}", f"md5 {found}", remark)
        return
    there = state.tree.below(out)
    record = "its object's name in DVC's cache" if state.revision else f"{LOCK} (its list of {out})"
    for name in sorted({*listing, *there}):
        path, expected = f"{out}/{name}", listing.get(name)
        digest = state.digests.of(there[name]) if name in there else None
        if path in state.tree.strange or digest is None:
            if not state.revision:  # there it was found missing before
                answer.find("missing", path, record, f"md5 {expected}", state.tree.strange.get(path))
        elif not isinstance(digest, Digest):
            answer.find("unreadable", path, record, expected and f"md5 {expected}", digest.reason)
        elif expected is None:
            answer.find("extra", path, record, None, f"md5 {digest.md5}")
        elif digest.md5 != expected:
            answer.find("altered", path, record, f"md5 {expected}", f"md5 {digest.md5}")


def check_records(state: State, answer: Answer, references: References) -> None:
    """Compare params and dependencies in dvc.lock with the manifests: both say what a stage read."""
    for stage, locked in state.lock.items():
        manifest = references.get(stage)
        if manifest is None:
            continue
        own = (RESULTS / stage / MANIFEST).as_posix()
        said, kept = flat(as_read(locked.params)), flat(manifest.params)
        for key in sorted({*said, *kept}):
            answer.count("params in dvc.lock")
            if canonical(said, key) != canonical(kept, key):
                where = f"{LOCK} {stage} params {key}"
                kind = "extra" if key not in kept else "altered" if key in said else "missing"
                answer.find(kind, where, own, canonical(kept, key), canonical(said, key))  # type: ignore[arg-type]
        if state.revision:  # what it read is verified as what made it; the workspace's code is another matter
            continue
        for dep, md5 in locked.deps.items():
            answer.count("dependencies in dvc.lock")
            found = dep_hash(state, dep, md5)
            if found is None or found == md5 or answer.wrong(dep):
                continue
            if _as_read(state, manifest, dep):
                answer.find("altered", f"{LOCK} {stage} deps {dep}", own, f"md5 {found}", f"md5 {md5}")
            elif not dep.startswith("tasks/"):  # code is named file by file
                answer.note("changed since", dep, f"it is not what {stage} read; `dvc repro {stage}` makes that again")


def canonical(values: dict[str, Any], key: str) -> str | None:
    """A value as text, equal where YAML, JSON and MLflow mean the same; None where there is none."""
    try:
        return canonical_json(values[key]) if key in values else None
    except (TypeError, ValueError):  # a date, say, which YAML reads where a text was edited
        return str(values[key])


def dep_hash(state: State, dep: str, md5: str) -> str | None:
    """DVC's md5 of a dependency as it is now; None where it is not here."""
    if RESULTS.as_posix() == dep.split("/", 1)[0]:
        return out_hash(state, dep, md5)
    place = state.home / dep
    if not md5.endswith(DIR):
        found = state.digests.of(place)
        return found.md5 if isinstance(found, Digest) else None
    files = {file.relative_to(place).as_posix(): file for file in sources(state, dep)}
    state.digests.read(files.values())
    digests = {name: state.digests.of(file) for name, file in files.items()}
    if not files or not all(isinstance(one, Digest) for one in digests.values()):
        return None
    return dir_hash({name: one.md5 for name, one in digests.items() if isinstance(one, Digest)})


def sources(state: State, dep: str) -> list[Any]:
    """Files of a dependency outside the results, without those that .dvcignore keeps from DVC."""
    found = files_under(state.home / dep) if (state.home / dep).exists() else []
    return [file for file in found if "__pycache__" not in file.parts and file.suffix not in (".pyc", ".pyo", ".pyd")]


def _as_read(state: State, manifest: Execution, dep: str) -> bool:
    """Whether a dependency is now what the stage read, by its manifest."""
    if dep.startswith("tasks/"):
        now = {
            file.relative_to(state.home).as_posix(): digest.sha256
            for file in sources(state, dep)
            if isinstance(digest := state.digests.of(file), Digest)
        }
        recorded = {path: one for path, one in manifest.code.items() if path == dep or path.startswith(f"{dep}/")}
        return bool(recorded) and now == recorded
    inputs = [path for path in manifest.used if path == dep or path.startswith(f"{dep}/")]
    if not dep.startswith(f"{RESULTS}/") or not inputs:
        return False
    found = {path: state.digest(path) for path in inputs}
    return all(one is not None and one.sha256 == manifest.used[path].sha256 for path, one in found.items())
