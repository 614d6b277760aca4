"""A reproduction as it runs: a real worktree, real DVC, small programs as stages."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.audit.reproduce.reproduce import PREFIX, clean_tree, terminable
from tasks.shared.execution.worktree import left_over
from tasks.shared.runtime.errors import UserError
from tests.audit.small_git import SmallGit, make
from tests.project import ROOT


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    folder = tmp_path / "temporary files"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


@pytest.fixture
def small(tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> SmallGit:
    root = tmp_path / "a project"
    root.mkdir()
    monkeypatch.chdir(root)
    return make(root)


def started(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tasks.cli", "audit", "reproduce", *arguments]
    inherited = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    own = {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1", "MLFLOW_REGISTRY_URI": "http://127.0.0.1:9"}
    return subprocess.Popen(
        command, env=inherited | own | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def reproduced(*arguments: str, **environment: str) -> tuple[int, Any, str]:
    """Exit code, the answer where there is one, and standard error."""
    process = started("--json", *arguments, **environment)
    out, said = process.communicate(timeout=120)
    return process.returncode, json.loads(out) if out else None, said


def untouched(small: SmallGit, temporary: Path) -> bool:
    """Whether nothing is left of a reproduction."""
    return list(temporary.iterdir()) == [] and small.git("worktree", "list", "--porcelain").count("worktree ") == 1


def test_identical_bytes_leave_nothing(small: SmallGit, temporary: Path) -> None:
    """Whatever the workspace, its cache and hooks hold: stages run in the worktree, with recorded params."""
    small.params(mine={"keep": 5})
    small.publish()
    small.params(mine={"keep": 6})
    hook = small.root / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch '{hook.parent}/ran'\n", encoding="utf-8")
    hook.chmod(0o755)
    before = small.git("status", "--porcelain")
    code, answer, said = reproduced(REELTRACE_STORE="/nowhere", GIT_INDEX_FILE="/nowhere/index")
    assert code == 0, said
    assert answer["outcome"] == "identical bytes"
    assert [(one["stage"], one["verdict"]) for one in answer["stages"]] == [
        ("mine", "identical bytes"),
        ("evaluate", "identical bytes"),
    ]
    assert all(one["made"] == one["recorded"] for one in answer["stages"])
    assert answer["params_changed"] == {"mine.keep": [3, 5]}
    assert "Running stage 'mine'" in said, "progress is seen"
    assert any("uncommitted changes" in note for note in answer["notes"]), "the dirty workspace is told"
    assert not (hook.parent / "ran").exists(), "a hook may check recorded results out"
    assert untouched(small, temporary)
    assert small.git("status", "--porcelain") == before
    assert not Path(".dvc/cache").exists() and not Path(".dvc/tmp").exists()


def test_from_a_stage_the_earlier_is_taken_as_recorded(small: SmallGit, temporary: Path) -> None:
    small.publish()
    code, answer, said = reproduced("--from", "evaluate")
    assert code == 0, said
    assert [one["verdict"] for one in answer["stages"]] == ["taken as recorded", "identical bytes"]
    assert "stage 'mine'" not in said
    Path("results/mine/out.txt").write_text("another\n", encoding="utf-8")
    code, _, said = reproduced("--from", "evaluate")
    assert code == 2
    assert "results/mine/out.txt of workspace is altered" in said
    assert untouched(small, temporary)


def test_a_difference_is_named_and_the_worktree_kept(small: SmallGit, temporary: Path) -> None:
    small.publish()
    code, answer, _ = reproduced(SAID="said by")
    assert code == 1
    assert answer["outcome"] == "differs"
    assert [one["verdict"] for one in answer["stages"]] == ["differs", "differs"]
    file = answer["stages"][0]["differing"][0]
    assert file["path"] == "results/mine/out.txt"
    assert (file["amount"]["of"], file["amount"]["differing"]) == ("lines", 1)
    assert answer["stages"][1]["manifest_differs"] == ["input results/mine/manifest.json"]
    kept = Path(answer["worktree"])
    assert (kept / "results" / "mine" / "out.txt").read_text(encoding="utf-8") == "said by mine\n"
    assert left_over(PREFIX) == [kept]
    subprocess.run(answer["removal"], shell=True, check=True)  # the command that people are told
    assert untouched(small, temporary)


def test_a_stage_that_fails(small: SmallGit) -> None:
    small.write("tasks/evaluate/__main__.py", "raise SystemExit('no such luck')\n")
    small.commit("evaluate fails")
    small.publish()
    code, answer, said = reproduced()
    assert code == 2
    assert answer["outcome"] == "did not run through"
    assert [one["verdict"] for one in answer["stages"]] == ["identical bytes", "not made"]
    assert "no such luck" in said
    assert Path(answer["worktree"]).is_dir()


def test_an_interrupt_leaves_nothing(small: SmallGit, temporary: Path, tmp_path: Path) -> None:
    mark = tmp_path / "pids"
    small.write(
        "tasks/mine/__main__.py",
        "import os, signal, subprocess, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"  # one that will not hear
        "child = subprocess.Popen(['sleep', '300'])\n"
        f"open({str(mark)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}\\n')\n"
        "time.sleep(300)\n",
    )
    small.commit("mine sleeps")
    small.publish()
    process = started()
    assert within(60, lambda: mark.exists() and mark.read_text().endswith("\n"))
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    pids = [int(pid) for pid in mark.read_text().split()]
    assert within(10, lambda: not any(alive(pid) for pid in pids))
    assert untouched(small, temporary)


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < end:
        time.sleep(0.05)
    return held


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_the_worktree_is_clean_and_goes(small: SmallGit, temporary: Path) -> None:
    small.write("dvc.lock", "{}")
    commit = small.commit("a lock")
    small.write("untracked.txt", "")
    with clean_tree(commit, 0, climbs=2) as tree:
        assert not (tree.root / "dvc.lock").exists() and not (tree.root / "untracked.txt").exists()
        assert (tree.root / "tasks" / "mine" / "__main__.py").is_file()
        assert (tree.root / ".." / "..").resolve().is_relative_to(temporary / tree.folder.name)
        assert left_over(PREFIX) == [], "it is at work"
        tree.kept = True
    assert left_over(PREFIX) == [tree.checkout]
    subprocess.run(tree.removal(), shell=True, check=True)
    assert untouched(small, temporary)
    with pytest.raises(RuntimeError), clean_tree(commit, 0):
        raise RuntimeError
    assert untouched(small, temporary)


def test_what_a_killed_run_left_is_no_hindrance(small: SmallGit, temporary: Path) -> None:
    with clean_tree("HEAD", 0) as tree:
        tree.kept = True
    shutil.rmtree(tree.folder)  # a clean-up of temporary files
    assert "prunable" in small.git("worktree", "list", "--porcelain")
    with clean_tree("HEAD", 0):
        pass
    assert untouched(small, temporary)


def test_a_disk_without_room(small: SmallGit) -> None:
    with pytest.raises(UserError, match=r"free disk are needed.*set TMPDIR"), clean_tree("HEAD", 1 << 60):
        pass


def test_a_project_in_a_folder_of_the_repository(
    small: SmallGit, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (small.root / "inner").mkdir()
    for name in small.git("ls-files").splitlines():
        small.write(f"inner/{name}", (small.root / name).read_text(encoding="utf-8"))
    small.commit("an inner project")
    monkeypatch.chdir(small.root / "inner")
    with clean_tree("HEAD", 0) as tree:
        assert tree.root == tree.checkout / "inner"
        assert (tree.root / "dvc.yaml").is_file()
    assert untouched(small, temporary)


def test_a_request_to_end_is_an_interrupt() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), terminable():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
