"""A program in its own process group: its lines, its end, and that nothing of it outlives its starter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.shared.execution import programs
from tasks.shared.execution.programs import TimeLimitError, run
from tasks.shared.runtime.locks import take

FAMILY = """
import os, signal, subprocess, sys, time
stubborn = "stubborn" in sys.argv
if stubborn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
if "child" not in sys.argv:
    subprocess.Popen([sys.executable, __file__, "child", *sys.argv[1:]])
open(f"pid.{os.getpid()}.new", "w").close()
os.rename(f"pid.{os.getpid()}.new", f"{os.getpid()}.pid")
print("started", flush=True)
time.sleep(300)
"""


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Callable[[], list[int]]]:
    """A program that starts a child and sleeps; what is called gives the processes of it that there ever were."""
    (tmp_path / "family.py").write_text(FAMILY)

    def members() -> list[int]:
        return [int(path.stem) for path in tmp_path.glob("*.pid")]

    yield members
    for pid in members():
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie that nobody reaps does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def of(tmp_path: Path, *command: str, **named: object) -> tuple[int, list[str]]:
    lines: list[str] = []
    given = {"root": tmp_path, "environment": dict(os.environ), "line": lines.append} | named
    return run([sys.executable, *command], **given), lines  # type: ignore[arg-type]


def test_lines_of_both_streams_and_the_exit_code(tmp_path: Path) -> None:
    program = (
        "import sys, os; print('one'); sys.stdout.flush(); print('zwei ü', file=sys.stderr); sys.stderr.flush();"
        "sys.stdout.buffer.write(b'10%\\r50%\\r100%\\r\\nbad \\xff\\nno end'); sys.stdout.flush(); sys.exit(75)"
    )
    assert of(tmp_path, "-c", program) == (75, ["one", "zwei ü", "100%", "bad \N{REPLACEMENT CHARACTER}", "no end"])


def test_a_signal_is_told_as_shells_do(tmp_path: Path) -> None:
    code, _ = of(tmp_path, "-c", "import os; os.kill(os.getpid(), 9)")
    assert code == 128 + 9


def test_it_has_its_folder_its_environment_and_no_input(tmp_path: Path) -> None:
    program = "import os, sys; print(os.getcwd(), sorted(os.environ), repr(sys.stdin.read()))"
    code, lines = of(tmp_path, "-I", "-S", "-c", program, environment={"A": "b"})
    assert (code, lines[0].replace("'LC_CTYPE', ", "").replace(", 'LC_CTYPE'", "")) == (0, f"{tmp_path} ['A'] ''")


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    lines: list[str] = []
    code = run(["no-such-program"], root=tmp_path, environment=dict(os.environ), line=lines.append)
    assert code == 127 and lines == ["no-such-program cannot be started: No such file or directory"]


@pytest.mark.parametrize("manner", ["", "stubborn"])
def test_the_whole_group_is_gone_when_a_tick_raises(
    tmp_path: Path, family: Callable[[], list[int]], manner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "GRACE", 1.0)

    def tick() -> None:
        if len(family()) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        of(tmp_path, "family.py", manner, tick=tick)
    assert len(family()) == 2 and not any(alive(pid) for pid in family())


def test_the_time_limit(tmp_path: Path, family: Callable[[], list[int]]) -> None:
    with pytest.raises(TimeLimitError, match=r"longer than 0\.05 minutes"):
        of(tmp_path, "family.py", limit=3.0)
    assert not any(alive(pid) for pid in family())


def test_a_child_left_behind_goes_too(tmp_path: Path, family: Callable[[], list[int]]) -> None:
    program = "import subprocess, sys; subprocess.Popen([sys.executable, 'family.py', 'child'])"
    program += "; import time, glob\nwhile not glob.glob('*.pid'): time.sleep(.05)"
    assert of(tmp_path, "-c", program)[0] == 0
    assert len(family()) == 1 and not alive(family()[0])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("manner", ["", "stubborn"])
def test_nothing_outlives_a_starter_that_is_killed_and_its_lock_holds_till_then(
    tmp_path: Path, family: Callable[[], list[int]], number: signal.Signals, manner: str
) -> None:
    starter = """
import os, sys
from pathlib import Path
from tasks.shared.execution import programs
from tasks.shared.runtime import locks
programs.GRACE = 1.0
lock = locks.take(Path("lock"), "a test")
command = [sys.executable, "family.py", *sys.argv[1:]]
programs.run(command, root=Path(), environment=dict(os.environ), line=print, held=[lock])
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    process = subprocess.Popen([sys.executable, "-c", starter, manner], cwd=tmp_path, env=environment)
    until(lambda: len(family()) == 2)
    process.send_signal(number)
    process.wait()
    waited = 0
    while (lock := take(tmp_path / "lock", "the next")) is None:
        waited += 1
        time.sleep(0.05)
    os.close(lock)
    assert waited > 5 * bool(manner) and not any(alive(pid) for pid in family())
