"""A small project whose corpus is a folder of a user's own, with its stages run in this process.

The videos, queries and judgments are those of the finished project, and so are frames, sound and transcripts in the
item store. A stage runs when its params, or the bytes of what it reads, are others than when it ran last, which
is DVC's rule, stated here a second time.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from conftest import REPOSITORY, make_video

from tasks.shared.artifacts.corpus import read_queries, read_videos
from tasks.shared.execution.params import load_params
from tasks.shared.execution.params_file import change_params
from tasks.shared.execution.pipeline import dvc_hash, read_stages
from tasks.shared.execution.stage import run_stage
from tasks.shared.runtime.files import sha256_json
from tests.project import Project, copy_database

FOOTAGE = "footage"
STRANGER = "stranger"  # a training video that nobody judged
TOLD = ("video_id", "title", "description", "caption", "language", "video_type", "split", "event")
RAN = ".ran.json"


@dataclass(frozen=True)
class OwnVideos:
    """The project; its folder must be the working directory."""

    root: Path

    def params(self, section: str, **values: Any) -> None:
        """Change keys of params.yaml."""
        change_params({f"{section}.{key}": value for key, value in values.items()}, self.root / "params.yaml")

    def film(self, video_id: str) -> None:
        """Put another film in a video's place."""
        make_video(self._file(video_id), audio_seconds=1.5, seed=99)

    def rows(self, path: str) -> list[dict[str, Any]]:
        """The rows of a table below results/."""
        found: list[dict[str, Any]] = pq.read_table(self.root / "results" / path).to_pylist()
        return found

    def repro(self) -> dict[str, dict[str, float]]:
        """Run what is stale; what MLflow then has of each stage that ran: its `items/` and `count/` metrics."""
        place = self.root / RAN
        before = json.loads(place.read_text()) if place.exists() else {}
        now: dict[str, str] = {}
        ran = []
        params = load_params()
        for name, spec in read_stages(params).items():
            if name == "report":  # its page takes longest, and nothing in it comes from the store
                continue
            read = [dep for dep in spec.deps if dep.parts[0] != "tasks"]
            now[name] = sha256_json([[params.section(key) for key in spec.params], [dvc_hash(dep) for dep in read]])
            if before.get(name) != now[name]:
                run_stage(name, import_module(f"tasks.{name}.run").run, ())
                ran.append(name)
        place.write_text(json.dumps(now))
        return {name: self._metrics(name) for name in ran}

    def _metrics(self, stage: str) -> dict[str, float]:
        with sqlite3.connect(self.root / "mlflow.db") as database:
            (run_id,) = database.execute(
                "SELECT run_uuid FROM runs WHERE name = ? ORDER BY start_time DESC LIMIT 1", [stage]
            ).fetchone()
            return dict(database.execute("SELECT key, value FROM latest_metrics WHERE run_uuid = ?", [run_id]))

    def _file(self, video_id: str) -> Path:
        rows = map(json.loads, (self.root / FOOTAGE / "metadata.jsonl").read_text(encoding="utf-8").splitlines())
        return self.root / FOOTAGE / next(row["file"] for row in rows if row["video_id"] == video_id)


def lay_out(project: Project, root: Path, mlflow_database: Path) -> OwnVideos:
    """The project's files, nothing run yet."""
    root.mkdir()
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(project.root / name, root / name)
    (root / "tasks").symlink_to(REPOSITORY / "tasks")
    unneeded = shutil.ignore_patterns("train", "encode")  # items of no other code, so that none is there to spare
    shutil.copytree(project.root / ".reeltrace", root / ".reeltrace", ignore=unneeded)
    copy_database(mlflow_database, root / "mlflow.db", root)
    own, footage, corpus = OwnVideos(root), root / FOOTAGE, project.root / "results" / "corpus"
    footage.mkdir()
    rows = []
    for video in read_videos(corpus / "manifest.parquet"):
        shutil.copy(project.root / video.path, footage)
        known = {name: value for name, value in asdict(video).items() if name in TOLD and value is not None}
        rows.append({"file": Path(video.path).name, **known})
    make_video(footage / f"{STRANGER}.mp4", audio_seconds=1, seed=7)
    rows.append({"file": f"{STRANGER}.mp4", "video_id": STRANGER, "split": "train"})
    _write(footage / "metadata.jsonl", rows)
    _write(footage / "queries.jsonl", [asdict(one) for one in read_queries(corpus / "queries.parquet")])
    for split in ("train", "test"):
        shutil.copy(corpus / f"qrels.{split}.trec", footage)
    own.params("corpus", source="folder", path=FOOTAGE)
    return own


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
