"""One stage at a time on a GPU, or on several: real processes and locks; only the list of GPUs is a script's."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import pytest

from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.gpu import TURN, VISIBLE, gpus, lock_of, visible_gpus
from tasks.shared.runtime.locks import holder_of, take

ROOT = Path(__file__).resolve().parents[3]
FIRST, SECOND, THIRD = (f"GPU-{letter * 8}-0000-0000-0000-{letter * 12}" for letter in "abc")
MIG = "MIG-cccccccc-0000-0000-0000-cccccccccccc"
PATIENCE = 60.0  # seconds after which a test gives up
Lists = Callable[..., None]


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lists:
    """A machine of its own: a directory for temporary files, and an nvidia-smi that lists what it is told to."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(tempfile, "tempdir", None)  # to be asked again
    monkeypatch.delenv(VISIBLE, raising=False)

    def lists(*lines: str, code: int = 0) -> None:
        script = tmp_path / "bin" / "nvidia-smi"
        asked = '[ "$*" = "--query-gpu=uuid --format=csv,noheader" ] || exit 9'
        said = "\n".join(f"echo '{line}'" for line in lines)
        script.write_text(f"#!/bin/sh\n{asked}\n{said}\nexit {code}\n")
        script.chmod(0o755)

    lists(FIRST, SECOND)
    return lists


HOLD = """
import multiprocessing, os, sys, time
from tasks.shared.runtime.gpu import gpus

def work():
    print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
    {work}
    sys.stdin.read()

if __name__ == "__main__":
    with gpus(sys.argv[1], int(sys.argv[2])):
        work()
"""


class Holder:
    """A process that takes GPUs, says which, works, and keeps them until it is told to end."""

    def __init__(self, stack: ExitStack, what: str, work: str = "pass", count: int = 1) -> None:
        program = Path(tempfile.gettempdir()) / f"{what}.py"
        program.write_text(HOLD.format(work=work))
        self.process = subprocess.Popen(
            [sys.executable, str(program), what, str(count)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
        )  # fmt: skip
        stack.callback(self.process.communicate)
        stack.callback(self.process.kill)

    @property
    def pid(self) -> int:
        return self.process.pid

    def line(self) -> str:
        """The next line of standard output."""
        return _line(self.process.stdout)

    def complaint(self) -> str:
        """The next line of standard error."""
        return _line(self.process.stderr)

    def end(self) -> tuple[int, str]:
        """Its exit code after it was told to end, and what else it said on standard error."""
        _, said = self.process.communicate(b"", PATIENCE)
        return self.process.returncode, said.decode()


def _line(stream: IO[bytes] | None) -> str:
    assert stream is not None
    assert select.select([stream], [], [], PATIENCE)[0], "nothing was said"
    return stream.readline().decode().rstrip("\n")


def free(gpu: str) -> bool:
    """Whether a GPU could be taken."""
    if (descriptor := take(lock_of(gpu), "me")) is None:
        return False
    os.close(descriptor)
    return True


def test_it_is_alone_visible_and_afterwards_all_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    with gpus("train"):
        assert os.environ[VISIBLE] == FIRST
        assert visible_gpus() == [FIRST]
    assert VISIBLE not in os.environ
    monkeypatch.setenv(VISIBLE, "1")
    with pytest.raises(ZeroDivisionError), gpus("train"):
        assert os.environ[VISIBLE] == SECOND
        raise ZeroDivisionError
    assert os.environ[VISIBLE] == "1"
    assert free(FIRST) and free(SECOND)


@pytest.mark.parametrize(
    ("named", "seen"),
    [
        (None, [FIRST, SECOND]),
        ("0", [FIRST]),
        ("1, 0", [SECOND, FIRST]),
        ("1,1", [SECOND]),
        ("", []),
        ("-1", []),
        ("1,-1,0", [SECOND]),
        ("2,0", []),
        (SECOND, [SECOND]),
        (SECOND[:9], [SECOND]),
        ("GPU-", []),
        ("GPU-d,0", []),
        (MIG, [MIG]),
        (f"{MIG},0", [MIG, FIRST]),
        ("NoDevFiles", []),
    ],
)
def test_what_cuda_visible_devices_names(monkeypatch: pytest.MonkeyPatch, named: str | None, seen: list[str]) -> None:
    if named is not None:
        monkeypatch.setenv(VISIBLE, named)
    assert visible_gpus() == seen


def test_a_mig_instance_is_locked_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, f"MIG-{FIRST}/1/0")  # as drivers before 470 name them
    with gpus("train"):
        assert os.environ[VISIBLE] == f"MIG-{FIRST}/1/0"
        assert [path.name for path in Path(tempfile.gettempdir()).iterdir()] == [f"reeltrace-MIG-{FIRST}_1_0.lock"]


@pytest.mark.parametrize("how", ["absent", "none listed", "failed", "cannot be run", "none visible"])
def test_without_a_gpu_there_is_no_lock_and_no_word(
    tmp_path: Path, machine: Lists, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], how: str
) -> None:
    script = tmp_path / "bin" / "nvidia-smi"
    if how == "absent":
        script.unlink()
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    elif how == "cannot be run":
        script.write_text("#!/nowhere\n")
    elif how == "none visible":
        monkeypatch.setenv(VISIBLE, "")
    else:
        machine("No devices were found", code=9 if how == "failed" else 0)
    with gpus("train"):
        assert os.environ.get(VISIBLE, "") == ""
    assert list((tmp_path / "tmp").iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_two_take_one_each_and_a_third_waits_and_says_for_whom() -> None:
    with ExitStack() as stack:
        one, other = Holder(stack, "train"), Holder(stack, "encode")
        assert {one.line(), other.line()} == {FIRST, SECOND}
        third = Holder(stack, "mine")
        said = third.complaint()
        pattern = r"mine: waits for GPU (GPU-\w{8})…, held by (.*), or GPU (GPU-\w{8})…, held by (.*)"
        found = re.fullmatch(pattern, said)
        assert found is not None, said
        assert (found[1], found[3]) == (FIRST[:12], SECOND[:12])
        holders = {re.sub(r", since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S*\)", ")", found[number]) for number in (2, 4)}
        here = Path.cwd()
        assert holders == {f"train in {here} (process {one.pid})", f"encode in {here} (process {other.pid})"}
        assert other.end() == (0, "")
        assert third.line() in (FIRST, SECOND)
        assert third.end() == (0, ""), "it said it once"
        assert one.end() == (0, "")


def test_several_are_held_and_visible_in_the_order_they_were_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "1,0")
    with gpus("train", 2) as held:
        assert held == visible_gpus() == [SECOND, FIRST]
        assert os.environ[VISIBLE] == f"{SECOND},{FIRST}"
        assert not free(FIRST) and not free(SECOND) and free(TURN)
    assert os.environ[VISIBLE] == "1,0"
    assert free(FIRST) and free(SECOND)


def test_of_more_there_are_only_as_many_as_asked_for_are_held(machine: Lists) -> None:
    machine(FIRST, SECOND, THIRD)
    with ExitStack() as stack:
        one = Holder(stack, "train")
        assert one.line() == FIRST
        assert Holder(stack, "encode", count=2).line() == f"{SECOND},{THIRD}"


def test_who_wants_several_waits_for_each_and_keeps_what_it_has(machine: Lists) -> None:
    with ExitStack() as stack:
        one = Holder(stack, "train")
        assert one.line() == FIRST
        both = Holder(stack, "encode", count=2)
        assert both.complaint().startswith("encode: waits for GPU GPU-aaaaaaaa…, held by train in ")
        third = Holder(stack, "mine")
        assert "GPU-bbbbbbbb…, held by encode in " in third.complaint(), "no later one takes what was gathered"
        fourth = Holder(stack, "base", count=2)
        assert fourth.complaint().startswith("base: waits for its turn to take several GPUs, held by encode in ")
        third.process.kill()
        assert one.end() == (0, "")
        assert both.line() == f"{FIRST},{SECOND}"


def test_of_many_that_want_all_each_gets_them(tmp_path: Path, machine: Lists, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(FIRST, SECOND, THIRD)
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        racers = [Holder(stack, f"racer{number}", ALONE.strip(), count=2 + number % 2) for number in range(6)]
        for racer in racers:
            assert racer.process.wait(PATIENCE) == 0, racer.end()


def test_more_processes_than_gpus_is_one_line_and_nothing_is_held(machine: Lists) -> None:
    said = "3 processes want 3 GPUs and 2 can be seen; set train.processes to at most 2"
    with pytest.raises(UserError, match=said), gpus("train", 3):
        pass
    assert free(FIRST) and free(SECOND) and free(TURN)
    machine()
    with gpus("train", 3) as held:
        assert held == [], "without a GPU any number of processes"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_death_of_who_gathers_frees_its_turn_and_what_it_has(number: signal.Signals) -> None:
    with ExitStack() as stack:
        one = Holder(stack, "train")
        assert one.line() == FIRST
        both = Holder(stack, "encode", count=2)
        assert both.complaint().startswith("encode: waits for GPU GPU-aaaaaaaa…")
        assert not free(SECOND) and not free(TURN)
        both.process.send_signal(number)
        both.process.wait(PATIENCE)
        assert free(SECOND) and free(TURN)


ALONE = """
    with open("inside", "x"):  # fails where another is inside
        time.sleep(0.02)
    os.unlink("inside")
    os._exit(0)"""


def test_of_many_that_race_no_two_hold_the_same(
    tmp_path: Path, machine: Lists, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(FIRST)
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        for racer in [Holder(stack, f"racer{number}", ALONE.strip()) for number in range(6)]:
            assert racer.process.wait(PATIENCE) == 0, racer.end()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_death_frees_it(machine: Lists, number: signal.Signals) -> None:
    machine(FIRST)
    with ExitStack() as stack:
        one = Holder(stack, "train")
        assert one.line() == FIRST
        two = Holder(stack, "encode")
        assert two.complaint().startswith("encode: waits for GPU GPU-aaaaaaaa…, held by train in ")
        one.process.send_signal(number)
        assert two.line() == FIRST
        note = holder_of(lock_of(FIRST))
        assert note is not None and note.pid == two.pid


FORK = """
    if os.fork() == 0:
        print("child", os.getpid(), flush=True)
        time.sleep(300)"""
POOL = """
    pool = multiprocessing.get_context("{}").Pool(1)
    print("child", pool.apply(os.getpid), flush=True)"""
PROGRAM = """
    import subprocess
    print("child", subprocess.Popen(["sleep", "300"]).pid, flush=True)"""
CHILDREN = {"fork": FORK, "forked pool": POOL.format("fork"), "spawned pool": POOL.format("spawn"), "program": PROGRAM}


@pytest.mark.parametrize("kind", CHILDREN)
def test_a_child_that_outlives_the_holder_does_not_hold(machine: Lists, kind: str) -> None:
    machine(FIRST)
    with ExitStack() as stack:
        one = Holder(stack, "train", CHILDREN[kind].strip())
        assert one.line() == FIRST
        child = int(one.line().removeprefix("child "))
        stack.callback(os.kill, child, signal.SIGKILL)
        assert not free(FIRST), "held while its holder lives"
        os.kill(one.pid, signal.SIGSTOP)
        os.kill(child, signal.SIGSTOP)  # so that it cannot notice and end
        os.kill(one.pid, signal.SIGKILL)
        one.process.wait(PATIENCE)
        os.kill(child, 0)
        assert free(FIRST)


def test_the_lock_is_every_users(machine: Lists) -> None:
    before = os.umask(0o077)
    try:
        with gpus("train"):
            assert lock_of(FIRST).stat().st_mode & 0o777 == 0o666
    finally:
        os.umask(before)


AS_ANOTHER = """
import os, sys
from tasks.shared.runtime.gpu import gpus
os.setuid(65534)
with gpus("encode"):
    print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be two users")
def test_another_user_waits_for_it_and_takes_it(
    tmp_path: Path, machine: Lists, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(FIRST)
    with ExitStack() as stack:
        place = Path(tempfile.mkdtemp(dir="/tmp"))  # pytest's own is closed to others
        stack.callback(shutil.rmtree, place)
        shutil.copy(tmp_path / "bin" / "nvidia-smi", place)
        place.chmod(0o1777)
        monkeypatch.setenv("TMPDIR", str(place))
        monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setattr(tempfile, "tempdir", None)
        first = stack.enter_context(ExitStack())
        first.enter_context(gpus("train"))
        program, pipe = [sys.executable, "-c", AS_ANOTHER], subprocess.PIPE
        other = subprocess.Popen(program, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, cwd=place)
        stack.callback(other.communicate)
        assert _line(other.stderr).startswith("encode: waits for GPU GPU-aaaaaaaa…, held by train in ")
        first.close()
        assert _line(other.stdout) == FIRST
        note = holder_of(lock_of(FIRST))
        assert note is not None and note.pid == other.pid
        assert lock_of(FIRST).stat().st_uid == 0


@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
def test_what_is_no_lock_is_one_line(tmp_path: Path, kind: str) -> None:
    path, victim = lock_of(FIRST), tmp_path / "victim"
    if kind == "link":
        path.symlink_to(victim)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with (
        pytest.raises(UserError, match=rf"the lock {path} cannot be opened \(.*\); remove it") as caught,
        gpus("me"),
    ):
        pass
    assert "\n" not in str(caught.value)
    assert not victim.exists()


def test_a_note_steers_no_terminal(machine: Lists) -> None:
    machine(FIRST)
    with ExitStack() as stack:
        one = Holder(stack, "train")
        assert one.line() == FIRST
        lock_of(FIRST).write_text('{"what": "\\u001b[2Jtrain", "pid": 1, "since": "now\\n"}')
        assert Holder(stack, "mine").complaint().endswith("held by ?[2Jtrain (process 1, since now?)")
        lock_of(FIRST).write_text("")
        assert Holder(stack, "base").complaint().endswith("held by a process that does not say which")
