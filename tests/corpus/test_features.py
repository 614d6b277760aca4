"""What MultiVENT 2.0 ships beside its videos, in the layouts that people who have it describe."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from tasks.corpus.features import read_features
from tasks.shared.artifacts.shipped import Shipped
from tasks.shared.runtime.errors import UserError

WHISPER = "whisper_asr/exp/scale24/data/video/baseline/train/speech_to_text"
ICDAR = "exp/scale24/features/train/ocr/icdar_ocr_max"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REELTRACE_STORE", raising=False)
    return Path("features/train")


def pack(path: Path, members: dict[str, str]) -> Path:
    """A tar of these texts, compressed where its name says so, old enough to be remembered."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name, text in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    os.utime(path, (1e9, 1e9))
    return path


def by_id(folder: Path) -> dict[str, Shipped]:
    shipped, ignored = read_features(folder, 2)
    assert ignored == []
    return {one.video_id: one for one in shipped}


def test_nothing_is_shipped(folder: Path) -> None:
    assert read_features(folder, 1) == ([], [])


def test_one_table_a_tar_and_one_a_video(folder: Path) -> None:
    pack(
        folder / WHISPER / "train-000000-whisperv3-large.tar.gz",
        {
            "000000/asr.csv": 'video_id,text\n000000/-Ab_c.m4a,"first, words"\n000000/-Ab_c.m4a,and more\n'
            "000000/مرحبا.m4a,أهلا بكم\n000000/silent.m4a,\n"
        },
    )
    pack(
        folder / WHISPER / "train-000001-whisperv3-large.tar.gz",
        {
            "speech_to_text/000001/x.y.m4a.csv": "video_id,text\nx.y.m4a,by its name\n",
            "speech_to_text/000001/empty.m4a.csv": "",
            "speech_to_text/000001/.hidden.m4a.csv": "text\nno\n",
        },
    )
    assert by_id(folder) == {
        "-Ab_c": Shipped("-Ab_c", "first, words and more", None),
        "مرحبا": Shipped("مرحبا", "أهلا بكم", None),
        "silent": Shipped("silent", "", None),
        "x.y": Shipped("x.y", "by its name", None),
        "empty": Shipped("empty", "", None),
    }


def test_frames_come_in_the_order_of_their_numbers_whichever_columns_there_are(folder: Path) -> None:
    frames = {
        f"{ICDAR[-3:]}/v.mp4_frames/v_frame_{number}.png.csv": f"x1,y1,text,score\n1,2,{text},0.9\n3,4,second line,1\n"
        for number, text in ((100, "hundred"), (9, "nine"), (10, "ten"))
    }
    pack(folder / ICDAR / "000000.tar.gz", {**frames, "max/v.mp4_frames/v_frame_11.png.csv": "x1,y1,text,score\n"})
    table = folder / ICDAR / "000001" / "more.csv"
    table.parent.mkdir()
    table.write_text("video_id,frame_id,text\na/w.mp4,frame_20,later\na/w.mp4,frame_3,sooner\na/w.mp4,frame_3,same\n")
    (folder / ICDAR / "u.mp4_frames").mkdir()
    (folder / ICDAR / "u.mp4_frames" / "u_frame_1.png.csv").touch()
    assert by_id(folder) == {
        "v": Shipped("v", None, ["nine\nsecond line", "ten\nsecond line", "hundred\nsecond line"]),
        "w": Shipped("w", None, ["sooner\nsame", "later"]),
        "u": Shipped("u", None, []),
    }


def test_of_several_kinds_of_ocr_icdars_is_taken_and_pictures_features_are_let_alone(folder: Path) -> None:
    pack(folder / "ocr/paddle_ocr/000000.tar", {"v_frame_1.png.csv": "text\npaddle\n"})
    pack(folder / "ocr/icdar_ocr_max/000000.tar", {"v_frame_1.png.csv": "text\nicdar\n"})
    (folder / "clip").mkdir()
    (folder / "clip/000000.tar").write_bytes(b"no tar, and nobody looks")
    shipped, ignored = read_features(folder, 1)
    assert shipped == [Shipped("v", None, ["icdar"])]
    assert ignored == ["features/train/ocr/paddle_ocr/000000.tar"]
    (folder / "ocr/icdar_ocr_max/000000.tar").unlink()
    assert by_id(folder)["v"].frames == ["paddle"]


def test_a_tar_is_read_once_and_known_by_its_bytes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tar = pack(folder / WHISPER / "a.tar.gz", {"v.m4a.csv": "text\nsaid\n"})
    first = by_id(folder)
    with monkeypatch.context() as patch:
        patch.setattr("tasks.corpus.features.opened", lambda tar: pytest.fail(f"{tar} opened again"))
        tar.rename(tar.with_name("b.tar.gz"))
        assert by_id(folder) == first
    pack(folder / WHISPER / "b.tar.gz", {"v.m4a.csv": "text\nsaid otherwise\n"})
    assert by_id(folder)["v"].transcript == "said otherwise"


def test_one_spoilt_table_is_told_and_costs_no_other(folder: Path) -> None:
    pack(
        folder / WHISPER / "a.tar",
        {
            "good.m4a.csv": "video_id,text\ngood.m4a,fine\n",
            "odd.m4a.csv": "video_id,words\nodd.m4a,x\n",
            "cut.m4a.csv": 'video_id,text\ncut.m4a,"no end\n',
            "nobody.csv": "text\nwhose?\n",
        },
    )
    (folder / WHISPER / "latin.m4a.csv").write_bytes(b"text\n\xe9\n")
    shipped, ignored = read_features(folder, 1)
    assert shipped == [Shipped("good", "fine", None)]
    for name, why in (
        ("odd.m4a.csv", "no column text; its columns are video_id, words"),
        ("cut.m4a.csv:2", "not CSV"),
        ("nobody.csv:2", "whose text is this?"),
        ("latin.m4a.csv", "not UTF-8"),
    ):
        assert sum(name in one and why in one for one in ignored) == 1, ignored
    assert len(ignored) == 4 and all("\n" not in one for one in ignored)


def test_a_long_transcript_is_one_field(folder: Path) -> None:
    words = "word " * 60_000
    pack(folder / WHISPER / "a.tar", {"t.csv": f"video_id,text\nlong.m4a,{words}\n"})
    assert by_id(folder)["long"].transcript == words.strip()


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"odd.m4a.csv": "video_id,words\nodd.m4a,x\n"}, "no ASR table can be read; the first: "),
        (
            {"a/v.m4a.csv": "text\none\n", "b/v.m4a.csv": "text\nother\n"},
            "b/v.m4a.csv: another text of video v is in a table before; keep one of both",
        ),
    ],
)
def test_one_clear_line_each(folder: Path, members: dict[str, str], says: str) -> None:
    pack(folder / WHISPER / "a.tar", members)
    with pytest.raises(UserError) as error:
        read_features(folder, 1)
    assert says in str(error.value) and "\n" not in str(error.value)


def test_a_damaged_tar_is_one_clear_line(folder: Path) -> None:
    tar = pack(folder / WHISPER / "a.tar.gz", {"v.m4a.csv": "text\n" + "said\n" * 9999})
    tar.write_bytes(tar.read_bytes()[: tar.stat().st_size // 2])
    with pytest.raises(UserError, match=r"a\.tar\.gz is damaged \(.*\); download it again"):
        read_features(folder, 1)
