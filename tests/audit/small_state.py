"""A small finished state without a run: tables of seven videos and six queries, models of one file each, and in the
item store an entry for every item of every stage's plan."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from tasks.shared.artifacts.corpus import Judgment, write_qrels
from tasks.shared.artifacts.models import BaseModel, Training, write_base, write_training
from tasks.shared.artifacts.publish import publishing, write_manifest
from tasks.shared.artifacts.shipped import write_shipped
from tasks.shared.execution.params import load_params
from tasks.shared.execution.params_file import change_params
from tasks.shared.execution.plan import Plan
from tasks.shared.runtime.files import write_text
from tests.negatives.small_results import lay, media, mined, query, said, video

STAGES_WITH_ITEMS = ("extract", "transcribe", "mine", "train", "encode", "evaluate")
PARAMS: dict[str, Any] = {
    "corpus.source": "folder",
    "corpus.path": "footage",
    "extract.frames": 2,
    "transcribe.model": "models/whisper",
    "retriever.model": "models/retriever",
    "base.source": "pretrained",
    "base.model": "models/base",
    "train.negatives": 1,
}
TRAIN = ("shown", "mined", "silent", "stranger")  # silent: no sound; stranger: nobody judged or mined it
TEST = ("first", "second", "mute")


def finish(folder: Path, **params: Any) -> None:
    """Lay the state into a folder, which must be the working directory, with further params."""
    films = [video(one, title=f"title of {one}") for one in TRAIN]
    films += [video(one, title=f"title of {one}", split="test") for one in TEST]
    quiet = ("silent", "mute")
    heard = {one.video_id: f"audio {one.video_id}" for one in films if one.video_id not in quiet}
    lay(
        folder,
        films,
        [*(query(f"q{number}", f"about {number}") for number in range(3)),
         *(query(f"t{number}", f"asked {number}", split="test") for number in range(3))],
        [mined("q0", {"mined": 0.5}, {"shown": 0.9}), mined("q1", {"mined": 0.4}, {"silent": None})],
        extracted=[
            media(
                one.video_id, frames=f"frames/{one.video_id}.png", frames_sha256=f"frames {one.video_id}",
                times=[0.0, 1.0], audio=heard.get(one.video_id), audio_sha256=heard.get(one.video_id),
                audio_seconds=4.0 * (one.video_id in heard),
            )
            for one in films
        ],
        transcripts=[said(one, f"words of {one}") for one in heard],
    )  # fmt: skip
    write_qrels(folder / "results/corpus/qrels.test.trec", [Judgment("t0", "first", 1)])
    write_shipped(folder / "results/corpus", [])
    for name in ("whisper", "retriever", "base"):
        write_text(folder / "models" / name / "config.json", "{}")
    change_params({**PARAMS, **params}, folder / "params.yaml")
    with publishing("base") as out:
        write_base(out, BaseModel(PARAMS["base.model"]))
        write_manifest(out, "base", params={}, code={}, components=[], inputs=[], counts={})
    with publishing("train") as out:
        write_text(out / "adapter" / "adapter_config.json", "{}")
        write_training(out, Training(trained=True))
        write_manifest(out, "train", params={}, code={}, components=[], inputs=[], counts={})
    for stage in STAGES_WITH_ITEMS:
        for plan in plans_of(stage):
            for item in plan.items:
                plan.store.put(item.key, lambda entry: write_text(entry / "item", "made"))


def plans_of(stage: str) -> list[Plan[Any]]:
    """A stage's plans for the workspace as it is."""
    plans: list[Plan[Any]] = import_module(f"tasks.{stage}.run").plan(load_params())
    return plans
