"""Any directory of video files, with what is known about them beside.

Videos are found at any depth by their suffix. All of these files are optional and stand at the top:

- `metadata.jsonl`: `file` (path from the top) or `video_id`, then any of title, description, caption, language,
  video_type (professional, edited, raw), split (train, test), event; and where others have found them, transcript (what
  is said) and ocr (what is written in the picture, lines parted by line feeds). With both `file` and `video_id` the
  file gets that id; otherwise its id is its path without suffix, `/` written `__` and what is unsafe in names `_`.
- `queries.csv` or `queries.jsonl`: query_id, text (or query), and any of language, type, split, event,
  category.
- `qrels`, `qrels.trec`, `qrels.train.trec`, `qrels.test.trec`: TREC judgments.

A query without a split belongs to the split whose qrels file judges it, else to test; a video without one follows the
queries that it is judged for, else it is in test. So a directory of nothing but videos is all test: encoded and
searchable. Links to files are followed, links to directories are not, hidden files are left alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from tasks.corpus.check import id_of
from tasks.corpus.fingerprints import fingerprints
from tasks.corpus.source import VIDEO_SUFFIXES, Source, directory, some
from tasks.corpus.tables import Row, read_judgments, read_rows
from tasks.shared.artifacts.corpus import SPLITS, Judgment, Query, Split, Video
from tasks.shared.artifacts.shipped import Shipped
from tasks.shared.runtime.errors import UserError

METADATA = "metadata.jsonl"
DESCRIPTION_FIELDS = ("title", "description", "caption", "language", "video_type", "event")
METADATA_FIELDS = ("file", "video_id", *DESCRIPTION_FIELDS, "split", "transcript", "ocr")
QUERY_FILES = ("queries.csv", "queries.jsonl")
QUERY_FIELDS = ("query_id", "text", "query", "language", "type", "split", "event", "category")
QRELS_FILES: dict[str, Split | None] = {
    "qrels": None, "qrels.trec": None, "qrels.train.trec": "train", "qrels.test.trec": "test",
}  # fmt: skip


@dataclass
class Listing:
    """Files of the directory by their path from its top: videos in order, tables at the top, and the rest."""

    videos: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def read_folder(path: Path, workers: int) -> Source:
    """Read a directory as described above. Raises UserError for what is malformed or names no video there."""
    listing = list_files(directory(path))
    if not listing.videos:
        raise UserError(f"{path}: no video files; known suffixes are {' '.join(VIDEO_SUFFIXES)}")
    metadata = _metadata(path / METADATA, listing.videos) if METADATA in listing.tables else {}
    judgments = {name: read_judgments(path / name) for name in QRELS_FILES if name in listing.tables}
    queries = _queries(path, [name for name in QUERY_FILES if name in listing.tables], judgments)
    judged = [one for part in judgments.values() for one in part]
    splits = _judged_splits(judged, queries)
    marks = fingerprints([path / name for name in listing.videos], workers)
    source = Source([], queries, judged, read=[path / name for name in listing.tables], ignored=listing.ignored)
    for name in listing.videos:
        row = metadata.get(name) or Row(name, {})
        video_id = row.fields.get("video_id") or id_of(name)
        known: dict[str, Any] = {field: row.fields.get(field) for field in DESCRIPTION_FIELDS}
        known |= marks[path / name]._asdict() | {"split": _split(row) or splits.get(video_id, "test")}
        source.videos.append(Video(video_id=video_id, path=(path / name).as_posix(), **known))
        transcript, ocr = row.fields.get("transcript"), row.fields.get("ocr")
        if transcript is not None or ocr is not None:
            source.shipped.append(Shipped(video_id, transcript, None if ocr is None else [ocr]))
    return source


def list_files(path: Path) -> Listing:
    """Sort the files at any depth of a directory."""
    listing = Listing()
    for folder, folders, files in os.walk(path):
        here = Path(folder).relative_to(path)
        for name in [*files, *(one for one in folders if (Path(folder) / one).is_symlink())]:
            relative = (here / name).as_posix()
            special = (Path(folder) / name).exists() and not (Path(folder) / name).is_file()  # a pipe or a directory
            if name.startswith(".") or special:
                listing.ignored.append(relative)
            elif relative in (METADATA, *QUERY_FILES, *QRELS_FILES):
                listing.tables.append(relative)
            elif Path(name).suffix.lower() in VIDEO_SUFFIXES:
                listing.videos.append(relative)
            else:
                listing.ignored.append(relative)
        folders[:] = [name for name in folders if not name.startswith(".")]
    for names in (listing.videos, listing.tables, listing.ignored):
        names.sort()
    return listing


def _metadata(path: Path, videos: list[str]) -> dict[str, Row]:
    """Rows by the file that they describe."""
    present = set(videos)
    by_id = {id_of(name): name for name in videos}
    rows: dict[str, Row] = {}
    absent = []
    for row in read_rows(path, METADATA_FIELDS):
        named = row.required("file", "video_id")
        file = PurePosixPath(named).as_posix() if row.fields.get("file") else by_id.get(named, named)
        if file not in present:
            absent.append(f"{row.where} {named}")
        elif file in rows:
            raise UserError(f"{row.where}: {file} has a row already, {rows[file].where}; keep one")
        rows[file] = row
    if absent:
        raise UserError(f"{len(absent)} rows of metadata name no video file there: {some(absent)}; mend or remove them")
    return rows


def _queries(path: Path, files: list[str], judgments: Mapping[str, list[Judgment]]) -> list[Query]:
    if len(files) > 1:
        raise UserError(f"{path} has {' and '.join(files)}; keep one of them")
    judged_in: dict[str, dict[Split, str]] = {}
    for name, part in judgments.items():
        if file_split := QRELS_FILES[name]:
            for one in part:
                judged_in.setdefault(one.query_id, {})[file_split] = name
    queries = []
    for row in [row for name in files for row in read_rows(path / name, QUERY_FIELDS)]:
        query_id = row.required("query_id")
        judged = judged_in.get(query_id, {})
        split = _split(row) or ("train" if "train" in judged else "test")
        if other := next((name for file_split, name in judged.items() if file_split != split), None):
            raise UserError(f"{row.where}: query {query_id} is in split {split} but judged in {other}; keep it to one")
        known: dict[str, Any] = {field: row.fields.get(field) for field in ("language", "type", "event", "category")}
        queries.append(Query(query_id, row.required("text", "query"), split=split, **known))
    return queries


def _judged_splits(judgments: list[Judgment], queries: list[Query]) -> dict[str, Split]:
    """The split of judged videos; train where queries of both splits judge one, which the check then refuses."""
    of_query = {query.query_id: query.split for query in queries}
    found: dict[str, Split] = {}
    for one in judgments:
        split: Split = of_query.get(one.query_id, "test")
        if split == "train" or one.video_id not in found:
            found[one.video_id] = split
    return found


def _split(row: Row) -> Split | None:
    value = row.fields.get("split")
    split = next((one for one in SPLITS if one == value), None)
    if value is not None and split is None:
        raise UserError(f"{row.where}: split {value!r} is neither train nor test")
    return split
