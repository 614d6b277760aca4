"""Locks of the operating system with a note of who holds them."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.locks import WORKSPACE, holder_of, take, workspace_held

HOLD = """
import sys, time
from pathlib import Path
from tasks.shared.runtime.locks import take
lock = take(Path("lock"), "pipeline demo@abc")
print(lock is not None, flush=True)
time.sleep(300)
"""


def test_who_has_it_is_told_and_death_frees_it(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "True\n"
        assert take(tmp_path / "lock", "me") is None
        holder = holder_of(tmp_path / "lock")
        assert holder is not None and (holder.what, holder.pid) == ("pipeline demo@abc", other.pid)
        other.kill()
    lock = take(tmp_path / "lock", "me")
    assert lock is not None
    holder = holder_of(tmp_path / "lock")
    assert holder is not None and (holder.what, holder.pid) == ("me", os.getpid())
    os.close(lock)


HANDS_ON = """
import subprocess, sys
from pathlib import Path
from tasks.shared.runtime.locks import take
lock = take(Path("lock"), "a stage")
print(subprocess.Popen(["sleep", "300"], pass_fds=[lock], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid)
"""


def test_a_program_that_inherited_it_holds_it_after_an_orderly_end_of_who_took_it(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    done = subprocess.run(
        [sys.executable, "-c", HANDS_ON], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    heir = int(done.stdout)
    try:
        assert take(tmp_path / "lock", "me") is None
    finally:
        os.kill(heir, signal.SIGKILL)
    while (lock := take(tmp_path / "lock", "me")) is None:
        time.sleep(0.02)
    os.close(lock)


def test_the_lock_is_the_truth_not_its_note(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text('{"what": "a liar", "pid": 1, "since": "now"}')
    lock = take(tmp_path / "lock", "me")
    assert lock is not None
    (tmp_path / "lock").write_text("no note")
    assert take(tmp_path / "lock", "me") is None and holder_of(tmp_path / "lock") is None
    os.close(lock)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic link"):
        take(tmp_path / "lock", "me")
    assert not (tmp_path / "victim").exists()


def test_a_lock_whose_file_goes_before_it_is_locked_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, flock = tmp_path / "lock", fcntl.flock
    path.touch()

    def first_removed(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        path.unlink()  # as a cleaner of /tmp does, just after it was opened
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", first_removed)
    lock = take(path, "me")
    assert lock is not None and take(path, "another") is None
    os.close(lock)


READS = """
import os
from pathlib import Path
from tasks.shared.runtime.locks import take
os.setuid(65534)
lock = take(Path("lock"), "me")
print(lock is not None, take(Path("lock"), "another") is None)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_a_file_that_can_only_be_read_is_locked_all_the_same() -> None:
    place = Path(tempfile.mkdtemp(dir="/tmp"))  # pytest's own is closed to others
    try:
        place.chmod(0o755)
        (place / "lock").write_text("of root")
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3])}
        done = subprocess.run(
            [sys.executable, "-c", READS], cwd=place, env=environment, capture_output=True, text=True, check=False
        )
        assert done.stdout == "True True\n", done.stderr
    finally:
        shutil.rmtree(place)


def test_a_workspace_is_held_once(tmp_path: Path) -> None:
    who = rf"has the workspace {tmp_path}: pipeline a \(process {os.getpid()}, since"
    with workspace_held(tmp_path, "pipeline a"):
        with pytest.raises(UserError, match=who), workspace_held(tmp_path, "pipeline b"):
            pass
        (tmp_path / WORKSPACE).write_text("")
        with pytest.raises(UserError, match="it does not say which"), workspace_held(tmp_path, "pipeline b"):
            pass
    with workspace_held(tmp_path, "pipeline b"):
        pass
