"""What a reproduction would run: the commit by its code, the params, the environment."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tasks.audit.reproduce.commits import params_changed
from tasks.audit.reproduce.plan import Plan, make_plan, other_environment
from tasks.lineage.open import workspace
from tasks.shared.execution.tracking import environment_tags
from tasks.shared.runtime import git
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json, sha256_file, write_json
from tests.audit.small_git import SmallGit, make, run_of


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallGit:
    root = tmp_path / "a project"
    root.mkdir()
    monkeypatch.chdir(root)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return make(root)


def plan(small: SmallGit, first: str | None = None) -> Plan:
    return make_plan(small.score(), first)


def with_runs(small: SmallGit, monkeypatch: pytest.MonkeyPatch, *, dirty: bool, commit: str) -> None:
    """MLflow knows a run for every manifest that lies there."""

    def of_manifests(_: object, digests: list[str]) -> dict[str, list[object]]:
        stages = {manifest.digest: stage for stage, manifest in workspace().executions.items()}
        return {digest: [run_of(stages[digest], digest, commit, dirty=dirty)] for digest in digests}

    monkeypatch.setattr("tasks.lineage.mlflow.Tracking.of_manifests", of_manifests)


def test_the_commit_is_that_of_the_code_and_not_head(small: SmallGit) -> None:
    small.publish()
    made = git.head()
    small.write("tasks/mine/__main__.py", "print('another')\n")
    small.commit("another mine")
    found = plan(small)
    assert found.commit == made
    assert found.whole and found.again == ["mine", "evaluate"] and found.before == []
    assert any("not that of HEAD" in note and "tasks/mine/__main__.py" in note for note in found.notes)
    assert any("mlflow.db" in note for note in found.notes), "what was not to be had is said"


def test_code_of_no_commit_is_named(small: SmallGit) -> None:
    small.write("tasks/mine/__main__.py", "print('never committed')\n")
    digest = sha256_file(Path("tasks/mine/__main__.py"))
    small.publish()
    small.git("checkout", "--quiet", "tasks")
    with pytest.raises(UserError, match=r"the code that made mine \(tasks/mine/__main__.py, sha256") as raised:
        plan(small)
    assert digest[:12] in str(raised.value) and "in no commit" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_dirty_run_is_named(small: SmallGit, monkeypatch: pytest.MonkeyPatch) -> None:
    small.write("tasks/mine/__main__.py", "print('never committed')\n")
    small.publish()
    with_runs(small, monkeypatch, dirty=True, commit=str(git.head()))
    with pytest.raises(UserError, match=r"dirty tree, run (mine){8} says so"):
        plan(small)


def test_a_dirty_run_whose_code_is_the_commits_is_planned(small: SmallGit, monkeypatch: pytest.MonkeyPatch) -> None:
    small.params(mine={"keep": 5})
    small.publish()
    with_runs(small, monkeypatch, dirty=True, commit=str(git.head()))
    found = plan(small)
    assert found.commit == git.head()
    assert found.params_changed == {"mine.keep": [3, 5]}
    assert found.params == {"mine": {"keep": 5}, "run.seed": 7, "evaluate": {"depth": 10}}


def test_a_file_that_was_not_there_yet_makes_another_commit(small: SmallGit) -> None:
    small.publish()
    before = git.head()
    small.write("tasks/evaluate/more.py", "")
    small.commit("one more module")
    assert plan(small).commit == before


def test_an_empty_file_that_only_the_manifest_names(small: SmallGit) -> None:
    """The `__init__.py` of a package that a stage imports from is its code, and no dependency in dvc.yaml."""
    small.publish()
    for stage in ("mine", "evaluate"):
        path = Path(f"results/{stage}/manifest.json")
        manifest = read_json(path)
        code = manifest["code"] | {"tasks/__init__.py": sha256_file(Path("tasks/__init__.py"))}
        inputs = {one: {**entry, "sha256": sha256_file(Path(one))} for one, entry in manifest["inputs"].items()}
        write_json(path, manifest | {"code": code, "inputs": inputs})
    assert plan(small).commit == git.head()


def test_another_order_of_modalities_is_no_other_param() -> None:
    recorded = {"train": {"modalities": ["text", "audio"]}, "document": {"test_text": ["title", "caption"]}}
    written = {"train": {"modalities": ["audio", "text"]}, "document": {"test_text": ["caption", "title"]}}
    assert params_changed(written, recorded) == {"document.test_text": ['["caption","title"]', '["title","caption"]']}
    assert params_changed(written | {"train": {"modalities": ["audio"]}}, recorded).keys() == {
        "document.test_text", "train.modalities"
    }  # fmt: skip


def test_of_commits_with_the_code_the_one_with_the_params_is_taken(small: SmallGit) -> None:
    small.params(mine={"keep": 5})
    small.publish()
    small.write("dvc.lock", "{}")
    with_params = small.commit("results")
    small.params(mine={"keep": 9})
    small.commit("other params")
    found = plan(small)
    assert found.commit == with_params
    assert found.params_changed == {}


def test_a_changed_dvc_yaml_makes_another_commit(small: SmallGit) -> None:
    small.publish()
    before = git.head()
    text = Path("dvc.yaml").read_text(encoding="utf-8")
    small.write("dvc.yaml", text.replace("params: [mine, run.seed]", "params: [mine]"))
    small.commit("a param less")
    assert plan(small).commit == before


def test_a_clean_runs_commit_comes_first(small: SmallGit, monkeypatch: pytest.MonkeyPatch) -> None:
    small.publish()
    made = str(git.head())
    small.commit("nothing new")
    with_runs(small, monkeypatch, dirty=False, commit=made)
    found = plan(small)
    assert (found.commit, found.why) == (made, f"of run {'evaluate' * 4} of evaluate")


def test_a_commit_that_is_not_in_the_clone_is_named(small: SmallGit, monkeypatch: pytest.MonkeyPatch) -> None:
    small.write("tasks/mine/__main__.py", "print('elsewhere')\n")
    small.publish()
    with_runs(small, monkeypatch, dirty=False, commit="ab" * 20)
    with pytest.raises(UserError, match=r"commit ababababab cannot be read from git .*`git fetch`"):
        plan(small)


def test_a_shallow_clone_without_the_commit(small: SmallGit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small.publish()
    small.write("tasks/mine/__main__.py", "print('another')\n")
    small.commit("another mine")
    clone = tmp_path / "clone"
    small.git("clone", "--quiet", "--depth", "1", f"file://{small.root}", str(clone))
    shutil.copytree("results", clone / "results")
    monkeypatch.chdir(clone)
    with pytest.raises(UserError, match=r"tasks/mine/__main__.py.* is in no commit of this clone"):
        make_plan(SmallGit(clone).score())


def test_a_missing_object_is_a_clear_line(small: SmallGit) -> None:
    small.publish()
    blob = small.git("rev-parse", "HEAD:tasks/mine/__main__.py")
    (small.root / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(UserError, match=r"cannot be read from git .*git fetch"):
        plan(small)


def test_outside_git(small: SmallGit) -> None:
    small.publish()
    shutil.rmtree(".git")
    with pytest.raises(UserError, match="no git repository"):
        plan(small)


def test_a_project_in_a_folder_of_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    small = make(inner)
    Path(".git").rename("../.git")
    small.commit("moved")
    small.publish()
    assert plan(small).commit == git.head()


def test_results_that_do_not_fit_together(small: SmallGit) -> None:
    small.publish()
    manifest = read_json(Path("results/mine/manifest.json"))
    write_json(Path("results/mine/manifest.json"), manifest | {"counts": {"files": 2}})
    with pytest.raises(UserError, match=r"evaluate was made of another results/mine/manifest.json"):
        plan(small)


def test_stages_of_different_params(small: SmallGit) -> None:
    small.publish()
    path = Path("results/evaluate/manifest.json")
    manifest = read_json(path)
    write_json(path, manifest | {"params": manifest["params"] | {"run.seed": 8}})
    with pytest.raises(UserError, match=r"mine was run with run.seed = 7 and evaluate with 8"):
        plan(small)


def test_from_a_stage(small: SmallGit) -> None:
    small.publish()
    found = plan(small, "evaluate")
    assert (found.again, found.before, found.whole) == (["evaluate"], ["mine"], False)
    with pytest.raises(UserError, match=r"--from report: the score follows from mine, evaluate"):
        plan(small, "report")


def test_a_stage_that_did_not_run(small: SmallGit) -> None:
    small.publish()
    shutil.rmtree("results/mine")
    with pytest.raises(UserError, match="results/mine is not here"):
        plan(small)


def test_environment(small: SmallGit) -> None:
    small.publish()
    manifests = workspace().executions
    here = environment_tags()
    runs = {
        "mine": [run_of("mine", "", "", **here)],
        "evaluate": [run_of("evaluate", "", "", **here | {"env.python": "3.2.1", "env.host": "elsewhere"})],
    }
    assert other_environment(manifests, {}) == []
    numpy = manifests["mine"].components["numpy"]
    manifests["mine"].components["numpy"] = "1.2.3"
    manifests["evaluate"].components["no-such-package"] = "4.5"
    found = {one["what"]: one for one in other_environment(manifests, runs)}
    assert found.keys() == {"numpy", "no-such-package", "env.python"}
    assert found["numpy"] == {"what": "numpy", "recorded": "1.2.3", "here": numpy, "stages": ["mine"]}
    assert found["no-such-package"]["here"] is None
    assert (found["env.python"]["recorded"], found["env.python"]["stages"]) == ("3.2.1", ["evaluate"])
