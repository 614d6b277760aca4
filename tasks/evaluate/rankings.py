"""The rankings of the four systems over the same test videos."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from tasks.shared.artifacts import transcripts, vectors
from tasks.shared.artifacts.corpus import Query, Video
from tasks.shared.artifacts.document import document_text
from tasks.shared.artifacts.rows import refuse
from tasks.shared.artifacts.transcripts import read_transcripts
from tasks.shared.artifacts.types import Run, TextField
from tasks.shared.artifacts.vectors import Vectors, mismatched, read_vectors
from tasks.shared.execution.params import Params
from tasks.shared.retrieval.bm25 import BM25
from tasks.shared.retrieval.search import search
from tasks.shared.runtime.errors import UserError


def encoded(videos: Sequence[Video], queries: Sequence[Query], depth: int) -> tuple[dict[str, Run], int]:
    """Rankings of tuned, where an adapter was trained, and base, and how many videos have no vector: they are in none.
    Raises UserError where the vectors are not those of the test split."""
    runs: dict[str, Run] = {}
    missing = 0
    for system in encoders():
        documents, asked = read_vectors(system, "videos"), read_vectors(system, "queries")
        known = {"video": {one.video_id for one in videos}, "query": {one.query_id for one in queries}}
        for what, found in (("video", documents), ("query", asked)):
            if strange := set(found.ids) - known[what]:
                name = f"the {what} {min(strange)}"
                raise UserError(f"the vectors of {system} have {name}, the test split not; `dvc repro encode`")
        if lost := known["query"] - set(asked.ids):
            raise UserError(f"query {min(lost)} has no vector of {system}; run `dvc repro encode`")
        refuse(mismatched(system, "queries", asked, {query.query_id: query.digest() for query in queries}))
        runs[system] = search(asked, documents, depth)
        missing = max(missing, len(videos) - len(documents.ids))
    return runs, missing


def encoders(folder: Path = vectors.FOLDER) -> list[str]:
    """The systems that encoded: tuned where an adapter was trained, and base."""
    return [one for one in vectors.SYSTEMS if one != "tuned" or (folder / "tuned.videos.parquet").exists()]


def read_views(names: Collection[str], folder: Path = vectors.FOLDER) -> dict[str, dict[str, Vectors]]:
    """The test videos' vectors by system and view."""
    return {one: {view: read_vectors(one, "videos", folder, view) for view in names} for one in encoders(folder)}


def of_text(
    videos: Sequence[Video], queries: Sequence[Query], params: Params, take_gpus: Callable[[], object]
) -> tuple[dict[str, Run], dict[str, str | None] | None]:
    """Rankings of text_dense and bm25 over the documents' text, and what the dense retriever was. A video without text
    is in neither: there is nothing to compare a query with. `take_gpus` is called before the retriever is loaded."""
    from tasks.shared.retrieval.dense import DenseRetriever

    texts = texts_of(videos, params.document.test_text)
    asked = {query.query_id: query.text for query in queries}
    depth = params.evaluate.depth
    bm25 = BM25(texts).search(asked, depth)
    if not texts:
        return {"text_dense": {query_id: {} for query_id in asked}, "bm25": bm25}, None
    retriever = DenseRetriever(params.retriever, params.run.threads, take_gpus)
    dense = search(retriever.queries(asked), retriever.documents(texts), depth)
    return {"text_dense": dense, "bm25": bm25}, retriever.identity()


def texts_of(videos: Sequence[Video], chosen: Sequence[TextField], folder: Path = transcripts.FOLDER) -> dict[str, str]:
    """The text of every document that has any, by video id."""
    found = read_transcripts(folder)
    return {one.video_id: text for one in videos if (text := document_text(one, found.get(one.video_id), chosen))}
