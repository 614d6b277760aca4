"""`reeltrace audit negatives` on a finished project."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.audit.cli import build_parser
from tasks.negatives import view
from tasks.shared.runtime.errors import UserError
from tests.project import Project

Ask = Callable[..., str]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Ask in this process, in a folder; what was printed."""
    monkeypatch.setenv("REELTRACE_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def asked(root: Path, *arguments: str) -> str:
        monkeypatch.chdir(root)
        assert view.answer(build_parser().parse_args(["negatives", *arguments])) == 0
        return capsys.readouterr().out

    return asked


@pytest.fixture
def whole(project: Project, ask: Ask) -> Any:
    return json.loads(ask(project.root, "--json"))


def lines(project: Project) -> list[dict[str, Any]]:
    text = (project.root / "results/mine/negatives.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_numbers_are_those_that_the_stages_counted(project: Project, whole: Any) -> None:
    counts = project.manifest("mine")["counts"]
    assert whole["queries"] == counts["queries"]
    assert whole["negatives"] == counts["negatives"]
    assert whole["likely_false"]["same_event"]["count"] == counts["same_event"]
    for name in ("dropped_positive", "dropped_margin", "short"):
        assert whole["usage"][name]["count"] == counts[name]
    assert whole["training"]["positive"]["pairs"] == project.manifest("train")["counts"]["rows"]
    found = whole["effectiveness"]
    assert found["queries"] + found["left_out"] == project.manifest("evaluate")["counts"]["queries"]
    origin = whole["origin"]
    assert (origin["commit"], origin["changed_files"]) == (project.run("git", "rev-parse", "HEAD").strip(), [])
    assert origin["dvc"].endswith(".dir") and len(origin["runs"]) == 1 and len(origin["mine"]) == 64
    assert [note for note in whole["notes"] if "test queries are compared" not in note] == []


def test_as_a_user_runs_it(project: Project, whole: Any) -> None:
    done = project.audit("negatives")
    assert done.returncode == 0, done.stderr
    assert whole["origin"]["mine"] in done.stdout and whole["origin"]["runs"][0] in done.stdout
    for title in ("likely_false", "an association", "most_used", "advice"):
        assert title in done.stdout


def test_a_revision_is_told_when_the_workspace_has_other_negatives(finished: Project, ask: Ask, whole: Any) -> None:
    path = finished.root / "results/mine/negatives.jsonl"
    rows = lines(finished)
    path.unlink()  # DVC may have linked it
    path.write_text("".join(json.dumps(row) + "\n" for row in rows[:-1]), encoding="utf-8")
    there = json.loads(ask(finished.root, "--rev", "HEAD", "--json"))
    assert {**there, "origin": None} == {**whole, "origin": None}
    assert there["origin"]["mine"] == whole["origin"]["mine"]
    now = json.loads(ask(finished.root, "--json"))
    assert now["queries"] == whole["queries"] - 1
    assert any("negatives.jsonl is not the file" in note for note in now["notes"])


def test_one_query(project: Project, ask: Ask) -> None:
    row = next(row for row in lines(project) if row["negatives"])
    found = json.loads(ask(project.root, row["query_id"], "--json"))
    assert [one["video_id"] for one in found["negatives"]] == [one["video_id"] for one in row["negatives"]]
    assert [one["score"] for one in found["negatives"]] == [one["score"] for one in row["negatives"]]
    weakest = min(row["positive_scores"].values(), default=None)
    for one in found["negatives"]:
        assert one["gap"] == (None if weakest is None else pytest.approx(weakest - one["score"]))
    assert {one["video_id"] for one in found["positives"]} == set(row["positives"])
    assert found["dropped"] == row["dropped"]
    shown = [one["training"] for one in found["negatives"]]
    assert "mined" in shown[0] and not any(shown[1:])  # train.negatives is 1
    assert row["negatives"][0]["video_id"] in ask(project.root, row["query_id"])


def test_queries_without_negatives(project: Project, ask: Ask) -> None:
    scored = (project.root / "results/corpus/qrels.test.trec").read_text().split()[0]
    mined = lines(project)[0]["query_id"]
    with pytest.raises(UserError, match="mined for training queries only; nearest to it are"):
        ask(project.root, scored)
    with pytest.raises(UserError, match=f"did you mean {mined}"):
        ask(project.root, f"{mined}x")
    with pytest.raises(UserError, match="give one of them"):
        ask(project.root, "q", "--sample", "s.csv")
    with pytest.raises(UserError, match="give both"):
        ask(project.root, "--per-stratum", "3")


def test_a_sample_there_and_back(project: Project, ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    written = json.loads(ask(project.root, "--sample", str(path), "--per-stratum", "2", "--json"))
    assert written["rows"] == sum(one["drawn"] for one in written["strata"])
    content = path.read_text(encoding="utf-8")
    strips = {line.split('","')[6] for line in content.splitlines()[1:]} - {""}
    assert strips and all((project.root / name).is_file() for name in strips)
    path.write_text(content.replace('"","' + written["mine"], '"no","' + written["mine"]), encoding="utf-8")
    found = json.loads(ask(project.root, "--judged", str(path), "--json"))
    assert (found["overall"]["rate"], found["covered"], found["overall"]["no"]) == (0, 1, written["rows"])
    assert "false negatives: 0.0%" in ask(project.root, "--judged", str(path))


def test_what_is_not_here_is_told(finished: Project, ask: Ask) -> None:
    for stage in ("extract", "transcribe", "train", "evaluate"):
        finished.run("rm", "-r", f"results/{stage}")
    finished.run("rm", "-r", ".git", "mlflow.db")
    found = json.loads(ask(finished.root, "--json"))
    told = " ".join(found["notes"])
    for what in (
        "pictures and sound",
        "transcripts",
        "what training showed",
        "the effect on scores",
        "MLflow",
        "no git",
    ):
        assert what in told
    assert found["mixes"]["picture"]["negatives"] is None
    (finished.root / "results/mine/manifest.json").unlink()
    with pytest.raises(UserError, match="dvc checkout"):
        ask(finished.root)
