"""Search in the published index: by what a video is like, and by the words that it has.

The model that made the index turns the query into a vector, whose inner product with a video's tells how alike they
are; beside it counts how much of the query the video's own text says (title, caption, description, transcript,
on-screen text). The two are added. Names and rare words, which a small model cannot know, are found by the second;
pictures, sounds and other languages by the first. The pipeline's score is of the vectors alone. Where the index was
made with `evaluate.fusion`, the first may be how alike the query is to each of a video's modalities, made one score.
"""

from __future__ import annotations

import json
import math
import sys
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, pstdev
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

from tasks.shared.artifacts.index import FOLDER, Hit
from tasks.shared.artifacts.publish import MANIFEST, read_manifest
from tasks.shared.artifacts.types import FusionMethod
from tasks.shared.retrieval.index import Index
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json
from tasks.shared.runtime.progress import watched

if TYPE_CHECKING:
    import numpy as np

TITLE_WIDTH = 48  # columns of a terminal
EXCERPT = 300  # characters of the transcript and of on-screen text that are shown
HEADER = ("rank", "score", "title", "language, type", "length", "path")


@dataclass(frozen=True)
class Found:
    """A video in the list: rank from 1, the score it is ranked by, and the share of the query that its text says."""

    rank: int
    score: float
    words: float
    hit: Hit


def search(
    words: str,
    k: int,
    filters: Mapping[str, str | None],
    folder: Path = FOLDER,
    *,
    by_words: bool = True,
    fusion: FusionMethod = "joint",
) -> list[Found]:
    """The k videos of an index that fit words best, best first; equal scores by id, descending.

    Args:
        words: the query, without the model's prefix.
        k: how many videos.
        filters: `language` and `video_type` that a video must have; None does not filter.
        folder: the encode artifact's; the artifacts base and train beside it name the model.
        by_words: whether the words of a video's text count beside its vector.
        fusion: joint for the index's vectors, or how those of single modalities become one score. Its scores are
            brought to the mean and the spread of the index's similarities, so that words count the same beside both.

    Raises UserError for a query without a word, no index, a filter that no video passes, an index that another model
    made, and one without the vectors that a fusion needs.
    """
    if not words.strip():
        raise UserError('the query is empty; give words to look for, such as `reeltrace search "flood in the harbour"`')
    index = Index(folder)
    index.check({name: value for name, value in filters.items() if value is not None})
    encoding = index.manifest.encoding
    system = index.system()
    if watched():
        print(f"loading the model of {encoding.system} ...", file=sys.stderr)
    from tasks.omni.query import query_vector

    query = query_vector(words, system, encoding)
    hits = index.search(query, index.manifest.rows, filters)  # all: the best by words may be the last by vector
    alike = {hit.video_id: hit.similarity for hit in hits}
    if fusion != "joint":
        alike = _at_scale(_fused(fusion, query, system.name, folder), alike)
        hits = [hit for hit in hits if hit.video_id in alike]
    texts = {
        hit.video_id: " ".join(filter(None, (hit.caption, hit.title, hit.description, hit.transcript, hit.ocr)))
        for hit in hits
    }
    shares = coverage(words, texts if by_words else {})
    scored = [(alike[hit.video_id] + shares.get(hit.video_id, 0.0), hit.video_id, hit) for hit in hits]
    best = sorted(scored, key=lambda one: one[:2], reverse=True)[:k]
    return [Found(rank, score, shares.get(name, 0.0), hit) for rank, (score, name, hit) in enumerate(best, start=1)]


def coverage(query: str, texts: Mapping[str, str]) -> dict[str, float]:
    """For every text's id, the weight of the query's words that it has over the weight of all of them, 0 to 1.

    Words are those of the BM25 index, each weighed once by Lucene's idf, log(1 + (n - df + 0.5) / (df + 0.5)) over
    these texts; a word that no text has weighs most, so a text cannot reach 1 by having only the query's small words.
    """
    from tasks.shared.retrieval.bm25 import words

    wanted = set(words(query))
    having = {text_id: wanted.intersection(words(text)) for text_id, text in texts.items()}
    frequency = Counter(word for found in having.values() for word in found)
    weight = {word: math.log1p((len(texts) - frequency[word] + 0.5) / (frequency[word] + 0.5)) for word in wanted}
    whole = math.fsum(weight.values())
    return {
        text_id: math.fsum(weight[word] for word in sorted(found)) / whole if whole else 0.0
        for text_id, found in having.items()
    }


def _fused(method: FusionMethod, query: np.ndarray, system: str, folder: Path) -> dict[str, float]:
    """Scores of all videos by the vectors of their modalities, made with the index and lying beside it."""
    from tasks.shared.artifacts.corpus import read_qrels
    from tasks.shared.artifacts.vectors import Vectors
    from tasks.shared.retrieval.fusion import fused
    from tasks.shared.retrieval.methods import make_fusion, make_weighting, read_modalities

    params, root = read_json(folder / MANIFEST)["params"], folder.parent
    if method not in params.get("evaluate.fusion", ()):
        raise UserError(f"{folder} was made without {method}; add it to evaluate.fusion and run `dvc repro encode`")
    modalities, vectors = params["encode.modalities"], folder / "vectors"
    given = read_manifest("evaluate", root)["params"]["evaluate"]["weights"] if method == "weights" else {}
    judged = root / "corpus" / "qrels.train.trec"
    if method == "routed" and not judged.is_file():
        raise UserError(f"{judged} is missing, from which routing is learnt; run `dvc repro corpus`")
    training = read_qrels(judged) if method == "routed" else {}
    weighting = make_weighting(method, system, modalities, given, training, vectors)
    views = read_modalities(system, "videos", modalities, vectors)
    depth = sum(len(one.ids) for one in views.values())
    return fused(Vectors(["query"], query[None]), views, {method: make_fusion(weighting)}, depth)[method]["query"]


def _at_scale(scores: Mapping[str, float], like: Mapping[str, float]) -> dict[str, float]:
    """Scores of those that are in `like`, with the mean and the standard deviation of its values."""
    there = {one: score for one, score in scores.items() if one in like}
    if not there:
        return {}
    spread = pstdev(there.values())
    times = pstdev(like.values()) / spread if spread else 0.0
    return {one: fmean(like.values()) + times * (score - fmean(there.values())) for one, score in there.items()}


def as_json(words: str, found: Sequence[Found]) -> str:
    """The query and its results as indented JSON, transcripts and on-screen text cut to their start."""
    results = []
    for one in found:
        row = asdict(one)
        hit = row.pop("hit")
        results.append(row | hit | {name: hit[name] and hit[name][:EXCERPT] for name in ("transcript", "ocr")})
    return json.dumps({"query": words, "results": results}, indent=2, ensure_ascii=False)


def as_table(found: Sequence[Found]) -> str:
    """The results as a table with a header, columns aligned also where characters are two columns wide."""
    rows = [HEADER, *(_row(one) for one in found)]
    widths = [max(cell_len(row[column]) for row in rows) for column in range(len(HEADER) - 1)]
    return "\n".join(
        "  ".join([*(set_cell_size(cell, width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    )


def _row(one: Found) -> tuple[str, ...]:
    hit = one.hit
    about = ", ".join(_plain(value) for value in (hit.language, hit.video_type) if value)
    title = _plain(hit.title or hit.video_id)
    if cell_len(title) > TITLE_WIDTH:
        title = set_cell_size(title, TITLE_WIDTH - 1).rstrip() + "…"
    return str(one.rank), f"{one.score:.4f}", title, about, _length(hit.duration), _plain(hit.path)


def _plain(text: str) -> str:
    """On one line and without control characters: a title must not steer the terminal."""
    return "".join(
        " " if one.isspace() else one for one in text if one.isspace() or unicodedata.category(one)[0] != "C"
    )


def _length(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
