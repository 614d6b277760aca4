"""Exact search: every query against every document by inner product, in the order in which trec_eval ranks.

trec_eval sorts by score and, where scores are equal, by document id, both descending. A ranking made here is in
that order, so no rank depends on how documents were stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from tasks.shared.artifacts.types import Run
from tasks.shared.artifacts.vectors import Vectors
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.progress import progress

CHUNK = 1 << 22  # numbers of documents' vectors held as float64 at once: 32 MiB
QUERIES = 512  # scored at once


def search(queries: Vectors, documents: Vectors, depth: int, chunk: int = CHUNK) -> Run:
    """The `depth` documents, float32 (n, dim), with the highest inner product with each query, float32 (q, dim).

    Scores are float32. Products are summed in float64, where products of float32 are exact, and rounded once, so a
    score depends on the two vectors and not on what BLAS does with the shape of a chunk or the number of threads (but
    for sums that lie within 1e-16 of the middle between two float32). `chunk` numbers of documents' vectors are held as
    float64 at once. Raises UserError where the dimensions differ or a vector is not finite.
    """
    if not documents.ids or not queries.ids:
        return {query_id: {} for query_id in queries.ids}
    check(queries, documents)
    order = _by_id(documents)
    best = np.empty((len(queries.ids), 0), np.float32)
    found = np.empty((len(queries.ids), 0), np.int64)
    for positions in progress(_chunks(documents, chunk), "search", unit="chunk"):
        scores = products(queries.values, documents.values[order[positions]])
        scores = np.concatenate([best, scores], axis=1)
        places = np.concatenate([found, np.broadcast_to(positions, (len(queries.ids), len(positions)))], axis=1)
        top = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
        best, found = np.take_along_axis(scores, top, axis=1), np.take_along_axis(places, top, axis=1)
    return {
        query_id: {documents.ids[order[place]]: float(score) for place, score in zip(places, scores, strict=True)}
        for query_id, places, scores in zip(queries.ids, found.tolist(), best.tolist(), strict=True)
    }


def _by_id(documents: Vectors) -> np.ndarray:
    """Rows, the highest id first: a stable sort by score then leaves equal scores in the order wanted."""
    return np.array(sorted(range(len(documents.ids)), key=lambda row: documents.ids[row], reverse=True))


def _chunks(documents: Vectors, chunk: int) -> list[np.ndarray]:
    rows = max(1, chunk // documents.values.shape[1])
    return [np.arange(start, min(start + rows, len(documents.ids))) for start in range(0, len(documents.ids), rows)]


def similarities(queries: Vectors, documents: Vectors, wanted: Mapping[str, Iterable[str]]) -> Run:
    """Inner products of single pairs, computed as `search` does: by query id, of the documents wanted for it. A
    document that has no vector is left out."""
    if not documents.ids or not queries.ids:
        return {query_id: {} for query_id in queries.ids}
    check(queries, documents)
    row_of = {document_id: row for row, document_id in enumerate(documents.ids)}
    found: Run = {}
    for query_id, vector in zip(queries.ids, queries.values, strict=True):
        named = [document_id for document_id in wanted.get(query_id, ()) if document_id in row_of]
        scores = products(vector[None], documents.values[[row_of[document_id] for document_id in named]])[0]
        found[query_id] = dict(zip(named, scores.tolist(), strict=True))
    return found


def ranks(queries: Vectors, documents: Vectors, relevant: Sequence[str], chunk: int = CHUNK) -> list[int]:
    """At which rank, from 1, `search` would have one document for each query, without ranking the others. `relevant`
    has for every query the id of a document. Raises UserError as `search` does."""
    if not queries.ids:
        return []
    check(queries, documents)
    order = _by_id(documents)
    place_of = {documents.ids[row]: place for place, row in enumerate(order)}
    wanted = np.array([place_of[one] for one in relevant])
    before = np.zeros(len(queries.ids), np.int64)
    for first in range(0, len(queries.ids), QUERIES):
        some = slice(first, first + QUERIES)
        asked, places = queries.values[some], wanted[some]
        own = np.diagonal(products(asked, documents.values[order[places]]))[:, None]
        for positions in _chunks(documents, chunk):
            scores = products(asked, documents.values[order[positions]])
            ahead = (scores > own) | ((scores == own) & (positions < places[:, None]))
            before[some] += ahead.sum(axis=1)
    return (before + 1).tolist()


def ranked(ids: Sequence[str], scores: np.ndarray, depth: int) -> dict[str, float]:
    """The `depth` best of scored documents: `ids` in descending order, `scores` (n,) beside them."""
    top = np.argsort(-scores, kind="stable")[:depth]
    return {ids[place]: float(scores[place]) for place in top}


def products(queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
    """Inner products of (q, dim) and (n, dim), as `search` scores: float32 (q, n)."""
    wide = documents.astype(np.float64).T
    blocks = [queries[start : start + QUERIES].astype(np.float64) @ wide for start in range(0, len(queries), QUERIES)]
    return np.concatenate([block.astype(np.float32) for block in blocks])


def check(queries: Vectors, documents: Vectors) -> None:
    """Raise UserError where the dimensions differ or a vector is not finite."""
    if queries.values.shape[1] != documents.values.shape[1]:
        raise UserError(
            f"queries have {queries.values.shape[1]} dimensions and documents {documents.values.shape[1]}: "
            "they are of different encoders; encode both again"
        )
    for vectors in (queries, documents):
        wrong = np.flatnonzero(~np.isfinite(vectors.values).all(axis=1))
        if wrong.size:
            raise UserError(f"the vector of {vectors.ids[wrong[0]]} is not finite; look at the encoder that made it")
