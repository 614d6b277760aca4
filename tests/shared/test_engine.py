from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.shared.engine import Job, process
from tasks.shared.files import write_text
from tasks.shared.items import ItemStore


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
        case "outlives":  # in flight when the other died
            while not (folder.parents[2] / "died").exists():
                time.sleep(0.02)
            time.sleep(0.3)
        case "marks and dies":
            (folder.parents[2] / "died").touch()
            os._exit(1)
        case "full":
            with Path("/dev/full").open("wb") as device:  # the system's own error
                device.write(b"x")
        case "slow":
            time.sleep(0.2)
    write_text(folder / "item.txt", payload)


def jobs(store: ItemStore, *payloads: str) -> list[Job[str]]:
    return [Job(f"v{number:02}", store.key(f"{number}"), payload) for number, payload in enumerate(payloads)]


@pytest.fixture
def store(tmp_path: Path) -> ItemStore:
    return ItemStore("step", {}, tmp_path)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_works_is_done_and_what_fails_is_recorded(store: ItemStore, workers: int) -> None:
    outcome = process("step", store, jobs(store, "a", "bad", "b", "unpicklable", "c"), work, workers=workers)
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
    process("step", store, jobs(store, "a", "bad", "b"), work, workers=1)
    done = []

    def watched(payload: str, folder: Path) -> None:
        done.append(payload)
        write_text(folder / "item.txt", payload)

    outcome = process("step", store, jobs(store, "a", "mended", "b", "new"), watched, workers=1)
    assert done == ["mended", "new"]
    assert outcome.reused == 2
    assert sorted(outcome.done) == ["v00", "v01", "v02", "v03"]


def test_nothing_missing_starts_no_process(store: ItemStore, monkeypatch: pytest.MonkeyPatch) -> None:
    process("step", store, jobs(store, "a"), work, workers=1)
    monkeypatch.setattr("tasks.shared.engine._pool", lambda workers: pytest.fail("a pool was started"))
    assert process("step", store, jobs(store, "a"), work, workers=2).reused == 1


def test_a_worker_that_dies_costs_only_its_own_item(store: ItemStore) -> None:
    asked = jobs(store, "a", "b", "c", "dies", *"defghijk")
    outcome = process("step", store, asked, work, workers=2)
    assert [(one.video_id, one.error) for one in outcome.failures] == [("v03", "RuntimeError")]
    assert "died" in outcome.failures[0].message
    assert sorted(outcome.done) == [job.video_id for job in asked if job.video_id != "v03"]


def test_after_a_death_the_rest_goes_on_in_a_pool(store: ItemStore, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.shared import engine

    sizes: list[int] = []
    pool = engine._pool
    monkeypatch.setattr(engine, "_pool", lambda workers: sizes.append(workers) or pool(workers))
    outcome = process("step", store, jobs(store, "marks and dies", *["outlives"] * 11), work, workers=2)
    assert len(outcome.done) == 11
    assert sizes.count(2) == 2
    assert 1 <= sizes.count(1) <= 4, "only what was in flight is tried alone"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_ends_the_run_at_once(store: ItemStore, workers: int) -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        process("step", store, jobs(store, "full", *["slow"] * 200), work, workers=workers)
    assert caught.value.errno == errno.ENOSPC
    assert len([job for job in jobs(store, *["slow"] * 201) if store.get(job.key)]) < 100, "it did not go on to the end"


def test_nothing_to_do(store: ItemStore) -> None:
    nothing: Callable[[str, Path], None] = work
    assert process("step", store, [], nothing, workers=2).done == {}
