"""States of the pipeline: the workspace, a revision, a run; what is recorded decides, not what is newest."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tasks.lineage.mlflow import Tracking
from tasks.lineage.open import of_run, revision, workspace
from tasks.shared.artifacts.scores import read_scores
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_file
from tests.project import STAGES, Project


def evaluated_again(project: Project) -> str:
    """Change a param of evaluate, run that stage, commit; the run's id."""
    before = {one.run_id for one in Tracking(root=project.root).of_stages(["evaluate"])}
    project.change({"evaluate.bootstrap": 150})
    assert project.repro("evaluate") == ["evaluate"]
    project.commit("another")
    (run,) = [one for one in Tracking(root=project.root).of_stages(["evaluate"]) if one.run_id not in before]
    return run.run_id


def test_the_workspace_has_every_stage_and_its_chain_holds(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    here = workspace()
    assert list(here.executions) == STAGES and not here.missing and not here.dirty
    found = here.links()
    assert not here.broken() and {link.holds for link in found} == {"yes"}
    assert {link.maker for link in found if link.reader == "train"} >= {"corpus", "extract", "mine", "base"}
    for stage, manifest in here.executions.items():
        assert manifest.digest == sha256_file(project.root / "results" / stage / "manifest.json")
        assert here.outs_of(stage) and here.unlike_lock(stage) is None
    assert here.execution("mine").param("mine.keep") == here.param("mine.keep")


def test_a_revision_is_told_from_its_objects_whatever_lies_in_the_workspace(
    finished: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(finished.root)
    first = workspace()
    run_id = evaluated_again(finished)
    now, then = workspace(), revision("HEAD~1")
    assert now.executions["evaluate"].digest != first.executions["evaluate"].digest
    assert {stage: one.digest for stage, one in then.executions.items()} == {
        stage: one.digest for stage, one in first.executions.items()
    }
    assert then.param("evaluate.bootstrap") == 100 and now.param("evaluate.bootstrap") == 150
    metrics = then.need("results/evaluate/metrics.json")
    assert Path("results") not in metrics.parents and read_scores(metrics.parent).systems
    assert sha256_file(metrics) == then.execution("evaluate").generated["results/evaluate/metrics.json"].sha256
    frames = list(then.need("results/extract/frames").iterdir())
    assert {path.name for path in frames} == {path.name for path in Path("results/extract/frames").iterdir()}

    old = Tracking(root=finished.root).of_manifests([first.execution("evaluate").digest])
    (earlier,) = old[first.execution("evaluate").digest]
    followed = of_run(earlier.run_id)
    assert followed.name == f"run {earlier.run_id}"
    assert {s: one.digest for s, one in followed.executions.items()} == {
        s: one.digest for s, one in first.executions.items() if s != "report"
    }
    assert of_run(run_id).name == "workspace"

    finished.run("git", "checkout", "--quiet", "HEAD~1")  # without `dvc checkout`: dvc.lock and results part
    assert workspace().execution("evaluate").digest == now.execution("evaluate").digest
    finished.run("dvc", "checkout", "--quiet")
    assert workspace().execution("evaluate").digest == first.execution("evaluate").digest


def test_a_clone_after_a_pull_has_the_same_state(
    finished: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(finished.root)
    here = workspace()
    finished.run("dvc", "remote", "add", "--local", "-d", "store", str(tmp_path / "remote"))
    finished.run("dvc", "push", "--quiet")
    clone = Project(tmp_path / "clone")
    finished.run("git", "clone", "--quiet", str(finished.root), str(clone.root))
    monkeypatch.chdir(clone.root)
    empty = workspace()
    assert not empty.executions and "dvc pull" in empty.missing["evaluate"]
    clone.run("dvc", "remote", "add", "--local", "-d", "store", str(tmp_path / "remote"))
    pulled = revision("HEAD")  # nothing in the workspace, everything in the remote
    assert {s: one.digest for s, one in pulled.executions.items()} == {s: o.digest for s, o in here.executions.items()}
    clone.run("dvc", "pull", "--quiet")
    there = workspace()
    assert {s: one.digest for s, one in there.executions.items()} == {s: o.digest for s, o in here.executions.items()}
    assert there.runs_of("evaluate") == [] and "set MLFLOW_TRACKING_URI" in str(there.tracking.problem)


def test_what_cannot_be_had_is_one_clear_line(finished: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished.root)
    with pytest.raises(UserError, match="git knows no revision nowhere"):
        revision("nowhere")
    with pytest.raises(UserError, match=r"revision HEAD~1 has no dvc\.lock; commit it"):
        revision("HEAD~1")
    with pytest.raises(UserError, match="MLflow has no run 0123"):
        of_run("0123456789abcdef0123456789abcdef")
    shutil.rmtree(".dvc/cache")
    gone = revision("HEAD")
    assert not gone.executions and "there is no remote to ask" in gone.missing["mine"]
    with pytest.raises(UserError, match=r"results/evaluate/metrics\.json of revision HEAD .*there is no remote to ask"):
        gone.need("results/evaluate/metrics.json")
    shutil.rmtree("results/mine")
    with pytest.raises(UserError, match="results/mine is not here; run `dvc checkout`"):
        workspace().execution("mine")
    Path("dvc.lock").write_text("stages: [", encoding="utf-8")
    with pytest.raises(UserError, match=r"dvc\.lock is not as DVC writes it"):
        workspace()


def test_another_result_upstream_breaks_the_chain(finished: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished.root)
    manifest = Path("results/mine/manifest.json")
    manifest.write_text(manifest.read_text(encoding="utf-8").replace('"queries"', '"querys"'), encoding="utf-8")
    assert {(link.reader, link.artifact.path) for link in workspace().broken()} == {
        ("train", "results/mine/manifest.json"),
        ("report", "results/mine/manifest.json"),
    }
    (run,) = Tracking(root=finished.root).of_stages(["evaluate"])
    assert of_run(run.run_id).name != "workspace"  # the workspace is no longer what it was made of


def test_dvc_has_the_same_graph(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.shared.execution.pipeline import downstream_of, parents_of, upstream_of

    monkeypatch.chdir(project.root)
    stages = workspace().stages
    drawn = project.run("dvc", "dag", "--dot")
    edges = {tuple(line.strip(' ";\n').split('" -> "')) for line in drawn.splitlines() if "->" in line}
    assert edges == {(above, name) for name, parents in parents_of(stages).items() for above in parents}
    assert upstream_of(stages, "mine") == ["base", "corpus", "extract", "transcribe", "mine"]
    assert downstream_of(stages, "mine") == ["mine", "train", "encode", "evaluate", "report"]


def test_of_a_run_that_lies_not_here_the_runs_above_are_found_by_digests(
    finished: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(finished.root)
    here = workspace()
    (finished.root / "results/evaluate/manifest.json").unlink()
    found = of_run(here.runs_of("evaluate")[-1].run_id)
    expected = {stage: here.executions[stage].digest for stage in here.upstream("evaluate")}
    assert {stage: one.digest for stage, one in found.executions.items()} == expected
    assert found.name.startswith("run ") and not found.broken()
