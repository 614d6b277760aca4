"""The views that evaluation asks for: documents shown with some of their modalities."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.omni.document import Document
from tasks.omni.documents import read_documents
from tasks.shared.artifacts.corpus import Video, read_queries, read_videos
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.artifacts.vectors import VIEWS
from tasks.shared.execution.params import Params


def views(*, directions: bool, fusion: Sequence[str], modalities: Sequence[str]) -> list[str]:
    """Names of the views of test videos that these params need, in the order of `VIEWS`; usually none."""
    if directions:
        return list(VIEWS)
    return list(modalities) if list(fusion) != ["joint"] else []


def documents_of(
    view: str, videos: Collection[Video], text_fields: Sequence[str], root: Path = RESULTS
) -> list[Document]:
    """The documents of the videos that have every modality of a view, showing nothing else."""
    shown = read_documents(videos, VIEWS[view], text_fields, root).found
    return [one for one in shown.values() if len(one.modalities) == len(VIEWS[view])]


@dataclass(frozen=True)
class RoutingData:
    """What routing is learnt from: documents of the training videos by view, and the training queries by id."""

    documents: dict[str, list[Document]]
    queries: dict[str, str]


def read_routing_data(params: Params, root: Path = RESULTS) -> RoutingData:
    """The data that routing is learnt from with these params; none without the method routed.

    The text is that of indexed documents, not of training ones: what is learnt is to hold in the index.
    """
    if "routed" not in params.evaluate.fusion:
        return RoutingData({}, {})
    videos = read_videos(root / "corpus" / "manifest.parquet", "train")
    queries = {query.query_id: query.text for query in read_queries(root / "corpus" / "queries.parquet", "train")}
    fields = params.document.test_text
    shown = {str(view): documents_of(view, videos, fields, root) for view in params.encode.modalities}
    return RoutingData(shown, queries)
