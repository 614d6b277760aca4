"""Source videos against the rows of the corpus, rows of the index against what encode recorded of them, and the rows of
every item table against the digests of what they were made from.

The bytes of the LanceDB table differ from build to build, so its content is what counts: `documents.parquet` has the
digests of every row, `index.manifest.json` those of the whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.audit.verify.state import State
from tasks.lineage.items import mismatches
from tasks.lineage.model import manifest_path
from tasks.shared.artifacts import corpus, index, indexed, media, negatives, shipped, transcripts, vectors
from tasks.shared.artifacts.rows import Mismatch
from tasks.shared.runtime.errors import UserError

LANCE, CONTENT, DOCUMENTS = (f"results/encode/{one}" for one in (index.DATABASE, index.MANIFEST, indexed.TABLE))
MEDIA, WORDS = "results/extract/media.parquet", "results/transcribe/transcripts.parquet"
VIDEOS, QUERIES, SHIPPED = (f"results/corpus/{one}.parquet" for one in ("manifest", "queries", "shipped"))
MINED = "results/mine/negatives.jsonl"
MADE_FROM = {  # where that lies of which a row has the digest, if not in MEDIA
    "shipped text": SHIPPED,
    "transcript": WORDS,
    "query text": QUERIES,
    **dict.fromkeys(("document", "content", "vector"), DOCUMENTS),
}


def check_videos(state: State) -> None:
    """Compare every source video with its digest in the corpus."""
    try:
        videos = corpus.read_videos(state.place(VIDEOS)) if state.intact(VIDEOS) else None
    except UserError:
        videos = None
    if videos is None and "corpus" in state.lineage.stages:
        state.answer.unchecked("source videos", f"{VIDEOS}, which names them, is not as recorded")
    paths = {one.path: one.sha256 for one in videos or ()}
    state.digests.read(map(state.place, paths))
    for path, sha256 in paths.items():
        state.compare(path, VIDEOS, f"sha256 {sha256}")
    state.count("source videos", map(state.digest, paths))


def check_index(state: State) -> None:
    """Compare every row of the index with its digests, and the whole with the content manifest."""
    answer = state.answer
    if not state.below(LANCE):
        return  # dvc.lock says that it is missing
    documents = _intact(state, DOCUMENTS, indexed.read_indexed)
    content = _intact(state, CONTENT, index.read_index_manifest)
    try:
        table, version, tagged = opened(state.lineage.root / LANCE)
        found = index.row_digests(table)
    except BaseException as error:  # Lance's Rust code panics on bad bytes, which is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        answer.find("unreadable", LANCE, CONTENT, f"table {index.TABLE}", None, " ".join(str(error).split())[:200])
        return
    answer.compare(f"{LANCE} tag {index.TAG}", LANCE, f"version {version}", f"version {tagged}" if tagged else None)
    answer.checked["index rows"] += table.num_rows
    for video_id, count in Counter(table.column("video_id").to_pylist()).items():
        if count > 1:
            answer.find("extra", f"{LANCE} row {video_id}", DOCUMENTS, "one row", f"{count} rows")
    for what in ("vector", "payload") if documents is not None else ():
        expected = {one: f"{what} sha256 {getattr(row, f'{what}_sha256')}" for one, row in documents.items()}
        now = {one: f"{what} sha256 {getattr(row, what)}" for one, row in found.items()}
        answer.compare_all(f"{LANCE} row", DOCUMENTS, expected, now)
    if content is not None and not answer.wrong(LANCE):
        recorded, whole = asdict(content), asdict(index.describe(table, content.encoding))
        for name, value in whole.items():
            answer.compare(f"{LANCE} {name}", CONTENT, str(recorded[name]), str(value))


def _intact(state: State, path: str, read: Callable[[Path], Any]) -> Any:
    """What encode recorded of the index; None, which is noted, where that is not as recorded or cannot be read."""
    try:
        if state.intact(path):
            return read(state.lineage.root / index.FOLDER)
        reason = f"{path}, which says what it holds, is not as recorded"
    except UserError as error:
        reason = str(error)
    state.answer.unchecked(f"{LANCE} by {path}", reason)
    return None


def opened(database: Path) -> tuple[pa.Table, int, int | None]:
    """The table's rows, its version, and the version that is tagged `published`."""
    import lancedb

    table = lancedb.connect(str(database)).open_table(index.TABLE)
    tag = table.tags.list().get(index.TAG)
    return table.to_arrow(), table.version, tag["version"] if tag else None


def check_items(state: State) -> None:
    """Compare the rows of every item table with what the same id has in the tables that they were made from.

    Rows of a stage that is only stale are not compared: what it read is not there any more.
    """
    try:
        found = list(_mismatches(state))
    except (UserError, ValueError, KeyError, TypeError, AttributeError) as error:
        state.answer.unchecked("rows of item tables", error)
        return
    for one in found:
        if one.table == MEDIA and one.made_from != "video":  # a file that is not what its row says
            state.compare(f"{media.FOLDER}/{one.made_from}", f"{MEDIA} row {one.id}", f"sha256 {one.recorded}")
            continue
        table = MADE_FROM.get(one.made_from, VIDEOS if one.table == MEDIA else MEDIA)
        if _comparable(state, one.stage, table):
            expected, now = one.found and f"sha256 {one.found}", f"{one.made_from} sha256 {one.recorded}"
            where, remark = f"{one.table} row {one.id}", f"made from another {one.made_from}"
            state.answer.find("altered", where, f"{table} row {one.id}", expected, now, remark)


def _comparable(state: State, reader: str, table: str) -> bool:
    """Whether a stage read what lies there, or what lies there is known to be wrong."""
    maker, execution = table.split("/")[1], state.lineage.executions.get(reader)
    read = [one for one in execution.used.values() if one.maker == maker] if execution else []
    wrong = {table, manifest_path(maker)} & state.answer.by_where.keys()
    return bool(wrong) or all(state.digest(one.path).sha256 == one.sha256 for one in read)


def _mismatches(state: State) -> Iterator[Mismatch]:
    """Rows that do not fit; a table that is not there has none. Raises UserError where one cannot be read."""
    place, there = state.place, state.files.keys()
    videos = corpus.read_videos(place(VIDEOS)) if VIDEOS in there else []
    queries = corpus.read_queries(place(QUERIES)) if QUERIES in there else []
    frames = media.read_media(place(MEDIA).parent) if MEDIA in there else {}
    words = transcripts.read_transcripts(place(WORDS).parent) if WORDS in there else {}
    documents = indexed.read_indexed(place(DOCUMENTS).parent) if DOCUMENTS in there else {}
    mined = negatives.read_negatives(place(MINED)) if MINED in there else []
    for row in frames.values():  # what is gone; `mismatches` has what is there
        for name, sha256 in ((row.frames, row.frames_sha256), (row.audio, row.audio_sha256)):
            if name and f"{media.FOLDER}/{name}" not in there:
                yield Mismatch(MEDIA, row.video_id, name, sha256, None, "extract")
    count = len(videos) + len(queries) + len(frames) + len(words) + len(documents) + len(mined)
    state.answer.checked["rows of item tables"] += count
    known = {one.video_id: one for one in videos}
    yield from mismatches(state.lineage, known, frames, words, documents, lambda path: state.digests[path].sha256)
    if SHIPPED in there:
        yield from transcripts.mismatched(words, frames, shipped.read_shipped(place(SHIPPED)))
    yield from negatives.mismatched(mined, queries)
    asked = {query.query_id: query.digest() for query in queries}
    for system in vectors.SYSTEMS:
        path = f"{vectors.FOLDER}/{system}.queries.parquet"
        if path in there:
            found = vectors.read_vectors(system, "queries", place(path).parent)
            yield from vectors.mismatched(system, "queries", found, asked)
