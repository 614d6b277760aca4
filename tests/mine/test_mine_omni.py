"""Mining by the system that training starts from, over videos with every mixture of modalities."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tasks.mine.run import run
from tasks.omni.inputs import Item
from tasks.omni.loading import load_embedder
from tasks.omni.lora import load_adapter
from tasks.omni.prompt import QUERY_PREFIX
from tasks.shared.artifacts.media import read_audio, read_frames, read_media, write_media
from tasks.shared.artifacts.models import BaseModel, base_system, write_base
from tasks.shared.artifacts.negatives import read_negatives
from tasks.shared.execution.failures import read_failures
from tasks.shared.runtime.errors import UserError
from tests.conftest import Workspace
from tests.encode.archive import publish_media, save_random_adapter, sign, weights
from tests.mine.small_corpus import publish, query, video
from tests.omni.encoding import encode_items

RESULTS = Path("results")
MINED = RESULTS / "mine"
PARTS = {  # of every training video that was extracted
    "both": {"frames", "audio"},
    "mute": {"frames"},
    "radio": {"audio"},
    "words": set[str](),
    "other": {"frames", "audio"},
    "bare": set[str](),
}
SPOKEN = {"both": "the river flooded", "radio": "smoke over the town", "other": "", "test": "the river flooded"}
TITLES = {"words": "a volcano wakes at night", "both": "flood", "mute": "harbour"}
ASKED = {"q1": "flood in the harbour", "q2": "a volcano", "q3": "radio"}
JUDGED = {"q1": ["both", "mute"], "q2": ["words"], "q3": ["radio"]}


@pytest.fixture
def corpus(workspace: Workspace) -> Workspace:
    videos = [video(one, "train", caption=TITLES.get(one)) for one in [*PARTS, "broken"]]
    judgments = [(query_id, one, 1) for query_id, ids in JUDGED.items() for one in ids]
    asked = [query(one, text, "train") for one, text in ASKED.items()]
    publish([*videos, video("test", "test")], asked, {"train": judgments}, SPOKEN)
    extracted = PARTS | {"test": {"frames"}}
    write_media(RESULTS / "extract", [publish_media(one, parts) for one, parts in extracted.items()])
    sign("extract")
    place_base()
    workspace.set_params({"mine.source": "omni", "mine.keep": 9})
    return workspace


def place_base(adapter: str | None = None) -> None:
    shutil.copytree(weights() / "model", RESULTS / "base/model", dirs_exist_ok=True)
    write_base(RESULTS / "base", BaseModel("results/base/model", adapter=adapter))
    sign("base")


def by_hand(modalities: set[str]) -> dict[str, dict[str, float]]:
    """Scores of every query and video, each item encoded by itself with the base and its adapter."""
    base = base_system()
    model = load_embedder(base.model)
    if base.adapter:
        load_adapter(model[0].model, base.adapter, merge=True)
    media, vectors = read_media(RESULTS / "extract"), {}
    for one in PARTS:
        text = "\t".join(filter(None, [TITLES.get(one), SPOKEN.get(one)])) if "text" in modalities else ""
        frames = read_frames(media[one], RESULTS / "extract") if {"video"} <= modalities and media[one].frames else None
        audio = read_audio(media[one], RESULTS / "extract") if {"audio"} <= modalities and media[one].audio else None
        if text or frames is not None or audio is not None:
            vectors[one] = encode_items(model, [Item(text or None, frames, audio)], batch_size=1)[0]
    found = {}
    for query_id, text in ASKED.items():
        asked = encode_items(model, [Item(text)], batch_size=1, prompt=QUERY_PREFIX)[0]
        found[query_id] = {one: float(np.float64(asked) @ vector) for one, vector in vectors.items()}
    return found


def told() -> dict[str, dict[str, float]]:
    """By query, the score of every video that the stage ranked."""
    return {
        one.query_id: {each.video_id: each.score for each in [*one.negatives, *one.dropped]} for one in read_negatives()
    }


@pytest.mark.parametrize("modalities", [["text"], ["video"], ["audio"], ["text", "video", "audio"]], ids="-".join)
def test_candidates_are_those_of_the_base_system(corpus: Workspace, modalities: list[str]) -> None:
    corpus.set_params({"mine.modalities": modalities})
    counts = corpus.run("mine", run)["counts"]
    expected = by_hand(set(modalities))
    found = told()
    assert found.keys() == expected.keys()
    for query_id, scores in expected.items():
        assert found[query_id] == pytest.approx(scores, abs=2e-6)
    for one in read_negatives():
        ranked = sorted([*one.negatives, *one.dropped], key=lambda each: each.rank)
        assert [each.score for each in ranked] == sorted((each.score for each in ranked), reverse=True)
        assert not set(JUDGED[one.query_id]) & {each.video_id for each in one.negatives}, "a judged positive"
        assert {each.video_id for each in one.dropped} == set(JUDGED[one.query_id]) & expected[one.query_id].keys()
    assert counts["not_extracted"] == 1 and counts["failed"] == 0
    assert counts["without_chosen_modalities"] == len(PARTS) - len(expected["q1"])
    assert "test" not in json.dumps(found)


def test_the_margin_goes_by_its_own_scores(corpus: Workspace) -> None:
    corpus.run("mine", run)
    before = told()
    corpus.set_params({"mine.relative_margin": 0.0, "mine.modalities": ["video"]})
    manifest = corpus.run("mine", run)
    expected = by_hand({"video"})
    near = {one for one, score in expected["q1"].items() if score > min(expected["q1"][p] for p in JUDGED["q1"])}
    q1, q2, q3 = read_negatives()
    assert {one.video_id for one in q1.dropped if one.reason == "margin"} == near - set(JUDGED["q1"])
    assert q2.positive_scores == {} and q3.positive_scores == {}, "neither has a picture"
    assert manifest["counts"]["without_threshold"] == 2
    assert told() != before


def test_it_says_which_system_it_was(corpus: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus.run("mine", run)
    plain, before = json.loads((MINED / "retriever.json").read_text()), told()
    assert plain == {
        "system": "base", "model": "results/base/model", "revision": None, "adapter": None, "adapter_revision": None,
        "digest": base_system().digest(), "dtype": "float32", "modalities": ["text", "video", "audio"],
    }  # fmt: skip
    first = (MINED / "negatives.jsonl").read_bytes()
    capsys.readouterr()
    corpus.run("mine", run)
    assert (MINED / "negatives.jsonl").read_bytes() == first
    assert "mine: 8 of 8 vectors reused from the store\n" in capsys.readouterr().out

    save_random_adapter(tmp_path / "adapter", seed=2)
    place_base(str(tmp_path / "adapter"))
    corpus.run("mine", run)
    adapted = json.loads((MINED / "retriever.json").read_text())
    assert adapted["adapter"] == str(tmp_path / "adapter") and adapted["digest"] != plain["digest"]
    assert told() != before and told()["q1"] == pytest.approx(by_hand({"text", "video", "audio"})["q1"], abs=2e-6)


def test_a_video_that_cannot_be_read_is_a_failure(corpus: Workspace) -> None:
    (RESULTS / "extract/frames/other.png").write_bytes(b"no picture")
    corpus.set_params({"run.max_failed_fraction": 0.2})
    assert corpus.run("mine", run)["counts"]["failed"] == 1
    assert [(one.video_id, one.step) for one in read_failures(MINED)] == [("other", "encode base")]
    assert "other" not in told()["q1"]
    corpus.set_params({"run.max_failed_fraction": 0.1})
    with pytest.raises(UserError, match=r"mine: 1 of 7 items failed, above run\.max_failed_fraction = 0\.1"):
        corpus.run("mine", run)


def test_no_base_is_one_line(corpus: Workspace) -> None:
    write_base(RESULTS / "base", BaseModel("owner/model"))
    with pytest.raises(UserError, match=r"base\.model: owner/model is no directory here"):
        corpus.run("mine", run)


def test_nothing_to_encode_loads_no_model(corpus: Workspace) -> None:
    write_base(RESULTS / "base", BaseModel("./nothing"))
    corpus.set_params({"mine.modalities": ["text"]})
    publish([video("a", "train")], [query("q", "words", "train")], {"train": [("q", "a", 1)]}, {})
    write_media(RESULTS / "extract", [publish_media("a", {"frames"})])
    counts = corpus.run("mine", run)["counts"]
    assert (counts["queries"], counts["negatives"], counts["without_chosen_modalities"]) == (1, 0, 1)
