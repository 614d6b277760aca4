"""Encoding shared out over processes: the same bytes, and nothing lost or done twice when any of them ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.encode.run import run
from tasks.omni.work import Encode
from tasks.shared.artifacts.corpus import write_videos
from tasks.shared.artifacts.index import Encoding
from tasks.shared.artifacts.media import read_media, write_media
from tasks.shared.artifacts.models import systems
from tasks.shared.artifacts.vectors import read_vectors
from tasks.shared.execution.failures import read_failures
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.gpu import VISIBLE
from tests.conftest import Workspace
from tests.encode.archive import RESULTS, VIDEOS, publish_archive, publish_media, sign

OUT = RESULTS / "encode"
STORE = Path("../store/items/encode")
MORE = [f"more{number:03}" for number in range(120)]
ITEMS = 5 + 2 + len(MORE)
FIRST, SECOND = (f"GPU-{letter * 8}-0000-0000-0000-{letter * 12}" for letter in "ab")


def reproducible() -> dict[str, bytes]:
    """Every published file but the database's."""
    files = [path for path in OUT.rglob("*") if path.is_file() and "lancedb" not in path.relative_to(OUT).parts]
    return {path.relative_to(OUT).as_posix(): path.read_bytes() for path in files}


def publish_many() -> None:
    """An archive without an adapter, of so many videos that there is a middle to stop in."""
    publish_archive(trained=False)
    added = [replace(VIDEOS[0], video_id=name, title=f"flood {name}") for name in MORE]
    write_videos(RESULTS / "corpus/manifest.parquet", [*VIDEOS, *added])
    write_media(RESULTS / "extract", [*read_media().values(), *(publish_media(name, {"frames"}) for name in MORE)])
    sign("extract")


def entries() -> dict[str, int]:
    """Finished items in the store, and when they were finished; not those that are being written, in hidden folders."""
    return {path.parent.name: path.stat().st_mtime_ns for path in STORE.glob("*/[!.]*/entry.json")}


def test_one_and_three_processes_give_the_same_bytes_and_failures(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_archive(trained=False)
    frames = RESULTS / "extract" / "frames" / "mute.png"
    frames.write_bytes(frames.read_bytes()[:-20])
    published = []
    for processes in (1, 3):
        monkeypatch.setenv("REELTRACE_STORE", str(tmp_path / f"store {processes}"))
        workspace.set_params({"encode.processes": processes, "run.max_failed_fraction": 0.3})
        assert workspace.run("encode", run)["counts"]["indexed"] == 4
        failed = [(one.video_id, one.step, one.error) for one in read_failures(OUT)]
        assert failed == [("mute", "encode base", "UserError")]
        published.append(reproducible())
        assert len(list((tmp_path / f"store {processes}").rglob("vector.npy"))) == 6
    assert read_vectors("base", "videos").ids == ["both", "radio", "unnamed", "words"]
    assert read_vectors("base", "queries").ids == ["q1", "q2"]
    assert published[0] == published[1]
    assert "manifest.json" in published[0]


def test_whatever_is_killed_leaves_no_process_costs_no_item_and_the_next_run_goes_on(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_many()
    workspace.set_params({"encode.processes": 2})
    with started() as stage:
        wait_for(lambda: len(entries()) >= 10, stage)
        children = children_of(stage.pid)
        assert len(children) >= 2
        stage.kill()
        stage.communicate(timeout=60)
    wait_for(lambda: not any(runs(pid) for pid in children))
    before = entries()
    assert 10 <= len(before) < ITEMS, "it was in the middle"
    assert not OUT.exists()

    with started() as stage:
        wait_for(lambda: len(entries()) >= len(before) + 10, stage)
        busy = [pid for pid in children_of(stage.pid) if "spawn_main" in command_of(pid)]
        os.kill(max(busy, key=written), signal.SIGKILL)  # which has items behind it; the other may be loading still
        said, complained = stage.communicate(timeout=300)
        assert stage.returncode == 0, complained
    assert f"encode: {len(before)} of {ITEMS} vectors reused from the store" in said
    assert f"{5 + len(MORE)} indexed" in said
    assert read_failures(OUT) == []
    after = entries()
    assert len(after) == ITEMS
    assert {key: after[key] for key in before} == before, "what was finished was not done again"
    shared_out = reproducible()

    workspace.set_params({"encode.processes": 1})
    monkeypatch.setenv("REELTRACE_STORE", "../another store")
    assert workspace.program("tasks.encode").returncode == 0
    assert reproducible() == shared_out


def test_each_process_has_a_gpu_of_its_own(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_archive(trained=False)
    monkeypatch.setenv(VISIBLE, f"{FIRST},{SECOND}")
    system = systems()[0]
    encoding = Encoding("base", system.digest(), "float32", 512, 512, "end")
    work = Encode(system, encoding, threads=1, gpus=[FIRST, SECOND])
    work.start(1)
    assert os.environ[VISIBLE] == SECOND


def test_more_processes_than_gpus_is_one_line(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_archive(trained=False)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "nvidia-smi").write_text(f"#!/bin/sh\necho {FIRST}\n")
    (tmp_path / "bin" / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    workspace.set_params({"encode.processes": 2})
    with pytest.raises(
        UserError, match=r"2 processes want 2 GPUs and 1 can be seen; set encode.processes to at most 1"
    ):
        workspace.run("encode", run)
    assert not OUT.exists()


def started() -> subprocess.Popen[str]:
    """The stage as a program of its own."""
    command = [sys.executable, "-B", "-m", "tasks.encode"]  # without writing bytecode, which `written` would count
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(held: Callable[[], bool], stage: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + 300
    while not held():
        assert time.monotonic() < deadline
        assert stage is None or stage.poll() is None, stage.communicate()
        time.sleep(0.01)


def written(pid: int) -> int:
    """Characters that a process wrote, to whatever."""
    return int(re.search(r"^wchar: (\d+)$", Path(f"/proc/{pid}/io").read_text(), re.M)[1])  # type: ignore[index]


def children_of(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def runs(pid: int) -> bool:
    """Whether a process is there, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
