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
from tasks.corpus.tables import Row, csv_rows
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
    """Texts by video id and number of frame (0 for transcripts); and tables that could not be read, with why."""

    found: dict[tuple[str, int], str] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)

    def add(self, where: str, found: dict[tuple[str, int], str]) -> None:
        """Take texts over. Raises UserError for a frame, or a video's transcript, that is there with another text."""
        for key, text in found.items():
            if self.found.setdefault(key, text) != text:
                raise UserError(f"{where}: another text of video {key[0]} is in a table before; keep one of both")

    def take(self, kind: Kind, name: str, content: bytes) -> None:
        """Add the texts of a table; one of a million that cannot be read is not worth the import."""
        try:
            found = _texts(kind, name, content)
        except UserError as error:
            self.unread.append(str(error))
        else:
            self.add(name, found)


def read_features(folder: Path, workers: int) -> tuple[list[Shipped], list[str]]:
    """What is shipped for videos below a split's folder, and the tables that could not be read or were not taken.

    Raises UserError for a damaged tar, for two texts of one thing, and where not one table of a kind can be read.
    """
    files, ignored = _files(folder)
    texts = {kind: _read(kind, files[kind], workers) for kind in KINDS}
    for kind, one in texts.items():
        ignored += one.unread
        if one.unread and not one.found:
            raise UserError(f"{folder}: no {kind.upper()} table can be read; the first: {one.unread[0]}")
    transcripts = {video_id: text for (video_id, _), text in texts["asr"].found.items()}
    screens: dict[str, list[str]] = {}
    for (video_id, _), text in sorted(texts["ocr"].found.items()):
        screens.setdefault(video_id, []).extend([text] if text else [])
    both = sorted(transcripts.keys() | screens.keys())
    return [Shipped(one, transcripts.get(one), screens.get(one)) for one in both], ignored


def _files(folder: Path) -> tuple[dict[Kind, list[Path]], list[str]]:
    """Tars and tables by kind, and those not taken; everything else is let alone, such as features of pictures."""
    found: dict[Kind, list[Path]] = {kind: [] for kind in KINDS}
    for file in sorted(folder.rglob("*")):
        kind = next((one for one, mark in KINDS.items() if mark.search(_place(file, folder))), None)
        if kind and file.name.endswith((*TAR_SUFFIXES, ".csv")) and not file.name.startswith(".") and file.is_file():
            found[kind].append(file)
    preferred = [file for file in found["ocr"] if PREFERRED in _place(file, folder)]
    ignored = [file.as_posix() for file in found["ocr"] if preferred and PREFERRED not in _place(file, folder)]
    return found | {"ocr": preferred or found["ocr"]}, ignored


def _place(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix().lower()


def _read(kind: Kind, files: Sequence[Path], workers: int) -> Texts:
    texts = Texts()
    tars = [file for file in files if file.suffix != ".csv"]
    marks = fingerprints(tars, workers, probe=False)
    store = ItemStore("features", "tasks.corpus.features", {"kind": kind})
    for file in progress(files, f"{kind} features", len(files), "file"):
        if file not in marks:
            texts.take(kind, str(file), file.read_bytes())
            continue
        key = store.key(marks[file].sha256)
        kept = read_json((store.get(key) or store.put(key, partial(_keep, kind, file))) / ITEM)
        texts.add(str(file), {(video_id, number): text for video_id, number, text in kept["found"]})
        texts.unread += [f"{file}:{one}" for one in kept["unread"]]
    return texts


def _keep(kind: Kind, tar: Path, folder: Path) -> None:
    """Read the tables of a tar into a file of the item store, without the tar's name: it may be another next time."""
    texts = Texts()
    with opened(tar) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() and member.name.endswith(".csv") else None
            if content is not None and not PurePosixPath(member.name).name.startswith("."):
                texts.take(kind, member.name, content.read())
    write_json(folder / ITEM, {"found": [[*key, text] for key, text in texts.found.items()], "unread": texts.unread})


def _texts(kind: Kind, name: str, content: bytes) -> dict[tuple[str, int], str]:
    """The texts in one table. Raises UserError for one without the columns named above."""
    whose = _named(name.removesuffix(".csv"))  # None for a table over many videos
    lines: dict[tuple[str, int], list[str]] = {whose: []} if whose else {}  # no row: nothing was said or read
    for row in csv_rows(name, content):
        if "text" not in row.fields:
            raise UserError(f"{name}: no column text; its columns are {', '.join(row.fields)}")
        video_id, number = _of_row(row, whose)
        lines.setdefault((video_id, number if kind == "ocr" else 0), []).append(row.fields["text"] or "")
    joint = "\n" if kind == "ocr" else " "
    return {key: joint.join(filter(None, texts)) for key, texts in lines.items()}


def _of_row(row: Row, whose: tuple[str, int] | None) -> tuple[str, int]:
    """Video and frame of a row: its own columns where it has them, else those of the file's name."""
    own = row.fields.get("video_id")
    named = (_named(own) or (PurePosixPath(own).name, 0)) if own else whose
    if named is None:
        raise UserError(f"{row.where}: whose text is this? Neither a column video_id nor the file's name tells")
    frame = next((row.fields[name] for name in FRAME_COLUMNS if row.fields.get(name)), None)
    if frame is None:
        return named[0], named[1] or (whose[1] if whose else 0)
    if not (digits := re.search(r"(\d+)\D*$", frame)):
        raise UserError(f"{row.where}: frame {frame!r} is no number")
    return named[0], int(digits[1])


def _named(path: str) -> tuple[str, int] | None:
    """Video and frame by the name of a file of a video (frame 0) or of a frame; None for another name."""
    name = PurePosixPath(path).name
    if frame := FRAME.fullmatch(name):
        return frame["video"], int(frame["number"])
    return next(((name.removesuffix(one), 0) for one in MEDIA_SUFFIXES if name.endswith(one)), None)
