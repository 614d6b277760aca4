"""Search in the published index: by what a video is like, and by the words that it has.

The model that made the index turns the query into a vector, whose inner product with a video's tells how alike they
are; beside it counts how much of the query the video's own text says (title, caption, description, transcript,
on-screen text). The two are added. Names and rare words, which a small model cannot know, are found by the second;
pictures, sounds and other languages by the first. The pipeline's score is of the vectors alone. Where the index was
made with `evaluate.fusion`, the first may be how alike the query is to each of a video's modalities, made one score.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, pstdev
from typing import TYPE_CHECKING

from tasks.shared.artifacts.index import FOLDER, Hit, Index
from tasks.shared.artifacts.models import System, systems
from tasks.shared.artifacts.publish import MANIFEST, read_manifest
from tasks.shared.artifacts.types import FusionMethod
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
    system = _maker(index, folder)
    if watched():
        print(f"loading the model of {encoding.system} ...", file=sys.stderr)
    from tasks.omni.query import query_vector
    from tasks.shared.retrieval.coverage import coverage

    query = query_vector(words, system, encoding)
    hits = index.search(query, index.manifest.rows, filters)  # all: the best by words may be the last by vector
    alike = {hit.video_id: hit.similarity for hit in hits}
    if fusion != "joint":
        alike = _at_scale(_fused(fusion, query, system.name, folder), alike)
        hits = [hit for hit in hits if hit.video_id in alike]
    said = coverage(words, {hit.video_id: _text(hit) for hit in hits} if by_words else {})
    scored = [(alike[hit.video_id] + said.get(hit.video_id, 0.0), hit.video_id, hit) for hit in hits]
    best = sorted(scored, key=lambda one: one[:2], reverse=True)[:k]
    return [Found(rank, score, said.get(name, 0.0), hit) for rank, (score, name, hit) in enumerate(best, start=1)]


def _fused(method: FusionMethod, query: np.ndarray, system: str, folder: Path) -> dict[str, float]:
    """Scores of all videos by the vectors of their modalities, made with the index and lying beside it."""
    from tasks.shared.artifacts.corpus import read_qrels
    from tasks.shared.artifacts.vectors import Vectors
    from tasks.shared.retrieval.fusion import fused
    from tasks.shared.retrieval.methods import read_modalities, way, weigher

    params, root = read_json(folder / MANIFEST)["params"], folder.parent
    if method not in params.get("evaluate.fusion", ()):
        raise UserError(f"{folder} was made without {method}; add it to evaluate.fusion and run `dvc repro encode`")
    modalities, vectors = params["encode.modalities"], folder / "vectors"
    given = read_manifest("evaluate", root)["params"]["evaluate"]["weights"] if method == "weights" else {}
    judged = root / "corpus" / "qrels.train.trec"
    if method == "routed" and not judged.is_file():
        raise UserError(f"{judged} is missing, from which routing is learnt; run `dvc repro corpus`")
    training = read_qrels(judged) if method == "routed" else {}
    weigh = weigher(method, system, modalities, given, training, vectors)
    views = read_modalities(system, "videos", modalities, vectors)
    depth = sum(len(one.ids) for one in views.values())
    return fused(Vectors(["query"], query[None]), views, {method: way(weigh)}, depth)[method]["query"]


def _at_scale(scores: Mapping[str, float], like: Mapping[str, float]) -> dict[str, float]:
    """Scores of those that are in `like`, with the mean and the standard deviation of its values."""
    there = {one: score for one, score in scores.items() if one in like}
    if not there:
        return {}
    spread = pstdev(there.values())
    times = pstdev(like.values()) / spread if spread else 0.0
    return {one: fmean(like.values()) + times * (score - fmean(there.values())) for one, score in there.items()}


def _text(hit: Hit) -> str:
    return " ".join(filter(None, (hit.caption, hit.title, hit.description, hit.transcript, hit.ocr)))


def _maker(index: Index, folder: Path) -> System:
    """The system whose vectors the index holds, its weights proved to be those that made them."""
    encoding = index.manifest.encoding
    for system in systems(folder.parent):
        if system.name == encoding.system and system.digest() == encoding.checkpoint:
            return system
    raise UserError(
        f"the index in {folder} was made by another model than {folder.parent / 'base'} and "
        f"{folder.parent / 'train'} hold; run `dvc repro encode`"
    )


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
    widths = [max(_width(row[column]) for row in rows) for column in range(len(HEADER) - 1)]
    return "\n".join(
        "  ".join([*(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    )


def _row(one: Found) -> tuple[str, ...]:
    hit = one.hit
    about = ", ".join(_plain(value) for value in (hit.language, hit.video_type) if value)
    title = _cut(_plain(hit.title or hit.video_id), TITLE_WIDTH)
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


def _cut(text: str, width: int) -> str:
    if _width(text) <= width:
        return text
    while _width(text) > width - 1:
        text = text[:-1]
    return text + "…"


def _width(text: str) -> int:
    """Columns of a terminal that a text takes: wide characters two, combining ones none."""
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text
    )
