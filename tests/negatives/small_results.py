"""Small hand-made results of the stages from corpus to evaluate, by the artifacts' own writers."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.shared.artifacts.corpus import Judgment, Query, Video, write_qrels, write_queries, write_videos
from tasks.shared.artifacts.exposures import Exposure, write_exposures
from tasks.shared.artifacts.media import Media, write_media
from tasks.shared.artifacts.negatives import MinedQuery, Negative, write_negatives
from tasks.shared.artifacts.publish import input_files, publishing, write_manifest
from tasks.shared.artifacts.scores import MEASURES, QueryScores, write_per_query
from tasks.shared.artifacts.transcripts import Transcript, write_transcripts
from tests.project import ROOT

CORPUS = Path("results/corpus")


def video(video_id: str, **known: Any) -> Video:
    """A training video of which nothing else is known."""
    blank: dict[str, Any] = dict.fromkeys(
        ("duration", "title", "description", "caption", "language", "video_type", "event")
    )
    base = {"path": f"/videos/{video_id}.mp4", "sha256": f"sha of {video_id}", "bytes": 1, "split": "train"}
    return Video(video_id=video_id, **{**blank, **base, **known})


def query(query_id: str, text: str = "a red boat", split: Any = "train", **known: Any) -> Query:
    """A query of which nothing else is known."""
    blank: dict[str, Any] = dict.fromkeys(("language", "type", "event"))
    return Query(query_id=query_id, text=text, split=split, **{**blank, **known})


def mined(query_id: str, negatives: Mapping[str, float], positives: Mapping[str, float | None]) -> MinedQuery:
    """A query with negatives by score, ranked in the order given, and positives by score where they have one."""
    return MinedQuery(
        query_id,
        sorted(positives),
        [Negative(video_id, rank, score) for rank, (video_id, score) in enumerate(negatives.items(), start=1)],
        [],
        {video_id: score for video_id, score in positives.items() if score is not None},
    )


def media(video_id: str, **known: Any) -> Media:
    """A video with neither picture nor sound, unless they are named."""
    blank: dict[str, Any] = {
        "video_sha256": f"sha of {video_id}",
        "frames": None, "frames_sha256": None, "times": [], "source_frames": 0, "width": 0, "height": 0,
        "audio": None, "audio_sha256": None, "audio_seconds": 0.0,
    }  # fmt: skip
    return Media(video_id=video_id, **{**blank, **known})


def said(video_id: str, text: str) -> Transcript:
    """A transcript without segments."""
    return Transcript(video_id, text, "en", 1.0, [])


def scored(query_id: str, tuned: float, base: float) -> list[QueryScores]:
    """A test query's nDCG@10, and every other measure the same."""
    values = {"tuned": tuned, "base": base}
    return [QueryScores(query_id, system, dict.fromkeys(MEASURES, value)) for system, value in values.items()]


def lay(
    root: Path,
    videos: Sequence[Video],
    queries: Sequence[Query],
    found: Sequence[MinedQuery],
    *,
    judged: Sequence[Judgment] = (),
    extracted: Sequence[Media] | None = None,
    transcripts: Sequence[Transcript] | None = None,
    exposures: Sequence[Exposure] | None = None,
    scores: Sequence[QueryScores] | None = None,
    **mine: Any,
) -> None:
    """Publish results in a folder, which must be the working directory; stages that are None are not there."""
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, root / name)
    with publishing("corpus") as out:
        write_videos(out / "manifest.parquet", videos)
        write_queries(out / "queries.parquet", queries)
        positives = [Judgment(one.query_id, video_id, 1) for one in found for video_id in one.positives]
        write_qrels(out / "qrels.train.trec", [*positives, *judged])
        _manifest(out, "corpus", {}, [])
    if extracted is not None:
        with publishing("extract") as out:
            write_media(out, extracted)
            (out / "frames").mkdir()
            _manifest(out, "extract", {}, [])
    if transcripts is not None:
        with publishing("transcribe") as out:
            write_transcripts(out, transcripts)
            _manifest(out, "transcribe", {}, [])
    params = {"source": "dense", "depth": 50, "keep": 3, "relative_margin": None} | mine
    with publishing("mine") as out:
        write_negatives(out / "negatives.jsonl", found)
        _manifest(out, "mine", {"mine": params, "run.seed": 7}, [CORPUS / "manifest.parquet"])
    if exposures is not None:
        with publishing("train") as out:
            write_exposures(out, exposures)
            _manifest(out, "train", {"train": {"negatives": params["keep"]}}, input_files(Path("results/mine")))
    if scores is not None:
        with publishing("encode") as out:
            _manifest(out, "encode", {}, input_files(Path("results/train")) if exposures is not None else [])
        with publishing("evaluate") as out:
            write_per_query(out, scores)
            _manifest(out, "evaluate", {}, input_files(Path("results/encode")))


def _manifest(out: Path, stage: str, params: dict[str, Any], inputs: Sequence[Path]) -> None:
    write_manifest(out, stage, params=params, code={}, components=[], inputs=inputs, counts={})
