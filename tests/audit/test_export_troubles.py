"""`audit export` where something is missing, altered or broken: what can be told is told, and the rest is said."""

from __future__ import annotations

import json
import shutil
import sqlite3
import uuid
from datetime import datetime
from typing import Any

import pytest

from tasks.audit.cli import build_parser
from tasks.audit.export import view
from tasks.audit.export.events import UNKNOWN, Export, export
from tasks.lineage.open import workspace
from tasks.shared.runtime.errors import UserError
from tests.audit.openlineage_reader import Graph, parse
from tests.project import Project

Event = dict[str, Any]


@pytest.fixture
def here(finished: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The working directory is a project of the test's own."""
    monkeypatch.chdir(finished.root)
    return finished


def told(stage: str = "evaluate") -> tuple[Export, dict[str, Event]]:
    """The export, and its final events by stage; every event is one that the client takes."""
    answer = export(workspace(), stage)
    for event in answer.events:
        parse(event)
    return answer, {one["job"]["name"]: one for one in answer.events if one["eventType"] == "COMPLETE"}


def dataset(event: Event, which: str, name: str) -> Any:
    """An input or output by name."""
    return next(one for one in event[which] if one["name"] == name)


def test_without_mlflow_ids_follow_from_manifests_and_times_from_the_commit(here: Project) -> None:
    (here.root / "mlflow.db").unlink()
    answer, done = told()
    assert answer.remarks == [
        "MLflow's database mlflow.db is not here; set MLFLOW_TRACKING_URI to where the runs were logged"
    ]
    committed = here.run("git", "show", "--no-patch", "--format=%cI", "HEAD").strip()
    for event in done.values():
        facets = event["run"]["facets"]
        manifest = facets["reeltrace_stage"]["manifestSha256"]
        assert event["run"]["runId"] == str(uuid.uuid5(UNKNOWN, manifest))
        assert facets["reeltrace_execution"]["runIdFrom"] == "manifest"
        assert facets["reeltrace_execution"]["timesFrom"] == "commit"
        assert not facets["reeltrace_execution"]["startRecorded"]
        assert datetime.fromisoformat(event["eventTime"]) == datetime.fromisoformat(committed)
    assert len(Graph(answer.events).edges) == 20
    again, _ = told()
    assert again.events == answer.events


def test_without_git_too_times_are_the_manifests(here: Project) -> None:
    (here.root / "mlflow.db").unlink()
    shutil.rmtree(here.root / ".git")
    _, done = told()
    execution = done["mine"]["run"]["facets"]["reeltrace_execution"]
    assert (execution["timesFrom"], execution["git"]) == ("file", {"commit": None, "dirty": None})


def test_of_runs_that_published_the_same_the_first_stands_and_the_others_are_named(here: Project) -> None:
    _, before = told("mine")
    first = uuid.UUID(before["mine"]["run"]["runId"]).hex
    later, failed = "f" * 32, "e" * 32
    with sqlite3.connect("mlflow.db") as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(runs)")]
        for copy, shift, status in ((later, 1000, "FINISHED"), (failed, -1000, "FAILED")):
            values = {"run_uuid": f"'{copy}'", "start_time": f"start_time + {shift}", "status": f"'{status}'"}
            chosen = ", ".join(values.get(one, one) for one in columns)
            database.execute(f"INSERT INTO runs SELECT {chosen} FROM runs WHERE run_uuid = ?", [first])
            database.execute("INSERT INTO tags SELECT key, value, ? FROM tags WHERE run_uuid = ?", [copy, first])
    _, done = told("mine")
    assert done["mine"]["run"]["runId"] == str(uuid.UUID(first))
    assert done["mine"]["run"]["facets"]["reeltrace_execution"]["mlflowRunsOfSameResult"] == [failed, later]
    named = export(workspace(), "mine", run_id=later)
    assert named.events[-1]["run"]["runId"] == str(uuid.UUID(later))


def test_a_chain_that_is_broken_is_broken_for_a_consumer(here: Project) -> None:
    path = here.root / "results" / "transcribe" / "manifest.json"
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    answer, done = told()
    broken = [line for line in answer.remarks if "read another" in line]
    assert [line.split()[0] for line in broken] == ["mine", "train", "encode", "evaluate"]
    assert ("transcribe", "mine") not in Graph(answer.events).edges
    read = dataset(done["mine"], "inputs", "results/transcribe")
    assert read["inputFacets"]["reeltrace_link"]["holds"] == "no"
    assert "dvc" not in read["facets"]["reeltrace_identity"]
    assert any("MLflow has no run that published this result of transcribe" in line for line in answer.remarks)


def test_a_reader_of_another_table_makes_none_altered(here: Project) -> None:
    manifest = here.manifest("mine")
    manifest["inputs"]["results/corpus/queries.parquet"]["sha256"] = "0" * 64
    (here.root / "results/mine/manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    answer, done = told("mine")
    read = dataset(done["mine"], "inputs", "results/corpus/queries.parquet")
    assert read["inputFacets"]["reeltrace_link"]["holds"] == "no" and "schema" not in read["facets"]
    assert any("read another results/corpus/queries.parquet" in line for line in answer.remarks)
    assert not any("left out" in line for line in answer.remarks)


def test_of_an_altered_table_no_columns_are_told(here: Project) -> None:
    shutil.copy(here.root / "results/corpus/queries.parquet", here.root / "results/evaluate/per_query.parquet")
    (here.root / "results/evaluate/metrics.json").write_text("{}", encoding="utf-8")
    answer, done = told()
    recorded = here.manifest("evaluate")["outputs"]["results/evaluate/per_query.parquet"]
    found = dataset(done["evaluate"], "outputs", "results/evaluate/per_query.parquet")
    assert found["facets"]["version"]["datasetVersion"] == recorded["sha256"]
    assert "schema" not in found["facets"]
    assert "rowCount" not in found["outputFacets"]["outputStatistics"]
    assert "reeltrace_scores" not in done["evaluate"]["run"]["facets"]
    altered = [line.split()[0] for line in answer.remarks]
    assert sorted(altered) == ["results/evaluate/metrics.json", "results/evaluate/per_query.parquet"]


def test_a_stage_that_is_not_there_is_said(here: Project) -> None:
    shutil.rmtree(here.root / "results" / "mine")
    done = here.audit("export")
    assert done.returncode == 0
    assert done.stderr.startswith("audit: results/mine is not here; run `dvc checkout`")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    train = next(one for one in events if one["job"]["name"] == "train" and one["eventType"] == "COMPLETE")
    assert dataset(train, "inputs", "results/mine")["inputFacets"]["reeltrace_link"]["holds"] == "unknown"
    shutil.rmtree(here.root / "results" / "evaluate")
    refused = here.audit("export")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nosuch"], "nosuch is no measure, run or query"),
        (["--rev", "nosuch"], "git knows no revision nosuch"),
        (["--output", "/proc/nowhere/events.jsonl"], "/proc/nowhere/events.jsonl cannot be written"),
    ],
)
def test_wrong_names_are_one_line(
    project: Project, monkeypatch: pytest.MonkeyPatch, arguments: list[str], line: str
) -> None:
    monkeypatch.chdir(project.root)
    with pytest.raises(UserError) as refused:
        view.answer(build_parser().parse_args(["export", *arguments]))
    assert str(refused.value).startswith(line)
    assert "\n" not in str(refused.value)


def test_the_remote_is_named_without_its_password(here: Project) -> None:
    here.run("git", "remote", "add", "origin", "https://someone:s3cret@git.example.org:8443/team/films.git")
    answer, done = told()
    assert answer.namespace == "reeltrace://git.example.org:8443/team/films"
    assert {one["namespace"] for one in done["evaluate"]["outputs"]} == {answer.namespace}
    location = done["mine"]["job"]["facets"]["sourceCodeLocation"]
    assert location["repoUrl"] == "https://git.example.org:8443/team/films"
    assert location["version"] == here.run("git", "rev-parse", "HEAD^").strip()
    assert "s3cret" not in json.dumps(answer.events)
    assert "someone" not in json.dumps(answer.events)
    assert export(workspace(), "mine", namespace="films").events[-1]["job"]["namespace"] == "films"
