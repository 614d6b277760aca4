"""What a change would make again, forecast over a small state whose every item is in the store; counted by hand."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tasks.audit.impact.change import Change, find_params, find_queries, find_videos
from tasks.audit.impact.forecast import StageForecast, forecast
from tasks.audit.trace.view import item_tree
from tasks.lineage.items import video_lineages
from tasks.lineage.open import workspace
from tasks.shared.artifacts.corpus import Judgment, write_qrels
from tasks.shared.artifacts.media import read_media, write_media
from tasks.shared.artifacts.publish import publishing
from tasks.shared.artifacts.transcripts import Transcript, read_transcripts, write_transcripts
from tasks.shared.execution.params_file import change_params
from tests.audit.small_state import STAGES_WITH_ITEMS, finish, plans_of


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REELTRACE_STORE", str(tmp_path / "store"))
    finish(tmp_path)
    return tmp_path


def told(
    *params: str, videos: tuple[str, ...] = (), queries: tuple[str, ...] = (), removed: bool = False
) -> dict[str, StageForecast]:
    lineage = workspace()
    change = Change(find_videos(lineage, videos), removed, find_queries(lineage, queries), find_params(lineage, params))
    return {one.stage: one for one in forecast(lineage, change)}


def runs(found: dict[str, StageForecast], how: str = "yes") -> set[str]:
    return {stage for stage, one in found.items() if one.runs == how}


def makes(found: dict[str, StageForecast]) -> dict[str, int | None]:
    """What the stages make at most; those that make nothing are left out."""
    counts = {stage: [made.most for made in one.makes] for stage, one in found.items()}
    known = {stage: None if None in of else sum(one or 0 for one in of) for stage, of in counts.items()}
    return {stage: count for stage, count in known.items() if count != 0}


MINE = {"mine", "train", "encode", "evaluate", "report"}
ALL = {"corpus", "extract", "transcribe", *MINE}
# Of seven videos five have sound; two systems encode three test videos and three test queries, twelve vectors; mining
# encodes two queries with positives and three training transcripts; evaluation three queries and three texts.
CASES: dict[str, tuple[dict[str, Any], set[str], dict[str, int]]] = {
    "a test video": (
        {"videos": ("first",)}, ALL, {"extract": 1, "transcribe": 1, "encode": 2, "evaluate": 3},
    ),
    "a test video without sound, which may get one": (
        {"videos": ("mute",)}, ALL, {"extract": 1, "transcribe": 1, "encode": 2, "evaluate": 3},
    ),
    "a training video": (
        {"videos": ("shown",)}, ALL, {"extract": 1, "transcribe": 1, "mine": 3, "train": 1, "encode": 6},
    ),
    "a training video that nobody judged or mined": (
        {"videos": ("stranger",)}, ALL, {"extract": 1, "transcribe": 1, "mine": 3, "train": 1, "encode": 6},
    ),
    "a test video less: its text shared a chunk with another": (
        {"videos": ("first",), "removed": True}, ALL, {"evaluate": 2},
    ),
    "a shown video less: its query is asked no more": (
        {"videos": ("shown",), "removed": True}, ALL, {"mine": 2, "train": 1, "encode": 6},
    ),
    "a test query": ({"queries": ("t0",)}, {"corpus", *MINE}, {"encode": 2, "evaluate": 3}),
    "a training query": ({"queries": ("q0",)}, {"corpus", *MINE}, {"mine": 2, "train": 1, "encode": 6}),
    "a training query that mining does not ask": ({"queries": ("q2",)}, {"corpus", *MINE}, {}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_items_that_change(case: str, here: Path) -> None:
    change, stages, count = CASES[case]
    found = told(**change)
    assert (runs(found), runs(found, "may be skipped")) == (stages, set())
    assert makes(found) == count


MAYBE = MINE - {"evaluate"}  # evaluation reads single files of encode, which may come out the same
PARAMS: dict[str, tuple[set[str], dict[str, int]]] = {
    "mine.keep=5": (MAYBE, {"train": 1, "encode": 6}),
    "mine.source=bm25": (MAYBE, {"train": 1, "encode": 6}),
    "mine.source=omni": (MAYBE, {"mine": 4 + 2, "train": 1, "encode": 6}),
    "train.epochs=9": (MAYBE - {"mine"}, {"train": 1, "encode": 6}),
    "base.model=models/whisper": (MAYBE | {"base"}, {"train": 1, "encode": 6}),  # a folder of the very same bytes
    "transcribe.beam_size=3": (
        MINE | {"transcribe"},
        {"transcribe": 5, "mine": 3, "train": 1, "encode": 8, "evaluate": 3},
    ),
    "extract.size=56": (
        ALL - {"corpus"} | {"base"},
        {"extract": 7, "transcribe": 7, "mine": 4, "train": 1, "encode": 9, "evaluate": 3},
    ),
    "encode.modalities=[audio]": ({"encode", "evaluate", "report"}, {"encode": 4}),  # mute has no document then
    "evaluate.directions=true": ({"encode", "evaluate", "report"}, {"encode": 28}),  # views
    "document.test_text=[title]": ({"encode", "evaluate", "report"}, {"encode": 4, "evaluate": 3}),
    "evaluate.bootstrap=200": ({"evaluate", "report"}, {}),
    "report.results=3": ({"report"}, {}),
    "run.workers=7": (set(), {}),
    "run.profile=other": ({"corpus", "report"}, {}),
}  # fmt: skip


@pytest.mark.parametrize("param", PARAMS)
def test_params_that_change(param: str, here: Path) -> None:
    stages, count = PARAMS[param]
    found = told(param)
    assert runs(found) == stages
    assert makes(found) == count
    assert runs(found, "may be skipped") == ({"evaluate"} if "train" in stages and "evaluate" not in stages else set())


def test_a_new_value_that_is_not_said(here: Path) -> None:
    found = told("evaluate.directions")
    assert makes(found) == {"encode": None, "evaluate": None}
    found = told("transcribe.beam_size")
    assert makes(found) == {"transcribe": None, "mine": 5, "train": 1, "encode": 12, "evaluate": 6}


def test_another_corpus(here: Path) -> None:
    found = told("corpus.path=elsewhere")
    assert makes(found) == dict.fromkeys(STAGES_WITH_ITEMS)
    assert "another corpus" in found["corpus"].reason
    assert makes(told("run.seed=8")) == {"train": 1, "encode": 6}  # a folder is not drawn
    change_params({"corpus.source": "demo"}, here / "params.yaml")
    assert makes(told("run.seed=8")) == dict.fromkeys(STAGES_WITH_ITEMS)


def test_other_judgments_change_what_is_mined_even_where_no_item_does(here: Path) -> None:
    """A judged video that could not be extracted has no text and no document: only the qrels tell that it is gone."""
    judged = [("q0", "shown"), ("q0", "stranger"), ("q1", "silent")]
    write_qrels(here / "results/corpus/qrels.train.trec", [Judgment(*pair, 1) for pair in judged])
    with publishing("extract") as out:
        write_media(out, [one for name, one in read_media().items() if name != "stranger"])
    with publishing("transcribe") as out:
        write_transcripts(out, [one for name, one in read_transcripts().items() if name != "stranger"])
    for plan in (one for stage in STAGES_WITH_ITEMS for one in plans_of(stage)):
        for item in plan.missing():
            plan.store.put(item.key, lambda entry: (entry / "item").write_text("made"))
    found = told(videos=("stranger",), removed=True)
    assert [one.most for one in found["mine"].makes] == [0]
    assert [(one.most, one.exact) for one in found["train"].makes] == [(1, False)]
    assert "what mine will publish" in found["train"].reason
    assert makes(found) == {"train": 1, "encode": 6}


def test_what_the_store_has_is_not_made(here: Path) -> None:
    change_params({"extract.size": 56, "transcribe.beam_size": 3}, here / "params.yaml")
    for stage in ("extract", "transcribe"):
        for plan in plans_of(stage):
            for item in plan.items:
                plan.store.put(item.key, lambda entry: (entry / "item").write_text("made"))
    change_params({"extract.size": 84, "transcribe.beam_size": 1}, here / "params.yaml")
    found = makes(told("extract.size=56"))
    assert "extract" not in found
    assert found["encode"] == 9, "what is in an entry is not read: what depends on it may be made"
    assert "transcribe" not in makes(told("transcribe.beam_size=3"))
    shutil.rmtree(here / "store")
    everything = makes(told(videos=("first",)))
    assert everything == {"extract": 7, "transcribe": 5, "mine": 5, "train": 1, "encode": 12, "evaluate": 6}


def test_routing_is_learnt_from_training_videos_and_queries(here: Path) -> None:
    (made,) = told("evaluate.fusion=[joint, routed]")["encode"].makes
    views = 2 * (3 + 3 + 2)  # of test videos by text, picture and sound; mute has no sound
    taught = 2 * (4 + 4 + 3 + 3)  # of training videos, and training queries
    assert (made.most, made.of, made.exact) == (views + taught, 12 + views + taught, True)


OCR = {"transcribe.ocr": "shipped", "document.train_text": ["ocr"], "document.test_text": ["ocr"]}


def read_signs(words: dict[str, str]) -> None:
    """What is written in videos, as if the dataset had shipped it."""
    rows = [Transcript(one, "", None, 0.0, [], text) for one, text in words.items()]
    kept = {name: one for name, one in read_transcripts().items() if name not in words}
    with publishing("transcribe") as out:
        write_transcripts(out, [*kept.values(), *rows])


def test_another_source_of_words_reaches_the_documents_made_of_them(here: Path) -> None:
    read_signs({"mute": "TO LET\nNO ENTRY", "first": ""})
    change_params({**OCR, "encode.modalities": ["text"]}, here / "params.yaml")
    lineages = video_lineages(workspace(), ["mute", "first"])
    shown = ["\n".join(one.label for one in item_tree(each).children) for each in lineages.values()]
    assert "on-screen text: “TO LET NO ENTRY”" in shown[0]
    assert "on-screen text: none found" in shown[1]
    (made,) = told("transcribe.ocr=none")["encode"].makes
    assert (made.most, made.of) == (3, 2 * 3), "the queries alone, by another adapter"
    (made,) = told("transcribe.source=shipped")["encode"].makes
    assert made.of == 2 * (3 + 3), "all videos may say something else"


def test_what_cannot_be_told_is_said(here: Path) -> None:
    shutil.rmtree(here / "results" / "transcribe")
    found = told(videos=("first",))
    assert makes(found) == {"extract": 1, "transcribe": 1}
    assert "transcripts.parquet is missing" in found["encode"].reason
    assert found["encode"].runs == "yes"
