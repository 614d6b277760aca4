"""Files of rankings in every layout: written, read back, scored alike by trec_eval; and files that are none."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.shared.artifacts.runs import read_run, write_run
from tasks.shared.runtime.errors import UserError
from tasks.submission.layouts import read_layout, write_layout
from tests.evaluate.test_measures import SCORES, ranking

IDS = ["-LAxzdxpDoE", "_WUR7H8ZFpo", "v:1", "видео", "v10", "v9"]


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(st.sampled_from(["q1", "q'2", "問"]), st.dictionaries(st.sampled_from(IDS), SCORES, min_size=1)))
def test_a_run_survives_every_layout_with_its_order_and_its_ties(scores: dict[str, dict[str, float]]) -> None:
    run = {query_id: ranking(of) for query_id, of in scores.items()}
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_run(folder, "base", run)
        written = read_run("base", folder)
        for layout in ("2025", "2026") if run else ():
            path = folder / f"{layout}.json"
            write_layout(path, written, layout)
            again = read_layout(path)
            assert {one: list(of.items()) for one, of in again.items()} == {
                one: list(of.items()) for one, of in written.items()
            }
        if run:
            assert read_layout(folder / "runs" / "base.trec") == written


def test_the_layouts_by_the_letter(tmp_path: Path) -> None:
    run = {"q": {"a": 0.5, "b": 0.5, "c": float(np.float32(0.1))}}
    write_layout(tmp_path / "25", run, "2025")
    write_layout(tmp_path / "26", run, "2026")
    assert list(json.loads((tmp_path / "25").read_text())["q"].items()) == [
        ("b", 0.5),
        ("a", 0.5),
        ("c", run["q"]["c"]),
    ]
    assert json.loads((tmp_path / "26").read_text()) == {
        "q": [
            {"video_id": "b", "relevance": 0.5},
            {"video_id": "a", "relevance": 0.5},
            {"video_id": "c", "relevance": run["q"]["c"]},
        ]
    }


def test_the_score_decides_the_rank_and_not_the_place(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text('{"q": [{"video_id": "low", "relevance": 1}, {"video_id": "high", "relevance": 2, "note": ""}]}')
    assert list(read_layout(path)["q"].items()) == [("high", 2.0), ("low", 1.0)]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "holds no ranking"),
        (b"{}", "holds no ranking"),
        (b"\xff\xfe", "not UTF-8"),
        (b'{"q": {"v": 1}', "run:1: not JSON"),
        (b"[1]", "not an object of rankings by query id"),
        (b'{"q": 3}', "query q: neither {video_id: score} nor a list"),
        (b'{"q": ["v"]}', "query q: neither {video_id: score} nor a list"),
        (b'{"q": [{"doc_id": "v", "relevance": 1}]}', "lacks video_id or relevance"),
        (b'{"q": {"v": NaN}}', "the score of v is nan, no finite number"),
        (b'{"q": {"v": "1"}}', "the score of v is '1', no finite number"),
        (b'{"q": {"v": true}}', "the score of v is True, no finite number"),
        (b'{"q": {"v": 1, "v": 2}}', "'v' is there twice in one object"),
        (b'{"q": {"v": 1}, "q": {"w": 2}}', "'q' is there twice in one object"),
        (
            b'{"q": [{"video_id": "v", "relevance": 1}, {"video_id": "v", "relevance": 1}]}',
            "query q: video v is there twice",
        ),
        (b"q Q0 v 1 0.5 tag\nq Q0 w 2\n", "run:2: neither JSON nor a line of a TREC run"),
        (b"q Q0 v 1 inf tag\n", "the score of v is inf, no finite number"),
        (b"q Q0 v 1 1 t\nq Q0 v 2 0 t\n", "query q: video v is there twice"),
    ],
)
def test_what_is_no_ranking_is_one_clear_line(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "run"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read_layout(path)
    assert says in str(error.value) and "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_layout(tmp_path / "none.json")
