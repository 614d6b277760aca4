"""The encode stage: test videos and test queries to vectors, and the index to search.

Writes, for every system there is (tuned, base), `vectors/<system>.videos.parquet` and `.queries.parquet`, and of the
first system the LanceDB index with its content manifest and what each of its rows was made of. Where nothing was
trained there is only `base`. A video that has none of `encode.modalities` has no vector and is in no ranking: that is
no failure, and the manifest counts it. What evaluation asks for beyond that are views of the videos (`views.py`), each
a table `vectors/<system>.videos.<view>.parquet`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.encode.views import RoutingData, documents_of, read_routing_data, views
from tasks.omni.document import Document
from tasks.omni.documents import Documents, read_documents
from tasks.omni.plan import plan_encoding
from tasks.shared.artifacts.corpus import Video, read_queries, read_videos
from tasks.shared.artifacts.index import DATABASE, Encoding, RowDigests, write_index
from tasks.shared.artifacts.indexed import IndexedDocument, write_indexed
from tasks.shared.artifacts.models import System, systems
from tasks.shared.artifacts.transcripts import Transcript, read_transcripts
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.artifacts.vectors import rows_of, write_vectors
from tasks.shared.execution.failures import Failure, refuse_too_many, write_failures
from tasks.shared.execution.items import CacheHits
from tasks.shared.execution.params import Params
from tasks.shared.execution.plan import Plan
from tasks.shared.execution.stage import StageRun
from tasks.shared.runtime.errors import UserError

if TYPE_CHECKING:
    from tasks.omni.encoder import Encoded
    from tasks.omni.work import TextRead


@dataclass(frozen=True)
class Wanted:
    """What is encoded with every system.

    Attributes:
        videos: of the test split; read: their documents.
        queries: text of the test queries by id.
        shown: documents of the test videos by view; routing: what routing is learnt from.
    """

    videos: list[Video]
    read: Documents
    queries: dict[str, str]
    shown: dict[str, list[Document]]
    routing: RoutingData

    @property
    def views(self) -> dict[str, list[Document]]:
        """All documents beside the indexed ones, by view."""
        return {view: [*some, *self.routing.documents.get(view, ())] for view, some in self.shown.items()}


def _wanted(params: Params, root: Path = RESULTS) -> Wanted:
    videos = read_videos(root / "corpus" / "manifest.parquet", "test")
    queries = {query.query_id: query.text for query in read_queries(root / "corpus" / "queries.parquet", "test")}
    read = read_documents(videos, params.encode.modalities, params.document.test_text, root)
    chosen = views(
        directions=params.evaluate.directions, fusion=params.evaluate.fusion, modalities=params.encode.modalities
    )
    shown = {view: documents_of(view, videos, params.document.test_text, root) for view in chosen}
    return Wanted(videos, read, queries, shown, read_routing_data(params, root))


def encoding_of(system: System, params: Params) -> Encoding:
    """How a system encodes documents and queries with these params."""
    return Encoding(
        system=system.name,
        checkpoint=system.digest(),
        dtype=params.encode.dtype,
        max_text_tokens=params.document.max_text_tokens,
        max_query_tokens=params.encode.max_query_tokens,
        text_cut=params.document.cut,
    )


def plan(params: Params, root: Path = RESULTS) -> list[Plan[Document | str]]:
    """What there is to encode with each system of a results folder."""
    wanted, threads = _wanted(params, root), params.run.threads
    documents, queries = wanted.read.found.values(), wanted.queries | wanted.routing.queries
    return [
        plan_encoding(encoding_of(system, params), threads, documents, queries, wanted.views).plan
        for system in systems(root)
    ]


def run(stage: StageRun) -> None:
    """Encode with every system and write vectors and index; what was encoded before comes from the item store."""
    from tasks.omni.encoder import Encoder

    params = stage.params
    wanted = _wanted(params)
    videos, queries, read, routing = wanted.videos, wanted.queries, wanted.read, wanted.routing
    documents = read.found
    if read.without and not documents:
        names = ", ".join(params.encode.modalities)
        raise UserError(f"no test video has anything of encode.modalities ({names}); choose others in params.yaml")
    if not documents:
        raise UserError(f"none of the {len(videos)} test videos can be encoded; see failures.jsonl of extract")

    parts = wanted.views
    tried = len(documents) + sum(len(some) for some in parts.values())
    most = params.run.max_failed_fraction
    failures: list[Failure] = []
    encodings: list[tuple[Encoding, Encoded]] = []
    for system in systems():
        encoding = encoding_of(system, params)
        encoder = Encoder(
            system,
            encoding,
            threads=params.run.threads,
            processes=params.encode.processes,
            take_gpus=stage.take_gpus,
        )
        encoded = encoder.encode(documents.values(), queries | routing.queries, parts)
        refuse_too_many(encoded.failures, tried, most, "encode")
        if not encoded.videos.ids:
            raise UserError(f"no test video could be encoded; the first failed with: {encoded.failures[0].message}")
        write_vectors(stage.out / "vectors", system.name, "videos", encoded.videos)
        write_vectors(stage.out / "vectors", system.name, "queries", rows_of(encoded.queries, sorted(queries)))
        _write_parts(stage.out / "vectors", system.name, encoded, wanted.shown, routing)
        encodings.append((encoding, encoded))
        failures += encoded.failures

    encoding, final = encodings[0]
    transcripts = read_transcripts()
    rows = write_index(stage.out, final.videos, videos, transcripts, encoding)
    indexed = [_indexed(documents[one], transcripts.get(one), final.texts[one], row) for one, row in rows.items()]
    write_indexed(stage.out, indexed)
    write_failures(stage.out, failures)
    stage.derived = [DATABASE]
    stage.counts = {
        "videos": len(videos),
        "not_extracted": len(read.not_extracted),
        "without_chosen_modalities": len(read.without),
        "indexed": len(rows),
        "queries": len(queries),
        "systems": len(encodings),
        "views": sum(len(some) for some in parts.values()),
        "failed": len({failure.video_id for failure in failures}),
    }
    work = [encoded for _, encoded in encodings]
    stage.reused = CacheHits(sum(one.reused for one in work), sum(one.items for one in work), "vector")


def _write_parts(
    folder: Path, system: str, encoded: Encoded, shown: Mapping[str, Collection[Document]], routing: RoutingData
) -> None:
    for view, vectors in encoded.views.items():
        write_vectors(folder, system, "videos", rows_of(vectors, _ids(shown[view])), view)
    for view, some in routing.documents.items():
        write_vectors(folder, system, "training_videos", rows_of(encoded.views[view], _ids(some)), view)
    if routing.documents:
        write_vectors(folder, system, "training_queries", rows_of(encoded.queries, sorted(routing.queries)))


def _ids(documents: Collection[Document]) -> list[str]:
    return sorted(one.video_id for one in documents)


def _indexed(document: Document, transcript: Transcript | None, read: TextRead, row: RowDigests) -> IndexedDocument:
    return IndexedDocument(
        video_id=document.video_id,
        document_sha256=document.digest,
        modalities=list(document.modalities),
        text=read.text,
        text_tokens=read.tokens,
        text_sha256=document.text_sha256,
        transcript_sha256=transcript.digest() if document.text and transcript else None,
        frames=document.frames,
        frames_sha256=document.frames_sha256,
        audio_sha256=document.audio_sha256,
        vector_sha256=row.vector,
        payload_sha256=row.payload,
    )
