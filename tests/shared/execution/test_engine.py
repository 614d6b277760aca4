from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.shared.execution import workers as processes
from tasks.shared.execution.engine import process
from tasks.shared.execution.items import ItemStore
from tasks.shared.execution.plan import Item, Plan
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import write_text


class Unpicklable(Exception):
    """An error as libraries make them: it cannot be sent from one process to another."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


def work(payload: str, folder: Path) -> None:
    """What one item asks for."""
    match payload:
        case "bad":
            raise ValueError("no such\n codec")
        case "unpicklable":
            raise Unpicklable("cannot", "travel")
        case "dies":
            os._exit(1)
        case "kills once":
            if not (mark := folder.parents[3] / "killed").exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        case "full":
            with Path("/dev/full").open("wb") as device:  # the system's own error
                device.write(b"x")
        case "slow":
            time.sleep(0.2)
    write_text(folder / "item.txt", payload)


def jobs(store: ItemStore, *payloads: str) -> Plan[str]:
    items = [Item(f"v{number:02}", store.key(f"{number}"), payload) for number, payload in enumerate(payloads)]
    return Plan(store, items)


@pytest.fixture
def store(tmp_path: Path) -> ItemStore:
    return ItemStore("step", "tasks", {}, tmp_path)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_works_is_done_and_what_fails_is_recorded(store: ItemStore, workers: int) -> None:
    outcome = process("step", jobs(store, "a", "bad", "b", "unpicklable", "c"), work, workers=workers)
    assert {video: (path / "item.txt").read_text() for video, path in outcome.done.items()} == {
        "v00": "a",
        "v02": "b",
        "v04": "c",
    }
    assert sorted((one.video_id, one.step, one.error, one.message) for one in outcome.failures) == [
        ("v01", "step", "ValueError", "no such codec"),
        ("v03", "step", "Unpicklable", "cannot travel"),
    ]
    assert outcome.reused == 0


def test_finished_items_are_not_done_again(store: ItemStore) -> None:
    process("step", jobs(store, "a", "bad", "b"), work, workers=1)
    done = []

    def watched(payload: str, folder: Path) -> None:
        done.append(payload)
        write_text(folder / "item.txt", payload)

    outcome = process("step", jobs(store, "a", "mended", "b", "new"), watched, workers=1)
    assert done == ["mended", "new"]
    assert outcome.reused == 2
    assert sorted(outcome.done) == ["v00", "v01", "v02", "v03"]


def test_nothing_missing_starts_no_process(store: ItemStore, monkeypatch: pytest.MonkeyPatch) -> None:
    process("step", jobs(store, "a"), work, workers=1)
    monkeypatch.setattr(processes.SPAWN, "Process", lambda **_: pytest.fail("a process was started"))
    assert process("step", jobs(store, "a"), work, workers=2).reused == 1


def test_a_worker_that_dies_costs_only_its_own_item(store: ItemStore) -> None:
    asked = jobs(store, "a", "b", "c", "dies", *"defghijk")
    outcome = process("step", asked, work, workers=2)
    assert [(one.video_id, one.error) for one in outcome.failures] == [("v03", "RuntimeError")]
    assert "died" in outcome.failures[0].message
    assert sorted(outcome.done) == [item.id for item in asked.items if item.id != "v03"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_ends_the_run_at_once(store: ItemStore, workers: int) -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        process("step", jobs(store, "full", *["slow"] * 200), work, workers=workers)
    assert caught.value.errno == errno.ENOSPC
    done = [item for item in jobs(store, *["slow"] * 201).items if store.get(item.key)]
    assert len(done) < 100, "it did not go on to the end"


def test_nothing_to_do(store: ItemStore) -> None:
    nothing: Callable[[str, Path], None] = work
    assert process("step", Plan[str](store, []), nothing, workers=2).done == {}


class Sent:
    """Work that has a start and loads ahead; it notes what is done where, in a folder."""

    def __init__(self, notes: Path, start: str = "works") -> None:
        self.notes, self.how = notes, start
        self.number: int | None = None

    def note(self, what: str, name: object) -> None:
        with (self.notes / what).open("a") as file:  # lines this short are written whole
            file.write(f"{name}\n")

    def noted(self, what: str) -> list[str]:
        return (self.notes / what).read_text().split() if (self.notes / what).exists() else []

    def start(self, number: int) -> None:
        self.number = number
        self.note("starts", number)
        if self.how == "dies":
            os._exit(3)
        if self.how == "raises":
            raise UserError("no such weights")

    def load(self, payload: str) -> str:
        self.note("loads", payload)
        if payload == "loading fails":
            raise ValueError("cannot be read")
        if payload == "loading dies":
            os._exit(1)
        return f"loaded {payload}"

    def work(self, loaded: str, folder: Path) -> None:
        assert self.number is not None
        payload = loaded.removeprefix("loaded ")
        self.note("works", payload)
        if payload.startswith("waits"):
            deadline = time.monotonic() + 30
            while len(self.noted("loads")) < int(payload[5:]):
                assert time.monotonic() < deadline, "nothing is loaded ahead"
                time.sleep(0.01)
            time.sleep(0.3)
            self.note("ahead", len(self.noted("loads")))
        work(payload, folder)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_process_starts_once_and_what_is_loaded_is_worked_on(
    store: ItemStore, tmp_path: Path, workers: int
) -> None:
    sent = Sent(tmp_path)
    asked = jobs(store, *"abc", "loading fails", "bad", *"defghijkl")
    outcome = process("step", asked, sent.work, workers=workers, start=sent.start, load=sent.load)
    assert sorted(sent.noted("starts")) == [str(number) for number in range(workers)]
    assert {(path / "item.txt").read_text() for path in outcome.done.values()} == set("abcdefghijkl")
    assert sorted((one.video_id, one.error, one.message) for one in outcome.failures) == [
        ("v03", "ValueError", "cannot be read"),
        ("v04", "ValueError", "no such codec"),
    ]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_next_items_are_loaded_while_one_is_worked_on_but_not_many(
    store: ItemStore, tmp_path: Path, workers: int
) -> None:
    sent = Sent(tmp_path)
    everywhere = 3 * workers  # of every process: what is worked on, and two more
    asked = jobs(store, *[f"waits{everywhere}"] * workers, *["a"] * 20)
    outcome = process("step", asked, sent.work, workers=workers, start=sent.start, load=sent.load)
    assert len(outcome.done) == asked.size
    if workers == 1:
        assert sent.noted("ahead") == ["3"]


@pytest.mark.parametrize("deadly", ["dies", "loading dies"])
def test_what_was_beside_the_item_that_kills_is_done(store: ItemStore, tmp_path: Path, deadly: str) -> None:
    sent = Sent(tmp_path)
    asked = jobs(store, *"abcd", deadly, *"efghijklmnop")
    outcome = process("step", asked, sent.work, workers=2, start=sent.start, load=sent.load)
    assert [(one.video_id, one.error) for one in outcome.failures] == [("v04", "RuntimeError")]
    assert sorted(outcome.done) == [item.id for item in asked.items if item.id != "v04"]
    assert 3 <= len(sent.noted("starts")) <= 4, "a process is started again after a death, and only then"


def test_who_is_killed_from_outside_costs_no_item(store: ItemStore, tmp_path: Path) -> None:
    sent = Sent(tmp_path)
    asked = jobs(store, "kills once", *"abcdef")
    outcome = process("step", asked, sent.work, workers=2, start=sent.start, load=sent.load)
    assert outcome.failures == []
    assert len(outcome.done) == 7


@pytest.mark.parametrize(
    ("how", "said"),
    [("raises", "no such weights"), ("dies", r"a process died before its first item \(exit code 3\)")],
)
def test_who_cannot_start_ends_the_run(store: ItemStore, tmp_path: Path, how: str, said: str) -> None:
    sent = Sent(tmp_path, how)
    with pytest.raises(UserError, match=said):
        process("step", jobs(store, *"abcdef"), sent.work, workers=2, start=sent.start, load=sent.load)
    assert sent.noted("works") == []


PROGRAM = """
import sys, time
from pathlib import Path
from tasks.shared.execution.engine import process
from tasks.shared.execution.plan import Item, Plan
from tasks.shared.execution.items import ItemStore
from tests.shared.execution.test_engine import sleeps

if __name__ == "__main__":
    store = ItemStore("step", "tasks", {}, Path(sys.argv[1]))
    process("step", Plan(store, [Item(str(n), store.key(str(n)), sys.argv[1]) for n in range(6)]), sleeps, workers=3)
"""


def sleeps(notes: str, folder: Path) -> None:
    """Says who works, and works for long."""
    (Path(notes) / f"pid-{os.getpid()}").touch()
    time.sleep(300)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_outlives_who_started_it(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    program = subprocess.Popen(
        [sys.executable, str(tmp_path / "program.py"), str(tmp_path)], stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
    )  # fmt: skip
    try:
        pids = wait_for(lambda: [int(path.name[4:]) for path in tmp_path.glob("pid-*")], 3)
        program.send_signal(number)
        program.communicate(timeout=30)
    finally:
        program.kill()
    wait_for(lambda: [pid for pid in pids if not runs(pid)], 3)


def runs(pid: int) -> bool:
    """Whether a process is there, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(look: Callable[[], list[int]], count: int) -> list[int]:
    deadline = time.monotonic() + 60
    while len(found := look()) < count:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found
