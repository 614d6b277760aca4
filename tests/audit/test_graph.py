"""`reeltrace audit graph`: its edges are DVC's, its marks are true, and an item's digests are those of the files."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from contextlib import chdir
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.audit.cli import build_parser
from tasks.audit.graph import view
from tasks.audit.text import as_json
from tasks.lineage.score import resolve
from tasks.shared.artifacts.corpus import read_queries, read_videos
from tasks.shared.artifacts.exposures import read_exposures
from tasks.shared.artifacts.runs import read_run
from tasks.shared.artifacts.scores import read_scores
from tasks.shared.runtime.files import sha256_file
from tests.project import Project
from tests.warm import python


def graph_of(project: Project, *arguments: str) -> dict[str, Any]:
    """What `--json` prints, made in this process."""
    chosen = build_parser().parse_args(["graph", *arguments])
    with chdir(project.root):
        return json.loads(as_json(view.graph_of(resolve(chosen.score, chosen.rev))))  # type: ignore[no-any-return]


@pytest.fixture(autouse=True)
def _its_own_store_and_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REELTRACE_STORE", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


def nodes_of(graph: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {node["key"]: node for node in graph["nodes"]}


def marks_of(graph: dict[str, Any]) -> dict[str, str]:
    return {node["key"]: node["mark"] for node in graph["nodes"] if node["mark"]}


def between_stages(graph: dict[str, Any]) -> set[tuple[str, str]]:
    stages = {node["key"] for node in graph["nodes"] if node["kind"] == "stage"}
    return {(one["maker"], one["reader"]) for one in graph["edges"] if {one["maker"], one["reader"]} <= stages}


def lines_of(node: dict[str, Any]) -> str:
    return "\n".join(line["text"] for line in node["lines"])


def first_pair(project: Project) -> tuple[str, str, int]:
    """A query, a video in the middle of its ranking, and its rank."""
    run = read_run("tuned", project.root / "results/evaluate")
    query_id, ranking = next(iter(run.items()))
    return query_id, list(ranking)[2], 3


def test_edges_are_those_of_dvc_dag(project: Project) -> None:
    dag = project.run(python(), "-m", "dvc", "dag", "--dot", "evaluate")
    expected = set(re.findall(r'"(\w+)" -> "(\w+)"', dag))
    assert len(expected) > 10
    assert between_stages(graph_of(project)) == expected


def test_the_stage_graph_names_digests_runs_and_the_number(project: Project) -> None:
    graph = graph_of(project)
    nodes = nodes_of(graph)
    for stage in ("corpus", "extract", "transcribe", "mine", "base", "train", "encode", "evaluate"):
        digest = sha256_file(project.root / "results" / stage / "manifest.json")
        facts = nodes[stage]["facts"]
        assert facts["manifest"] == digest and f"manifest {digest[:12]}" in lines_of(nodes[stage])
        assert re.fullmatch(r"[0-9a-f]{32}", facts["runs"][-1]) and facts["runs"][-1] in lines_of(nodes[stage])
    scores = read_scores(project.root / "results/evaluate")
    assert nodes["score"]["facts"]["value"] == scores.systems["tuned"]["nDCG@10"]
    assert marks_of(graph) == {} and "Nothing here is stale or broken." in graph["about"]
    labels = {(one["maker"], one["reader"]): one["artifacts"] for one in graph["edges"]}
    assert "negatives.jsonl" in labels["mine", "train"], "of a folder that is read whole, all that lies in it"
    assert labels["train", "encode"][0] == "adapter/"
    assert labels["corpus", "mine"] == ["manifest.parquet", "qrels.train.trec", "queries.parquet"]


def test_another_system_and_measure(project: Project) -> None:
    scores = read_scores(project.root / "results/evaluate")
    node = nodes_of(graph_of(project, "bm25/AP"))["score"]
    assert node["title"] == "AP of bm25" and node["facts"]["value"] == scores.systems["bm25"]["AP"]


def test_a_run_id_ends_at_its_stage(project: Project) -> None:
    run_id = nodes_of(graph_of(project))["mine"]["facts"]["runs"][-1]
    graph = graph_of(project, run_id)
    assert [node["key"] for node in graph["nodes"] if node["kind"] != "source"] == [
        "base", "corpus", "extract", "transcribe", "mine",
    ]  # fmt: skip
    assert graph["title"] == "Lineage of mine"


def test_a_changed_param_is_stale_and_what_follows_is_marked(finished: Project) -> None:
    finished.change({"train.lora_r": 8})
    graph = graph_of(finished)
    assert marks_of(graph) == {"train": "stale", "encode": "follows", "evaluate": "follows", "score": "follows"}
    assert nodes_of(graph)["train"]["why"] == ["params.yaml train modified"]
    said = json.loads(finished.run(python(), "-m", "dvc", "status", "--json"))
    assert set(said) - {"report"} == {key for key, mark in marks_of(graph).items() if mark == "stale"}
    svg = finished.audit("graph", "--format", "svg").stdout
    assert "params.yaml train modified" in svg and "follows from stale" in svg
    assert "DVC would run this stage again" in svg, "the legend"
    committed = graph_of(finished, "--rev", "HEAD")
    assert marks_of(committed) == {} and "Nothing is broken." in committed["about"], "of what is stale nothing is known"


def test_results_that_are_not_of_one_run_are_broken(finished: Project) -> None:
    negatives = finished.root / "results/mine/negatives.jsonl"
    manifest = finished.root / "results/mine/manifest.json"
    for path in (negatives, manifest):
        content = path.read_bytes()
        path.unlink()  # it may be a link into the cache
        path.write_bytes(content)
    content = finished.manifest("mine")
    content["counts"]["queries"] += 1
    manifest.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    graph = graph_of(finished)
    broken = [(one["maker"], one["reader"]) for one in graph["edges"] if one["broken"]]
    assert broken == [("mine", "train")]
    assert "read another mine/manifest.json" in " ".join(nodes_of(graph)["train"]["why"])
    assert marks_of(graph)["mine"] == "stale", "DVC: its output was modified"
    assert marks_of(graph)["train"] == "broken" and marks_of(graph)["encode"] == "follows"
    assert "output results/mine modified" in nodes_of(graph)["mine"]["why"]


def test_a_stage_that_is_not_here_is_missing(finished: Project) -> None:
    (finished.root / "results/mine/manifest.json").unlink()
    graph = graph_of(finished)
    assert marks_of(graph)["mine"] == "missing"
    assert ("mine", "train") in between_stages(graph), "what it read is still known"
    assert ("transcribe", "mine") in between_stages(graph), "from dvc.yaml"


def test_a_rank_is_drawn_with_the_digests_of_the_files(project: Project) -> None:
    query_id, video_id, rank = first_pair(project)
    graph = graph_of(project, f"{query_id}:{video_id}")
    nodes = nodes_of(graph)
    video = read_videos(project.root / "results/corpus/manifest.parquet", video_ids=[video_id])[0]
    assert nodes["video"]["facts"]["sha256"] == sha256_file(project.root / video.path)
    extracted = project.root / "results/extract"
    for what in ("frames", "audio"):
        facts = nodes["media"]["facts"]
        assert facts[f"{what}_sha256"] == sha256_file(extracted / facts[what])
        assert nodes["document"]["facts"][f"{what}_sha256"] == facts[f"{what}_sha256"]
    said = nodes["transcript"]["facts"]
    assert said["sha256"] == hashlib.sha256(said["text"].encode()).hexdigest()
    assert nodes["rank"]["facts"]["rank"] == rank
    weights = nodes["checkpoint"]["facts"]["weights"]
    assert weights and all(sha256_file(project.root / path) == digest for path, digest in weights.items())
    assert "not shown in training" in lines_of(nodes["checkpoint"])
    assert {("video", "media"), ("media", "document"), ("document", "vector"), ("checkpoint", "vector"),
            ("vector", "rank"), ("query", "rank"), ("rank", "score"), ("judgments", "score")} <= {
        (one["maker"], one["reader"]) for one in graph["edges"]
    }  # fmt: skip


def test_a_query_is_drawn_with_its_first_videos(project: Project) -> None:
    query_id, _, _ = first_pair(project)
    graph = graph_of(project, query_id)
    ranking = list(read_run("tuned", project.root / "results/evaluate")[query_id])
    shown = [node["key"].removeprefix("video ") for node in graph["nodes"] if node["key"].startswith("video ")]
    assert shown == ranking[: len(shown)] and len(shown) == min(6, len(ranking))
    labels = [one["artifacts"][0] for one in graph["edges"] if one["maker"].startswith("video ")]
    assert labels[0].startswith("rank 1: ")


def test_a_training_video_is_drawn_with_the_queries_it_was_shown_for(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = read_exposures(project.root / "results/train")
    query_id = first_pair(project)[0]
    by_video: dict[str, set[str]] = {}
    for one in shown:
        by_video.setdefault(one.video_id, set()).add(one.query_id)
    video_id = max(by_video, key=lambda one: (len(by_video[one]), one))
    monkeypatch.chdir(project.root)
    monkeypatch.setattr(view, "MOST", 2)
    graph = view.graph_of_pair(resolve(f"{query_id}:{video_id}", None))
    nodes = {node.key: node for node in graph.nodes}
    training = [node for node in graph.nodes if node.title == "training query"]
    assert len(training) == 2 and {node.facts["query_id"] for node in training} <= by_video[video_id]
    assert nodes["more training queries"].title == f"and {len(by_video[video_id]) - 2} more"
    assert "train split" in nodes["none"].lines[0].text
    expected = {(one.query_id, one.role) for one in shown if one.video_id == video_id}
    for edge in graph.edges:
        if edge.maker.startswith("trained "):
            role = edge.label.split(",")[0].removesuffix(" negative").replace("random", "drawn")
            assert (edge.maker.removeprefix("trained "), role) in expected


def test_a_training_query_is_drawn_with_the_videos_it_was_trained_with(project: Project) -> None:
    shown = read_exposures(project.root / "results/train")
    query_id = shown[0].query_id
    graph = graph_of(project, query_id)
    videos = {node["key"].removeprefix("video ") for node in graph["nodes"] if node["key"].startswith("video ")}
    assert videos and videos <= {one.video_id for one in shown if one.query_id == query_id}


def test_a_document_of_other_frames_is_broken(finished: Project) -> None:
    query_id, video_id, _ = first_pair(finished)
    path = finished.root / "results/extract/media.parquet"
    rows = pq.read_table(path)
    places = rows.column("video_id").to_pylist().index(video_id)
    digests = rows.column("frames_sha256").to_pylist()
    digests[places] = "0" * 64
    number = rows.schema.get_field_index("frames_sha256")
    path.unlink()
    pq.write_table(rows.set_column(number, "frames_sha256", pa.array(digests, pa.string())), path)
    graph = graph_of(finished, f"{query_id}:{video_id}")
    broken = [(one["maker"], one["reader"]) for one in graph["edges"] if one["broken"]]
    assert broken == [("video", "media"), ("media", "document")], "the strip there is another one, too"
    assert marks_of(graph)["media"] == "stale"


def test_a_state_of_before_rows_were_recorded_is_drawn_too(finished: Project) -> None:
    query_id, video_id, rank = first_pair(finished)
    (finished.root / "results/encode/documents.parquet").unlink()
    nodes = nodes_of(graph_of(finished, f"{query_id}:{video_id}"))
    assert "document" not in nodes and "not recorded row by row" in lines_of(nodes["vector"])
    assert nodes["rank"]["facts"]["rank"] == rank
    assert finished.audit("graph", f"{query_id}:{video_id}", "--format", "svg").returncode == 0


def test_a_video_and_a_training_query_end_without_a_rank(project: Project) -> None:
    trained = read_exposures(project.root / "results/train")[0].query_id
    nodes = nodes_of(graph_of(project, f"{trained}:{first_pair(project)[1]}"))
    assert "training query" in lines_of(nodes["none"])
    assert nodes["vector"]["facts"]["manifest"] == sha256_file(project.root / "results/encode/manifest.json")


@pytest.mark.parametrize("form", ["mermaid", "dot", "svg"])
def test_every_format_is_whole_and_the_same_every_time(project: Project, tmp_path: Path, form: str) -> None:
    one = project.audit("graph", "--format", form)
    assert one.returncode == 0
    ending = {"mermaid": "mmd", "dot": "dot", "svg": "svg"}[form]
    written = project.audit("graph", "--output", str(tmp_path / f"graph.{ending}"))
    assert written.returncode == 0 and (tmp_path / f"graph.{ending}").read_text(encoding="utf-8") == one.stdout
    if form == "svg":
        ElementTree.fromstring(one.stdout)


def test_wrong_words_are_answered_in_one_line(project: Project, tmp_path: Path) -> None:
    for arguments, said in (
        (("nothing",), "is no measure"),
        (("--json", "--format", "svg"), "name one of the two"),
        (("--rev", "nowhere"), "git knows no revision"),
        (("--output", str(tmp_path)), "cannot be written"),
    ):
        done = project.audit("graph", *arguments)
        assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


def test_without_mlflow_and_outside_dvc_it_says_what_it_cannot_tell(finished: Project) -> None:
    (finished.root / "mlflow.db").unlink()
    (finished.root / ".dvc/config").unlink(missing_ok=True)
    for path in sorted((finished.root / ".dvc").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    (finished.root / ".dvc").rmdir()
    graph = graph_of(finished)
    assert "What is stale is not known" in graph["about"] and "MLflow's database" in graph["about"]
    assert nodes_of(graph)["train"]["facts"]["runs"] == []


def test_it_changes_nothing(finished: Project) -> None:
    def state() -> dict[str, str]:
        files = [path for path in finished.root.rglob("*") if path.is_file() and ".dvc/tmp" not in path.as_posix()]
        kept = [path for path in files if ".git/" not in path.as_posix() and "__pycache__" not in path.parts]
        return {path.relative_to(finished.root).as_posix(): sha256_file(path) for path in kept}

    before = state()
    query_id, video_id, _ = first_pair(finished)
    for score in ((), (query_id,), (f"{query_id}:{video_id}",)):
        graph_of(finished, *score)
    assert state() == before


def test_help_imports_nothing_slow() -> None:
    code = "import sys, tasks.audit.graph.view; print({'dvc', 'mlflow', 'lancedb', 'rich', 'jinja2'} & {*sys.modules})"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "set()"


def test_queries_of_both_splits_are_drawn(project: Project) -> None:
    for query in read_queries(project.root / "results/corpus/queries.parquet")[::5]:
        assert graph_of(project, query.query_id)["title"] == f"Lineage of {query.query_id}"
