"""Rows that were made from something else than their id has are named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tasks.shared.artifacts import indexed, media, negatives, transcripts, vectors
from tasks.shared.artifacts.corpus import Query
from tasks.shared.artifacts.document import document_digest
from tasks.shared.artifacts.indexed import IndexedDocument, read_indexed, write_indexed
from tasks.shared.artifacts.media import Media, read_media, write_media
from tasks.shared.artifacts.negatives import MinedQuery, read_negatives, write_negatives
from tasks.shared.artifacts.rows import Mismatch, refuse
from tasks.shared.artifacts.shipped import Shipped
from tasks.shared.artifacts.transcripts import Transcript, read_transcripts, write_transcripts
from tasks.shared.artifacts.vectors import Vectors, read_vectors, write_vectors
from tasks.shared.runtime.errors import UserError
from tests.negatives.small_results import video

VIDEOS = [video("a"), video("b"), video("c")]


def medium(video_id: str) -> Media:
    sha256 = f"sha of {video_id}"
    return Media(video_id, sha256, "f.png", f"frames {video_id}", [0.0], 1, 4, 4, "a.flac", f"audio {video_id}", 1.0)


MEDIA = {one.video_id: medium(one.video_id) for one in VIDEOS}


def heard(video_id: str, text: str) -> Transcript:
    sound = MEDIA[video_id].audio_sha256
    return Transcript(video_id, text, "en", 1.0, [], "SIGN", audio_sha256=sound, video_sha256=f"sha of {video_id}")


def found(mismatches: object) -> list[tuple[str, str]]:
    return [(one.id, one.made_from) for one in mismatches]  # type: ignore[attr-defined]


def test_media_of_another_video(tmp_path: Path) -> None:
    write_media(tmp_path, MEDIA.values())
    assert found(media.mismatched(read_media(tmp_path), VIDEOS)) == []
    swapped = [replace(MEDIA["a"], video_id="b"), replace(MEDIA["b"], video_id="a"), MEDIA["c"]]
    write_media(tmp_path, swapped)
    assert found(media.mismatched(read_media(tmp_path), VIDEOS)) == [("a", "video"), ("b", "video")]


def test_a_transcript_of_another_sound_or_picture(tmp_path: Path) -> None:
    rows = {"a": heard("a", "one"), "b": heard("b", "two"), "c": Transcript("c", "told", None, 0.0, [])}
    write_transcripts(tmp_path, rows.values())
    assert read_transcripts(tmp_path) == rows
    assert found(transcripts.mismatched(rows, MEDIA)) == []
    write_transcripts(tmp_path, [replace(rows["a"], video_id="b"), replace(rows["b"], video_id="a"), rows["c"]])
    swapped = read_transcripts(tmp_path)
    expected = [("a", "audio"), ("a", "video"), ("b", "audio"), ("b", "video")]
    assert found(transcripts.mismatched(swapped, MEDIA)) == expected
    silent = MEDIA | {"a": replace(MEDIA["a"], audio=None, audio_sha256=None)}
    assert found(transcripts.mismatched(rows, silent)) == [("a", "audio")]


def test_a_transcript_of_other_shipped_text() -> None:
    features = [Shipped("a", "one", None), Shipped("b", "two", ["SIGN"])]
    rows = {one.video_id: replace(heard(one.video_id, ""), shipped_sha256=one.digest()) for one in features}
    assert found(transcripts.mismatched(rows, MEDIA, features)) == []
    other = [Shipped("a", "one", []), features[1]]
    assert found(transcripts.mismatched(rows, MEDIA, other)) == [("a", "shipped text")]


def test_a_document_of_other_parts(tmp_path: Path) -> None:
    words = {"a": heard("a", "one"), "b": heard("b", "two")}
    rows = [
        IndexedDocument(
            one.video_id, document_digest("t", one.frames_sha256, 1, one.audio_sha256), ["text", "video", "audio"],
            "text", 1, "t", words[one.video_id].digest(), 1, one.frames_sha256, one.audio_sha256, "v", "p",
        )
        for one in (MEDIA["a"], MEDIA["b"])
    ]  # fmt: skip
    write_indexed(tmp_path, rows)
    assert found(indexed.mismatched(read_indexed(tmp_path), MEDIA, words)) == []
    write_indexed(tmp_path, [replace(rows[0], video_id="b"), replace(rows[1], video_id="a")])
    changed = indexed.mismatched(read_indexed(tmp_path), MEDIA, words)
    parts = ["frames", "audio", "transcript"]
    assert found(changed) == [("a", one) for one in parts] + [("b", one) for one in parts]
    forged = {"a": replace(rows[0], text_sha256="other")}
    assert found(indexed.mismatched(forged, MEDIA, words)) == [("a", "content")]


def test_a_vector_of_another_source(tmp_path: Path) -> None:
    values = np.eye(2, dtype=np.float32)
    write_vectors(tmp_path, "base", "videos", Vectors(["a", "b"], values, ["1", "2"]))
    read = read_vectors("base", "videos", tmp_path)
    assert read.sources == ["1", "2"] and vectors.rows_of(read, ["b", "x"]).sources == ["2"]
    assert found(vectors.mismatched("base", "videos", read, {"a": "1", "b": "2", "c": "3"})) == []
    assert found(vectors.mismatched("base", "videos", read, {"a": "2", "b": "1"})) == [
        ("a", "document"),
        ("b", "document"),
    ]
    with pytest.raises(ValueError, match="2 vectors were made from 0 sources"):
        write_vectors(tmp_path, "base", "videos", Vectors(["a", "b"], values))


def test_negatives_of_another_query_text(tmp_path: Path) -> None:
    asked = Query("q", "a red boat", "en", None, "train", None)
    path = tmp_path / "negatives.jsonl"
    write_negatives(path, [MinedQuery("q", ["a"], [], [], {}, asked.digest())])
    assert found(negatives.mismatched(read_negatives(path), [asked])) == []
    assert found(negatives.mismatched(read_negatives(path), [replace(asked, text="a blue boat")])) == [
        ("q", "query text")
    ]


def test_the_first_mismatch_is_refused_in_one_line() -> None:
    refuse([])
    one = Mismatch("results/extract/media.parquet", "a", "video", "1" * 64, None, "extract")
    with pytest.raises(UserError) as refused:
        refuse([one, replace(one, id="b")])
    assert str(refused.value) == (
        "results/extract/media.parquet: the row of a was made from another video (111111111111, and there is none); "
        "make it again with `dvc repro -f extract`"
    )
