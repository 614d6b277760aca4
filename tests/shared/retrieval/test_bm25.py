"""BM25 against Lucene's formula written out, and what a word is in six languages."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.shared.retrieval.bm25 import BM25, words


def lucene(documents: dict[str, str], query: str) -> dict[str, float]:
    """BM25Similarity of Lucene 8 and later, k1 1.2 and b 0.75: no (k1 + 1) in the numerator."""
    tokens = {one: words(text) for one, text in documents.items() if words(text)}
    average = sum(map(len, tokens.values())) / len(tokens)
    scores = {}
    for one, terms in tokens.items():
        score = 0.0
        for term in words(query):
            holding = sum(term in other for other in tokens.values())
            frequency = terms.count(term)
            idf = math.log(1 + (len(tokens) - holding + 0.5) / (holding + 0.5))
            score += idf * frequency / (frequency + 1.2 * (1 - 0.75 + 0.75 * len(terms) / average))
        scores[one] = score
    return scores


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(["red", "green", "blue", "sky", "sea"]), max_size=6), min_size=1, max_size=8),
    st.lists(st.sampled_from(["red", "green", "sky", "moon"]), max_size=4),
)
def test_scores_are_lucenes(texts: list[list[str]], query: list[str]) -> None:
    documents = {f"d{number}": " ".join(text) for number, text in enumerate(texts)}
    ranking = BM25(documents).search({"q": " ".join(query)}, 100)["q"]
    expected = lucene(documents, " ".join(query)) if any(texts) else {}
    assert ranking == pytest.approx({one: score for one, score in expected.items() if score > 0}, rel=1e-5)
    assert list(ranking.items()) == sorted(ranking.items(), key=lambda one: (one[1], one[0]), reverse=True)


def test_a_case_worked_by_hand() -> None:
    # three documents of average length 2; "flood" in two: idf = ln(1 + 1.5 / 2.5)
    index = BM25({"a": "flood", "b": "flood river flood", "c": "sun moon"})
    found = index.search({"q": "Flood!"}, 10)["q"]
    idf = math.log(1.6)
    assert found == pytest.approx({"b": idf * 2 / (2 + 1.2 * 1.375), "a": idf / (1 + 1.2 * 0.625)}, rel=1e-6)
    assert list(found) == ["a", "b"] and len(index.search({"q": "flood"}, 1)["q"]) == 1


def test_what_a_word_is() -> None:
    assert words("The RIVER's 2nd flood, in Éireann") == ["the", "river", "s", "2nd", "flood", "in", "éireann"]
    assert words("La inundación de ayer") == ["la", "inundación", "de", "ayer"]
    assert words("Наводнение в ГОРОДЕ") == ["наводнение", "в", "городе"]
    assert words("فَيَضانُ النَّهر") == ["فَيَضانُ", "النَّهر"]  # vowel marks do not cut a word
    assert words("河水泛滥，救援") == ["河水", "水泛", "泛滥", "救援"]
    assert words("홍수 구조대") == ["홍수", "구조", "조대"]
    assert words("コーヒー") == ["コー", "ーヒ", "ヒー"]
    assert words("第3回MP4动画") == ["第", "3", "回", "mp4", "动画"]
    assert words("ＦＵＬＬ ｶﾅ e\u0301") == ["full", "カナ", "é"]
    assert words("?! — …") == []


def test_equal_scores_rank_by_id_descending_and_no_match_is_not_ranked() -> None:
    index = BM25({"d2": "red", "d10": "red", "d1": "red", "other": "blue", "mute": "", "dots": "..."})
    assert list(index.search({"q": "red"}, 10)["q"]) == ["d2", "d10", "d1"]
    assert index.search({"q": "nothing here", "r": ""}, 10) == {"q": {}, "r": {}}
    assert index.similarities({"q": "blue"}, {"q": ["other", "d1", "mute"]})["q"].keys() == {"other", "d1"}
    assert index.similarities({"q": "blue"}, {"q": ["d1"]}) == {"q": {"d1": 0.0}}


def test_an_empty_collection() -> None:
    for index in (BM25({}), BM25({"a": "", "b": "?"})):
        assert index.search({"q": "red"}, 10) == {"q": {}}
        assert index.similarities({"q": "red"}, {"q": ["a"]}) == {"q": {}}


def test_scores_do_not_depend_on_pythons_hash_seed() -> None:
    texts = {str(number): f"flood of {number % 3} rivers in town {number % 5}" for number in range(20)}
    program = f"from tasks.shared.retrieval.bm25 import BM25; print(BM25({texts!r}).search({{'q': 'town 4 flood'}}, 9))"
    command, other = [sys.executable, "-c", program], {"PYTHONHASHSEED": "11", "PATH": ""}
    said = subprocess.run(command, env=other, capture_output=True, text=True, check=True).stdout
    assert said.strip() == str(BM25(texts).search({"q": "town 4 flood"}, 9))
