"""Collecting the cells of a grid from real DVC experiments of a small project."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from flows.checkout import save_experiment, worktree_checkout
from tasks.cli import main
from tasks.matrix.matrix import cells_of
from tasks.shared.execution.params_file import change_params
from tasks.shared.execution.repro import repro
from tasks.shared.runtime.errors import UserError
from tests.project import GIT, ROOT
from tests.warm import python

DVC_YAML = """\
stages:
  evaluate:
    cmd: python tasks/score.py
    deps: [tasks/score.py]
    params: [train, encode, mine.keep]
    outs: [results/evaluate/per_query.parquet]
"""
SCORE = """\
from pathlib import Path
import pyarrow as pa, pyarrow.parquet as pq, yaml
params = yaml.safe_load(Path("params.yaml").read_text())
value = len(params["train"]["modalities"]) / 10 + len(params["encode"]["modalities"]) / 100
rows = [{"query_id": query, "system": system} | dict.fromkeys(["nDCG@10", "nDCG", "AP", "RR", "R@10", "R@100"], one)
        for query in ("q1", "q2") for system, one in (("tuned", value), ("base", 0.05))]
Path("results/evaluate").mkdir(parents=True, exist_ok=True)
pq.write_table(pa.Table.from_pylist(rows), "results/evaluate/per_query.parquet")
"""  # what evaluate leaves, without the stages before it
WHOLE = ["text", "video", "audio"]


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run([*GIT, *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def experiment(root: Path, commit: str, overrides: dict[str, Any], name: str) -> None:
    with worktree_checkout(commit, overrides, name, root) as checkout:
        repro(checkout.root, ["evaluate"], checkout.environment, line=lambda text: None)
        save_experiment(checkout, name, name, root)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A project with four experiments of one commit, the first two of which are cells, and the commit."""
    root = tmp_path_factory.mktemp("grid") / "project"
    shutil.copytree(ROOT / ".dvc", root / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache", "config.local"))
    for name in ("params.yaml", ".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, root / name)
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / "tasks").mkdir()
    (root / "tasks" / "score.py").write_text(SCORE)
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "sources")
    commit = git(root, "rev-parse", "HEAD")
    experiment(root, commit, {"train.modalities": ["audio", "text"], "encode.modalities": WHOLE}, "a-cell")
    experiment(root, commit, {"train.modalities": WHOLE, "encode.modalities": ["video"], "flows.parallel": 1}, "cell-b")
    for name, changes, code in (("of-another-grid", {"mine.keep": 9}, SCORE), ("other-code", {}, SCORE + "# other")):
        change_params({"train.modalities": ["text"], **changes}, root / "params.yaml")
        (root / "tasks" / "score.py").write_text(code)
        git(root, "commit", "--quiet", "--all", "--message", name)
        git(root, "update-ref", f"refs/exps/{commit[:2]}/{commit[2:]}/{name}", "HEAD")
        git(root, "reset", "--quiet", "--hard", commit)
    return root, commit


def test_cells_are_found_by_their_params_also_where_dvc_has_them_only_in_its_cache(
    project: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    root, commit = project
    monkeypatch.chdir(root)
    cells, params = cells_of(commit)
    assert [(one.name, one.trained, one.indexed) for one in cells] == [
        ("a-cell", ("text", "audio"), ("text", "video", "audio")), ("cell-b", ("text", "video", "audio"), ("video",))
    ]  # fmt: skip
    assert [one.commit for one in cells] == [
        git(root, "rev-parse", f"refs/exps/{commit[:2]}/{commit[2:]}/{one.name}") for one in cells
    ]
    assert [one.scores[0].values["nDCG@10"] for one in cells] == [0.23, 0.31] and params.run.seed == 7
    assert [(one.query_id, one.system) for one in cells[0].scores][:2] == [("q1", "tuned"), ("q1", "base")]

    main(["matrix", str(tmp_path / "made")])
    said = capsys.readouterr().out
    assert (tmp_path / "made" / "matrix.md").read_text(encoding="utf-8") == said
    assert "| text+audio |  | 0.230 (0.230 to 0.230) |" in said and "| text+video+audio | 0.310" in said
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["matrix.csv", "matrix.md", "matrix.png"]


def test_what_cannot_be_collected_is_one_line(project: tuple[Path, str], tmp_path: Path) -> None:
    root = tmp_path / "project"
    shutil.copytree(project[0], root, symlinks=True)
    (root / "tasks" / "score.py").write_text("# other code")
    git(root, "commit", "--quiet", "--all", "--message", "other code")
    with pytest.raises(UserError, match=r"has no experiment that differs from it in train\.modalities and .* --rev"):
        cells_of("HEAD", root)
    assert len(cells_of("HEAD~1", root)[0]) == 2
    shutil.rmtree(root / ".dvc" / "cache" / "files")
    with pytest.raises(UserError, match="is not in DVC's cache and there is no remote to ask"):
        cells_of("HEAD~1", root)


def test_a_mistake_is_one_line_for_the_shell(project: tuple[Path, str], tmp_path: Path) -> None:
    command = [python(), "-m", "tasks.cli", "matrix", str(tmp_path / "made"), "--rev", "nowhere"]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=project[0], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "matrix: git knows no revision nowhere; name a commit, branch or tag\n",
    )
