from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import make_video

from tasks.corpus.check import checked
from tasks.corpus.multivent import read_multivent
from tasks.shared.artifacts.corpus import Judgment
from tasks.shared.runtime.errors import UserError


def _info(video_id: str, **words: Any) -> dict[str, Any]:
    info = {"id": video_id, "title": words.get("title"), "description": words.get("description")}
    return {"caption": words.get("caption"), "yt_meta_dict": {"info": info}}


def _lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _pack(folder: Path) -> None:
    with tarfile.open(folder.with_suffix(".tar"), "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.add(file, arcname=f"{folder.name}/{file.name}")
            file.unlink()
    folder.rmdir()


@pytest.fixture
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small imitation of the published layout: two tars of 100 and one unpacked folder, both splits."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REELTRACE_STORE", raising=False)
    top = Path("multivent")
    clip = make_video(tmp_path / "clip.mp4", frames=4, size=(32, 32)).read_bytes()
    for split, ids in (
        ("train/000000", [f"tr{n:09d}" for n in range(100)]),
        ("test/000000", ["-LAxzdxpDoE", *(f"te{n:09d}" for n in range(99))]),
        ("test/000001", ["_WUR7H8ZFpo"]),
    ):
        folder = top / split
        folder.mkdir(parents=True)
        for video_id in ids:
            (folder / f"{video_id}.mp4").write_bytes(clip)
            if split.startswith("train"):
                (folder / f"{video_id}.m4a").touch()
                (folder / f"{video_id}.json").write_text(
                    json.dumps(_info(video_id, title=f"T {video_id}", description="", caption=float("nan")))
                )
        if split.startswith("test"):
            rows = "".join(f'{folder.name}/{video_id}.mp4,"caption, of {video_id}"\n' for video_id in ids)
            (folder / "captions.csv").write_text(f"video_id,text\n{rows}")
    _pack(top / "train/000000")
    _pack(top / "test/000000")
    (top / "multivent_2_train_queries.csv").write_bytes(
        b"Query_id,query\r\n"
        b"internvid_english_sports_pov_base_0,1929 Henry Segrave setting speed records\r\n"
        b'internvid_chinese_other_professional_ocr_2,"Hangzhou River Cleaners 1,500 compensation"\r\n'
    )
    (top / "multivent_2_test_queries.csv").write_text("Query_id,query\nmultivent_arabic_7_speech_0,x\nplain_17,y\n")
    _lines(
        top / "multivent_2_train_judgments.jsonl",
        [
            {"query_id": "internvid_english_sports_pov_base_0", "doc_id": "tr000000000", "relevance": 1},
            {"query_id": "internvid_english_sports_pov_base_0", "doc_id": "tr000000000", "relevance": 1},
            {"query_id": "internvid_chinese_other_professional_ocr_2", "doc_id": "tr000000007", "relevance": 1},
        ],
    )
    _lines(
        top / "multivent_2_test_judgments.jsonl",
        [
            {"query_id": "plain_17", "doc_id": "-LAxzdxpDoE", "relevance": 3, "video_language": "korean",
             "video_type": "POV", "video_modality": "ocr"},
            {"query_id": "plain_17", "doc_id": "_WUR7H8ZFpo", "relevance": 0, "video_language": "Klingon"},
        ],
    )  # fmt: skip
    (top / "multivent_2_ids.csv").write_text("id\ntr000000000\n")
    return top


def test_both_splits(top: Path) -> None:
    source = checked(read_multivent(top, 2))
    videos = {video.video_id: video for video in source.videos}
    assert len(source.videos) == 201
    assert sum(video.split == "train" for video in source.videos) == 100
    train, test, loose = videos["tr000000042"], videos["-LAxzdxpDoE"], videos["_WUR7H8ZFpo"]
    assert (train.title, train.description, train.caption) == ("T tr000000042", None, None)
    assert (test.caption, test.language, test.video_type) == ("caption, of -LAxzdxpDoE", "ko", "raw")
    assert (loose.caption, loose.language) == ("caption, of _WUR7H8ZFpo", None)
    assert loose.path == "multivent/test/000001/_WUR7H8ZFpo.mp4"
    assert {(query.query_id, query.language, query.type, query.split, query.category) for query in source.queries} == {
        ("internvid_english_sports_pov_base_0", "en", "base", "train", "sports"),
        ("internvid_chinese_other_professional_ocr_2", "zh", "ocr", "train", "other"),
        ("multivent_arabic_7_speech_0", "ar", "speech", "test", None),
        ("plain_17", None, None, "test", None),
    }
    assert "Hangzhou River Cleaners 1,500 compensation" in [query.text for query in source.queries]
    assert len(source.judgments) == 4
    assert Judgment("plain_17", "-LAxzdxpDoE", 3) in source.judgments
    assert len(source.ignored) == 100  # the sound beside every train video


def test_paths_are_real_files_named_alike_in_every_workspace(top: Path) -> None:
    video = read_multivent(top, 1).videos[0]
    assert not Path(video.path).is_absolute()
    assert Path(video.path).parts[:2] == (".reeltrace", "unpacked")
    assert Path(video.path).stat().st_size == video.bytes


def test_again_is_equal_and_neither_unpacks_nor_reads(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read_multivent(top, 2)
    for path in top.rglob("*"):
        os.utime(path, (1e9, 1e9))
    for path in Path(".reeltrace/unpacked").rglob("*"):
        os.utime(path, (1e9, 1e9))
    assert read_multivent(top, 2) == first
    monkeypatch.setattr("tasks.corpus.unpack._unpack", lambda *_: pytest.fail("unpacked again"))
    monkeypatch.setattr("tasks.corpus.fingerprints.sha256_file", lambda path: pytest.fail(f"{path} read again"))
    assert read_multivent(top, 2) == first


def _only(top: Path, *keep: str) -> None:
    for path in list(top.iterdir()):
        if path.name not in keep:
            path.rename(top.parent / f"away-{path.name}")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_only, "multivent has neither train/ nor test/"),
        (
            lambda top: (top / "multivent_2_train_queries.csv").unlink(),
            "2 unknown queries, the first is internvid_engl",
        ),
        (lambda top: (top / "train/000000.tar").unlink(), "2 unknown videos, the first is tr000000000"),
        (lambda top: make_video(top / "train/loose/tr000000001.mp4"), "video tr000000001 is there twice"),
        (lambda top: make_video(top / "train/loose/_WUR7H8ZFpo.mp4"), "video id _WUR7H8ZFpo is that of"),
        (
            lambda top: (top / "test/000001/odd.csv").write_text("video_id,words\nx,y\n"),
            "odd.csv:2: not a table of capt",
        ),
        (lambda top: (top / "test/000001/_WUR7H8ZFpo.json").write_text("{"), "_WUR7H8ZFpo.json: not JSON"),
        (
            lambda top: (top / "test/000001/_WUR7H8ZFpo.json").write_text(json.dumps(_info("other"))),
            "_WUR7H8ZFpo.json describes video other",
        ),
        (
            lambda top: _lines(top / "multivent_2_test_judgments.jsonl", [{"query_id": "q", "doc_id": "v"}]),
            "multivent_2_test_judgments.jsonl:1: relevance None is not a whole number",
        ),
        (
            lambda top: _lines(top / "multivent_2_test_judgments.jsonl", [{"query_id": "q", "video_id": "v"}]),
            "multivent_2_test_judgments.jsonl:1: needs query_id and doc_id",
        ),
    ],
)
def test_one_clear_line_each(top: Path, spoil: Callable[[Path], object], says: str) -> None:
    spoil(top)
    with pytest.raises(UserError) as error:
        checked(read_multivent(top, 1))
    assert says in str(error.value)
    assert "\n" not in str(error.value)
