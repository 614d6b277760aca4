"""What must hold of every corpus, whatever its source."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from tasks.corpus.source import Source
from tasks.shared.artifacts.corpus import Judgment, Query, Video
from tasks.shared.runtime.errors import UserError

MAX_ID_BYTES = 200  # an id becomes a file's name, with room for a suffix
VIDEO_TYPES = ("professional", "edited", "raw")
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")  # ISO 639 as in BCP 47


def checked(source: Source) -> Source:
    """The source with repeated judgments taken once. Raises UserError, one line, for the first thing wrong."""
    _videos(source.videos)
    _queries(source.queries)
    featured: set[str] = set()
    for one in source.shipped:
        if one.video_id in featured:
            raise UserError(f"features of video {one.video_id} are there twice, in both splits; keep those of its own")
        featured.add(one.video_id)
        _text(f"features of video {one.video_id}", one.transcript, *(one.frames or ()))
    judgments = each_once(source.judgments)
    _judgments(judgments, source.videos, source.queries)
    return replace(source, judgments=judgments)


def _videos(videos: Sequence[Video]) -> None:
    if not videos:
        raise UserError("the corpus has no videos; look at corpus.path and corpus.source in params.yaml")
    seen: dict[str, Video] = {}
    for video in videos:
        _id("video id", video.video_id, f" of {video.path}")
        if other := seen.get(video.video_id):
            raise UserError(
                f"video id {video.video_id} is that of {other.path} and of {video.path}; rename one or give it an id"
            )
        seen[video.video_id] = video
        where = f"video {video.video_id}"
        _language(where, video.language)
        if video.video_type is not None and video.video_type not in VIDEO_TYPES:
            raise UserError(f"{where}: video_type {video.video_type!r} is none of {', '.join(VIDEO_TYPES)}")
        _text(where, video.title, video.description, video.caption, video.event)
    if all(video.split == "train" for video in videos):
        raise UserError("every video is in the train split: nothing would be indexed or scored; add test videos")


def _queries(queries: Sequence[Query]) -> None:
    seen: set[str] = set()
    for query in queries:
        _id("query id", query.query_id)
        where = f"query {query.query_id}"
        if query.query_id in seen:
            raise UserError(f"{where} occurs twice; give every query an id of its own")
        seen.add(query.query_id)
        if not query.text.strip():
            raise UserError(f"{where} has no text; write it or remove the query")
        _language(where, query.language)
        _text(where, query.text, query.type, query.event, query.category)


def each_once(judgments: Sequence[Judgment]) -> list[Judgment]:
    """Repeated judgments taken once. Raises UserError for a relevance below 0, and for two of one pair."""
    found: dict[tuple[str, str], Judgment] = {}
    for one in judgments:
        if one.relevance < 0:
            raise UserError(f"query {one.query_id}, video {one.video_id}: relevance {one.relevance} is below 0")
        other = found.setdefault((one.query_id, one.video_id), one)
        if other != one:
            raise UserError(
                f"query {one.query_id}, video {one.video_id}: judged {other.relevance} and {one.relevance}; keep one"
            )
    return list(found.values())


def _judgments(judgments: Sequence[Judgment], videos: Sequence[Video], queries: Sequence[Query]) -> None:
    """Judgments are of known queries and videos, and a judged video, relevant or not, is in the split of its query."""
    of_video = {video.video_id: video.split for video in videos}
    of_query = {query.query_id: query.split for query in queries}
    for what, unknown in (
        ("queries", dict.fromkeys(one.query_id for one in judgments if one.query_id not in of_query)),
        ("videos", dict.fromkeys(one.video_id for one in judgments if one.video_id not in of_video)),
    ):
        if unknown:
            raise UserError(
                f"judgments name {len(unknown)} unknown {what}, the first is {next(iter(unknown))}; "
                f"add the {what} or remove these judgments"
            )
    if leaks := [one for one in judgments if of_query[one.query_id] != of_video[one.video_id]]:
        one = leaks[0]
        raise UserError(
            f"{len(leaks)} judgments cross the splits, the first: {of_query[one.query_id]} query {one.query_id} judges "
            f"{one.video_id}, which is in {of_video[one.video_id]}; put both into one split"
        )


def _id(what: str, value: str, of: str = "") -> None:
    wrong = (
        "is empty" if not value
        else f"is longer than {MAX_ID_BYTES} bytes" if len(value.encode(errors="replace")) > MAX_ID_BYTES
        else "has / or \\" if re.search(r"[/\\]", value)
        else "has .. or begins with a dot" if ".." in value or value.startswith(".")
        else "has white space or unprintable characters" if " " in value or not value.isprintable()
        else None
    )  # fmt: skip
    if wrong:
        raise UserError(f"{what} {value[:80]!r}{of} {wrong}; use letters, digits, dot, dash and underscore")


def id_of(name: str) -> str:
    """A video id, safe as a file's name and in TREC files, that still reads like the path `name`."""
    stem = name.removesuffix(Path(name).suffix)
    readable = unicodedata.normalize("NFC", stem.replace("/", "__"))
    safe = "".join(one if one.isalnum() or one in "._-" else "_" for one in readable)
    safe = re.sub(r"\.\.+", ".", safe).lstrip(".") or "_"
    if len(safe.encode()) <= MAX_ID_BYTES:
        return safe
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{digest}_{safe.encode()[-(MAX_ID_BYTES - 13) :].decode(errors='ignore')}"


def _language(where: str, language: str | None) -> None:
    if language is not None and not LANGUAGE.fullmatch(language):
        raise UserError(f"{where}: language {language!r} is no code like en or zh; write ISO 639-1")


def _text(where: str, *texts: str | None) -> None:
    for text in texts:
        try:
            (text or "").encode()
        except UnicodeEncodeError:
            raise UserError(f"{where}: text with half a surrogate pair, which is no Unicode; mend it") from None


def bytes_in_both_splits(videos: Iterable[Video]) -> int:
    """How many test videos have the very bytes of a train video: copies that ids cannot show."""
    videos = list(videos)
    train = {video.sha256 for video in videos if video.split == "train"}
    return sum(video.split == "test" and video.sha256 in train for video in videos)
