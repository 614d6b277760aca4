"""The train stage on a small archive: what it writes, that a killed run ends in the same bytes, and its loss."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tasks.shared.artifacts.corpus import Judgment, Query, read_videos, write_qrels, write_queries, write_videos
from tasks.shared.artifacts.exposures import read_altered, read_exposures
from tasks.shared.artifacts.losses import read_losses
from tasks.shared.artifacts.media import write_media
from tasks.shared.artifacts.models import BaseModel, read_training, write_base
from tasks.shared.artifacts.negatives import MinedQuery, Negative, write_negatives
from tasks.shared.artifacts.transcripts import Transcript, write_transcripts
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.items import store_folder
from tasks.shared.execution.params import load_params
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.gpu import VISIBLE, lock_of
from tasks.shared.runtime.locks import take
from tasks.shared.runtime.progress import Progress
from tasks.train.run import plan, run
from tests.conftest import Workspace
from tests.encode.archive import TEXTS, VIDEOS, publish_media, sign, weights

COUNT = 6
WEIGHTS = {"query": 1.0, "symmetric": 0.5, "tuple": 0.25, "teacher": 0.75, "alignment": 0.125}


def publish(*, judged: bool = True, parts: Mapping[str, set[str]] | None = None) -> None:
    """Six training videos, a query for each, and an untrained tiny base.

    `parts` names what a video has of text, frames and audio; all of them where it is not named.
    """
    parts = parts or {}
    names = [f"v{number}" for number in range(COUNT)]
    titles = [TEXTS[index % 5] for index in range(COUNT)]
    named = zip(names, titles, strict=True)
    videos = [replace(VIDEOS[0], video_id=name, title=title, split="train") for name, title in named]
    whole = {"text", "frames", "audio"}
    silent = [name for name in names if "text" not in parts.get(name, whole)]
    videos = [replace(one, title=None, caption=None) if one.video_id in silent else one for one in videos]
    queries = [Query(f"q{index}", f"{titles[index]} {index}", "en", "base", "train", None) for index in range(COUNT)]
    corpus = RESULTS / "corpus"
    write_videos(corpus / "manifest.parquet", videos)
    write_queries(corpus / "queries.parquet", queries if judged else [])
    pairs = [Judgment(f"q{index}", name, 1) for index, name in enumerate(names)] if judged else []
    write_qrels(corpus / "qrels.train.trec", pairs)
    write_media(RESULTS / "extract", [publish_media(name, parts.get(name, whole) - {"text"}) for name in names])
    said = [Transcript(name, f"it is {name}", "en", 1.0, []) for name in names if name not in silent]
    write_transcripts(RESULTS / "transcribe", said)
    mined = [
        MinedQuery(f"q{index}", [name], [Negative(names[(index + 1) % COUNT], 1, 0.5)], [])
        for index, name in enumerate(names)
    ]
    write_negatives(RESULTS / "mine" / "negatives.jsonl", mined if judged else [])
    write_base(RESULTS / "base", BaseModel(str(weights() / "model")))
    for stage in ("corpus", "extract", "transcribe", "mine", "base"):
        sign(stage)


@pytest.fixture
def small(workspace: Workspace) -> Workspace:
    changes = {"epochs": 2, "batch_size": 3, "mini_batch_size": 2, "negatives": 1, "save_steps": 1, "lora_dropout": 0.1}
    workspace.set_params({f"train.{key}": value for key, value in changes.items()})
    return workspace


def adapter() -> bytes:
    return (RESULTS / "train" / "adapter" / "adapter_model.safetensors").read_bytes()


def losses() -> list[float]:
    with (RESULTS / "train" / "loss.csv").open() as stream:
        return [float(row["loss"]) for row in csv.DictReader(stream)]


def test_an_adapter_that_plain_peft_and_plain_sentence_transformers_open(
    small: Workspace, told: list[Progress], capsys: pytest.CaptureFixture[str]
) -> None:
    from peft import PeftModel
    from transformers import AutoModel

    publish()
    manifest = small.run("train", run)
    assert "train: 0 of 1 trainings reused from the store\n" in capsys.readouterr().out
    assert [one.missing() for one in plan(load_params())] == [[]]
    steps = [one for one in told if one.unit == "step"]
    assert (steps[0].done, steps[-1].done) == (0, len(losses()))
    assert {(one.what, one.total) for one in steps} == {("train", len(losses()))}
    assert manifest["counts"]["steps"] == len(losses())
    assert manifest["counts"]["rows"] == COUNT
    saved = load_file(RESULTS / "train" / "adapter" / "adapter_model.safetensors")
    assert all("language_model" in name for name in saved)
    assert any(tensor.any() for name, tensor in saved.items() if "lora_B" in name)

    base = AutoModel.from_pretrained(str(weights() / "model"))
    opened = PeftModel.from_pretrained(base, str(RESULTS / "train" / "adapter"))
    found = {name: weight for name, weight in opened.named_parameters() if "lora_B" in name}
    assert found and all(weight.any() for weight in found.values())
    assert not list((store_folder() / "training").glob("*"))  # checkpoints go when the adapter is there

    from sentence_transformers import SentenceTransformer

    from tasks.omni.loading import load_embedder
    from tasks.omni.lora import load_adapter

    folder = str(RESULTS / "train" / "adapter")
    plain = SentenceTransformer(folder, device="cpu", trust_remote_code=True)  # the input module is ours
    tuned = load_embedder(str(weights() / "model"), device="cpu")
    untrained = tuned.encode("a red boat")
    load_adapter(tuned[0].model, folder, merge=True)
    assert abs(plain.encode("a red boat") - tuned.encode("a red boat")).max() < 1e-5
    assert abs(plain.encode("a red boat") - untrained).max() > 1e-3


def test_a_killed_training_goes_on_and_ends_in_the_same_bytes(
    small: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every objective on: what they show is drawn, and drawn again."""
    small.set_params({f"train.objectives.{name}": weight for name, weight in WEIGHTS.items()})
    small.set_params({"train.modality_dropout.audio": 0.5, "train.hardness": 0.1, "train.false_negative_margin": 0.2})
    small.set_params({"train.batch_size": 4})
    publish()
    counts = small.run("train", run)["counts"]
    whole, curve, table = adapter(), losses(), (RESULTS / "train" / "altered.parquet").read_bytes()
    assert len(curve) >= 4
    for row in read_losses():
        assert row["loss"] == pytest.approx(sum(weight * row[name] for name, weight in WEIGHTS.items()), abs=3e-4)
        assert min(row["query"], row["tuple"], row["teacher"], row["alignment"]) > 0
    changed = read_altered()
    assert {one.how for one in changed} == {"swapped", "dropped"}
    assert {one.modality for one in changed if one.how == "dropped"} == {"audio"}
    assert counts["tuple_negatives"] == sum(len(one.steps) for one in changed if one.how == "swapped") == 2 * COUNT
    assert (counts["batches_of_one"], counts["without_tuple_negative"], counts["lacked_that_modality"]) == (0, 0, 0)
    assert counts["shown_with_one_modality"] == 2 * 2 * COUNT
    monkeypatch.setenv("REELTRACE_STORE", str(small.root / "another"))  # in the first it is learnt already

    from tasks.train import trainer

    class Killed(BaseException):
        pass

    def dies_after_two(self: trainer.LiveLoss, args: object, state: object, control: object, **_: object) -> None:
        if state.global_step == 3:  # type: ignore[attr-defined]
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(trainer.LiveLoss, "on_step_begin", dies_after_two, raising=False)
        patched.setattr(trainer.LiveLoss, "on_log", dies_after_two)
        with pytest.raises(Killed):
            small.run("train", run)
    assert list((store_folder() / "training").glob("*/checkpoint-*"))

    steps: list[int] = []
    real = trainer.LiveLoss.on_log

    def watch(self: trainer.LiveLoss, args: object, state: object, control: object, **more: object) -> None:
        steps.append(state.global_step)  # type: ignore[attr-defined]
        real(self, args, state, control, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(trainer.LiveLoss, "on_log", watch)
    small.run("train", run)
    assert min(steps) > 1, "it began anew"
    assert adapter() == whole
    assert losses() == curve
    assert (RESULTS / "train" / "altered.parquet").read_bytes() == table


def test_what_was_learnt_before_is_not_learnt_again(small: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    publish()
    first = small.run("train", run)
    whole, curve = adapter(), losses()

    def no_training(*_: object, **__: object) -> None:
        raise AssertionError("it learns")

    with monkeypatch.context() as patched:
        patched.setattr("tasks.train.learn.learn", no_training)
        videos = read_videos(RESULTS / "corpus/manifest.parquet")
        write_videos(RESULTS / "corpus/manifest.parquet", [*videos, replace(VIDEOS[0], video_id="new")])
        sign("corpus")  # a new video of the test split
        assert small.run("train", run)["outputs"] == first["outputs"]
        assert adapter() == whole and losses() == curve
        title = [replace(video, title="another title") for video in videos]
        write_videos(RESULTS / "corpus/manifest.parquet", title)
        with pytest.raises(AssertionError, match="it learns"):
            small.run("train", run)


MIXED = {"v0": {"text"}, "v1": {"frames"}, "v2": {"audio"}, "v3": {"text", "frames"}, "v4": {"frames", "audio"}}
SUBSETS = [set(chosen) for size in (1, 2, 3) for chosen in combinations(("text", "video", "audio"), size)]


@pytest.mark.parametrize("chosen", SUBSETS, ids=lambda chosen: "+".join(sorted(chosen)))
def test_training_shows_the_chosen_modalities_and_leaves_out_who_has_none(
    small: Workspace, monkeypatch: pytest.MonkeyPatch, chosen: set[str]
) -> None:

    from tasks.train.inputs import TowerCache

    shown: dict[str, set[str]] = {}
    real = TowerCache.__getitem__

    def watch(self: TowerCache, video_id: str) -> object:
        shown[video_id] = {"video" if part == "frames" else part for part in self.documents[video_id].load().modalities}
        return real(self, video_id)

    monkeypatch.setattr(TowerCache, "__getitem__", watch)
    publish(parts=MIXED)
    small.set_params({"train.modalities": sorted(chosen), "run.max_failed_fraction": 0.0})
    counts = small.run("train", run)["counts"]
    has = {
        name: {"video" if part == "frames" else part for part in MIXED.get(name, {"text", "frames", "audio"})}
        for name in (f"v{number}" for number in range(COUNT))
    }
    there = {name: parts & chosen for name, parts in has.items() if parts & chosen}
    assert shown == there
    assert counts["videos"] == counts["rows"] == counts["queries"] == len(there)
    assert counts["without_chosen_modalities"] == counts["pairs_left_out"] == COUNT - len(there)
    assert counts["not_extracted"] == 0
    assert {one.video_id for one in read_exposures()} == set(there)


def test_what_is_indexed_and_in_which_order_is_no_matter_of_training(
    small: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()
    small.set_params({"train.modalities": ["text", "audio"]})
    first = small.run("train", run)
    with monkeypatch.context() as patched:
        patched.setattr("tasks.train.learn.learn", None)  # what calls it fails
        small.set_params({"train.modalities": ["audio", "text"], "encode.modalities": ["video"]})
        assert small.run("train", run) == first
        small.set_params({"train.modalities": ["audio"]})
        with pytest.raises(TypeError, match="NoneType"):
            small.run("train", run)


def test_without_a_positive_that_has_any_of_them_the_stage_says_so(small: Workspace) -> None:
    publish(parts={f"v{number}": {"text", "frames"} for number in range(COUNT)})
    small.set_params({"train.modalities": ["audio"]})
    with pytest.raises(
        UserError, match=r"no judged positive has anything of train.modalities \(audio\); choose others"
    ):
        small.run("train", run)
    assert not (RESULTS / "train").exists()


def test_a_gpu_is_held_before_cuda_is_asked_and_only_to_learn(
    small: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = "GPU-aaaaaaaa-0000-0000-0000-aaaaaaaaaaaa"
    script = tmp_path / "bin" / "nvidia-smi"
    script.parent.mkdir()
    script.write_text(f"#!/bin/sh\necho {gpu}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv(VISIBLE, raising=False)
    seen: list[str | None] = []
    asked = torch.cuda.is_available

    def watched() -> bool:
        seen.append(os.environ.get(VISIBLE))
        return asked()

    monkeypatch.setattr(torch.cuda, "is_available", watched)
    publish()
    small.run("train", run)
    whole = adapter()
    assert set(seen) == {gpu}
    assert VISIBLE not in os.environ
    held = take(lock_of(gpu), "another training")  # free again, and now another's: to wait for it would never end
    assert held is not None
    small.run("train", run)
    os.close(held)
    assert adapter() == whole


def test_exposures_are_what_the_batches_showed(small: Workspace) -> None:
    publish()
    small.run("train", run)
    found = read_exposures()
    epochs, negatives = 2, 1
    assert sum(len(one.steps) for one in found if one.role == "positive") == COUNT * epochs
    assert sum(len(one.steps) for one in found if one.role == "mined") == COUNT * epochs * negatives
    assert {one.query_id for one in found if one.video_id == "v0" and one.role == "positive"} == {"q0"}
    assert {one.query_id for one in found if one.video_id == "v0" and one.role == "mined"} == {f"q{COUNT - 1}"}
    assert max(step for one in found for step in one.steps) == len(losses())
    assert read_exposures(video_ids=["v0"]) == [one for one in found if one.video_id == "v0"]


def test_the_first_loss_is_infonce_over_every_passage_of_the_batch(small: Workspace) -> None:
    """Recomputed with numpy from the base's own embeddings: a fresh adapter changes nothing yet."""
    from tasks.omni.documents import read_documents
    from tasks.omni.inputs import Item
    from tasks.omni.loading import load_embedder
    from tasks.omni.prompt import QUERY_PREFIX
    from tasks.shared.artifacts.corpus import read_queries, read_videos
    from tasks.shared.artifacts.negatives import read_negatives
    from tasks.shared.execution.params import load_params
    from tasks.train.rows import judged_batches, training_rows
    from tests.omni.encoding import encode_items

    small.set_params({"train.batch_size": 4, "train.mini_batch_size": 3, "train.lora_dropout": 0.0})
    publish()
    small.run("train", run)
    params = load_params()
    videos = read_videos(RESULTS / "corpus/manifest.parquet")
    documents = read_documents(videos, params.train.modalities, params.document.train_text).found
    mined = read_negatives()
    rows, _ = training_rows(mined, list(documents), 1, params.run.seed)
    positives = {one.query_id: frozenset(one.positives) for one in mined}
    batch = [rows[number] for number in judged_batches(rows, positives, 4, 2, params.run.seed)[0]]
    texts = {query.query_id: query.text for query in read_queries(RESULTS / "corpus/queries.parquet")}
    model = load_embedder(str(weights() / "model"), device="cpu")
    queries = encode_items(
        model, [Item(text=texts[row.query_id]) for row in batch], batch_size=1, prompt=QUERY_PREFIX
    ).astype(np.float64)
    passages = [row.positive for row in batch] + [row.negatives[0] for row in batch]
    vectors = encode_items(model, [documents[name].load() for name in passages], batch_size=1).astype(np.float64)
    scores = queries @ vectors.T / params.train.temperature
    expected = np.mean([np.log(np.exp(row).sum()) - row[index] for index, row in enumerate(scores)])
    assert len(batch) > 1
    assert losses()[0] == pytest.approx(expected, rel=1e-3)  # the trainer logs four digits


def test_rows_that_share_all_positives_cannot_be_told_from_each_other(small: Workspace) -> None:
    publish()
    queries = [MinedQuery(f"q{index}", ["v0"], [Negative("v1", 1, 0.5)], []) for index in range(COUNT)]
    write_negatives(RESULTS / "mine" / "negatives.jsonl", queries)
    sign("mine")
    small.set_params({"train.objectives.tuple": 1.0})
    with pytest.raises(
        UserError, match=r"train.objectives.tuple needs two rows in a batch, and no batch has them: all"
    ):
        small.run("train", run)
    assert not (RESULTS / "train").exists()


def test_nothing_to_train_on_is_said_and_is_no_failure(small: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    publish(judged=False)
    small.run("train", run)
    training = read_training()
    assert not training.trained
    assert training.reason is not None and "no training query" in training.reason
    assert not (RESULTS / "train" / "adapter").exists()
    assert "no training query" in capsys.readouterr().out
