"""Features that MultiVENT 2.0 ships: Whisper's transcripts and what OCR read in sampled frames, out of many small CSVs.

They lie anywhere below a split's feature folder, in tars or unpacked; the path tells which is which. A table of
transcripts has `video_id,text`, one of on-screen text a column `text`, a row for every line found. Whose it is says the
column `video_id`, which may be a path, else the file's name: `{id}.m4a.csv`, `{id}_frame_{number}.png.csv`. Rows of one
video or frame are joined in their order. Where several kinds of OCR are shipped, ICDAR's is taken (the authors' better
one), else whatever there is.

A tar is read once: what was in it is kept in the item store under its digest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal

from tasks.corpus.fingerprints import fingerprints
from tasks.corpus.source import VIDEO_SUFFIXES
from tasks.corpus.tables import Row, read_csv_bytes
from tasks.corpus.tars import TAR_SUFFIXES, opened
from tasks.shared.artifacts.shipped import Shipped
from tasks.shared.execution.items import ItemStore
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json, write_json
from tasks.shared.runtime.progress import progress

Kind = Literal["asr", "ocr"]
KINDS: dict[Kind, re.Pattern[str]] = {"ocr": re.compile("ocr"), "asr": re.compile("whisper|asr|speech_to_text")}
PREFERRED = "icdar"
MEDIA_SUFFIXES = (*VIDEO_SUFFIXES, ".m4a", ".mp3", ".wav")
FRAME = re.compile(r"(?P<video>.+)_frame_(?P<number>\d+)\.(?:png|jpe?g)")
FRAME_COLUMNS = ("frame", "frame_id", "frame_number")
ITEM = "texts.json"


@dataclass
class Texts:
    """Texts by video id, then by number of frame (0 for transcripts); and tables that could not be read, with why."""

    found: dict[str, dict[int, str]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)

    def add(self, where: str, found: dict[str, dict[int, str]]) -> None:
        """Take texts over. Raises UserError for a frame, or a video's transcript, that is there with another text."""
        for video_id, of_video in found.items():
            known = self.found.setdefault(video_id, {})
            for number, text in of_video.items():
                if known.setdefault(number, text) != text:
                    raise UserError(f"{where}: another text of video {video_id} is in a table before; keep one of both")


def read_features(folder: Path, workers: int) -> tuple[list[Shipped], list[str]]:
    """What is shipped for videos below a split's folder, and the tables that could not be read or were not taken.

    Raises UserError for a damaged tar, for two texts of one thing, and where not one table of a kind can be read.
    """
    ignored: list[str] = []
    texts: dict[Kind, Texts] = {"asr": Texts(), "ocr": Texts()}
    for kind, files in _files(folder, ignored).items():
        texts[kind] = _read(kind, files, workers)
        ignored += texts[kind].unread
        if texts[kind].unread and not texts[kind].found:
            raise UserError(f"{folder}: no {kind.upper()} table can be read; the first: {texts[kind].unread[0]}")
    transcripts, screens = texts["asr"].found, texts["ocr"].found
    shipped = [
        Shipped(
            video_id,
            transcripts[video_id][0] if video_id in transcripts else None,
            [text for _, text in sorted(screens[video_id].items()) if text] if video_id in screens else None,
        )
        for video_id in sorted(transcripts.keys() | screens.keys())
    ]
    return shipped, ignored


def _files(folder: Path, ignored: list[str]) -> dict[Kind, list[Path]]:
    """Tars and tables by kind; everything else is ignored, such as features of pictures."""
    found: dict[Kind, list[Path]] = {}
    for file in sorted(folder.rglob("*")):
        kind = next((one for one, mark in KINDS.items() if mark.search(_place(file, folder))), None)
        if kind and file.name.endswith((*TAR_SUFFIXES, ".csv")) and not file.name.startswith(".") and file.is_file():
            found.setdefault(kind, []).append(file)
    of_ocr = found.get("ocr", [])
    if preferred := [file for file in of_ocr if PREFERRED in _place(file, folder)]:
        ignored += [file.as_posix() for file in of_ocr if PREFERRED not in _place(file, folder)]
        found["ocr"] = preferred
    return found


def _place(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix().lower()


def _read(kind: Kind, files: Sequence[Path], workers: int) -> Texts:
    texts = Texts()
    tars = [file for file in files if file.suffix != ".csv"]
    marks = fingerprints(tars, workers, probe=False)
    store = ItemStore("features", "tasks.corpus.features", {"kind": kind})
    for tar in progress(tars, f"{kind} features", len(tars), "tar"):
        key = store.key(marks[tar].sha256)
        entry = store.get(key) or store.put(key, partial(_keep, kind, tar))
        kept = read_json(entry / ITEM)
        found = {video_id: {int(number): text for number, text in of} for video_id, of in kept["found"].items()}
        texts.add(str(tar), found)
        texts.unread += [f"{tar}:{one}" for one in kept["unread"]]
    loose = [file for file in files if file.suffix == ".csv"]
    for file in progress(loose, f"{kind} features", len(loose), "file"):
        _take(texts, kind, str(file), file.read_bytes())
    return texts


def _keep(kind: Kind, tar: Path, folder: Path) -> None:
    """Read the tables of a tar into a file of the item store, without the tar's name: it may be another next time."""
    texts = Texts()
    with opened(tar) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() and member.name.endswith(".csv") else None
            if content is not None and not PurePosixPath(member.name).name.startswith("."):
                _take(texts, kind, member.name, content.read())
    found = {video_id: sorted(of_video.items()) for video_id, of_video in texts.found.items()}
    write_json(folder / ITEM, {"found": found, "unread": texts.unread})


def _take(texts: Texts, kind: Kind, name: str, content: bytes) -> None:
    try:
        found = _texts(kind, name, content)
    except UserError as error:  # one of a million tables is not worth the import
        texts.unread.append(str(error))
    else:
        texts.add(name, found)


def _texts(kind: Kind, name: str, content: bytes) -> dict[str, dict[int, str]]:
    """The texts in one table. Raises UserError for one without the columns named above."""
    rows = read_csv_bytes(name, content)
    lines: dict[str, dict[int, list[str]]] = {}
    if whose := _of_file(name):  # also where there is not one row: then nothing was said or read
        lines[whose[0]] = {whose[1]: []}
    for row in rows:
        if "text" not in row.fields:
            raise UserError(f"{name}: no column text; its columns are {', '.join(row.fields)}")
        video_id, number = _of_row(row, whose)
        lines.setdefault(video_id, {}).setdefault(number if kind == "ocr" else 0, []).append(row.fields["text"] or "")
    joint = "\n" if kind == "ocr" else " "
    return {
        video_id: {number: joint.join(filter(None, texts)) for number, texts in of_video.items()}
        for video_id, of_video in lines.items()
    }


def _of_row(row: Row, whose: tuple[str, int] | None) -> tuple[str, int]:
    """Video and frame of a row: its own columns where it has them, else those of the file's name."""
    own = row.fields.get("video_id") or ""
    found = _of_frame(PurePosixPath(own).name) or (_stem(own), whose[1] if whose else 0) if own else whose
    if found is None:
        raise UserError(f"{row.where}: whose text is this? Neither a column video_id nor the file's name tells")
    frame = next((row.fields[name] for name in FRAME_COLUMNS if row.fields.get(name)), None)
    if frame is None:
        return found
    if not (digits := re.search(r"(\d+)\D*$", frame)):
        raise UserError(f"{row.where}: frame {frame!r} is no number")
    return found[0], int(digits[1])


def _of_file(name: str) -> tuple[str, int] | None:
    """Video and frame by the name of a table; None for one over many videos."""
    own = PurePosixPath(name).name.removesuffix(".csv")
    if frame := _of_frame(own):
        return frame
    return (_stem(own), 0) if own.endswith(MEDIA_SUFFIXES) else None


def _of_frame(name: str) -> tuple[str, int] | None:
    found = FRAME.fullmatch(name)
    return (found["video"], int(found["number"])) if found else None


def _stem(name: str) -> str:
    own = PurePosixPath(name).name
    return next((own.removesuffix(suffix) for suffix in MEDIA_SUFFIXES if own.endswith(suffix)), own)
