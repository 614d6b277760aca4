"""One system's vectors of documents and queries, each kept in the item store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from tasks.omni import documents as room
from tasks.omni.documents import Document
from tasks.omni.prompt import QUERY_PREFIX
from tasks.omni.work import Encode, TextRead, read_text, read_vector
from tasks.shared.artifacts.index import Encoding
from tasks.shared.artifacts.models import System
from tasks.shared.artifacts.vectors import Vectors
from tasks.shared.engine import Job, process
from tasks.shared.errors import UserError
from tasks.shared.failures import Failure
from tasks.shared.files import files_under, sha256_file
from tasks.shared.gpu import visible_gpus
from tasks.shared.items import ItemStore
from tasks.shared.progress import progress

QUERY = "query/"  # marks a query's id among video ids, which have no slash


@dataclass(frozen=True)
class Encoded:
    """A system's vectors in id order, the text read of every video, the failures, and the number of items reused."""

    videos: Vectors
    queries: Vectors
    texts: dict[str, TextRead]
    failures: list[Failure]
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
        self.store = ItemStore(
            "encode",
            {
                "weights": encoding.checkpoint,
                "dtype": encoding.dtype,
                "query_prefix": QUERY_PREFIX,
                "threads": threads,
                "device": "cuda" if visible_gpus() else "cpu",
                "versions": [version(name) for name in ("torch", "transformers", "av", "pillow")],
                # the whole room: what decides a vector is spread over it, and a new file cannot be forgotten
                "code": [sha256_file(file) for file in files_under(Path(room.__file__).parent) if file.suffix == ".py"],
            },
        )

    def encode(self, documents: Collection[Document], queries: Mapping[str, str]) -> Encoded:
        """Vectors of documents, and of queries by their id.

        Raises UserError where the system cannot be loaded and for a query that cannot be encoded: without it no score
        is right. A document that cannot be encoded is a failure.
        """
        key, limits = self.store.key, self.work.encoding
        whole = (str(limits.max_text_tokens), limits.text_cut)
        asked_whole = (str(limits.max_query_tokens), limits.text_cut)
        jobs: list[Job[Document | str]] = [
            Job(QUERY + one, key("query", text, *asked_whole), text) for one, text in queries.items()
        ]
        jobs += [Job(one.video_id, key("document", one.digest, *whole), one) for one in documents]

        def prepare() -> None:
            self.work.gpus = self.take_gpus(self.processes)

        work, name = self.work, self.work.system.name
        outcome = process(
            f"encode {name}", self.store, jobs, work.encode,
            workers=self.processes, prepare=prepare, start=work.start, load=work.load, unit="item",
        )  # fmt: skip
        failures = []
        for one in outcome.failures:
            if one.video_id.startswith(QUERY):
                query_id = one.video_id.removeprefix(QUERY)
                raise UserError(f"query {query_id} cannot be encoded: {one.message}; mend or remove it")
            failures.append(one)
        videos = {one: entry for one, entry in outcome.done.items() if not one.startswith(QUERY)}
        asked = {one.removeprefix(QUERY): entry for one, entry in outcome.done.items() if one.startswith(QUERY)}
        found = _vectors(videos, 0)
        texts = {one: read_text(entry) for one, entry in progress(videos.items(), "collect texts")}
        return Encoded(found, _vectors(asked, found.values.shape[1]), texts, failures, outcome.reused)


def _vectors(entries: Mapping[str, Path], dimension: int) -> Vectors:
    """Finished items in id order; (0, dimension) where there is none."""
    if not entries:
        return Vectors([], np.zeros((0, dimension), np.float32))
    ids = sorted(entries)
    read = progress([entries[one] for one in ids], "collect vectors", unit="vector")
    return Vectors(ids, np.stack([read_vector(entry) for entry in read]))
