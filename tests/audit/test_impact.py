"""What follows from a video, a query, a param, against the files themselves, read with other means."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tasks.audit.cli import build_parser
from tasks.audit.impact.checkpoints import trainings
from tasks.audit.impact.items import ranks_of
from tasks.audit.impact.view import answer
from tasks.lineage.lineage import Lineage
from tasks.lineage.mlflow import Tracking
from tasks.lineage.open import workspace
from tasks.shared.artifacts.scores import MEASURES
from tasks.shared.runtime.errors import UserError
from tests.project import STAGES, Project


def _answer(project: Project, *arguments: str) -> Any:
    done = project.audit("impact", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _rows(project: Project, path: str, **only: str) -> list[dict[str, Any]]:
    rows = pq.read_table(project.root / "results" / path).to_pylist()
    return [row for row in rows if all(row[name] == value for name, value in only.items())]


def _lines(project: Project, path: str) -> list[list[str]]:
    return [line.split() for line in (project.root / "results" / path).read_text(encoding="utf-8").splitlines()]


def _first(project: Project, split: str) -> dict[str, Any]:
    seen = {row["video_id"] for row in _rows(project, "extract/media.parquet")}
    return next(row for row in _rows(project, "corpus/manifest.parquet", split=split) if row["video_id"] in seen)


def test_what_follows_from_a_training_video(project: Project) -> None:
    video = _first(project, "train")["video_id"]
    (found,) = _answer(project, video)["videos"]
    mined = [json.loads(line) for line in (project.root / "results/mine/negatives.jsonl").open(encoding="utf-8")]
    kept = {
        (one["query_id"], each["rank"], None) for one in mined for each in one["negatives"] if each["video_id"] == video
    }
    dropped = {
        (one["query_id"], each["rank"], each["reason"])
        for one in mined for each in one["dropped"] if each["video_id"] == video
    }  # fmt: skip
    assert {(one["query_id"], one["rank"], one["dropped"]) for one in found["mined"]} == kept | dropped
    assert found["exposures"] == _rows(project, "train/exposures.parquet", video_id=video)
    judged = {fields[0] for fields in _lines(project, "corpus/qrels.train.trec") if fields[2] == video}
    assert found["judged"].keys() == judged
    assert [one["system"] for one in found["means"]] == (["tuned"] if found["exposures"] else [])
    (training,) = found["checkpoints"]
    assert training["exposures"] == len(found["exposures"]) > 0
    assert training["adapter"] == _sha256(project.root / "results/train/adapter/adapter_model.safetensors")
    with sqlite3.connect(project.root / "mlflow.db") as database:
        registered = database.execute("SELECT run_id, version FROM model_versions").fetchall()
    assert [
        (run["run_id"], int(version)) for run, version in zip(training["runs"], training["versions"], strict=True)
    ] == registered


def test_what_follows_from_a_test_video(project: Project) -> None:
    row = _first(project, "test")
    video = row["video_id"]
    (found,) = _answer(project, row["path"])["videos"]  # by its file
    assert found["item"] == row
    (transcript,) = _rows(project, "transcribe/transcripts.parquet", video_id=video)
    assert found["lineage"]["said"]["sha256"] == hashlib.sha256(transcript["text"].encode()).hexdigest()
    (document,) = _rows(project, "encode/documents.parquet", video_id=video)
    assert found["lineage"]["document"] == document
    assert found["vectors"]["tuned"] == document["vector_sha256"]
    assert found["vectors"].keys() == {"tuned", "base"}
    relevant = {one[0] for one in _lines(project, "corpus/qrels.test.trec") if one[2] == video and int(one[3]) > 0}
    ranks = {
        (fields[0], fields[5]): int(fields[3])
        for system in ("tuned", "base", "text_dense", "bm25")
        for fields in _lines(project, f"evaluate/runs/{system}.trec") if fields[2] == video
    }  # fmt: skip
    top = {query for (query, _), rank in ranks.items() if rank <= 10}
    assert {one["query_id"] for one in found["places"]} == relevant | top
    for place in found["places"]:
        assert {name: rank for name, rank in place["ranks"].items() if rank} == {
            system: rank for (query, system), rank in ranks.items() if query == place["query_id"]
        }
        scored = {
            row["system"]: {name: row[name] for name in MEASURES}
            for row in _rows(project, "evaluate/per_query.parquet", query_id=place["query_id"])
        }
        assert found["scores"].get(place["query_id"], {}) == scored
    metrics = json.loads((project.root / "results/evaluate/metrics.json").read_text(encoding="utf-8"))
    assert {one["system"]: one["value"] for one in found["means"]} == {
        name: values["nDCG@10"] for name, values in metrics["systems"].items()
    }
    assert (found["checkpoints"][0]["exposures"], found["checkpoints"][0]["why"]) == (0, None)
    assert not any(one["training"] for one in found["means"])


def test_what_follows_from_queries(project: Project) -> None:
    train, test = (_rows(project, "corpus/queries.parquet", split=split)[0]["query_id"] for split in ("train", "test"))
    taught, asked = _answer(project, "--query", train, test)["queries"]
    assert taught["exposures"] == [row for row in _rows(project, "train/exposures.parquet") if row["query_id"] == train]
    mined = [json.loads(line) for line in (project.root / "results/mine/negatives.jsonl").open(encoding="utf-8")]
    (known,) = (one for one in mined if one["query_id"] == train)
    assert {(one["video_id"], one["rank"], one["dropped"]) for one in taught["mined"]} == {
        (one["video_id"], one["rank"], one.get("reason")) for one in [*known["negatives"], *known["dropped"]]
    }
    assert taught["checkpoints"][0]["exposures"] == len(taught["exposures"]) > 0
    assert (
        asked["scores"][test]["tuned"]["AP"]
        == _rows(project, "evaluate/per_query.parquet", query_id=test, system="tuned")[0]["AP"]
    )
    judged = {fields[2]: int(fields[3]) for fields in _lines(project, "corpus/qrels.test.trec") if fields[0] == test}
    assert asked["judged"] == judged
    for place in asked["places"]:
        assert judged[place["video_id"]] == place["relevance"]
        (rank,) = (int(one[3]) for one in _lines(project, "evaluate/runs/tuned.trec")
                   if (one[0], one[2]) == (test, place["video_id"]))  # fmt: skip
        assert place["ranks"]["tuned"] == rank
    assert asked["vectors"].keys() == {"tuned", "base"}
    assert (asked["mined"], asked["exposures"]) == ([], [])


def test_what_a_param_decides(project: Project) -> None:
    answer = _answer(project, "--param", "extract.size", "mine.keep=3", "run.workers=7")
    size, keep, workers = answer["params"]
    assert size["stages"] == {"extract": ["extract"], "base": ["extract.size"]}
    assert size["downstream"] == [one for one in STAGES if one != "corpus"]
    assert (size["given"], keep["given"], keep["same"], workers["same"]) == (False, True, True, False)
    assert size["recorded"] == {"extract": 84, "base": 84}
    assert workers["stages"] == {}
    told = {one["stage"]: one["runs"] for one in answer["rerun"]["changed"]}
    assert told == dict.fromkeys(STAGES, "yes") | {"corpus": "no"}
    assert [one["stage"] for one in answer["results"]] == [one for one in STAGES if one != "corpus"]
    manifest = (project.root / "results/mine/manifest.json").read_bytes()
    mine = next(one for one in answer["results"] if one["stage"] == "mine")
    assert mine["manifest"] == hashlib.sha256(manifest).hexdigest()
    assert mine["runs"][0]["run_id"]


def test_modalities_of_training_and_of_the_index_are_two_params(project: Project) -> None:
    answer = _answer(project, "--param", "encode.modalities=[audio]")
    (index,) = answer["params"]
    assert index["stages"] == {stage: ["encode.modalities"] for stage in ("encode", "evaluate")}
    assert index["downstream"] == ["encode", "evaluate", "report"]
    assert index["recorded"] == {stage: ["text", "video", "audio"] for stage in ("encode", "evaluate")}
    told = {one["stage"]: one for one in answer["rerun"]["changed"]}
    assert [stage for stage, one in told.items() if one["runs"] == "yes"] == ["encode", "evaluate", "report"]
    (made,) = told["encode"]["makes"]
    queries = 2 * len(_rows(project, "corpus/queries.parquet", split="test"))
    assert made["most"] == made["of"] - queries, "no weights change"

    answer = _answer(project, "--param", "train.modalities=[audio]")
    (training,) = answer["params"]
    assert training["stages"] == {"train": ["train"]}
    assert training["downstream"] == ["train", "encode", "evaluate", "report"]
    told = {one["stage"]: one for one in answer["rerun"]["changed"]}
    assert [stage for stage, one in told.items() if one["runs"] != "no"] == training["downstream"]
    assert told["evaluate"]["runs"] == "may be skipped", "other weights may give the same vectors"
    assert told["train"]["makes"] == [{"what": "trainings", "most": 1, "of": 1, "exact": True}]
    (made,) = told["encode"]["makes"]
    assert made["most"] == made["of"] // 2, "what the base makes of videos and queries stays"


def test_the_present_value_costs_nothing(project: Project) -> None:
    done = project.audit("impact", "--param", "mine.keep=3")
    assert "3 is its present value: nothing would run for it" in done.stdout
    assert done.stdout.count("nothing that it depends on changes") == len(STAGES)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "name a VIDEO"),
        (["demo_nowhere"], "the corpus of workspace has no video demo_nowhere; did you mean demo_"),
        (["results/corpus/videos/none.mp4"], "has no video results/corpus/videos/none.mp4; did you mean"),
        (["--query", "no\nsuch"], "has no query"),
        (["--param", "mine.kep"], "params.yaml has no mine.kep; did you mean mine.keep?"),
        (["--param", "keep"], "params.yaml has no keep; did you mean mine.keep?"),
        (["--param", "mine.kep=4"], "params.yaml has no mine.kep; did you mean mine.keep?"),
        (["--param", "mine.keep=-1"], "mine.keep = -1: input should be greater than or equal to 0"),
        (["--param", "train.learning_rate=1e-4"], "write 0.0001"),
        (["--param", "document.test_text=[caption"], "not a value of YAML"),
        (["--param", "document.modalities=[text]"], "params.yaml has no document.modalities; did you mean"),
        (["--param", "document.modalities"], "params.yaml has no document.modalities; did you mean"),
        (["--param", "encode.modalities=[text, text]"], "text is there more than once; name it once"),
        (["--rev", "nowhere", "--param", "mine"], "git knows no revision nowhere"),
    ],
)
def test_what_is_not_there_is_one_line(
    project: Project, monkeypatch: pytest.MonkeyPatch, given: list[str], told: str
) -> None:
    monkeypatch.chdir(project.root)
    with pytest.raises(UserError) as refused:
        answer(build_parser().parse_args(["impact", *given]))
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_revision_without_its_files_here(finished: Project) -> None:
    video = _first(finished, "test")["video_id"]
    here = _answer(finished, video)
    shutil.rmtree(finished.root / "results")
    there = _answer(finished, "--rev", "HEAD", video)
    assert there["videos"] == here["videos"]
    assert there["rerun"] == here["rerun"]
    assert there["commit"] == here["commit"]
    assert (here["stale"], there["stale"]) == ({}, None)


def test_what_is_stale_already_is_apart(finished: Project) -> None:
    finished.change({"evaluate.bootstrap": 200})
    answer = _answer(finished, "--param", "report.results=3")
    assert answer["stale"] == {"evaluate": ["params.yaml evaluate modified"]}
    assert [one["stage"] for one in answer["rerun"]["changed"] if one["runs"] == "yes"] == ["report"]
    shown = finished.audit("impact", "--param", "report.results=3").stdout
    assert "Stale already, whatever is changed:\n  evaluate: params.yaml evaluate modified" in shown


def test_what_cannot_be_told_is_said_and_the_rest_told(finished: Project) -> None:
    video = _first(finished, "train")["video_id"]
    (finished.root / "mlflow.db").unlink()
    shutil.rmtree(finished.root / "results" / "evaluate")
    answer = _answer(finished, video)
    assert answer["videos"][0]["exposures"]
    assert answer["videos"][0]["checkpoints"][0]["runs"] == []
    assert any("MLflow's database" in note for note in answer["notes"])
    assert any("results/evaluate/metrics.json is missing" in note for note in answer["notes"])
    assert {one["stage"]: one["runs"] for one in answer["rerun"]["changed"]}["evaluate"] == "yes"


def _elsewhere(project: Project) -> Lineage:
    """The workspace, as if another training lay in it."""
    lineage = workspace(tracking=Tracking(f"sqlite:///{project.root / 'mlflow.db'}"))
    lineage.executions.pop("train")
    return lineage


def test_trainings_that_lie_elsewhere(finished: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished.root)
    video = _first(finished, "train")["video_id"]
    exposures = _rows(finished, "train/exposures.parquet", video_id=video)

    def shown() -> list[dict[str, Any]] | None:
        ((training, rows),) = trainings(_elsewhere(finished))
        assert not training.here
        return None if training.why else [asdict(one) for one in rows if one.video_id == video]

    (kept,) = (finished.root / "mlruns").rglob("exposures.parquet")
    content = kept.read_bytes()
    kept.unlink()
    assert shown() == exposures  # among DVC's objects
    shutil.rmtree(finished.root / ".dvc" / "cache" / "files")
    assert shown() is None
    ((training, _),) = trainings(_elsewhere(finished))
    assert "exposures.parquet" in str(training.why)
    kept.write_bytes(content)
    assert shown() == exposures  # among the artifacts in MLflow
    kept.write_bytes(content[:-1] + b"?")
    assert shown() is None


def test_ranks_are_found_by_whole_ids(tmp_path: Path) -> None:
    run = tmp_path / "run.trec"
    run.write_text("v1 Q0 v11 1 3.0 x\nv1 Q0 v1 2 2.0 x\nq Q0 v2 1 1.0 v1\nq Q0 v1 2 0.5 x")
    assert ranks_of(run, "v1", video=True) == {"v1": 2, "q": 2}
    assert ranks_of(run, "v1", video=False) == {"v11": 1, "v1": 2}
    assert ranks_of(run, "1", video=True) == {}
    run.write_text("")
    assert ranks_of(run, "v1", video=True) == {}


def test_the_readable_answer(project: Project) -> None:
    video = _first(project, "train")["video_id"]
    done = project.audit("impact", video)
    assert done.returncode == 0
    exposures = _rows(project, "train/exposures.parquet", video_id=video)
    shown = Counter(row["role"] for row in exposures for _ in row["steps"])
    for role, times in shown.items():
        assert f"{times} times {role}" in done.stdout
    for part in ("what `dvc repro` would do", "1 of 1 trainings", "nothing is stale", "makes if removed"):
        assert part in done.stdout


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
