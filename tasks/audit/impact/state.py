"""The artifacts of a lineage as the impact reads them: each once, and only when it is asked for."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.lineage.items import READER, TEXT_FIELDS
from tasks.lineage.lineage import Lineage
from tasks.shared.artifacts.corpus import Qrels, Query, Video, read_qrels, read_queries, read_videos
from tasks.shared.artifacts.exposures import Exposure, read_exposures
from tasks.shared.artifacts.media import Media, read_media
from tasks.shared.artifacts.negatives import MinedQuery, read_negatives
from tasks.shared.artifacts.scores import SYSTEMS, QueryScores, Scores, read_per_query, read_scores
from tasks.shared.artifacts.transcripts import Transcript, read_transcripts
from tasks.shared.execution.items import store_folder
from tasks.shared.runtime.errors import UserError

if TYPE_CHECKING:
    from tasks.omni.document import Document


class State:
    """Tables of a lineage. Every attribute raises UserError where its file is not to be had."""

    def __init__(self, lineage: Lineage) -> None:
        self.lineage = lineage
        self._documents: dict[str, dict[str, Document]] = {}

    @property
    def params(self) -> dict[str, Any]:
        return self.lineage.params

    @cached_property
    def videos(self) -> dict[str, Video]:
        return {one.video_id: one for one in read_videos(self._at("corpus", "manifest.parquet"))}

    @cached_property
    def queries(self) -> dict[str, Query]:
        return {one.query_id: one for one in read_queries(self._at("corpus", "queries.parquet"))}

    @cached_property
    def qrels(self) -> Qrels:
        """Judgments of both splits."""
        return {
            query: judged
            for split in ("train", "test")
            for query, judged in read_qrels(self._at("corpus", f"qrels.{split}.trec")).items()
        }

    @cached_property
    def media(self) -> dict[str, Media]:
        return read_media(self._at("extract", "media.parquet").parent)

    @cached_property
    def transcripts(self) -> dict[str, Transcript]:
        return read_transcripts(self._at("transcribe", "transcripts.parquet").parent)

    @cached_property
    def mined(self) -> list[MinedQuery]:
        return read_negatives(self._at("mine", "negatives.jsonl"))

    @cached_property
    def exposures(self) -> list[Exposure]:
        """What training showed; nothing where it had nothing to train on."""
        if not self.trained:
            return []
        return read_exposures(self._at("train", "exposures.parquet").parent)

    @cached_property
    def trained(self) -> bool:
        """Whether there is an adapter."""
        return bool(self.count("train", "steps"))

    @cached_property
    def shown_videos(self) -> set[str]:
        return {one.video_id for one in self.exposures}

    @cached_property
    def shown_queries(self) -> set[str]:
        return {one.query_id for one in self.exposures}

    def modalities(self, split: str) -> list[str]:
        """What the documents of a split consist of. Raises UserError where another version had other params."""
        return self._chosen(f"{READER[split]}.modalities")

    def text_fields(self, split: str) -> list[str]:
        """What the text of a split's documents is made of. Raises as `modalities` does."""
        return self._chosen(TEXT_FIELDS[split])

    def _chosen(self, key: str) -> list[str]:
        try:
            chosen: list[str] = self.lineage.param(key)
        except KeyError:
            raise UserError(f"{self.lineage.name} has no param {key}; it is of another version") from None
        return chosen

    def documents(self, split: str) -> dict[str, Document]:
        """The documents of a split's videos by video id, as its params have them."""
        if split not in self._documents:
            self._documents[split] = self.documents_with(split, self.modalities(split), self.text_fields(split))
        return self._documents[split]

    def documents_with(self, split: str, modalities: list[str], fields: list[str]) -> dict[str, Document]:
        """The same with other modalities, and a text of other fields."""
        from tasks.omni.documents import read_documents

        self._at("extract", "media.parquet")
        self._at("transcribe", "transcripts.parquet")
        videos = [one for one in self.videos.values() if one.split == split]
        return read_documents(videos, modalities, fields, self.lineage.results).found

    @cached_property
    def scores(self) -> Scores:
        return read_scores(self._at("evaluate", "metrics.json").parent)

    @cached_property
    def per_query(self) -> list[QueryScores]:
        return read_per_query(self._at("evaluate", "per_query.parquet").parent)

    @cached_property
    def runs(self) -> dict[str, Path]:
        """Files of rankings by system."""
        outputs = self.lineage.execution("evaluate").generated
        paths = {system: f"results/evaluate/runs/{system}.trec" for system in SYSTEMS}
        return {system: self.lineage.need(path) for system, path in paths.items() if path in outputs}

    @cached_property
    def encoders(self) -> list[str]:
        """Systems that have vectors, the final one first."""
        outputs = self.lineage.execution("encode").generated
        return [one for one in ("tuned", "base") if f"results/encode/vectors/{one}.videos.parquet" in outputs]

    def vectors(self, system: str, kind: str) -> Path:
        """The file of a system's vectors of `videos` or `queries`."""
        return self.lineage.need(f"results/encode/vectors/{system}.{kind}.parquet")

    def count(self, stage: str, name: str) -> int:
        """A count of a stage's manifest; 0 where it has none of that name."""
        return self.lineage.execution(stage).counts.get(name, 0)

    def _at(self, stage: str, name: str) -> Path:
        return self.lineage.need(f"results/{stage}/{name}")


def kept_items(step: str) -> int:
    """How many finished items of a step the store has."""
    folder = store_folder() / "items" / step
    try:
        shelves = [one.path for one in os.scandir(folder) if one.is_dir()]
    except OSError:
        return 0
    return sum(not entry.name.startswith(".") for shelf in shelves for entry in os.scandir(shelf))
