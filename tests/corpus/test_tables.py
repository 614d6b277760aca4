from __future__ import annotations

from pathlib import Path

import pytest

from tasks.corpus.tables import read_judgments, read_rows
from tasks.shared.artifacts.corpus import Judgment
from tasks.shared.runtime.errors import UserError

KNOWN = ("query_id", "text")


def _write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_csv_with_quoted_commas_line_breaks_and_byte_order_mark(tmp_path: Path) -> None:
    path = _write(tmp_path / "q.csv", '\ufeffquery_id,text\r\nq1,"floods, again"\r\nq2,"two\nlines"\r\n q3 ,  \r\n')
    assert [row.fields for row in read_rows(path, KNOWN)] == [
        {"query_id": "q1", "text": "floods, again"},
        {"query_id": "q2", "text": "two\nlines"},
        {"query_id": "q3", "text": None},
    ]


def test_json_lines_keep_line_separators_inside_strings_and_take_numbers_as_ids(tmp_path: Path) -> None:
    path = _write(
        tmp_path / "q.jsonl", '{"query_id": 7, "text": "a\u2028b\x85c"}\r\n\n{"query_id": "x", "text": null}\n'
    )
    assert [row.fields for row in read_rows(path, KNOWN)] == [
        {"query_id": "7", "text": "a\u2028b\x85c"},
        {"query_id": "x", "text": None},
    ]


@pytest.mark.parametrize(
    ("name", "content", "where", "what"),
    [
        ("q.csv", "query_id,text\nq1,ok\nq2,a,b\n", ":3", "not 2 fields"),
        ("q.csv", "query_id,text\nq1\n", ":2", "not 2 fields"),
        ("q.csv", 'query_id,text\nq1,"open\n', ":2", "not CSV"),
        ("q.csv", "query_id,txt\nq1,a\n", ":2", "unknown field 'txt'"),
        ("q.jsonl", '{"query_id": "q1"}\n{oops\n', ":2", "not JSON"),
        ("q.jsonl", "[1]\n", ":1", "not a JSON object"),
        ("q.jsonl", '{"query_id": "q1", "text": ["a"]}\n', ":1", "text is not text"),
        ("q.jsonl", b'{"query_id": "\xff"}\n', "", "not UTF-8"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, name: str, content: str | bytes, where: str, what: str) -> None:
    path = _write(tmp_path / name, content)
    with pytest.raises(UserError) as error:
        read_rows(path, KNOWN)
    assert f"{path}{where}: " in str(error.value)
    assert what in str(error.value)
    assert "\n" not in str(error.value)


def test_trec_judgments(tmp_path: Path) -> None:
    path = _write(tmp_path / "qrels", "q1 0 v1 2\n\nq1\t0\tv2\t0\r\n")
    assert read_judgments(path) == [Judgment("q1", "v1", 2), Judgment("q1", "v2", 0)]


@pytest.mark.parametrize("line", ["q1 v1 1", "q1 0 v1 x", "q1 0 v1 1.0", "q1 0 v1 -1", "q1 0 v1 ²", "q1 0 my clip 1"])
def test_a_bad_judgment_is_named(tmp_path: Path, line: str) -> None:
    path = _write(tmp_path / "qrels", f"q0 0 v0 1\n{line}\n")
    with pytest.raises(UserError, match=r"qrels:2: "):
        read_judgments(path)
