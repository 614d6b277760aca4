"""On-screen text, each line once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tasks.transcribe.screen import distinct_lines


def test_a_line_that_stays_or_comes_again_is_there_once() -> None:
    frames = ["NEWS 24\nFlood in  the harbour", "NEWS 24\nFlood in the harbour!", "News24", "NEWS 24\nSecond story"]
    assert distinct_lines(frames) == ["NEWS 24", "Flood in the harbour", "Second story"]


def test_part_of_a_line_just_before_is_left_out() -> None:
    assert distinct_lines(["EMERGENCY EXIT", "EMERGENCY EX", "EXIT"]) == ["EMERGENCY EXIT", "EXIT"]


def test_a_line_written_letter_by_letter_is_there_whole_and_in_its_place() -> None:
    frames = ["logo\nBre", "logo\nBreaking\nby the way", "logo\nBreaking news", "logo\nBreaking"]
    assert distinct_lines(frames) == ["logo", "Breaking news", "by the way"]


def test_what_has_no_letters_is_no_line_and_scripts_are_alike() -> None:
    assert distinct_lines(["--- | ...\n\n", "北京 同仁堂\nНАВОДНЕНИЕ", "北京同仁堂\nНаводнение\nفيضان"]) == [
        "北京 同仁堂",
        "НАВОДНЕНИЕ",
        "فيضان",
    ]


@given(st.lists(st.text("ab c\n", max_size=12), max_size=8))
def test_nothing_is_invented_and_nothing_is_lost_but_parts_of_what_is_kept(frames: list[str]) -> None:
    kept = distinct_lines(frames)
    given_lines = {" ".join(line.split()) for frame in frames for line in frame.split("\n")}
    assert set(kept) <= given_lines
    letters = ["".join(line.split()) for line in kept]
    assert len(set(letters)) == len(letters)
    for line in given_lines:
        assert any("".join(line.split()) in one for one in letters) or not line
    assert distinct_lines([*frames, *frames]) == kept
