"""One system's vectors of documents and queries, each kept in the item store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tasks.omni.document import Document
from tasks.omni.encode_item import ItemEncoder, TextRead, read_text, read_vector
from tasks.omni.plan import NO_VIEWS, QUERY, marked, plan_encoding
from tasks.shared.artifacts.index import Encoding
from tasks.shared.artifacts.models import System
from tasks.shared.artifacts.vectors import Vectors
from tasks.shared.execution.engine import process
from tasks.shared.execution.failures import Failure
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_text
from tasks.shared.runtime.progress import progress


@dataclass(frozen=True)
class Encoded:
    """A system's vectors in id order, and what became of the work."""

    videos: Vectors
    queries: Vectors
    views: dict[str, Vectors]  # by name
    texts: dict[str, TextRead]  # of every document
    failures: list[Failure]  # of documents, and of documents of views
    items: int
    reused: int  # of the items, out of the store


def encode(
    system: System,
    encoding: Encoding,
    documents: Collection[Document],
    queries: Mapping[str, str],
    views: Mapping[str, Collection[Document]] = NO_VIEWS,
    *,
    threads: int,
    processes: int,
    take_gpus: Callable[[int], list[str]],
) -> Encoded:
    """Vectors of documents, of queries by their id, and of further documents of the same videos by view.

    Each of the processes uses so many threads of torch and loads the weights, onto a GPU of its own of those that
    `take_gpus` returns for their number; it is called only where the store lacks an item. Raises UserError where the
    system cannot be loaded and for a query that cannot be encoded: without it no score is right. A document that cannot
    be encoded is a failure.
    """
    planned = plan_encoding(encoding, threads, documents, queries, views)
    work = ItemEncoder(system, encoding, threads)

    def prepare() -> None:
        work.gpus = take_gpus(processes)

    outcome = process(
        f"encode {system.name}", planned.plan, work.encode,
        workers=processes, prepare=prepare, start=work.start, load=work.load,
    )  # fmt: skip
    failures, done = [_failure_of(one) for one in outcome.failures], outcome.done
    found = _vectors({one.video_id: (one.digest, done[one.video_id]) for one in documents if one.video_id in done}, 0)
    asked = {one: (sha256_text(text), done[marked(QUERY, one)]) for one, text in queries.items()}
    shown = {
        view: {one: (digest, done[job]) for one, (digest, job) in some.items() if job in done}
        for view, some in planned.views.items()
    }
    dimension = found.values.shape[1]
    return Encoded(
        found,
        _vectors(asked, dimension),
        {view: _vectors(entries, dimension) for view, entries in shown.items()},
        {one: read_text(done[one]) for one in progress(found.ids, "collect texts")},
        failures,
        planned.plan.size,
        outcome.reused,
    )


def _failure_of(failure: Failure) -> Failure:
    """A failure by its video's id, and of a view with the view beside the step. Raises UserError for a query's."""
    kind, slash, name = failure.video_id.partition("/")
    if not slash:
        return failure
    if kind == QUERY:
        raise UserError(f"query {name} cannot be encoded: {failure.message}; mend or remove it")
    return replace(failure, video_id=name, step=f"{failure.step} {kind}")


def _vectors(entries: Mapping[str, tuple[str, Path]], dimension: int) -> Vectors:
    """Vectors of finished items in id order, (0, dimension) of none; `entries` have the digest of each one's source."""
    if not entries:
        return Vectors([], np.zeros((0, dimension), np.float32))
    ids = sorted(entries)
    read = progress([entries[one][1] for one in ids], "collect vectors", unit="vector")
    return Vectors(ids, np.stack([read_vector(entry) for entry in read]), [entries[one][0] for one in ids])
