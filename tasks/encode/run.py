"""The encode stage: test videos and test queries to vectors, and the index to search.

Writes, for every system there is (tuned, base), `vectors/<system>.videos.parquet` and `.queries.parquet`, and of the
first system the LanceDB index with its content manifest and what each of its rows was made of. Where nothing was
trained there is only `base`. A video that has none of `encode.modalities` has no vector and is in no ranking: that is
no failure, and the manifest counts it. What evaluation asks for beyond that are views of the videos, each
a table `vectors/<system>.videos.<view>.parquet`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.omni.document import Document
from tasks.omni.documents import Documents, read_documents
from tasks.omni.plan import encoding_of, plan_encoding
from tasks.shared.artifacts.corpus import Split, Video, read_queries, read_videos
from tasks.shared.artifacts.index import DATABASE, Encoding, RowDigests, write_index
from tasks.shared.artifacts.indexed import IndexedDocument, write_indexed
from tasks.shared.artifacts.models import systems
from tasks.shared.artifacts.transcripts import Transcript, read_transcripts
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.artifacts.vectors import VIEWS, rows_of, write_vectors
from tasks.shared.execution.failures import Failure, refuse_too_many, write_failures
from tasks.shared.execution.items import CacheHits
from tasks.shared.execution.params import Params
from tasks.shared.execution.plan import Plan
from tasks.shared.execution.stage import StageRun
from tasks.shared.runtime.errors import UserError

if TYPE_CHECKING:
    from tasks.omni.encode_item import TextRead
    from tasks.omni.encoder import Encoded


@dataclass(frozen=True)
class Wanted:
    """What is encoded with every system."""

    videos: list[Video]  # of the test split
    read: Documents  # of these videos
    queries: dict[str, str]  # text of the test queries by id
    shown: dict[str, list[Document]]  # by view, of the test videos
    training: dict[str, list[Document]]  # by view, of the training videos: what routing is learnt from
    training_queries: dict[str, str]

    @property
    def views(self) -> dict[str, list[Document]]:
        """All documents beside the indexed ones, by view."""
        return {view: [*some, *self.training.get(view, ())] for view, some in self.shown.items()}


def _wanted(params: Params, root: Path = RESULTS) -> Wanted:
    videos, queries = _read_split("test", root)
    fields, chosen, fusion = params.document.test_text, params.encode.modalities, params.evaluate.fusion
    read = read_documents(videos, chosen, fields, root)
    views = list(VIEWS) if params.evaluate.directions else [str(one) for one in chosen] if fusion != ["joint"] else []
    shown = {view: _documents_of(view, videos, fields, root) for view in views}
    if "routed" not in fusion:
        return Wanted(videos, read, queries, shown, {}, {})
    training, asked = _read_split("train", root)
    # their text is that of indexed documents, not of training ones: what is learnt is to hold in the index
    of_training = {str(one): _documents_of(one, training, fields, root) for one in chosen}
    return Wanted(videos, read, queries, shown, of_training, asked)


def _read_split(split: Split, root: Path) -> tuple[list[Video], dict[str, str]]:
    videos = read_videos(root / "corpus" / "manifest.parquet", split)
    return videos, {one.query_id: one.text for one in read_queries(root / "corpus" / "queries.parquet", split)}


def _documents_of(view: str, videos: Collection[Video], fields: Sequence[str], root: Path) -> list[Document]:
    """The documents of the videos that have every modality of a view, showing nothing else."""
    shown = read_documents(videos, VIEWS[view], fields, root).found
    return [one for one in shown.values() if len(one.contents) == len(VIEWS[view])]


def plan(params: Params, root: Path = RESULTS) -> list[Plan[Document | str]]:
    """What there is to encode with each system of a results folder."""
    wanted, limit = _wanted(params, root), params.encode.max_query_tokens
    documents, queries = wanted.read.found.values(), wanted.queries | wanted.training_queries
    encodings = [encoding_of(system, params, limit) for system in systems(root)]
    return [plan_encoding(one, params.run.threads, documents, queries, wanted.views).plan for one in encodings]


def run(stage: StageRun) -> None:
    """Encode with every system and write vectors and index; what was encoded before comes from the item store."""
    from tasks.omni.encoder import encode

    params = stage.params
    wanted = _wanted(params)
    videos, queries, read = wanted.videos, wanted.queries, wanted.read
    documents = read.found
    if read.without and not documents:
        names = ", ".join(params.encode.modalities)
        raise UserError(f"no test video has anything of encode.modalities ({names}); choose others in params.yaml")
    if not documents:
        raise UserError(f"none of the {len(videos)} test videos can be encoded; see failures.jsonl of extract")

    parts = wanted.views
    tried = len(documents) + sum(len(some) for some in parts.values())
    failures: list[Failure] = []
    encodings: list[tuple[Encoding, Encoded]] = []
    for system in systems():
        encoding = encoding_of(system, params, params.encode.max_query_tokens)
        encoded = encode(
            system, encoding, documents.values(), queries | wanted.training_queries, parts,
            threads=params.run.threads, processes=params.encode.processes, take_gpus=stage.take_gpus,
        )  # fmt: skip
        refuse_too_many(encoded.failures, tried, params.run.max_failed_fraction, "encode")
        if not encoded.videos.ids:
            raise UserError(f"no test video could be encoded; the first failed with: {encoded.failures[0].message}")
        _write_vectors(stage.out / "vectors", system.name, encoded, wanted)
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


def _write_vectors(folder: Path, system: str, encoded: Encoded, wanted: Wanted) -> None:
    write_vectors(folder, system, "videos", encoded.videos)
    write_vectors(folder, system, "queries", rows_of(encoded.queries, sorted(wanted.queries)))
    for view, vectors in encoded.views.items():
        write_vectors(folder, system, "videos", rows_of(vectors, _ids(wanted.shown[view])), view)
    for view, some in wanted.training.items():
        write_vectors(folder, system, "training_videos", rows_of(encoded.views[view], _ids(some)), view)
    if wanted.training:
        write_vectors(folder, system, "training_queries", rows_of(encoded.queries, sorted(wanted.training_queries)))


def _ids(documents: Collection[Document]) -> list[str]:
    return sorted(one.video_id for one in documents)


def _indexed(document: Document, transcript: Transcript | None, read: TextRead, row: RowDigests) -> IndexedDocument:
    return IndexedDocument(
        video_id=document.video_id,
        document_sha256=document.digest,
        modalities=list(document.contents),
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
