"""The LanceDB table row by row against what the encode stage recorded of it.

Its bytes differ from build to build, so the content is what counts: `documents.parquet` has the digests of every row,
`index.manifest.json` those of the whole. (Its bytes are compared with dvc.lock as well, where all folders are.)
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.audit.verify.answer import Answer
from tasks.audit.verify.state import State, laid_out
from tasks.lineage.model import Execution
from tasks.shared.artifacts.index import (
    DATABASE,
    FOLDER,
    PAYLOAD,
    TABLE,
    TAG,
    IndexManifest,
    RowDigests,
    read_index_manifest,
    row_digests,
)
from tasks.shared.artifacts.index import MANIFEST as CONTENT
from tasks.shared.artifacts.indexed import TABLE as DOCUMENTS
from tasks.shared.artifacts.indexed import read_indexed
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_json

WHERE = (FOLDER / DATABASE).as_posix()


def check_rows(state: State, answer: Answer, encode: Execution) -> None:
    """Compare every row's vector and its other columns with their digests, and the whole with the content manifest."""
    if not any(path.startswith(f"{WHERE}/") for path in state.tree.files):
        return  # the folder is found missing by dvc.lock
    if f"{FOLDER}/{CONTENT}" not in encode.generated:
        answer.note("not checked", WHERE, f"{FOLDER}/{CONTENT} is not among what encode published")
        return
    for name in sorted({path.split("/")[0] for path in state.tree.below(WHERE)} - {f"{TABLE}.lance"}):
        answer.find("extra", f"{WHERE}/{name}", f"{FOLDER}/{CONTENT}", None, "something beside its one table")
    with laid_out(state, "encode") as results:
        folder = results / "encode"
        recorded = _documents(state, answer, encode, folder)
        content = _content(state, answer, encode, folder)
        try:
            table, version, tagged = opened(folder / DATABASE)
        except BaseException as error:  # Lance's Rust code panics on bad bytes, which is no Exception
            if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
                raise
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            answer.find("unreadable", WHERE, f"{FOLDER}/{CONTENT}", f"table {TABLE}", reason)
            return
    if tagged != version:
        where = f"{WHERE} tag {TAG}"
        answer.find("altered" if tagged else "missing", where, "its table", f"version {version}", f"version {tagged}")
    _compare(answer, table, recorded, content)


def opened(database: Path) -> tuple[pa.Table, int, int | None]:
    """The table's rows, its version, and the version that is tagged `published`."""
    import lancedb

    table = lancedb.connect(str(database)).open_table(TABLE)
    tag = table.tags.list().get(TAG)
    return table.to_arrow(), table.version, tag["version"] if tag else None


def _intact(state: State, encode: Execution, path: str) -> bool:
    digest = state.digest(path)
    return path in encode.generated and digest is not None and digest.sha256 == encode.generated[path].sha256


def _documents(state: State, answer: Answer, encode: Execution, folder: Path) -> dict[str, RowDigests] | None:
    path = f"{FOLDER}/{DOCUMENTS}"
    reason = f"{path}, which has their digests, is not as recorded"
    if _intact(state, encode, path):
        try:
            found = read_indexed(folder)
            return {video_id: RowDigests(one.vector_sha256, one.payload_sha256) for video_id, one in found.items()}
        except UserError as error:
            reason = str(error)
    answer.note("not checked", f"{WHERE} row by row", reason)
    return None


def _content(state: State, answer: Answer, encode: Execution, folder: Path) -> IndexManifest | None:
    path = f"{FOLDER}/{CONTENT}"
    reason = f"{path} is not as recorded"
    if _intact(state, encode, path):
        try:
            return read_index_manifest(folder)
        except UserError as error:
            reason = str(error)
    answer.note("not checked", f"{WHERE} as a whole", reason)
    return None


def _compare(
    answer: Answer, table: pa.Table, recorded: dict[str, RowDigests] | None, content: IndexManifest | None
) -> None:
    absent = [name for name in (*PAYLOAD.names, "vector") if name not in table.column_names]
    for name in absent:
        answer.find("missing", f"{WHERE} column {name}", f"{FOLDER}/{CONTENT}", name, None)
    for name in sorted({*table.column_names} - {*PAYLOAD.names, "vector"}):
        answer.find("extra", f"{WHERE} column {name}", f"{FOLDER}/{CONTENT}", None, name)
    if "video_id" in absent:
        return
    found = _digests(answer, table)
    answer.count("index rows", table.num_rows)
    if recorded is not None:
        record = f"{FOLDER}/{DOCUMENTS}"
        for video_id in sorted({*recorded, *found}):
            _row(answer, f"{WHERE} row {video_id}", record, recorded.get(video_id), found.get(video_id))
    if content is None:
        return
    unread = RowDigests("", "")
    for what, expected, sums in (
        ("rows", content.rows, table.num_rows),
        ("vectors", content.vectors_sha256, sha256_json({one: (row or unread).vector for one, row in found.items()})),
        ("payload", content.payload_sha256, sha256_json({one: (row or unread).payload for one, row in found.items()})),
    ):
        if expected != sums and (recorded is None or not answer.wrong(WHERE)):
            answer.find("altered", f"{WHERE} {what}", f"{FOLDER}/{CONTENT}", str(expected), str(sums))


def _row(answer: Answer, where: str, record: str, wanted: RowDigests | None, found: RowDigests | None) -> None:
    if wanted is None:
        answer.find("extra", where, record, None, f"vector sha256 {found.vector}" if found else None)
    elif found is None:
        answer.find("missing", where, record, f"vector sha256 {wanted.vector}", None)
    else:
        for what, expected, there in (
            ("vector", wanted.vector, found.vector),
            ("payload", wanted.payload, found.payload),
        ):
            if expected != there:
                answer.find("altered", where, record, f"{what} sha256 {expected}", f"{what} sha256 {there}")


def _digests(answer: Answer, table: pa.Table) -> dict[str, RowDigests | None]:
    """Digests of every row by video id; None of one that cannot be read. More than one row of an id is a finding."""
    ids: list[Any] = table.column("video_id").to_pylist()
    for video_id, count in Counter(ids).items():
        if count > 1:
            where = f"{WHERE} row {video_id}"
            answer.find("extra", where, f"{FOLDER}/{DOCUMENTS}", "one row", f"{count} rows")
    found: dict[str, RowDigests | None] = {}
    try:
        return dict(row_digests(table))
    except (UserError, ValueError, TypeError, pa.ArrowException):
        pass  # one bad row, or a column that is not there: each by itself
    for place, video_id in enumerate(ids):
        try:
            found |= row_digests(table.slice(place, 1))
        except (UserError, ValueError, TypeError, pa.ArrowException) as error:
            found[str(video_id)] = None
            answer.find("unreadable", f"{WHERE} row {video_id}", f"{FOLDER}/{DOCUMENTS}", None, str(error))
    return found
