"""Views: what the model makes of a video that is shown with some of its modalities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.encode.run import run
from tasks.omni.inputs import Item
from tasks.omni.loading import load_embedder
from tasks.shared.artifacts.document import document_text
from tasks.shared.artifacts.media import read_audio, read_frames, read_media
from tasks.shared.artifacts.transcripts import read_transcripts
from tasks.shared.artifacts.vectors import VIEWS, read_vectors
from tasks.shared.execution.failures import read_failures
from tests.conftest import Workspace
from tests.encode.archive import RESULTS, VIDEOS
from tests.encode.test_encode_run import HAVE, TEXT, archive, calls, reproducible
from tests.omni.encoding import encode_items, item_with

__all__ = ["archive", "calls"]  # fixtures
OUT = RESULTS / "encode"


def test_a_view_is_the_vector_of_those_modalities_alone_of_the_videos_that_have_them_all(
    archive: Workspace, calls: list[int]
) -> None:
    archive.run("encode", run)
    before = reproducible()
    calls.clear()
    archive.set_params({"evaluate.directions": True})
    manifest = archive.run("encode", run)
    after = reproducible()
    assert {name: after[name] for name in before if name != "manifest.json"} == {
        name: one for name, one in before.items() if name != "manifest.json"
    }, "what the index is made of stays, byte for byte"
    assert set(after) - set(before) == {
        f"vectors/{system}.videos.{view}.parquet" for system in ("tuned", "base") for view in VIEWS
    }
    there = {view: sorted(name for name, has in HAVE.items() if set(shown) <= has) for view, shown in VIEWS.items()}
    assert manifest["counts"]["views"] == sum(map(len, there.values())) == 16
    # of each video's views one may be all that it has, and that is its document
    assert len(calls) == 2 * (16 - sum(len(has) < 3 for has in HAVE.values()))

    model = load_embedder("results/base/model", device="cpu")
    media, transcripts, videos = read_media(), read_transcripts(), {one.video_id: one for one in VIDEOS}
    for view, shown in VIEWS.items():
        found = read_vectors("base", "videos", view=view)
        assert found.ids == there[view] == read_vectors("tuned", "videos", view=view).ids
        items = [
            item_with(
                Item(
                    document_text(videos[name], transcripts.get(name), TEXT),
                    read_frames(media[name]),
                    read_audio(media[name]),
                ),
                shown,
            )
            for name in found.ids
        ]
        np.testing.assert_allclose(found.values, encode_items(model, items, batch_size=8), atol=1e-5)


def test_a_view_that_cannot_be_encoded_is_a_failure_of_its_video_and_named(archive: Workspace) -> None:
    archive.set_params({"evaluate.directions": True, "run.max_failed_fraction": 0.3})
    frames = RESULTS / "extract" / "frames" / "mute.png"
    frames.write_bytes(frames.read_bytes()[:-20])
    manifest = archive.run("encode", run)
    assert manifest["counts"]["failed"] == 1
    assert [(one.video_id, one.step) for one in read_failures(OUT)] == [
        ("mute", f"encode {system}{view}") for system in ("base", "tuned") for view in ("", " video")
    ]
    assert "mute" in read_vectors("base", "videos", view="text").ids
    assert not {"mute"} & {*read_vectors("base", "videos", view="video").ids, *read_vectors("base", "videos").ids}


def test_nothing_is_shown_in_part_where_nobody_asks(archive: Workspace) -> None:
    manifest = archive.run("encode", run)
    assert manifest["counts"]["views"] == 0
    assert sorted(path.name for path in Path(OUT / "vectors").iterdir()) == [
        f"{system}.{kind}.parquet" for system in ("base", "tuned") for kind in ("queries", "videos")
    ]
    with pytest.raises(Exception, match=r"base.videos.text.parquet is missing; run `dvc repro`"):
        read_vectors("base", "videos", view="text")


def test_routing_is_taught_by_the_training_split_and_nothing_else_is_shown(archive: Workspace) -> None:
    archive.set_params({"evaluate.fusion": ["joint", "routed"], "encode.modalities": ["text", "video"]})
    manifest = archive.run("encode", run)
    for system in ("tuned", "base"):
        assert read_vectors(system, "training_queries").ids == ["taught_q"]
        assert read_vectors(system, "queries").ids == ["q1", "q2"]
        assert read_vectors(system, "training_videos", view="text").ids == ["routing"]
        assert read_vectors(system, "training_videos", view="video").ids == ["routing"]
        assert "routing" not in read_vectors(system, "videos", view="text").ids
        assert "routing" not in read_vectors(system, "videos").ids
    names = {path.name for path in (OUT / "vectors").iterdir() if path.name.startswith("base")}
    assert names == {
        f"base.{one}.parquet"
        for one in (
            "queries", "videos", "videos.text", "videos.video", "training_queries", "training_videos.text",
            "training_videos.video",
        )
    }  # fmt: skip
    assert manifest["counts"]["views"] == 4 + 3 + 2
