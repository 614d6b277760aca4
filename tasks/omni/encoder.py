"""One system's vectors of documents and queries, each kept in the item store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tasks.omni.document import Document
from tasks.omni.plan import NO_VIEWS, QUERY, marked, plan_encoding
from tasks.omni.work import Encode, TextRead, read_text, read_vector
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
    """A system's vectors in id order, and what became of the work.

    Attributes:
        videos: of the documents; queries: of the queries; views: of the documents of every view, by its name.
        texts: the text read of every document.
        failures: documents, and documents of views, that could not be encoded.
        items: how many there were; reused: how many of them came from the store.
    """

    videos: Vectors
    queries: Vectors
    views: dict[str, Vectors]
    texts: dict[str, TextRead]
    failures: list[Failure]
    items: int
    reused: int


class Encoder:
    """Encodes with one system, whose weights are loaded only where the store lacks an item.

    Args:
        system: whose weights.
        encoding: its digest, type of numbers and limits of text.
        threads: of torch on the CPU, in each process.
        processes: that encode; each loads the weights, onto a GPU of its own where there are any.
        take_gpus: called with their number before they start; says which GPUs they have.
    """

    def __init__(
        self,
        system: System,
        encoding: Encoding,
        *,
        threads: int,
        processes: int,
        take_gpus: Callable[[int], list[str]],
    ) -> None:
        self.work = Encode(system, encoding, threads)
        self.processes = processes
        self.take_gpus = take_gpus

    def encode(
        self,
        documents: Collection[Document],
        queries: Mapping[str, str],
        views: Mapping[str, Collection[Document]] = NO_VIEWS,
    ) -> Encoded:
        """Vectors of documents, of queries by their id, and of further documents of the same videos by view.

        What a view shows of a video may be all that its document has: then it is encoded once.

        Raises UserError where the system cannot be loaded and for a query that cannot be encoded: without it no score
        is right. A document that cannot be encoded is a failure.
        """
        planned = plan_encoding(self.work.encoding, self.work.threads, documents, queries, views)

        def prepare() -> None:
            self.work.gpus = self.take_gpus(self.processes)

        work, name = self.work, self.work.system.name
        outcome = process(
            f"encode {name}", planned.plan, work.encode,
            workers=self.processes, prepare=prepare, start=work.start, load=work.load,
        )  # fmt: skip
        failures = [_failure_of(one) for one in outcome.failures]
        done = outcome.done
        found = _vectors(
            {one.video_id: (one.digest, done[one.video_id]) for one in documents if one.video_id in done}, 0
        )
        dimension = found.values.shape[1]
        texts = {one: read_text(done[one]) for one in progress(found.ids, "collect texts")}
        return Encoded(
            found,
            _vectors({one: (sha256_text(text), done[marked(QUERY, one)]) for one, text in queries.items()}, dimension),
            {
                view: _vectors(
                    {one: (digest, done[job]) for one, (digest, job) in some.items() if job in done}, dimension
                )
                for view, some in planned.views.items()
            },
            texts,
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
