from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.shared.execution.failures import FAILURES, Failure, read_failures, refuse_too_many, write_failures
from tasks.shared.runtime.errors import UserError


def failed(*ids: str) -> list[Failure]:
    return [Failure(video_id, "extract", "ValueError", "broken") for video_id in ids]


def test_the_record_of_an_exception_is_one_line() -> None:
    one = Failure.of("v1", "extract", ValueError("first\n  second\tthird"))
    assert one == Failure("v1", "extract", "ValueError", "first second third")


def test_failures_are_written_in_the_order_of_their_videos(tmp_path: Path) -> None:
    write_failures(tmp_path, failed("v2", "v10", "v1"))
    rows = [json.loads(line) for line in (tmp_path / FAILURES).read_text(encoding="utf-8").splitlines()]
    assert rows[0] == {"video_id": "v1", "step": "extract", "error": "ValueError", "message": "broken"}
    assert [row["video_id"] for row in rows] == ["v1", "v10", "v2"]
    assert read_failures(tmp_path) == failed("v1", "v10", "v2")


def test_no_failures_is_an_empty_file(tmp_path: Path) -> None:
    write_failures(tmp_path, [])
    assert (tmp_path / FAILURES).read_bytes() == b""
    assert read_failures(tmp_path) == []


@pytest.mark.parametrize(("count", "total", "most"), [(0, 0, 0.0), (0, 10, 0.0), (5, 100, 0.05), (10, 10, 1.0)])
def test_few_enough_failures_pass(count: int, total: int, most: float) -> None:
    refuse_too_many(failed(*"abcdefghij"[:count]), total, most, "extract")


@pytest.mark.parametrize(("count", "total", "most"), [(1, 10, 0.0), (6, 100, 0.05), (1, 19, 0.05)])
def test_too_many_failures_are_refused_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, total: int, most: float
) -> None:
    monkeypatch.setenv("REELTRACE_STORE", str(tmp_path))
    with pytest.raises(UserError) as caught:
        refuse_too_many(failed(*"abcdef"[:count]), total, most, "extract")
    assert f"{count} of {total} items failed" in str(caught.value)
    assert "the first is a: ValueError: broken" in str(caught.value)
    assert len(read_failures(tmp_path / "failed" / "extract")) == count
