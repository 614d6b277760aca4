"""`reeltrace audit diff` on two real results that differ in one param of mining."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tasks.cli import main
from tests.project import Project

MARGIN = 0.05


@dataclass(frozen=True)
class Two:
    """A project with the results of two commits.

    Attributes:
        mined, evaluated: of A and of B: negatives.jsonl as it was published, and a copy of the evaluate folder.
    """

    project: Project
    a: str
    b: str
    mined: list[str]
    evaluated: list[Path]

    @property
    def moved(self) -> bool:
        """Whether any query's score is another one: on one processor it is, on another it may not be."""
        a, b = ((folder / "per_query.parquet").read_bytes() for folder in self.evaluated)
        return a != b


@pytest.fixture(scope="module")
def two(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Two:
    """The second result is really made: mine and all that follows from it run again."""
    folder = tmp_path_factory.mktemp("diff")
    made = project.copy(folder / "project")
    results = made.root / "results"

    def kept(name: str) -> tuple[str, Path]:
        shutil.copytree(results / "evaluate", folder / name)
        return (results / "mine" / "negatives.jsonl").read_text(encoding="utf-8"), folder / name

    first, a = made.run("git", "rev-parse", "HEAD").strip(), kept("a")
    made.change({"mine.relative_margin": MARGIN})
    assert made.repro() == ["mine", "train", "encode", "evaluate", "report"]
    b = kept("b")
    return Two(made, first, made.commit("margin"), [a[0], b[0]], [a[1], b[1]])


@pytest.fixture
def ask(two: Two, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs the command in the project: exit code, standard output, standard error."""

    def asked(*arguments: str, root: Path = two.project.root) -> tuple[int, str, str]:
        monkeypatch.chdir(root)
        for name in ("REELTRACE_STORE", "MLFLOW_TRACKING_URI"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(SystemExit) as ended:
            main(["audit", "diff", *arguments])
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return asked


def answer(ask: Any, *arguments: str) -> dict[str, Any]:
    code, out, err = ask(*arguments, "--json")
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def pairs(text: str) -> set[tuple[str, str, int, float]]:
    rows = [json.loads(line) for line in text.splitlines()]
    return {(row["query_id"], one["video_id"], one["rank"], one["score"]) for row in rows for one in row["negatives"]}


def negative(row: dict[str, Any] | None) -> bool:
    return row is not None and row["outcome"] == "negative"


def test_it_names_mine_and_lists_the_changed_negatives(two: Two, ask: Any) -> None:
    found = answer(ask, two.a, two.b)
    assert found["parts"] == ["mine"]
    scores = "tuned nDCG@10 " if two.moved else "every query scores the same nDCG@10"
    assert found["headline"].startswith(f"they part at mine: mine.relative_margin null -> {MARGIN}; {scores}")
    kinds = {one["stage"]: one["kind"] for one in found["stages"]}
    assert kinds == {
        **dict.fromkeys(("corpus", "extract", "transcribe", "base"), "same"),
        "mine": "parts",
        **dict.fromkeys(("train", "encode", "evaluate", "report"), "inherited"),
    }
    stages = {one["stage"]: one for one in found["stages"]}
    for name in ("train", "encode", "evaluate", "report"):
        assert not stages[name]["differs"]["params"] and not stages[name]["differs"]["code"]
    before, after = map(pairs, two.mined)
    assert before != after
    listed = found["tables"]["negatives"]["differ"]
    for side, expected in (("a", before), ("b", after)):
        told = {(*one["key"].split(), one[side]["rank"], one[side]["score"]) for one in listed if negative(one[side])}
        kept = before & after
        assert told - kept == expected - kept
        assert len(expected) == sum(negative(one[side]) for one in listed) + len(kept - told)
    dropped = [json.loads(line) for line in two.mined[1].splitlines()]
    margin = sum(one["reason"] == "margin" for row in dropped for one in row["dropped"])
    assert margin == sum(one["b"]["outcome"] == "dropped: margin" for one in listed if one["b"])
    assert {"videos", "queries", "judgments, test", "media", "transcripts", "training"} <= {*found["same"]}
    files = {one["key"]: (one["a"], one["b"]) for one in stages["train"]["outputs"]["named"]}
    assert "results/train/adapter/adapter_model.safetensors" in files
    assert "results/train/adapter/adapter_config.json" not in files
    for name, row, field in (("index", "encoding", "checkpoint"), ("loss", "curve", "last loss")):
        (change,) = found["tables"][name]["differ"]
        assert change["key"] == row and change["a"][field] != change["b"][field]
    (curve,) = found["tables"]["loss"]["differ"]
    assert curve["a"]["steps"] == curve["b"]["steps"]


def test_scores_are_those_of_the_tables(two: Two, ask: Any) -> None:
    found = answer(ask, two.a)  # the workspace is the second result
    assert found["b"]["state"] == "workspace" and found["b"]["commit"] == two.b
    judged = (two.project.root / "results/corpus/qrels.test.trec").read_text(encoding="utf-8").splitlines()
    relevant = {(line.split()[0], line.split()[2]) for line in judged if int(line.split()[3]) > 0}
    sides = []
    for folder in two.evaluated:
        ranks: dict[str, int] = {}
        for line in (folder / "runs" / "tuned.trec").read_text(encoding="utf-8").splitlines():
            query, _, video, rank, _, _ = line.split()
            if (query, video) in relevant:
                ranks.setdefault(query, int(rank))
        rows = pq.read_table(folder / "per_query.parquet").to_pylist()
        sides.append(({row["query_id"]: row["nDCG@10"] for row in rows if row["system"] == "tuned"}, ranks))
    (of_a, ranks_a), (of_b, ranks_b) = sides
    moved = {query: of_b[query] - of_a[query] for query in of_a if abs(of_b[query] - of_a[query]) > 1e-9}
    assert (found["effect"] is not None) == two.moved
    if not two.moved:
        assert moved == {}
        return
    assert {one["query_id"]: one["difference"] for one in found["effect"]["moves"]} == pytest.approx(moved)
    for one in found["effect"]["moves"]:
        assert (one["rank_a"], one["rank_b"]) == (ranks_a.get(one["query_id"]), ranks_b.get(one["query_id"]))
    tuned = next(one for one in found["effect"]["paired"] if one["of"] == "tuned")
    assert tuned["difference"] == pytest.approx(sum(of_b.values()) / len(of_b) - sum(of_a.values()) / len(of_a))
    assert (tuned["better"], tuned["worse"]) == (sum(x > 0 for x in moved.values()), sum(x < 0 for x in moved.values()))


def test_run_ids_and_revisions_tell_the_same(two: Two, ask: Any) -> None:
    by_revision = answer(ask, two.a, two.b)
    by_run = answer(ask, by_revision["a"]["runs"][0], by_revision["b"]["runs"][0])
    for name in ("tables", "same", "effect", "parts", "headline"):
        assert by_run[name] == by_revision[name], name
    evaluate = [
        next(one["results"] for one in of["stages"] if one["stage"] == "evaluate") for of in (by_run, by_revision)
    ]
    assert evaluate[0] == evaluate[1] and {"A", "B"} == evaluate[0].keys()


def test_people_read_tables(two: Two, ask: Any) -> None:
    code, out, _ = ask(two.a, "--top", "3")
    assert code == 0
    assert out.startswith("they part at mine: mine.relative_margin null -> 0.05;")
    words = ["PARTS", "inherits", "dropped: margin", "Exposures", "last loss", "MLflow run"]
    for word in words + ["paired", "query language: "] * two.moved:
        assert word in out
    (mine,) = [line for line in out.splitlines() if line.startswith("mine") and "PARTS" in line]
    assert mine.endswith("mine.relative_margin null -> 0.05"), "what is piped is neither cut nor wrapped"


def test_the_same_state_is_identical_and_nothing_more_is_said(two: Two, ask: Any) -> None:
    code, out, _ = ask(two.b)
    assert code == 0 and out.startswith("identical:") and "Stages" not in out
    assert answer(ask, two.a, two.a)["identical"] is True


@pytest.mark.parametrize(
    ("a", "says"),
    [
        ("nosuch", "git knows no revision nosuch"),
        ("HEAD~2", "has no dvc.lock"),
        ("0" * 32, "MLflow has no run 000000"),
        ("--json", "the following arguments are required: A"),
    ],
)
def test_a_wrong_name_is_one_line_and_exit_2(ask: Any, a: str, says: str) -> None:
    code, out, err = ask(a)
    assert (code, out) == (2, "") and says in err and "Traceback" not in err


def test_without_its_objects_a_revision_cannot_be_compared(two: Two, ask: Any, tmp_path: Path) -> None:
    bare = two.project.copy(tmp_path / "bare")
    shutil.rmtree(bare.root / ".dvc" / "cache")
    shutil.rmtree(bare.root / ".reeltrace" / "snapshots", ignore_errors=True)
    code, _, err = ask(two.a, root=bare.root)
    assert code == 2 and "can be compared" in err and "not in DVC's cache" in err and err.count("\n") == 1


def test_what_is_there_is_compared_where_a_stage_and_the_runs_are_missing(two: Two, ask: Any, tmp_path: Path) -> None:
    part = two.project.copy(tmp_path / "part")
    shutil.rmtree(part.root / "results" / "evaluate")
    shutil.rmtree(part.root / "results" / "train")
    (part.root / "mlflow.db").unlink()
    code, out, _ = ask(two.a, root=part.root)
    assert code == 0 and "they part at mine: mine.relative_margin null -> 0.05; the scores cannot be compared." in out
    for line in ("not compared: stage evaluate: B:", "not compared: scores: B:", "no MLflow runs are listed"):
        assert line in out
    assert "dropped: margin" in out
