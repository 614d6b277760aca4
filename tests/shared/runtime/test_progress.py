"""Progress that another program reads while a stage runs."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.shared.execution.engine import process
from tasks.shared.execution.items import ItemStore
from tasks.shared.execution.plan import Item, Plan
from tasks.shared.runtime.files import write_text
from tasks.shared.runtime.progress import PAUSE, PLACE, Bar, Progress, progress, read_progress


class Clock:
    """Stands still until somebody says otherwise."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("tasks.shared.runtime.progress.time.monotonic", clock)
    return clock


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "progress.json"
    monkeypatch.setenv(PLACE, str(path))
    return path


def test_what_is_told_is_small_json(place: Path) -> None:
    videos = progress(iter("abc"), "extract", total=3)
    assert read_progress(place) is None, "nothing is told before it begins"
    assert next(videos) == "a"
    assert json.loads(place.read_text()) == {"what": "extract", "done": 0, "total": 3, "unit": "video"}
    assert list(videos) == ["b", "c"]
    assert read_progress(place) == Progress("extract", 3, 3, "video")
    assert [path.name for path in place.parent.iterdir()] == [place.name], "nothing is left beside it"


def test_it_is_told_at_start_and_end_and_once_a_second_in_between(told: list[Progress], clock: Clock) -> None:
    for _ in progress(range(10), "encode", unit="query"):
        clock.now += 0.3 * PAUSE
    assert [one.done for one in told] == [0, 4, 8, 10]
    assert {(one.what, one.total, one.unit) for one in told} == {("encode", 10, "query")}


def test_a_total_that_nobody_knows_is_null(told: list[Progress]) -> None:
    assert list(progress(iter("ab"), "unpack", unit="tar")) == ["a", "b"]
    assert told[-1] == Progress("unpack", 2, None, "tar")


def test_a_loop_in_a_loop_does_not_tell(told: list[Progress]) -> None:
    for _ in progress("ab", "outer"):
        assert list(progress("xyz", "inner")) == ["x", "y", "z"]
    assert list(progress("c", "after")) == ["c"]
    assert [(one.what, one.done) for one in told] == [("outer", 0), ("outer", 2), ("after", 0), ("after", 1)]


def test_a_loop_that_is_left_says_how_far_it_came(told: list[Progress]) -> None:
    def fails() -> Iterator[int]:
        yield from range(3)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(progress(fails(), "first", total=9))
    for item in progress(range(9), "second"):
        if item == 2:
            break
    with pytest.raises(KeyboardInterrupt), Bar("third", 9) as bar:
        bar.to(4)
        raise KeyboardInterrupt
    ends = {one.what: (one.done, one.total) for one in told}
    assert ends == {"first": (3, 9), "second": (2, 9), "third": (4, 9)}


def test_a_file_that_cannot_be_written_costs_one_line_and_no_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(PLACE, str(tmp_path / "file" / "progress.json"))
    for what in ("first", "second"):
        done = 0
        for _ in progress(range(5), what):
            clock.now += PAUSE
            done += 1
        assert done == 5
    said = capsys.readouterr().err
    assert said.startswith(f"{PLACE}: {tmp_path}/file/progress.json cannot be written (")
    assert said.count("\n") == 1
    monkeypatch.setenv(PLACE, str(tmp_path))  # a directory stays one
    assert list(progress(range(5), "third")) == [0, 1, 2, 3, 4]
    assert capsys.readouterr().err.count("cannot be written") == 1


def test_without_a_place_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for value in (None, ""):
        if value is None:
            monkeypatch.delenv(PLACE, raising=False)
        else:
            monkeypatch.setenv(PLACE, value)
        assert list(progress("ab", "extract")) == ["a", "b"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"what": "extract", "done": 1}',
        b'{"what": "extract", "done": 1, "total": 2, "unit": "video", "more": 1}',
        b'{"what": "extract", "done": "1", "total": 2, "unit": "video"}',
        b'{"what": "extract", "done": 1, "total": 2.5, "unit": "video"}',
    ],
)
def test_what_is_no_progress_is_read_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "progress.json").write_bytes(content)
    assert read_progress(tmp_path / "progress.json") is None
    assert read_progress(tmp_path / "absent.json") is None
    assert read_progress(tmp_path) is None


def tells(place: str, folder: Path) -> None:
    """An item's work that has a loop of its own; keeps what the file says right after it."""
    for _ in range(20):
        assert list(progress(range(3), "inside")) == [0, 1, 2]
        told = read_progress(Path(place))
        with (folder / "told.txt").open("a") as stream:
            stream.write(f"{told.what if told else None}\n")


@pytest.mark.parametrize("workers", [1, 2])
def test_only_the_parent_tells(tmp_path: Path, place: Path, workers: int) -> None:
    store = ItemStore("step", "tasks", {}, tmp_path / "store")
    jobs = [Item(f"v{number}", store.key(str(number)), str(place)) for number in range(4)]
    done = process("step", Plan(store, jobs), tells, workers=workers).done
    told = {line for entry in done.values() for line in (entry / "told.txt").read_text().split()}
    assert told == {"step"}
    assert read_progress(place) == Progress("step", 4, 4, "video")


def test_items_of_the_store_count_as_done(tmp_path: Path, told: list[Progress]) -> None:
    store = ItemStore("step", "tasks", {}, tmp_path / "store")
    jobs = [Item(f"v{number}", store.key(str(number)), str(number)) for number in range(5)]

    def work(payload: str, folder: Path) -> None:
        write_text(folder / "item", payload)

    process("step", Plan(store, jobs[:3]), work, workers=1)
    del told[:]
    loaded: list[Progress] = []
    process("step", Plan(store, jobs, "track"), work, workers=1, prepare=lambda: loaded.append(told[-1]))
    assert loaded == [Progress("step", 3, 5, "track")], "prepared once, after the store was looked through"
    assert [one.done for one in told] == [0, 3, 3, 5]
    process("step", Plan(store, jobs), work, workers=1, prepare=lambda: loaded.append(told[-1]))
    assert len(loaded) == 1, "nothing is prepared where nothing is missing"


READS_ALONG = """
import sys
from pathlib import Path
from tasks.shared.runtime.progress import progress, read_progress

for number in progress(range(300), "slow"):
    print(number, read_progress(Path(sys.argv[1])) is not None, flush=True)
"""


def test_a_reader_never_sees_half_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "progress.json"
    environment = os.environ | {PLACE: str(path), "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    program = READS_ALONG.replace(
        "from pathlib", "import tasks.shared.runtime.progress as room\nroom.PAUSE = 0.0\nfrom pathlib"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], env=environment, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        seen = []
        for _ in running.stdout:
            found = read_progress(path)
            assert found is not None and (found.what, found.total) == ("slow", 300)
            seen.append(found.done)
    assert seen == sorted(seen) and len(seen) == 300


def test_a_terminal_has_its_bar_and_a_file_has_none(tmp_path: Path) -> None:
    program = "from tasks.shared.runtime.progress import progress\nfor _ in progress(range(5), 'extract'): pass\n"
    environment = os.environ | {PLACE: str(tmp_path / "p"), "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    quiet = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    assert quiet.stderr == b"" and read_progress(tmp_path / "p") == Progress("extract", 5, 5, "video")
    (tmp_path / "p").unlink()
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))  # on one without columns nothing is drawn
    subprocess.run([sys.executable, "-c", program], env=environment, stderr=theirs, check=True)
    assert select.select([ours], [], [], 10)[0], "nothing was drawn"
    drawn = os.read(ours, 1 << 16)
    os.close(theirs)
    os.close(ours)
    assert b"extract:" in drawn and b"/5" in drawn
    assert read_progress(tmp_path / "p") == Progress("extract", 5, 5, "video")
