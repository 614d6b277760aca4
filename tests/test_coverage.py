"""The share of a query that a text says, by hand."""

import math

import pytest

from tasks.search import coverage

TEXTS = {"one": "the river rises", "two": "the parade", "three": ""}


def idf(frequency: int) -> float:
    return math.log(1 + (3 - frequency + 0.5) / (frequency + 0.5))


def test_rare_words_weigh_more_and_unknown_ones_most():
    found = coverage("The river, the flood", TEXTS)
    whole = idf(2) + idf(1) + idf(0)  # the, river, flood
    assert found["one"] == pytest.approx((idf(2) + idf(1)) / whole)
    assert found["two"] == pytest.approx(idf(2) / whole)
    assert found["three"] == 0.0


def test_a_text_that_says_it_all_has_one():
    assert coverage("RIVER rises", TEXTS)["one"] == pytest.approx(1.0)


def test_a_query_without_a_word_finds_nothing():
    assert set(coverage("?!", TEXTS).values()) == {0.0}


def test_scripts_without_spaces():
    assert coverage("港口洪水", {"a": "今天港口洪水", "b": "巡游"}) == {"a": pytest.approx(1.0), "b": 0.0}
