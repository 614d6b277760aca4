"""BM25 over words, the same for every language.

Scoring is Lucene's with Lucene's defaults, k1 = 1.2 and b = 0.75 (bm25s, method `lucene`). Words are as Lucene's
CJKAnalyzer has them, without its English stop words: NFKC and lower case; a run of letters, marks and digits is a word;
a run of Han, kana or Hangul is its overlapping pairs of characters, a single one itself. No stemming.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import regex

from tasks.shared.artifacts.types import Run
from tasks.shared.retrieval.search import ranked
from tasks.shared.runtime.progress import progress

if TYPE_CHECKING:
    import bm25s

K1, B = 1.2, 0.75
CJK = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}ー"
RUNS = regex.compile(rf"(?P<cjk>[{CJK}]+)|(?:(?![{CJK}])\w)+")


def words(text: str) -> list[str]:
    """The index terms of a text, in its order."""
    found: list[str] = []
    for run in RUNS.finditer(unicodedata.normalize("NFKC", text).lower()):
        one = run[0]
        if run["cjk"] and len(one) > 1:
            found += [one[at : at + 2] for at in range(len(one) - 1)]
        else:
            found.append(one)
    return found


class BM25:
    """An index of documents' texts by id. A document without a word is in no ranking, as in Lucene."""

    def __init__(self, documents: Mapping[str, str]) -> None:
        texts = progress(documents.items(), "bm25 index", unit="text")
        tokens = {document_id: found for document_id, text in texts if (found := words(text))}
        self.ids = sorted(tokens, reverse=True)  # the order in which trec_eval ranks equal scores
        self._row_of = {document_id: row for row, document_id in enumerate(self.ids)}
        self._index: bm25s.BM25 | None = None
        if tokens:
            import bm25s  # imports scipy, which those who want `words` alone do not need

            terms = {term: number for number, term in enumerate(sorted(set().union(*tokens.values())))}
            rows = [[terms[term] for term in tokens[document_id]] for document_id in self.ids]
            self._index = bm25s.BM25(k1=K1, b=B, method="lucene")
            self._index.index((rows, terms), create_empty_token=False, show_progress=False)

    def scores(self, query: str) -> np.ndarray:
        """float32 (n,) in the order of `ids`; 0 where no word of the query occurs."""
        if self._index is None:
            return np.zeros(0, np.float32)
        found: np.ndarray = self._index.get_scores_from_ids(self._index.get_tokens_ids(words(query)))
        return found

    def search(self, queries: Mapping[str, str], depth: int) -> Run:
        """The `depth` best documents for each query, among those that share a word with it."""
        run: Run = {}
        for query_id, text in progress(queries.items(), "bm25", unit="query"):
            scores = self.scores(text)
            run[query_id] = {one: score for one, score in ranked(self.ids, scores, depth).items() if score > 0}
        return run

    def similarities(self, queries: Mapping[str, str], wanted: Mapping[str, Iterable[str]]) -> Run:
        """Scores of single pairs, by query id; a document that is not in the index is left out."""
        run: Run = {}
        for query_id, text in progress(queries.items(), "bm25 positives", unit="query"):
            scores = self.scores(text)
            named = [one for one in wanted.get(query_id, ()) if one in self._row_of]
            run[query_id] = {one: float(scores[self._row_of[one]]) for one in named}
        return run
