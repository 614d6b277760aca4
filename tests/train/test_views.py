"""How documents are shown otherwise than as they are: whom tuple negatives have from whom, what is dropped, when."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as running
from hypothesis import strategies as st

from tasks.shared.artifacts.exposures import Altered
from tasks.shared.artifacts.types import MODALITIES, Modality
from tasks.shared.execution.params_train import Dropout
from tasks.train.rows import Row
from tasks.train.views import Contents, Views, altered, partners
from tests.train.small import settings

CONTENTS = st.dictionaries(st.sampled_from(MODALITIES), st.sampled_from(["a", "b", "c", "d"]), min_size=1)
ON = {"query": 1.0, "symmetric": 0.0, "tuple": 1.0, "teacher": 1.0, "alignment": 0.0}


PLAIN = settings(objectives=ON)
BARE = settings(objectives=ON, modality_dropout={"text": 1.0, "video": 1.0, "audio": 1.0})


def views(contents: dict[str, Contents], seed: int = 7, **changes: Any) -> Views:
    return Views(PLAIN.model_copy(update=changes), seed, contents)


def whole(count: int) -> tuple[list[Row], dict[str, Contents]]:
    rows = [Row(f"q{number}", f"v{number}", (f"v{(number + 1) % count}",)) for number in range(count)]
    return rows, {f"v{number}": {one: f"{one} {number}" for one in MODALITIES} for number in range(count)}


@running(deadline=None)
@given(st.lists(CONTENTS, max_size=9), st.sampled_from(MODALITIES), st.integers(0, 99))
def test_a_swap_takes_from_another_what_differs_and_leaves_something(
    documents: list[Contents], modality: Modality, seed: int
) -> None:
    found = partners(documents, modality, Random(seed))
    assert len(found) == len(documents)
    taken = [other for other in found if other is not None]
    assert len(set(taken)) == len(taken), "everybody's goes to one other at most"
    for own, other in zip(documents, found, strict=True):
        if other is not None:
            assert modality in own and own.keys() != {modality}
            assert own[modality] != documents[other][modality], "which another place has, not its own"


@running(deadline=None)
@given(st.integers(2, 9), st.integers(0, 99))
def test_where_all_differ_everyone_has_another_partner(count: int, seed: int) -> None:
    rows, contents = whole(count)
    plan = views(contents, seed).plan(0, rows)
    assert sorted(one for one in plan.partners if one is not None) == list(range(count))
    assert all(place != other for place, other in enumerate(plan.partners))


def test_one_row_has_nobody_to_swap_with() -> None:
    rows, contents = whole(1)
    assert views(contents).plan(0, rows).partners == (None,)


def test_batches_take_turns() -> None:
    rows, contents = whole(4)
    plans = [views(contents).plan(number, rows) for number in range(6)]
    assert [plan.swapped for plan in plans] == ["text", "audio", "video"] * 2
    assert [plan.pair for plan in plans] == [("text", "audio"), ("text", "video"), ("audio", "video")] * 2
    assert len({plan.partners for plan in plans}) > 1
    one = [views(contents, tuple_negatives=["audio"]).plan(number, rows).swapped for number in range(3)]
    assert one == ["audio"] * 3
    seen = views(contents, modalities=["text", "audio"])
    assert {seen.plan(number, rows).pair for number in range(3)} == {("text", "audio")}
    assert {seen.plan(number, rows).swapped for number in range(3)} == {"text", "audio"}


def test_the_seed_and_the_number_of_the_batch_decide() -> None:
    rows, contents = whole(8)
    first = views(contents, 7).plan(5, rows)
    assert views(contents, 7).plan(5, rows) == first
    assert views(contents, 8).plan(5, rows).partners != first.partners
    assert views(contents, 7).plan(8, rows).partners != first.partners


def test_who_lacks_one_of_the_pair_is_known() -> None:
    rows, contents = whole(3)
    contents |= {"v1": {"video": "clip"}}
    plan = views(contents).plan(0, rows)
    assert plan.lacking == {"text": (1,), "audio": (1,)}
    assert plan.partners == (2, None, 0)


@running(deadline=None)
@given(st.dictionaries(st.sampled_from(MODALITIES), st.just("a"), min_size=1), st.integers(0, 50))
def test_never_is_all_dropped_that_there_is(has: Contents, number: int) -> None:
    kept = Views(BARE, 7, {"v": has}).shown_modalities(number, 0, 0, "v")
    assert len(kept) == 1 and set(kept) <= set(has)
    assert views({"v": has}).shown_modalities(number, 0, 0, "v") == [one for one in MODALITIES if one in has]


def test_modalities_are_dropped_at_their_rates() -> None:
    _, contents = whole(1)
    seen = views(contents, modality_dropout=Dropout(text=0.0, video=0.2, audio=0.5))
    drawn = [
        seen.shown_modalities(number, place, column, "v0")
        for number in range(20)
        for place in range(20)
        for column in (0, 1)
    ]
    shares = {one: sum(one not in kept for kept in drawn) / len(drawn) for one in MODALITIES}
    assert shares == pytest.approx({"text": 0.0, "video": 0.2, "audio": 0.5}, abs=0.06)  # 3 standard deviations


def test_what_was_altered_is_recorded_step_by_step() -> None:
    rows, contents = whole(2)
    contents["v1"] = {"text": "text 1", "video": "clip 1"}
    batches = [[0, 1], [1, 0], [0], [0, 1]]
    found = altered(views(contents), rows, batches, accumulation_steps=2)
    swaps = [("v0", "q0", "swapped", "text", "v1", [1, 2]), ("v1", "q1", "swapped", "text", "v0", [1, 2])]
    assert found == [Altered(*one) for one in swaps]  # type: ignore[arg-type]  # no two have sound in the second batch

    seen = views(contents, modality_dropout=Dropout(text=1.0, video=0.0, audio=0.0))
    dropped = [one for one in altered(seen, rows, batches, accumulation_steps=2) if one.how == "dropped"]
    expected = [
        ("v0", "q0", [1, 1, 2, 2]),
        ("v1", "q0", [1, 1, 2, 2]),
        ("v0", "q1", [1, 1, 2]),
        ("v1", "q1", [1, 1, 2]),
    ]
    by_name = {(one.video_id, one.query_id): one.steps for one in dropped}
    assert by_name == {(video, query): steps for video, query, steps in expected}
    assert {(one.modality, one.partner) for one in dropped} == {("text", None)}
