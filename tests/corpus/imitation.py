"""MultiVENT 2.0 as it is distributed, in small: its files and layouts, with the demo's drawn and spoken videos in them.

Nothing in it is MultiVENT's. Ids, tables, tars and features are named and formed as those who have it describe them.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tasks.corpus.demo import write_demo
from tasks.corpus.demo_plan import Plan, plan_videos
from tasks.shared.artifacts.corpus import SPLITS, Judgment, Query, Split
from tasks.synthetic.events import demo_events
from tasks.synthetic.lexicon import LANGUAGE_NAMES

ASR = {
    "train": "whisper_asr/exp/scale24/data/video/baseline/train/speech_to_text/train-{}-whisperv3-large.tar.gz",
    "test": "whisper_asr/exp/scale24/data/video/baseline/test/speech_to_text/transcription-{}.tar.gz",
}
OCR = "exp/scale24/features/{}/ocr/icdar_ocr_max/{}.tar.gz"
FRAMES = (0, 12, 24)  # of which OCR was made; in the last one nothing is written
VIDEO_TYPES = {"professional": "professional", "edited": "edited", "raw": "pov"}


def write_imitation(
    path: Path, *, seed: int = 7, train_events: int = 4, test_events: int = 4, per_tar: int = 5, workers: int = 2
) -> dict[str, Plan]:
    """Write it below `path`, for `corpus.source: multivent`; the plans of its videos by their new ids.

    Of every event there are three real encoded videos, each about five seconds long, and four queries, one of each
    type, in turns in all six languages; of every fourth event one video that nobody asks for. One test video is broken.
    With the default of 4 + 4 events that is 13 + 13 videos, 16 + 16 queries and about 15 seconds of work.

        multivent_2_{train,test}_queries.csv, multivent_2_{train,test}_judgments.jsonl, multivent_2_ids.csv
        train/000000.tar ...   {id}.mp4, an empty {id}.m4a, and {id}.json with caption, title and description
        test/000000.tar ...    {id}.mp4, and captions.csv `video_id,text`
        features/{split}/...   Whisper's transcripts: what is really said, of all but the first video of a split that
                               speaks; OCR of three frames: what is really written, nothing of videos that are broken

    Args:
        seed: decides everything; equal arguments give equal videos.
        train_events, test_events: how many events; each at least 1.
        per_tar: videos in a tar.
        workers: processes that make videos.
    """
    with TemporaryDirectory() as name:
        demo = Path(name)
        _, queries, judgments = write_demo(
            demo, seed=seed, train_events=train_events, test_events=test_events, workers=workers
        )
        plans = {_id(one.video_id): one for one in plan_videos(seed, demo_events(seed, train_events, test_events))}
        for split in SPLITS:
            own = {video_id: one for video_id, one in plans.items() if one.split == split}
            for number, start in enumerate(range(0, len(own), per_tar)):
                part = dict(list(own.items())[start : start + per_tar])
                _write_part(path, split, f"{number:06d}", part, demo, own)
    for split in SPLITS:
        _write_tables(path, split, queries, judgments, plans)
    _write(path / "multivent_2_ids.csv", _csv(["id"], ([video_id] for video_id in plans)))
    return plans


def _id(name: str) -> str:
    """Eleven letters as YouTube gives them."""
    return base64.urlsafe_b64encode(hashlib.sha256(name.encode()).digest())[:11].decode()


def _write_part(
    path: Path, split: Split, tar: str, part: Mapping[str, Plan], demo: Path, split_plans: Mapping[str, Plan]
) -> None:
    """A tar of videos and what describes them, and the tars of their features."""
    members: dict[str, bytes] = {}
    for video_id, plan in part.items():
        members[f"{tar}/{video_id}.mp4"] = (demo / plan.path).read_bytes()
        if split == "train":
            info = {"id": video_id, "title": plan.title, "description": plan.description}
            members[f"{tar}/{video_id}.m4a"] = b""
            members[f"{tar}/{video_id}.json"] = json.dumps(
                {"caption": plan.caption, "yt_meta_dict": {"info": info}}, ensure_ascii=False
            ).encode()
    if split == "test":
        rows = ([f"{tar}/{video_id}.mp4", plan.caption or plan.title or ""] for video_id, plan in part.items())
        members[f"{tar}/captions.csv"] = _csv(["video_id", "text"], rows)
    _tar(path / split / f"{tar}.tar", members)
    features = path / "features" / split
    unheard = next((video_id for video_id, plan in split_plans.items() if plan.spoken), None)
    said = ([f"{tar}/{one}.m4a", plan.spoken or ""] for one, plan in part.items() if one != unheard)
    _tar(features / ASR[split].format(tar), {f"{tar}/asr.csv": _csv(["video_id", "text"], said)})
    _tar(
        features / OCR.format(split, tar),
        {
            f"{tar}/{one}.mp4_frames/{one}_frame_{frame}.png.csv": _ocr(plan, frame)
            for one, plan in part.items()
            if not plan.broken
            for frame in FRAMES
        },
    )


def _ocr(plan: Plan, frame: int) -> bytes:
    if not plan.sign or frame == FRAMES[-1]:
        return b""
    rows = ([4, 60 + 40 * row, word, 0.98] for row, word in enumerate(plan.event.sign))
    return _csv(["x", "y", "text", "score"], rows)


def _write_tables(
    path: Path, split: Split, queries: Sequence[Query], judgments: Sequence[Judgment], plans: Mapping[str, Plan]
) -> None:
    """Queries and judgments of a split, with MultiVENT's ids: language and type are part of them."""
    renamed = {one.query_id: _query_id(one, number) for number, one in enumerate(queries) if one.split == split}
    texts = ([renamed[one.query_id], one.text] for one in queries if one.query_id in renamed)
    _write(path / f"multivent_2_{split}_queries.csv", _csv(["Query_id", "query"], texts))
    rows = []
    for one in judgments:
        if one.query_id not in renamed:
            continue
        video_id = _id(one.video_id)
        row = {"query_id": renamed[one.query_id], "doc_id": video_id, "relevance": one.relevance}
        if split == "test":
            row |= {
                "video_language": LANGUAGE_NAMES[plans[video_id].language],
                "video_type": VIDEO_TYPES[plans[video_id].style],
                "video_modality": next(query.type for query in queries if query.query_id == one.query_id),
            }
        rows.append(json.dumps(row) + "\n")
    _write(path / f"multivent_2_{split}_judgments.jsonl", "".join(rows).encode())


def _query_id(query: Query, number: int) -> str:
    language = LANGUAGE_NAMES[str(query.language)]
    if query.split == "train":
        return f"internvid_{language}_emergency_professional_{query.type}_{number}"
    return f"multivent_{language}_{number}_{query.type}_0"


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(header)
    table.writerows(rows)
    return text.getvalue().encode()


def _tar(path: Path, members: Mapping[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
