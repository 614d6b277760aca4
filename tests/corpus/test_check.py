from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.corpus.check import bytes_in_both_splits, checked
from tasks.corpus.source import Source
from tasks.shared.artifacts.corpus import Judgment, Query, Video
from tasks.shared.runtime.errors import UserError

CLIP = Video("v1", "clips/v1.mp4", "aa", 1, 1.0, None, None, None, None, None, "test", None)
QUERY = Query("q1", "a flood", None, None, "test", None)


def _source(videos: list[Video] | None = None, queries: list[Query] | None = None, *judgments: Judgment) -> Source:
    return Source([CLIP] if videos is None else videos, [QUERY] if queries is None else queries, list(judgments))


@pytest.mark.parametrize("good", ["-LAxzdxpDoE", "_WUR7H8ZFpo", "Zug_nach_Köln", "洪水.01", "a" * 200])
def test_ids_that_are_safe(good: str) -> None:
    assert checked(_source([replace(CLIP, video_id=good)])).videos[0].video_id == good


@pytest.mark.parametrize(
    "bad",
    ["", "a/b", "a\\b", "..", "a..b", ".hidden", "a b", "a\tb", "a\nb", "a\u2028b", "a\x00b", "a\ud800", "a" * 201,
     "é" * 101, "a\u200bb"],
)  # fmt: skip
def test_ids_that_are_not(bad: str) -> None:
    for source in (_source([replace(CLIP, video_id=bad)]), _source(None, [replace(QUERY, query_id=bad)])):
        with pytest.raises(UserError, match=r"(video|query) id .*; use letters") as error:
            checked(source)
        assert "\n" not in str(error.value)
        str(error.value).encode()


TRAIN_CLIP, TRAIN_QUERY = replace(CLIP, video_id="v2", split="train"), replace(QUERY, query_id="q2", split="train")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (_source([]), "no videos"),
        (_source([CLIP, replace(CLIP, path="clips/other.mp4")]), "v1 is that of clips/v1.mp4 and of clips/other.mp4"),
        (_source(None, [QUERY, QUERY]), "query q1 occurs twice"),
        (_source(None, [replace(QUERY, text=" \n")]), "query q1 has no text"),
        (_source([replace(CLIP, language="English")]), "video v1: language 'English'"),
        (_source(None, [replace(QUERY, language="e")]), "query q1: language 'e'"),
        (_source([replace(CLIP, video_type="amateur")]), "video_type 'amateur' is none of professional, edited, raw"),
        (_source([replace(CLIP, title="half \ud83d")]), "video v1: text with half a surrogate"),
        (_source([TRAIN_CLIP], []), "every video is in the train split"),
        (_source(None, None, Judgment("q1", "v1", -1)), "relevance -1 is below 0"),
        (_source(None, None, Judgment("q1", "v1", 1), Judgment("q1", "v1", 2)), "judged 1 and 2"),
        (
            _source(None, None, Judgment("q1", "v1", 1), Judgment("q1", "x", 1), Judgment("q1", "y", 0)),
            "2 unknown videos, the first is x",
        ),
        (_source(None, None, Judgment("q9", "v1", 1)), "1 unknown queries, the first is q9"),
        (
            _source([CLIP, TRAIN_CLIP], [QUERY, TRAIN_QUERY], Judgment("q2", "v2", 1), Judgment("q2", "v1", 1)),
            "1 judgments cross the splits, the first: train query q2 judges v1, which is in test",
        ),
        (
            _source([CLIP, TRAIN_CLIP], [QUERY, TRAIN_QUERY], Judgment("q1", "v2", 0)),
            "test query q1 judges v2, which is in train",
        ),
    ],
)
def test_one_clear_line_each(source: Source, says: str) -> None:
    with pytest.raises(UserError) as error:
        checked(source)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_repeated_equal_judgment_is_taken_once() -> None:
    one = Judgment("q1", "v1", 1)
    assert checked(_source(None, None, one, one)).judgments == [one]


def test_copies_across_the_splits_are_counted() -> None:
    assert bytes_in_both_splits([CLIP, TRAIN_CLIP]) == 1
    assert bytes_in_both_splits([CLIP, replace(TRAIN_CLIP, sha256="bb")]) == 0
