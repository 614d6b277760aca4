"""The stage over an archive of videos with every mixture of modalities."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.encode.run import plan, run
from tasks.extract.sound import write_flac
from tasks.omni import work
from tasks.omni.inputs import SHORTEST_AUDIO, Item
from tasks.omni.loading import load_embedder
from tasks.omni.lora import load_adapter
from tasks.omni.work import embed
from tasks.shared.artifacts.document import document_text
from tasks.shared.artifacts.index import read_index_manifest
from tasks.shared.artifacts.indexed import read_indexed
from tasks.shared.artifacts.media import read_audio, read_frames, read_media, write_media
from tasks.shared.artifacts.transcripts import read_transcripts
from tasks.shared.artifacts.types import SAMPLE_RATE
from tasks.shared.artifacts.vectors import read_vectors
from tasks.shared.execution.failures import read_failures
from tasks.shared.execution.params import load_params
from tasks.shared.retrieval.index import Index
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_file
from tests.conftest import Workspace
from tests.encode.archive import MEDIA, QUERIES, RESULTS, VIDEOS, publish_archive, publish_corpus, sign
from tests.omni.encoding import encode_items
from tests.warm import python

OUT = RESULTS / "encode"
TEXT = ["caption", "title", "description", "transcript"]


class Calls(list[int]):
    """How many items each call of the model was given; `stop_after` calls it is interrupted."""

    stop_after: int | None = None


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    made = Calls()

    def counted(model: Any, features: Any) -> np.ndarray:
        if len(made) == made.stop_after:
            raise KeyboardInterrupt
        made.append(len(features["input_ids"]))
        return embed(model, features)

    monkeypatch.setattr(work, "embed", counted)
    return made


@pytest.fixture
def archive(workspace: Workspace) -> Workspace:
    publish_archive()
    return workspace


def reproducible() -> dict[str, bytes]:
    """Every published file but the database's."""
    files = [path for path in OUT.rglob("*") if path.is_file() and "lancedb" not in path.relative_to(OUT).parts]
    return {path.relative_to(OUT).as_posix(): path.read_bytes() for path in files}


def expected(system: str) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of the videos and queries, computed all in one batch and with the adapter apart."""
    model = load_embedder("results/base/model", device="cpu")
    if system == "tuned":
        load_adapter(model[0].model, "results/train/adapter")
    media, transcripts = read_media(), read_transcripts()
    videos = {video.video_id: video for video in VIDEOS}
    items = [
        Item(
            document_text(videos[name], transcripts.get(name), TEXT), read_frames(media[name]), read_audio(media[name])
        )
        for name in sorted(MEDIA)
    ]
    asked = [Item(f"Query: {query.text}") for query in QUERIES if query.split == "test"]
    return encode_items(model, items, batch_size=8), encode_items(model, asked, batch_size=8)


def test_vectors_are_the_models_and_the_same_bytes_from_a_clean_store_and_from_a_full_one(
    archive: Workspace, calls: Calls, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert [(one.size, len(one.missing())) for one in plan(load_params())] == [(7, 7), (7, 7)]
    manifest = archive.run("encode", run)
    assert [one.missing() for one in plan(load_params())] == [[], []]
    assert manifest["counts"] == {
        "videos": 6, "not_extracted": 1, "without_chosen_modalities": 0, "indexed": 5, "queries": 2, "systems": 2,
        "views": 0, "failed": 0,
    }  # fmt: skip
    assert manifest["derived"] == ["results/encode/lancedb"]
    assert not any("lancedb" in path for path in manifest["outputs"])
    assert read_failures(OUT) == []
    for system in ("tuned", "base"):
        videos, queries = read_vectors(system, "videos"), read_vectors(system, "queries")
        assert (videos.ids, queries.ids) == (sorted(MEDIA), ["q1", "q2"])
        by_hand, asked_by_hand = expected(system)
        np.testing.assert_allclose(videos.values, by_hand, atol=1e-5)
        np.testing.assert_allclose(queries.values, asked_by_hand, atol=1e-5)
    assert np.abs(read_vectors("tuned", "videos").values - read_vectors("base", "videos").values).max() > 0.01
    index = read_index_manifest()
    assert (index.encoding.system, index.rows, index.dimension) == ("tuned", 5, 64)
    first, made = reproducible(), len(calls)
    assert made == 14

    archive.run("encode", run)
    assert len(calls) == made
    assert reproducible() == first

    monkeypatch.setenv("REELTRACE_STORE", str(tmp_path / "another store"))
    archive.run("encode", run)
    assert len(calls) == 2 * made
    assert reproducible() == first


def test_code_that_reads_frames_otherwise_makes_other_vectors(archive: Workspace) -> None:
    """Frames upside down, by a change of the module that reads them: nothing comes from the store."""
    archive.run("encode", run)
    before = read_vectors("base", "videos")
    code = archive.root / "tasks"
    source = code.resolve()
    code.unlink()
    shutil.copytree(source, code, ignore=shutil.ignore_patterns("__pycache__"))
    reader = code / "shared/artifacts/media.py"
    text = reader.read_text(encoding="utf-8")
    changed = text.replace('np.asarray(image.convert("RGB"))', 'np.asarray(image.convert("RGB"))[::-1]')
    assert changed != text
    reader.write_text(changed, encoding="utf-8")
    again = subprocess.run(
        [python(), "-m", "tasks.encode"], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(archive.root)},
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert "0 of 14 vectors reused" in again.stdout
    moved = np.abs(read_vectors("base", "videos").values - before.values).max(axis=1) > 1e-3
    assert [name for name, one in zip(before.ids, moved, strict=True) if one] == ["both", "mute", "unnamed"]


def test_a_changed_caption_costs_one_video_and_damaged_items_are_made_again(archive: Workspace, calls: Calls) -> None:
    archive.run("encode", run)
    before = read_vectors("base", "videos").values
    calls.clear()
    publish_corpus({"mute": {"caption": "a storm over the hills"}})
    archive.run("encode", run)
    assert calls == [1, 1]  # with tuned and with base
    changed = np.abs(read_vectors("base", "videos").values - before).max(axis=1) > 1e-3
    assert [name for name, one in zip(sorted(MEDIA), changed, strict=True) if one] == ["mute"]

    published = reproducible()
    calls.clear()
    for entry in Path("../store/items/encode").rglob("vector.npy"):
        entry.write_bytes(entry.read_bytes()[:-4] + b"\0\0\0\0")
    archive.run("encode", run)
    assert len(calls) == 14
    assert reproducible() == published


def test_another_adapter_re_encodes_only_the_tuned_system(archive: Workspace, calls: Calls) -> None:
    from tests.encode.archive import save_random_adapter

    archive.run("encode", run)
    before = {system: read_vectors(system, "videos").values for system in ("tuned", "base")}
    checkpoint = read_index_manifest().encoding.checkpoint
    calls.clear()
    save_random_adapter(RESULTS / "train" / "adapter", seed=2)
    sign("train")
    archive.run("encode", run)
    assert len(calls) == 7
    assert np.array_equal(read_vectors("base", "videos").values, before["base"])
    assert not np.allclose(read_vectors("tuned", "videos").values, before["tuned"], atol=1e-3)
    assert read_index_manifest().encoding.checkpoint != checkpoint


def test_an_interrupted_run_publishes_nothing_and_the_next_goes_on(archive: Workspace, calls: Calls) -> None:
    calls.stop_after = 4
    with pytest.raises(KeyboardInterrupt):
        archive.run("encode", run)
    assert not OUT.exists()
    calls.stop_after = None
    archive.run("encode", run)
    assert len(calls) == 14
    interrupted = reproducible()
    archive.run("encode", run)
    assert reproducible() == interrupted


def test_what_cannot_be_encoded_is_recorded_and_the_rest_goes_on(archive: Workspace) -> None:
    archive.set_params({"encode.modalities": ["video", "audio"], "run.max_failed_fraction": 0.3})
    frames = RESULTS / "extract" / "frames" / "mute.png"
    frames.write_bytes(frames.read_bytes()[:-20])
    manifest = archive.run("encode", run)
    assert (manifest["counts"]["failed"], manifest["counts"]["without_chosen_modalities"]) == (1, 1)
    assert [(one.video_id, one.step, one.error) for one in read_failures(OUT)] == [  # of `words` nothing was tried
        ("mute", "encode base", "UserError"),
        ("mute", "encode tuned", "UserError"),
    ]
    assert read_vectors("tuned", "videos").ids == ["both", "radio", "unnamed"]
    assert Index().manifest.rows == 3

    archive.set_params({"run.max_failed_fraction": 0.24})  # of the four that were tried, not of the five extracted
    with pytest.raises(UserError, match="1 of 4 items failed"):
        archive.run("encode", run)


HAVE = {  # what the videos have of text, video, audio
    "both": {"text", "video", "audio"}, "mute": {"text", "video"}, "radio": {"text", "audio"}, "words": {"text"},
    "unnamed": {"video", "audio"},
}  # fmt: skip
SUBSETS = [set(chosen) for size in (1, 2, 3) for chosen in combinations(("text", "video", "audio"), size)]


@pytest.mark.parametrize("chosen", SUBSETS, ids=lambda chosen: "+".join(sorted(chosen)))
def test_documents_are_of_the_chosen_modalities_and_who_has_none_is_counted(
    archive: Workspace, chosen: set[str]
) -> None:
    archive.set_params({"encode.modalities": sorted(chosen), "run.max_failed_fraction": 0.0})
    manifest = archive.run("encode", run)
    there = sorted(name for name, has in HAVE.items() if has & chosen)
    for system in ("tuned", "base"):
        assert read_vectors(system, "videos").ids == there
    assert {name: set(one.modalities) for name, one in read_indexed().items()} == {
        name: HAVE[name] & chosen for name in there
    }
    counts = manifest["counts"]
    assert (counts["indexed"], counts["without_chosen_modalities"]) == (len(there), 5 - len(there))
    assert (counts["not_extracted"], counts["failed"], read_failures(OUT)) == (1, 0, [])


def test_the_order_of_modalities_changes_no_byte_and_other_subsets_reuse_what_is_the_same(
    archive: Workspace, calls: Calls
) -> None:
    archive.set_params({"encode.modalities": ["audio", "video"]})
    archive.run("encode", run)
    first, made = reproducible(), len(calls)
    archive.set_params({"encode.modalities": ["video", "audio"]})
    archive.run("encode", run)
    assert (len(calls), reproducible()) == (made, first)

    calls.clear()
    archive.set_params({"encode.modalities": ["video"]})  # `mute` is the same; `both` and `unnamed` have less
    archive.run("encode", run)
    assert len(calls) == 2 * 2


def test_sound_too_short_to_hear_is_none(archive: Workspace) -> None:
    media = read_media()
    name = "radio"
    path = RESULTS / "extract" / str(media[name].audio)
    write_flac(path, np.ones(SHORTEST_AUDIO - 1, np.int16))
    short = replace(media[name], audio_sha256=sha256_file(path), audio_seconds=(SHORTEST_AUDIO - 1) / SAMPLE_RATE)
    write_media(RESULTS / "extract", [*(one for one in media.values() if one.video_id != name), short])
    sign("extract")
    archive.set_params({"encode.modalities": ["audio"], "run.max_failed_fraction": 0.0})
    assert archive.run("encode", run)["counts"]["without_chosen_modalities"] == 3
    assert read_vectors("base", "videos").ids == ["both", "unnamed"]
    archive.set_params({"encode.modalities": ["text", "audio"]})
    archive.run("encode", run)
    assert read_indexed()[name].modalities == ["text"]


def test_when_no_video_has_any_of_them_the_stage_says_so(archive: Workspace) -> None:
    media = [replace(one, audio=None, audio_sha256=None, audio_seconds=0.0) for one in read_media().values()]
    write_media(RESULTS / "extract", media)
    sign("extract")
    archive.set_params({"encode.modalities": ["audio"]})
    with pytest.raises(UserError, match=r"no test video has anything of encode.modalities \(audio\); choose others"):
        archive.run("encode", run)
    assert not OUT.exists()


def test_with_nothing_trained_the_base_is_indexed(workspace: Workspace) -> None:
    publish_archive(trained=False, queries=False)
    manifest = workspace.run("encode", run)
    assert (manifest["counts"]["systems"], manifest["counts"]["queries"]) == (1, 0)
    assert sorted(path.name for path in (OUT / "vectors").iterdir()) == ["base.queries.parquet", "base.videos.parquet"]
    assert read_index_manifest().encoding.system == "base"
