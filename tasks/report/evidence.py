"""Everything the report tells of, read from the published stages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.lineage.lineage import Lineage
from tasks.lineage.open import published
from tasks.shared.artifacts import corpus, losses, media, models, negatives, runs, scores, transcripts
from tasks.shared.artifacts.corpus import Qrels, Query, Video
from tasks.shared.artifacts.index import IndexManifest, read_index_manifest
from tasks.shared.artifacts.media import Media
from tasks.shared.artifacts.models import BaseModel, Training
from tasks.shared.artifacts.negatives import MinedQuery
from tasks.shared.artifacts.scores import HEADLINE, Scores
from tasks.shared.artifacts.transcripts import Transcript
from tasks.shared.artifacts.types import RESULTS, Run
from tasks.shared.execution.failures import FAILURES, Failure, read_failures
from tasks.shared.runtime.files import read_json

STAGES = ("corpus", "extract", "transcribe", "mine", "base", "train", "encode", "evaluate")  # as each feeds the next


@dataclass(frozen=True)
class Evidence:
    """What a results folder holds.

    Attributes:
        root: the results folder.
        lineage: executions of every stage before the report, by its manifest.
        videos: all, by id; queries: of both splits, by id; qrels: of the test split.
        media, transcripts: by video id; a video that failed or lacks the modality is not there.
        losses: training curve, column by column; None where nothing was trained.
        index: the index's content manifest; recogniser: model, revision and digest of the speech recogniser.
        ndcg: nDCG@10 by system and query id; runs: by system, for every test query.
        failures: with the stage in whose folder each is recorded.
    """

    root: Path
    lineage: Lineage
    videos: dict[str, Video]
    queries: dict[str, Query]
    qrels: Qrels
    media: dict[str, Media]
    transcripts: dict[str, Transcript]
    mined: list[MinedQuery]
    base: BaseModel
    training: Training
    losses: dict[str, list[float]] | None
    index: IndexManifest
    recogniser: dict[str, Any]
    scores: Scores
    ndcg: dict[str, dict[str, float]]
    runs: dict[str, Run]
    failures: list[tuple[str, Failure]]

    @property
    def source(self) -> str:
        """Where the corpus came from: demo, folder or multivent."""
        return str(self.lineage.execution("corpus").param("corpus.source"))

    @property
    def lead(self) -> str | None:
        """The system that the report is about: tuned, or base where nothing was trained; None without runs."""
        return next(iter(self.runs), None)

    @property
    def headline(self) -> float | None:
        """That system's nDCG@10; None without scores."""
        return self.scores.systems.get(self.lead or "", {}).get(HEADLINE)

    def test_videos(self) -> list[Video]:
        """What was searched, in id order."""
        return [video for video in self.videos.values() if video.split == "test"]

    def test_queries(self) -> list[Query]:
        """Test queries in id order, judged or not."""
        return [query for query in self.queries.values() if query.split == "test"]


def read_evidence(root: Path = RESULTS) -> Evidence:
    """Read every artifact. Raises UserError where one is missing or not as this version writes it."""
    lineage = published(STAGES, root)
    folder, training = root / "evaluate", models.read_training(root)
    ndcg: dict[str, dict[str, float]] = {}
    for one in scores.read_per_query(folder):
        ndcg.setdefault(one.system, {})[one.query_id] = one.values[HEADLINE]
    ran = [name for name in scores.SYSTEMS if (folder / runs.RUNS / f"{name}.trec").is_file()]
    return Evidence(
        root=root,
        lineage=lineage,
        videos={video.video_id: video for video in corpus.read_videos(root / "corpus" / "manifest.parquet")},
        queries={query.query_id: query for query in corpus.read_queries(root / "corpus" / "queries.parquet")},
        qrels=corpus.read_qrels(root / "corpus" / "qrels.test.trec"),
        media=media.read_media(root / "extract"),
        transcripts=transcripts.read_transcripts(root / "transcribe"),
        mined=negatives.read_negatives(root / "mine" / "negatives.jsonl"),
        base=models.read_base(root),
        training=training,
        losses=_curve(root / "train") if training.trained else None,
        index=read_index_manifest(root / "encode"),
        recogniser=read_json(root / "transcribe" / models.MODEL),
        scores=scores.read_scores(folder),
        ndcg=ndcg,
        runs={name: runs.read_run(name, folder) for name in ran},
        failures=[
            (stage, one)
            for stage in STAGES
            if (root / stage / FAILURES).is_file()
            for one in read_failures(root / stage)
        ],
    )


def _curve(folder: Path) -> dict[str, list[float]]:
    rows = losses.read_losses(folder)
    names = [name for name in losses.COLUMNS if name != "grad_norm" and all(name in row for row in rows)]
    return {name: [row[name] for row in rows] for name in names}
