"""MultiVENT 2.0 as its authors publish it (on request, so nothing of it is here).

What is expected under `corpus.path`; a part of the tars is enough, as long as every judged video is among them:

    multivent_2_train_queries.csv       Query_id,query
    multivent_2_train_judgments.jsonl   {"query_id": ..., "doc_id": ..., "relevance": 1}
    multivent_2_test_queries.csv
    multivent_2_test_judgments.jsonl    may also have video_language and video_type, which are taken over
    train/000000.tar ...                tars of 100: {id}.mp4, and {id}.json with `caption` and
                                        `yt_meta_dict.info.{id,title,description}`; {id}.m4a is not needed
    test/000000.tar ...                 {id}.mp4; captions in a csv `video_id,text` whose video_id may be a path
    features/train/...                  what is shipped of Whisper's transcripts and of OCR, at any depth, such as
    features/test/...                     whisper_asr/.../speech_to_text/train-000000-whisperv3-large.tar.gz: csv tables
                                          `video_id,text`, whose video_id may be a path, or {id}.m4a.csv;
                                          ocr/icdar_ocr_max/000000.tar.gz: {id}.mp4_frames/{id}_frame_{number}.png.csv,
                                          with a column `text`

Tars may lie deeper under these folders, be compressed, or be unpacked there already. Any of the four tables may be
missing, either split, and the features (`tasks/corpus/features.py` says how they are told apart). What else lies beside
(features of pictures, `multivent_2_ids.csv`) is not read. Tars of videos are unpacked once into the item store, which
needs as much room again; tars of features are read in place. The stage's manifest names the digests of the four tables;
the words of every json are in the video manifest, those of the features in `shipped.parquet`.

Queries carry in their id their language and type, and some what they are about:
`internvid_english_sports_pov_base_0`. Paper: arXiv 2410.11619.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from tasks.corpus.features import read_features
from tasks.corpus.fingerprints import fingerprints
from tasks.corpus.source import Source, directory
from tasks.corpus.tables import read_rows, relevance_of
from tasks.corpus.unpack import Files, find_files
from tasks.shared.artifacts.corpus import SPLITS, Judgment, Query, Split, Video
from tasks.shared.artifacts.shipped import Shipped
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import numbered_jsonl
from tasks.shared.runtime.progress import progress

LANGUAGES = {"arabic": "ar", "chinese": "zh", "english": "en", "korean": "ko", "russian": "ru", "spanish": "es"}
VIDEO_TYPES = {"professional": "professional", "edited": "edited", "raw": "raw", "pov": "raw"}
QUERY_LANGUAGE = re.compile(rf"(?:^|_)({'|'.join(LANGUAGES)})(?=_|$)")
QUERY_TYPE = re.compile(r"_(base|description|speech|ocr)(?:_\d+)?$")
QUERY_CATEGORY = re.compile(
    rf"(?:^|_)(?:{'|'.join(LANGUAGES)})_([a-z]+)_(?:{'|'.join(VIDEO_TYPES)})_(?:base|description|speech|ocr)(?:_\d+)?$"
)


def read_multivent(path: Path, workers: int) -> Source:
    """Read MultiVENT 2.0 laid out as above. Raises UserError for what is missing, malformed or damaged."""
    directory(path)
    folders: dict[Split, Path] = {split: path / split for split in SPLITS if (path / split).is_dir()}
    if not folders:
        raise UserError(f"{path} has neither train/ nor test/; set corpus.path to the top of MultiVENT 2.0")
    queries, judgments, read = [], [], []
    described: dict[str, dict[str, str]] = {}
    for split in SPLITS:
        if (table := path / f"multivent_2_{split}_queries.csv").is_file():
            queries += read_queries(table, split)
            read.append(table)
        if (table := path / f"multivent_2_{split}_judgments.jsonl").is_file():
            judgments += read_judgments(table, described)
            read.append(table)
    videos: list[Video] = []
    shipped: list[Shipped] = []
    ignored: list[str] = []
    for split, folder in folders.items():
        files = find_files(folder, workers)
        videos += _videos(files, described, split, workers)
        read += files.captions
        ignored += files.ignored
        found, unread = read_features(path / "features" / split, workers)
        shipped += found
        ignored += unread
    if not videos:
        raise UserError(f"{path}: no videos in the tars or folders of {' and '.join(folders)}; download some")
    return Source(videos, queries, judgments, shipped, read, ignored)


def read_queries(path: Path, split: Split) -> list[Query]:
    """Queries of one split; language, type and category come from the id where it names them."""
    queries = []
    for row in read_rows(path, ("Query_id", "query")):
        query_id = row.required("Query_id")
        language, kind, about = (
            found[1] if (found := pattern.search(query_id)) else None
            for pattern in (QUERY_LANGUAGE, QUERY_TYPE, QUERY_CATEGORY)
        )
        language = LANGUAGES[language] if language else None
        queries.append(Query(query_id, row.required("query"), language, kind, split, event=None, category=about))
    return queries


def _videos(files: Files, described: Mapping[str, Mapping[str, str]], split: Split, workers: int) -> Iterable[Video]:
    captions = _captions(files.captions)
    marks = fingerprints(list(files.videos.values()), workers)
    for video_id, file in progress(files.videos.items(), f"{split} metadata", len(files.videos)):
        words: dict[str, Any] = _metadata(files.metadata[video_id], video_id) if video_id in files.metadata else {}
        words["caption"] = words.get("caption") or captions.get(video_id) or None
        known = words | marks[file]._asdict() | dict(described.get(video_id, {}))
        yield Video(video_id=video_id, path=file.as_posix(), split=split, **known)


def _captions(tables: Iterable[Path]) -> dict[str, str]:
    """Captions by video id; several rows of one video are joined in their order."""
    texts: dict[str, list[str]] = {}
    for table in tables:
        for row in read_rows(table):
            video_id = PurePosixPath(row.required("video_id")).name.removesuffix(".mp4")
            if "text" not in row.fields:
                raise UserError(f"{row.where}: not a table of captions: no column text; take {table.name} away")
            texts.setdefault(video_id, []).append(row.fields["text"] or "")
    return {video_id: " ".join(" ".join(parts).split()) for video_id, parts in texts.items()}


def _metadata(path: Path, video_id: str) -> dict[str, str | None]:
    """Caption, title and description; values that are no text (missing ones are sometimes NaN) count as absent."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error}); unpack or download it again") from None
    content = content if isinstance(content, dict) else {}
    info = (content.get("yt_meta_dict") or {}).get("info") or {}
    if info.get("id", video_id) != video_id:
        raise UserError(f"{path} describes video {info['id']}, not {video_id}; download it again")
    words = {"caption": content.get("caption"), "title": info.get("title"), "description": info.get("description")}
    return {name: text.strip() or None if isinstance(text, str) else None for name, text in words.items()}


def read_judgments(path: Path, described: dict[str, dict[str, str]]) -> list[Judgment]:
    """Judgments of one split, in the file's order; what they say of the videos is added to `described`, by id."""
    judgments = []
    for where, row in numbered_jsonl(path):
        query_id, video_id = row.get("query_id"), row.get("doc_id")
        if not isinstance(query_id, str) or not isinstance(video_id, str):
            raise UserError(f"{where}: needs query_id and doc_id as text; mend or remove the line")
        judgments.append(Judgment(query_id, video_id, relevance_of(where, row.get("relevance"))))
        described.setdefault(video_id, {}).update(_described(row))
    return judgments


def _described(row: Mapping[str, Any]) -> dict[str, str]:
    """Language and type of the judged video, where the line has them in words that are known."""
    language, kind = str(row.get("video_language")).lower(), str(row.get("video_type")).lower()
    language = LANGUAGES.get(language, language if language in LANGUAGES.values() else "")
    found = {"language": language, "video_type": VIDEO_TYPES.get(kind)}
    return {name: value for name, value in found.items() if value}
