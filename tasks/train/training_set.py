"""The training set: rows of queries and videos, their texts and documents; and the store of trained adapters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.shared.artifacts.corpus import read_queries, read_videos
from tasks.shared.artifacts.models import base_system
from tasks.shared.artifacts.negatives import MinedQuery, mismatched
from tasks.shared.artifacts.rows import refuse
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.items import ItemStore, store_folder
from tasks.shared.execution.params import Params
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_json
from tasks.shared.runtime.gpu import visible_gpus
from tasks.train.rows import Row, training_rows
from tasks.train.views import Views

if TYPE_CHECKING:
    from tasks.omni.document import Document

COMPONENTS = ("peft", "sentence-transformers", "torch", "transformers")


@dataclass(frozen=True)
class TrainingSet:
    """Everything that a training reads."""

    mined: Sequence[MinedQuery]  # queries with their positives and mined negatives
    queries: dict[str, str]  # text by query id
    documents: dict[str, Document]  # training videos that can be shown, by id
    rows: list[Row]  # a query, a positive and negatives each
    drawn: int  # negatives drawn at random
    not_extracted: int  # training videos that failed
    without_chosen_modalities: int  # training videos that have nothing to show
    pairs_left_out: int  # judged pairs whose video is one of them

    @property
    def positives(self) -> dict[str, frozenset[str]]:
        """The judged positives of every query."""
        return {one.query_id: frozenset(one.positives) for one in self.mined}

    def digest(self) -> str:
        """sha256 of the content: rows, judged positives, texts and documents."""
        shown = {
            "rows": [[row.query_id, row.positive, *row.negatives] for row in self.rows],
            "positives": {one.query_id: one.positives for one in self.mined},
            "queries": {row.query_id: self.queries[row.query_id] for row in self.rows},
            "documents": {video_id: self.documents[video_id].digest for video_id in _videos(self.rows)},
        }
        return sha256_json(shown)

    def views(self, params: Params) -> Views:
        """Which modified views of the documents the batches show."""
        contents = {video_id: document.contents for video_id, document in self.documents.items()}
        return Views(params.train, params.run.seed, contents)


def read_training_set(params: Params, mined: Sequence[MinedQuery], root: Path = RESULTS) -> TrainingSet:
    """The training set of the published corpus, media, transcripts and negatives. UserError where it has no row."""
    from tasks.omni.documents import read_documents

    asked = read_queries(root / "corpus" / "queries.parquet", "train")
    refuse(mismatched(mined, asked))
    queries = {query.query_id: query.text for query in asked}
    videos = read_videos(root / "corpus" / "manifest.parquet", "train")
    read = read_documents(videos, params.train.modalities, params.document.train_text, root)
    rows, drawn = training_rows(mined, list(read.found), params.train.negatives, params.run.seed)
    judged = [video_id for one in mined for video_id in one.positives]
    if not rows and not set(judged).isdisjoint(read.without):
        chosen = ", ".join(params.train.modalities)
        raise UserError(f"no judged positive has anything of train.modalities ({chosen}); choose others in params.yaml")
    if not rows:
        raise UserError("no training query has a positive that could be read; see failures.jsonl of extract")
    return TrainingSet(
        mined=mined,
        queries=queries,
        documents=read.found,
        rows=rows,
        drawn=drawn,
        not_extracted=len(read.not_extracted),
        without_chosen_modalities=len(read.without),
        pairs_left_out=len(judged) - len(rows),
    )


def training_store(params: Params, keys: Iterable[str], ranks: int, root: Path = RESULTS) -> ItemStore:
    """The store of trained adapters, each keyed by its training set's digest and what else decides it: params at these
    keys, code, versions, the starting weights, the device, and the number of ranks, which changes the last bits of
    sums."""
    base = base_system(root)
    own = root / "base" in Path(base.model).parents
    name = RESULTS / Path(base.model).relative_to(root) if own else base.model  # wherever the results folder lies
    decides = {
        "params": {key: params.section(key) for key in keys},
        "versions": {name: version(name) for name in COMPONENTS},
        "device": "cuda" if visible_gpus() else "cpu",
        "ranks": ranks,
        "base": [base.digest(), str(name), base.revision],  # the adapter names its base
    }
    return ItemStore("train", "tasks.train.learn", decides)


def checkpoints(key: str) -> Path:
    """The folder of an unfinished training's checkpoints, by the key of its adapter."""
    return store_folder() / "training" / key[:32]


def _videos(rows: Iterable[Row]) -> set[str]:
    return {video_id for row in rows for video_id in (row.positive, *row.negatives)}
