"""MLflow's runs against what they published: tags, params, the copies of artifacts they keep, registered versions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tasks.audit.verify.answer import Answer
from tasks.audit.verify.digests import Unread, compare, walk
from tasks.audit.verify.lock import local
from tasks.audit.verify.metrics import check_metrics
from tasks.audit.verify.state import State
from tasks.lineage.dvc import LOCK
from tasks.lineage.mlflow import MANIFEST_TAG
from tasks.lineage.model import Execution, Run, manifest_path
from tasks.lineage.records import Record, damaged, read_records
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.tracking import REGISTERED_MODEL, SEAL, TAG_LIMIT, flat


@dataclass
class Published:
    """A run with what it published, and where its copies lie on this machine; none where they are elsewhere."""

    run: Run
    execution: Execution
    copies: dict[str, Path] | None

    @property
    def name(self) -> str:
        """As findings name it."""
        return f"MLflow run {self.run.run_id}"

    @property
    def whole(self) -> bool:
        """Whether all was logged: a run that was killed lacks what it had not logged yet."""
        return SEAL in self.run.tags or self.run.status == "FINISHED"


def runs_of(state: State) -> list[Published]:
    """The runs that say that they published the state's manifests, or whose outputs are those in dvc.lock."""
    lineage = state.lineage
    by_digest = {one.digest: one for one in lineage.executions.values()}
    found = {one.run_id: one for one in lineage.tracking.of_stages(list(lineage.stages))}
    for several in lineage.tracking.of_manifests(by_digest).values():
        found |= {one.run_id: one for one in several}
    published = []
    for run in found.values():
        execution = by_digest.get(run.manifest or "") or next(
            (one for one in lineage.executions.values() if _made(state, one, run)), None
        )
        if execution is not None:
            published.append(Published(run, execution, _copies(run)))
    return published


def _made(state: State, execution: Execution, run: Run) -> bool:
    """Whether a run's outputs are those in dvc.lock, whatever else its tags say."""
    outs = state.lineage.outs_of(execution.stage)
    wanted = {path: md5 for path, md5 in outs.items() if path not in execution.derived}
    return bool(wanted) and wanted.items() <= run.outs.items()


def _copies(run: Run) -> dict[str, Path] | None:
    folder = local(run.artifacts)
    if folder is None or not folder.is_dir():
        return None
    files, irregular = walk(folder, Path())
    return files | {name: folder / name for name in irregular}


def check_runs(state: State, answer: Answer, runs: list[Published]) -> None:
    """Compare every run with what it published."""
    tracking, lineage = state.lineage.tracking, state.lineage
    if (damage := damaged(tracking.uri, Path())) is not None:
        answer.find("unreadable", *damage)
        return
    # a run that was found by the outputs in dvc.lock made something else where those are not what lies there
    runs = [
        one
        for one in runs
        if one.run.manifest == one.execution.digest or not answer.wrong((RESULTS / one.execution.stage).as_posix())
    ]
    try:
        records = read_records(tracking.uri, Path(), [one.run.run_id for one in runs])
    except OSError as error:
        tracking.problem = str(error)
    if tracking.problem:
        answer.note("not checked", "MLflow", tracking.problem)
        return
    by_stage = {stage: [one.run.run_id for one in runs if one.execution.stage == stage] for stage in lineage.executions}
    answer.runs |= by_stage
    without = [stage for stage, some in by_stage.items() if not some]
    if without:
        answer.note("not checked", "MLflow", f"it has no run that published this result of {', '.join(without)}")
    for one in runs:
        answer.count("MLflow runs")
        if not one.whole:
            answer.note("not checked", one.name, f"it is {one.run.status.lower()}: not all was logged")
        _check_tags(state, answer, one)
        params = {key: str(value) for key, value in flat(one.execution.params).items()}
        _check(answer, one, "param", params, records[one.run.run_id].params)
        check_metrics(state, answer, one.execution, one.run, records[one.run.run_id], one.whole)
        _check_artifacts(state, answer, one, records[one.run.run_id])
    away = [one for one in runs if one.copies is None and one.whole]
    if away and len(away) == len(runs):
        answer.note("not checked", "MLflow's copies", f"they are not on this machine, at {away[0].run.artifacts}")
    else:
        for one in away:
            answer.find("missing", f"{one.name} artifacts", "its address in MLflow", one.run.artifacts, None)


def _check_tags(state: State, answer: Answer, one: Published) -> None:
    execution, tags = one.execution, one.run.tags
    inputs = json.dumps({path: artifact.sha256 for path, artifact in execution.used.items()})
    cut = inputs if len(inputs) <= TAG_LIMIT else inputs[: TAG_LIMIT - 1] + "…"
    expected = {"reeltrace.stage": execution.stage, MANIFEST_TAG: execution.digest, "reeltrace.inputs": cut}
    _check(answer, one, "tag", expected, {key: tags[key] for key in expected if key in tags})
    locked = state.lineage.lock.get(execution.stage)
    if locked is not None:
        _check_hashes(answer, one, "outs", locked.outs)
        _check_hashes(answer, one, "deps", {dep: md5 for dep, md5 in locked.deps.items() if dep.startswith("results/")})


def _check_hashes(answer: Answer, one: Published, kind: str, recorded: dict[str, str]) -> None:
    """Compare DVC's hashes in a tag with those in dvc.lock."""
    where, text = f"{one.name} tag dvc.{kind}", one.run.tags.get(f"dvc.{kind}")
    answer.count("MLflow tags")
    if text is None or text.endswith("…"):
        if text is not None:
            answer.note("not checked", where, "MLflow's database held only its beginning")
        elif one.whole:
            answer.find("missing", where, "every finished run has it", None, None)
        return
    try:
        tagged = dict(json.loads(text))
    except (ValueError, TypeError):
        tagged = {}
    for path in sorted({*recorded, *tagged}):
        expected, found = recorded.get(path), tagged.get(path)
        record = f"{LOCK} {one.execution.stage} {kind} {path}"
        if expected != found and found is not None and path in one.execution.derived:
            answer.note("not checked", where, f"{path} was built again since: the run's had md5 {found}")
        elif expected != found and record not in answer.by_where:
            answer.find("altered", where, record, f"{path} md5 {expected}", f"{path} md5 {found}")


def _check(answer: Answer, one: Published, what: str, expected: dict[str, str], found: dict[str, str]) -> None:
    """Compare tags or params with the manifest; a run that was killed may lack some."""
    answer.count(f"MLflow {what}s", len({*expected, *found}))
    wanted = {key: value for key, value in expected.items() if one.whole or key in found}
    answer.compare_all(f"{one.name} {what}", manifest_path(one.execution.stage), wanted, found)


def _check_artifacts(state: State, answer: Answer, one: Published, record: Record) -> None:
    """Compare the copies that a run keeps, and the versions of the registered model that it made."""
    stage, own = one.execution.stage, manifest_path(one.execution.stage)
    start = f"{RESULTS / stage}/"
    outputs = {path.removeprefix(start): artifact.sha256 for path, artifact in state.outputs(one.execution)[0].items()}
    outputs[MANIFEST] = one.execution.digest
    tracked = tuple(f"{name}/" for name in (MANIFEST, *state.lineage.stages[stage].tracked))
    expected = [name for name in outputs if f"{name}/".startswith(tracked)] if one.whole else []
    if one.copies is not None:
        answer.count("MLflow's copies", len(one.copies), state.digests.size(one.copies.values()))
        for name in sorted({*expected, *one.copies}):
            found = state.digests.of(one.copies[name]) if name in one.copies else Unread(True, None)
            claim = f"sha256 {outputs[name]}" if name in outputs else None
            compare(answer, f"{one.name} artifact {name}", found, claim, own)
    for number, tags in record.versions.items():
        where = f"MLflow model {REGISTERED_MODEL} version {number} tag {MANIFEST_TAG}"
        answer.count("registered model versions")
        answer.compare(where, one.name, one.execution.digest, tags.get(MANIFEST_TAG))
    adapter = stage == "train" and SEAL in one.run.tags and any(name.startswith("adapter/") for name in outputs)
    if adapter and not record.versions:
        answer.find("missing", f"MLflow model {REGISTERED_MODEL}", one.name, "a version for the adapter", None)
