"""The views that evaluation asks for: documents shown with some of their modalities."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tasks.omni.documents import Document, read_documents
from tasks.shared.artifacts.corpus import Video
from tasks.shared.artifacts.vectors import VIEWS
from tasks.shared.params import Params


def views(params: Params) -> list[str]:
    """Names of the views that these params need, in the order of `VIEWS`; usually none."""
    return list(VIEWS) if params.evaluate.directions else []


def documents_of(view: str, videos: Collection[Video], text_fields: Sequence[str]) -> list[Document]:
    """The documents of the videos that have every modality of a view, showing nothing else."""
    shown = read_documents(videos, VIEWS[view], text_fields).found
    return [one for one in shown.values() if len(one.modalities) == len(VIEWS[view])]
