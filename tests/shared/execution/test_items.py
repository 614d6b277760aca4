from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from tasks.shared.execution.items import ENTRY, ItemStore, store_folder
from tasks.shared.runtime.files import write_text


def store(root: Path, step: str = "extract", **decides: object) -> ItemStore:
    return ItemStore(step, "tasks", {"params": {"frames": 24}, "model": "a@1", **decides}, root)


def write(text: str) -> Callable[[Path], None]:
    return lambda folder: write_text(folder / "item.txt", text)


def test_an_item_is_kept_under_its_key(tmp_path: Path) -> None:
    items = store(tmp_path)
    key = items.key("digest")
    assert items.get(key) is None
    entry = items.put(key, write("done"))
    assert items.get(key) == entry
    assert (entry / "item.txt").read_text() == "done"
    assert items.get(items.key("other")) is None


def test_everything_that_decides_is_in_the_key(tmp_path: Path) -> None:
    keys = {
        store(tmp_path).key("a"),
        store(tmp_path).key("b"),
        store(tmp_path).key("a", "b"),
        store(tmp_path).key("ab"),
        store(tmp_path, params={"frames": 8}).key("a"),
        store(tmp_path, model="a@2").key("a"),
        store(tmp_path, code="changed").key("a"),
    }
    assert len(keys) == 7
    assert store(tmp_path, x=1, y=2).key("a") == store(tmp_path, y=2, x=1).key("a")


def test_steps_do_not_share_entries(tmp_path: Path) -> None:
    extract, encode = store(tmp_path), store(tmp_path, "encode")
    extract.put(extract.key("a"), write("x"))
    assert encode.get(encode.key("a")) is None


def damage(entry: Path, how: str) -> None:
    match how:
        case "flipped":
            (entry / "item.txt").write_text("d0ne")
        case "short":
            (entry / "item.txt").write_text("")
        case "gone":
            (entry / "item.txt").unlink()
        case "no list":
            (entry / ENTRY).unlink()
        case "bad list":
            (entry / ENTRY).write_text("{")
        case "other list":
            (entry / ENTRY).write_text("[1]")
        case "empty list":
            (entry / ENTRY).write_text('{"files": {}}')


@pytest.mark.parametrize("how", ["flipped", "short", "gone", "no list", "bad list", "other list", "empty list"])
@pytest.mark.parametrize("asked", [True, False])
def test_a_damaged_entry_is_made_again(tmp_path: Path, how: str, asked: bool) -> None:
    items = store(tmp_path)
    key = items.key("a")
    damage(items.put(key, write("done")), how)
    if asked:
        assert items.get(key) is None
    entry = items.put(key, write("again"))
    assert items.get(key) == entry
    assert (entry / "item.txt").read_text() == "again"


def test_a_whole_entry_is_not_replaced(tmp_path: Path) -> None:
    items = store(tmp_path)
    key = items.key("a")
    first = items.put(key, write("first"))
    assert items.put(key, write("second")) == first
    assert (first / "item.txt").read_text() == "first"


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    items = store(tmp_path)

    def half(folder: Path) -> None:
        (folder / "item.txt").write_text("ha")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        items.put(items.key("a"), half)
    assert items.get(items.key("a")) is None
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def _three_files(folder: Path) -> None:
    for name in "abc":
        write_text(folder / name, "same")


def _put_often(root: str, barrier: Barrier) -> None:
    items = ItemStore("race", "tasks", {}, Path(root))
    for number in range(60):
        barrier.wait(30)
        entry = items.put(items.key(str(number)), _three_files)
        assert sorted(path.name for path in entry.iterdir()) == ["a", "b", "c", ENTRY]


def test_two_processes_may_finish_the_same_item_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    both = [context.Process(target=_put_often, args=(str(tmp_path), barrier)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(60)
    assert [one.exitcode for one in both] == [0, 0]
    items = ItemStore("race", "tasks", {}, tmp_path)
    assert all(items.get(items.key(str(number))) for number in range(60))
    assert not list(tmp_path.rglob(".*"))


def test_workspaces_share_a_store_by_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("REELTRACE_STORE", raising=False)
    assert store_folder() == Path(".reeltrace")
    monkeypatch.setenv("REELTRACE_STORE", str(tmp_path / "shared"))
    here, there = ItemStore("s", "tasks", {}), ItemStore("s", "tasks", {})
    here.put(here.key("a"), write("x"))
    assert there.get(there.key("a")) is not None
    assert (tmp_path / "shared").is_dir()
