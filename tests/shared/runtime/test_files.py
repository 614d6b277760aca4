from __future__ import annotations

import errno
import hashlib
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.shared.runtime.errors import UserError, disk_full
from tasks.shared.runtime.files import (
    atomically,
    canonical_json,
    files_under,
    lines_starting,
    link_or_copy,
    read_json,
    read_jsonl,
    sha256_file,
    sha256_json,
    write_json,
    write_jsonl,
    write_text,
)


def test_sha256_is_that_of_hashlib_across_pieces(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000  # more than two pieces
    path = tmp_path / "big"
    path.write_bytes(content)
    assert sha256_file(path) == hashlib.sha256(content).hexdigest()


def test_canonical_json_does_not_depend_on_order() -> None:
    assert canonical_json({"b": 1, "a": [1, 2]}) == '{"a":[1,2],"b":1}'
    assert sha256_json({"b": 1, "a": 2}) == sha256_json({"a": 2, "b": 1}) != sha256_json({"a": 2, "b": 2})
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def half(temporary: Path) -> None:
        temporary.write_text("ha")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        atomically(path, half)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_written_file_can_be_read_by_others(tmp_path: Path) -> None:
    write_text(tmp_path / "deep" / "a.txt", "x")
    assert (tmp_path / "deep" / "a.txt").stat().st_mode & 0o777 == 0o644


def test_json_comes_back_and_a_bad_file_is_a_users_matter(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"b": "é", "a": 1})
    assert path.read_text(encoding="utf-8") == '{\n  "a": 1,\n  "b": "é"\n}\n'
    assert read_json(path) == {"a": 1, "b": "é"}
    path.write_text("{")
    with pytest.raises(UserError, match="not JSON"):
        read_json(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="not JSON"):
        read_json(path)
    with pytest.raises(UserError, match="is missing"):
        read_json(tmp_path / "none.json")


@given(rows=st.lists(st.dictionaries(st.text(), st.text() | st.integers() | st.none())))
def test_json_lines_come_back_whatever_the_text(
    rows: list[dict[str, object]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("jsonl") / "a.jsonl"
    write_jsonl(path, rows)
    assert list(read_jsonl(path)) == rows


def test_json_lines_survive_the_separators_that_json_does_not_escape(tmp_path: Path) -> None:
    row = {"text": "one\u2028two\x85three\x0bfour"}
    write_jsonl(tmp_path / "a.jsonl", [row, row])
    assert list(read_jsonl(tmp_path / "a.jsonl")) == [row, row]


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n\n{"a": \n')
    with pytest.raises(UserError, match=r"a\.jsonl:3: not JSON"):
        list(read_jsonl(path))
    path.write_text("[1]\n")
    with pytest.raises(UserError, match=r"a\.jsonl:1: not a JSON object"):
        list(read_jsonl(path))
    path.write_bytes(b'{"a": "\xff"}\n')
    with pytest.raises(UserError, match="not UTF-8"):
        list(read_jsonl(path))


def test_linking_shares_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    link_or_copy(tmp_path / "a", tmp_path / "deep" / "b")
    assert (tmp_path / "deep" / "b").samefile(tmp_path / "a")


def test_linking_across_file_systems_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr("tasks.shared.runtime.files.os.link", refuse)
    (tmp_path / "a").write_text("x")
    link_or_copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "x"
    assert not (tmp_path / "b").samefile(tmp_path / "a")


def test_files_under_are_sorted_and_complete(tmp_path: Path) -> None:
    for name in ("b/z", "a/y", "a.x", "b/.hidden"):
        write_text(tmp_path / name, name)
    (tmp_path / "empty").mkdir()
    assert [path.relative_to(tmp_path).as_posix() for path in files_under(tmp_path)] == [
        "a/y",
        "a.x",
        "b/.hidden",
        "b/z",
    ]
    assert files_under(tmp_path / "a.x") == [tmp_path / "a.x"]


def test_a_full_disk_is_recognised_in_what_libraries_make_of_it() -> None:
    class SafetensorError(Exception):
        pass

    assert disk_full(OSError(errno.ENOSPC, "x"))
    assert disk_full(OSError(errno.EDQUOT, "x"))
    assert disk_full(SafetensorError("I/O error: No space left on device (os error 28)"))
    outer = RuntimeError("could not save")
    outer.__cause__ = OSError(errno.ENOSPC, "x")
    assert disk_full(outer)
    assert not disk_full(OSError(errno.ENOENT, "x"))
    assert not disk_full(json.JSONDecodeError("x", "y", 0))


words = st.text("aé中Z0_", min_size=1, max_size=3)


@given(st.dictionaries(words, st.integers(1, 4), max_size=12), words, st.booleans())
def test_lines_are_found_by_their_first_field(counts: dict[str, int], wanted: str, ended: bool) -> None:
    lines = [f"{first} Q0 v{number}" for first in sorted(counts) for number in range(counts[first])]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.trec"
        path.write_text("\n".join(lines) + ("\n" if ended and lines else ""), encoding="utf-8")
        for first in {wanted, *counts}:
            assert lines_starting(path, first) == [line for line in lines if line.split(" ")[0] == first]
        with pytest.raises(UserError, match="is missing"):
            lines_starting(path.with_name("other"), wanted)
