"""Rows against each other: those of the index against what encode recorded of them, and the rows of every item table
against the digests of what they were made from.

The bytes of the LanceDB table differ from build to build, so its content is what counts: `documents.parquet` has the
digests of every row, `index.manifest.json` those of the whole.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa

from tasks.audit.verify.answer import Answer
from tasks.audit.verify.state import State
from tasks.lineage.model import manifest_path
from tasks.shared.artifacts import corpus, index, indexed, media, negatives, shipped, transcripts, vectors
from tasks.shared.artifacts.index import PAYLOAD, IndexManifest, RowDigests, read_index_manifest, row_digests
from tasks.shared.artifacts.indexed import IndexedDocument, read_indexed
from tasks.shared.artifacts.rows import Mismatch
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_json

T = TypeVar("T")
LANCE = (index.FOLDER / index.DATABASE).as_posix()
CONTENT = (index.FOLDER / index.MANIFEST).as_posix()
DOCUMENTS = (indexed.FOLDER / indexed.TABLE).as_posix()
CORPUS, MEDIA = "results/corpus/manifest.parquet", (media.FOLDER / media.TABLE).as_posix()
MADE_FROM = {  # where that lies of which a row has the digest
    "shipped text": shipped.PATH.as_posix(),
    "frames": MEDIA,
    "audio": MEDIA,
    "transcript": (transcripts.FOLDER / transcripts.TABLE).as_posix(),
    "document": DOCUMENTS,
    "content": DOCUMENTS,
    "query text": "results/corpus/queries.parquet",
}


def check_index(state: State, answer: Answer) -> None:
    """Compare every row of the index with its digests, and the whole with the content manifest."""
    if not state.below(LANCE):
        return  # dvc.lock says that it is missing
    for name in sorted({path.split("/")[0] for path in state.below(LANCE)} - {f"{index.TABLE}.lance"}):
        answer.find("extra", f"{LANCE}/{name}", CONTENT, None, "something beside its one table")
    with state.laid_out("encode") as results:
        documents = _intact(state, answer, DOCUMENTS, read_indexed, results)
        content = _intact(state, answer, CONTENT, read_index_manifest, results)
        try:
            table, version, tagged = opened(results / "encode" / index.DATABASE)
        except BaseException as error:  # Lance's Rust code panics on bad bytes, which is no Exception
            if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
                raise
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            answer.find("unreadable", LANCE, CONTENT, f"table {index.TABLE}", None, reason)
            return
    there = f"version {tagged}" if tagged else None
    answer.compare(f"{LANCE} tag {index.TAG}", LANCE, f"version {version}", there)
    _check_rows(answer, table, documents, content)


def _intact(state: State, answer: Answer, path: str, read: Callable[[Path], T], results: Path) -> T | None:
    """What encode recorded of the index; None, which is noted, where that is not as recorded or cannot be read."""
    try:
        if not state.intact(path):
            raise UserError(f"{path}, which says what it holds, is not as recorded")
        return read(results / "encode")
    except UserError as error:
        answer.note("not checked", f"{LANCE} by {path}", str(error))
        return None


def opened(database: Path) -> tuple[pa.Table, int, int | None]:
    """The table's rows, its version, and the version that is tagged `published`."""
    import lancedb

    table = lancedb.connect(str(database)).open_table(index.TABLE)
    tag = table.tags.list().get(index.TAG)
    return table.to_arrow(), table.version, tag["version"] if tag else None


def _check_rows(
    answer: Answer, table: pa.Table, documents: dict[str, IndexedDocument] | None, content: IndexManifest | None
) -> None:
    columns, there = {*PAYLOAD.names, "vector"}, table.column_names
    answer.compare_all(f"{LANCE} column", CONTENT, {one: one for one in columns}, {one: one for one in there})
    if "video_id" not in table.column_names:
        return
    answer.count("index rows", table.num_rows)
    found = _digests(answer, table)
    for video_id in sorted({*documents, *found}) if documents is not None else ():
        recorded, row = (documents or {}).get(video_id), found.get(video_id)
        for what in ("vector", "payload"):
            expected = f"{what} sha256 {getattr(recorded, f'{what}_sha256')}" if recorded else None
            now = f"{what} sha256 {getattr(row, what)}" if row else None
            answer.compare(f"{LANCE} row {video_id}", DOCUMENTS, expected, now)
    if content is None or answer.wrong(LANCE):
        return
    whole = {"rows": str(content.rows), "vectors": content.vectors_sha256, "payload": content.payload_sha256}
    sums = {
        "rows": str(table.num_rows),
        "vectors": sha256_json({one: row.vector for one, row in found.items()}),
        "payload": sha256_json({one: row.payload for one, row in found.items()}),
    }
    answer.compare_all(LANCE, CONTENT, whole, sums)


def _digests(answer: Answer, table: pa.Table) -> dict[str, RowDigests]:
    """Digests of every row that can be read, by video id. More than one row of an id is a finding."""
    ids = table.column("video_id").to_pylist()
    for video_id, count in Counter(ids).items():
        if count > 1:
            answer.find("extra", f"{LANCE} row {video_id}", DOCUMENTS, "one row", f"{count} rows")
    with suppress(UserError, ValueError, TypeError, pa.ArrowException):
        return {str(one): row for one, row in row_digests(table).items()}
    found: dict[str, RowDigests] = {}  # one bad row, or a missing column: each row by itself
    for video_id, row in ((one, table.slice(place, 1)) for place, one in enumerate(ids)):
        try:
            found[str(video_id)] = next(iter(row_digests(row).values()))
        except (UserError, ValueError, TypeError, pa.ArrowException) as error:
            answer.find("unreadable", f"{LANCE} row {video_id}", DOCUMENTS, None, None, str(error))
    return found


def check_items(state: State, answer: Answer) -> None:
    """Compare the rows of every item table with what the same id has in the tables that they were made from.

    Rows of a stage that is only stale are not compared: what it read is not there any more.
    """
    with state.laid_out("corpus", "extract", "transcribe", "mine", "encode") as results:
        for one in _mismatches(state, answer, results):
            table = MADE_FROM.get(one.made_from, CORPUS if one.table == MEDIA else MEDIA)
            if _comparable(state, answer, one.stage, table):
                expected, found = one.found and f"sha256 {one.found}", f"{one.made_from} sha256 {one.recorded}"
                remark = f"made from another {one.made_from}"
                answer.find("altered", f"{one.table} row {one.id}", f"{table} row {one.id}", expected, found, remark)


def _comparable(state: State, answer: Answer, reader: str, table: str) -> bool:
    """Whether a stage read what lies there, or what lies there is known to be wrong."""
    maker, execution = table.split("/")[1], state.lineage.executions.get(reader)
    read = [one for one in execution.used.values() if one.maker == maker] if execution else []
    wrong = {table, manifest_path(maker)} & answer.by_where.keys()
    return bool(wrong) or all(state.sha256(one.path) == one.sha256 for one in read)


def _mismatches(state: State, answer: Answer, results: Path) -> Iterator[Mismatch]:
    """Rows that do not fit; where a table cannot be read that is noted, and what comes after it is not compared."""
    try:
        videos = corpus.read_videos(results / "corpus" / "manifest.parquet")
        queries = corpus.read_queries(results / "corpus" / "queries.parquet")
        frames = media.read_media(results / "extract")
        yield from media.mismatched(frames, videos)
        _check_media_files(state, answer, frames)
        words = transcripts.read_transcripts(results / "transcribe")
        features = shipped.PATH.as_posix() in state.files
        yield from transcripts.mismatched(
            words, frames, shipped.read_shipped(results / "corpus" / shipped.TABLE) if features else ()
        )
        documents = read_indexed(results / "encode")
        yield from indexed.mismatched(documents, frames, words)
        yield from _vectors(answer, results / "encode", documents, queries)
        mined = negatives.read_negatives(results / "mine" / negatives.FILE.name)
        yield from negatives.mismatched(mined, queries)
        rows = len(videos) + len(queries) + len(frames) + len(words) + len(documents) + len(mined)
        answer.count("rows of item tables", rows)
    except (UserError, ValueError, KeyError, TypeError, AttributeError) as error:
        answer.note("not checked", "rows of item tables", " ".join(str(error).split())[:300])


def _check_media_files(state: State, answer: Answer, rows: dict[str, media.Media]) -> None:
    for video_id, one in rows.items():
        record = f"{MEDIA} row {video_id}"
        for name, sha256 in ((one.frames, one.frames_sha256), (one.audio, one.audio_sha256)):
            if name is not None:
                state.compare(answer, f"{media.FOLDER}/{name}", f"sha256 {sha256}", record)


def _vectors(
    answer: Answer, folder: Path, documents: dict[str, IndexedDocument], queries: list[corpus.Query]
) -> Iterator[Mismatch]:
    """Vectors by the digests of documents and queries, and the final system's also by those of their values."""
    final = read_index_manifest(folder).encoding.system
    asked = {query.query_id: query.digest() for query in queries}
    read = {one.video_id: one.document_sha256 for one in documents.values()}
    for system in vectors.SYSTEMS:
        if (folder / "vectors" / f"{system}.videos.parquet").is_file():
            found = vectors.read_vectors(system, "videos", folder / "vectors")
            yield from vectors.mismatched(system, "videos", found, read)
            yield from vectors.mismatched(
                system, "queries", vectors.read_vectors(system, "queries", folder / "vectors"), asked
            )
            answer.count("rows of item tables", len(found.ids))
            for video_id, values in zip(found.ids, found.values, strict=True) if system == final else ():
                where = f"{vectors.FOLDER}/{system}.videos.parquet row {video_id}"
                now = hashlib.sha256(np.asarray(values, dtype="<f4").tobytes()).hexdigest()
                expected = f"vector sha256 {documents[video_id].vector_sha256}" if video_id in documents else None
                answer.compare(where, f"{DOCUMENTS} row {video_id}", expected, f"vector sha256 {now}")
