from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import make_video

from tasks.corpus import fingerprints as module
from tasks.corpus.fingerprints import MEMORY, Fingerprint, fingerprints
from tasks.shared.runtime.errors import UserError

LONG_AGO = 1_600_000_000


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REELTRACE_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files whose bytes are read, as they are."""
    names: list[str] = []
    whole = module.sha256_file

    def counted(path: Path) -> str:
        names.append(path.name)
        return whole(path)

    monkeypatch.setattr(module, "sha256_file", counted)
    return names


def _file(path: Path, content: bytes, mtime: float = LONG_AGO) -> Path:
    path.write_bytes(content)
    os.utime(path, (mtime, mtime))
    return path


def test_digest_size_and_duration_of_a_real_video(store: Path, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=30, fps=12)
    content = path.read_bytes()
    found = fingerprints([path], 2)[path]
    assert (found.sha256, found.bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    assert found.duration == pytest.approx(30 / 12, abs=0.01)


def test_what_has_no_duration_has_none(store: Path, tmp_path: Path) -> None:
    empty, broken = _file(tmp_path / "empty.mp4", b""), _file(tmp_path / "broken.mp4", b"no video" * 500)
    cut = _file(tmp_path / "cut.mp4", make_video(tmp_path / "whole.mp4").read_bytes()[:-3000])
    found = fingerprints([empty, broken, cut], 2)
    assert found[empty] == Fingerprint(hashlib.sha256(b"").hexdigest(), 0, None)
    assert found[broken].duration is None
    assert found[cut].duration is None  # an mp4's index stands at its end


def test_unchanged_files_are_not_read_again(store: Path, tmp_path: Path, read: list[str]) -> None:
    paths = [_file(tmp_path / f"{name}.mp4", name.encode()) for name in "abc"]
    first = fingerprints(paths, 2)
    assert sorted(read) == ["a.mp4", "b.mp4", "c.mp4"]
    read.clear()
    assert fingerprints(paths, 2) == first
    assert read == []


def test_a_changed_size_or_time_reads_again(store: Path, tmp_path: Path, read: list[str]) -> None:
    same, longer, later = paths = [_file(tmp_path / f"{name}.mp4", b"x") for name in ("same", "longer", "later")]
    fingerprints(paths, 1)
    read.clear()
    _file(longer, b"xy")
    _file(later, b"z", LONG_AGO + 1)
    found = fingerprints(paths, 1)
    assert sorted(read) == ["later.mp4", "longer.mp4"]
    assert found[later].sha256 == hashlib.sha256(b"z").hexdigest()
    assert found[same].sha256 == hashlib.sha256(b"x").hexdigest()


def test_a_file_just_written_is_not_remembered(store: Path, tmp_path: Path, read: list[str]) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"x")
    fingerprints([path], 1)
    fingerprints([path], 1)
    assert read == ["a.mp4", "a.mp4"]


@pytest.mark.parametrize(
    "damage", [lambda text: text.replace("a.mp4", "b.mp4"), lambda text: text[:-20], lambda _: "?"]
)
def test_damaged_memory_is_dropped(store: Path, tmp_path: Path, read: list[str], damage: Callable[[str], str]) -> None:
    path, other = _file(tmp_path / "a.mp4", b"x"), _file(tmp_path / "b.mp4", b"y")
    first = fingerprints([path], 1)
    memory = store / MEMORY
    memory.write_text(damage(memory.read_text()))
    assert fingerprints([path, other], 1) == first | {other: Fingerprint(hashlib.sha256(b"y").hexdigest(), 1, None)}
    assert read == ["a.mp4", "a.mp4", "b.mp4"]
    fingerprints([path, other], 1)
    assert len(read) == 3


def test_what_was_read_before_a_failure_is_remembered(store: Path, tmp_path: Path, read: list[str]) -> None:
    path = _file(tmp_path / "a.mp4", b"x")
    with pytest.raises(UserError, match=r"gone.mp4 cannot be read"):
        fingerprints([path, tmp_path / "gone.mp4"], 1)
    fingerprints([path], 1)
    assert read == ["a.mp4"]


def test_outdated_lines_are_cleared_away(store: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    for turn in range(6):
        fingerprints([_file(path, b"x", LONG_AGO + turn)], 1)
    assert len((store / MEMORY).read_text().splitlines()) <= 3


def test_a_newer_probe_asks_for_the_duration_again_but_does_not_hash(
    store: Path, tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video(tmp_path / "a.mp4")
    os.utime(path, (LONG_AGO, LONG_AGO))
    first = fingerprints([path], 1)[path]
    monkeypatch.setattr(module, "version", lambda _: "99")
    monkeypatch.setattr(module, "duration_of", lambda _: 5.0)
    assert fingerprints([path], 1)[path] == Fingerprint(first.sha256, first.bytes, 5.0)
    assert read == ["a.mp4"]


def test_a_file_that_changes_while_read_is_refused(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _file(tmp_path / "a.mp4", b"x")
    monkeypatch.setattr(module, "sha256_file", lambda one: str(one.write_bytes(b"grown")))
    with pytest.raises(UserError, match="changed while it was read"):
        fingerprints([path], 1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_named(store: Path, tmp_path: Path) -> None:
    path = _file(tmp_path / "a.mp4", b"x")
    path.chmod(0)
    with pytest.raises(UserError, match=r"a\.mp4 cannot be read \(Permission denied\)"):
        fingerprints([path], 1)
