"""Submissions: files of rankings in the layouts of MAGMaR 2025 and 2026, and TREC runs.

2025: `{query_id: {video_id: score}}`. 2026: `{query_id: [{"video_id": ..., "relevance": score}]}`. A file's layout is
recognised by its content. Read or written, the rank follows from the score alone, equal scores by video id, both
descending, as in trec_eval.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from tasks.corpus.tables import decoded
from tasks.shared.artifacts.corpus import read_queries, read_videos
from tasks.shared.artifacts.runs import read_run
from tasks.shared.artifacts.types import RESULTS, Run
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import write_text

CORPUS = RESULTS / "corpus"

Layout = Literal["2025", "2026"]


def submit(path: Path, layout: Layout, system: str, depth: int | None) -> Run:
    """Write a system's rankings of the test queries as a submission, cut at a depth where one is given.

    Raises UserError where a test query has no ranking, where the ranking knows another corpus, and where the file does
    not read back as it was written.
    """
    run = read_run(system)
    queries = {query.query_id for query in read_queries(CORPUS / "queries.parquet", "test")}
    videos = {video.video_id for video in read_videos(CORPUS / "manifest.parquet", "test")}
    check(run, system, queries, videos)
    cut = {query_id: dict(list(ranking.items())[:depth]) for query_id, ranking in run.items()}
    write_layout(path, cut, layout)
    again = read_layout(path)
    if any(list(again.get(query_id, {}).items()) != list(ranking.items()) for query_id, ranking in cut.items()):
        raise UserError(f"{path} does not read back as it was written; write it to another disk")
    return again


def check(run: Run, system: str, queries: set[str], videos: set[str]) -> None:
    """Raise UserError unless every test query, and no other, has a ranking of test videos."""
    if lost := sorted(queries - run.keys()):
        raise UserError(
            f"{system} ranks nothing for {len(lost)} of {len(queries)} test queries, the first is {lost[0]}; "
            "run `dvc repro evaluate`, or submit another system"
        )
    strange = [f"for {query_id}, which is no test query" for query_id in sorted(run.keys() - queries)]
    for query_id, ranking in run.items():
        strange += [f"{one} for {query_id}, which is no test video" for one in sorted(ranking.keys() - videos)]
    if strange:
        raise UserError(f"{system} ranks {strange[0]}; run `dvc repro evaluate`")


def write_layout(path: Path, run: Run, layout: Layout) -> None:
    """Write rankings as JSON, a query a line, videos best first; scores with digits that give the same number again."""
    lines = []
    for query_id in sorted(run):
        ranking: Any = _ranked(run[query_id])
        if layout == "2026":
            ranking = [{"video_id": one, "relevance": score} for one, score in ranking.items()]
        lines.append(f"{json.dumps(query_id, ensure_ascii=False)}: {json.dumps(ranking, ensure_ascii=False)}")
    write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")


def read_layout(path: Path) -> Run:
    """Rankings of either layout or of a TREC run, best first.

    Raises UserError for a file in no known layout, a score that is not a finite number, and a video twice in a ranking.
    """
    try:
        text = decoded(str(path), path.read_bytes())
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); name a file of rankings") from None
    run = _parse_json(path, text) if text.lstrip().startswith(("{", "[")) else _parse_trec(path, text)
    if not run:
        raise UserError(f"{path} holds no ranking; it is empty")
    return {query_id: _ranked(scores) for query_id, scores in run.items()}


def _ranked(scores: dict[str, float]) -> dict[str, float]:
    return dict(sorted(scores.items(), key=lambda item: (item[1], item[0]), reverse=True))


def _parse_json(path: Path, text: str) -> Run:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) < len(pairs):
            ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
            raise UserError(f"{path}: {twice!r} is there twice in one object; keep one")
        return found

    try:
        content = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: not JSON ({error.msg}); write it again") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: not an object of rankings by query id")
    return {query_id: _ranking(path, query_id, ranking) for query_id, ranking in content.items()}


def _ranking(path: Path, query_id: str, ranking: Any) -> dict[str, float]:
    where = f"{path}: query {query_id}"
    if isinstance(ranking, dict):
        return _scores(where, ranking.items())
    if not isinstance(ranking, list) or not all(isinstance(one, dict) for one in ranking):
        raise UserError(f"{where}: neither {{video_id: score}} nor a list of objects with video_id and relevance")
    for one in ranking:
        if not isinstance(one.get("video_id"), str) or "relevance" not in one:
            raise UserError(f"{where}: {json.dumps(one)[:80]} lacks video_id or relevance")
    return _scores(where, ((one["video_id"], one["relevance"]) for one in ranking))


def _parse_trec(path: Path, text: str) -> Run:
    run: dict[str, list[tuple[str, float]]] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        fields = line.split()
        if not fields:
            continue
        try:
            query_id, _, video_id, _, score, _ = fields
            run.setdefault(query_id, []).append((video_id, float(score)))
        except ValueError:
            raise UserError(
                f"{path}:{number}: neither JSON nor a line of a TREC run, `query Q0 video rank score tag`"
            ) from None
    return {query_id: _scores(f"{path}: query {query_id}", pairs) for query_id, pairs in run.items()}


def _scores(where: str, pairs: Iterable[tuple[str, Any]]) -> dict[str, float]:
    scores: dict[str, float] = {}
    for video_id, score in pairs:
        if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
            raise UserError(f"{where}: the score of {video_id} is {score!r}, no finite number")
        if video_id in scores:
            raise UserError(f"{where}: video {video_id} is there twice; keep one")
        scores[video_id] = float(score)
    return scores
