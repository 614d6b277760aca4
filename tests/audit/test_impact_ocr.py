"""What a change of on-screen text does, forecast over small hand-made results; and where people see that text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tasks.audit.impact.change import NONE, PERHAPS, Change, Range
from tasks.audit.impact.effects import Effects
from tasks.audit.impact.lesson import document_changes
from tasks.audit.impact.recompute import recompute
from tasks.audit.impact.state import State
from tasks.audit.trace.view import item_tree
from tasks.lineage.items import video_lineages
from tasks.lineage.open import workspace
from tasks.shared.artifacts.publish import publishing, write_manifest
from tasks.shared.artifacts.transcripts import Transcript
from tasks.shared.execution.params_file import change_params
from tasks.shared.runtime.files import write_text
from tests.negatives.small_results import lay, media, mined, query, video

SIGN = "TO LET\nNO ENTRY"
VIDEOS = [video("sign", split="test"), video("silent", split="test"), video("taught")]
FRAMES = {"frames": "frames/x.png", "frames_sha256": "ab", "times": [0.0]}


def state(folder: Path, **params: Any) -> State:
    """Three videos with a picture and without sound, in the first something is written; encoded by their text alone."""
    written = [Transcript("sign", "", None, 0.0, [], SIGN), Transcript("silent", "", None, 0.0, [], "")]
    lay(
        folder, VIDEOS, [query("q")], [mined("q", {}, {"taught": None})],
        extracted=[media(one.video_id, **FRAMES) for one in VIDEOS], transcripts=written,
    )  # fmt: skip
    with publishing("encode") as out:
        write_text(out / "failures.jsonl", "")
        counts = {"indexed": 1}
        write_manifest(out, "encode", params={}, code={}, components=[], inputs=[], counts=counts)
    change_params(
        {
            "document.train_text": ["transcript", "ocr"],
            "document.test_text": ["transcript", "ocr"],
            "encode.modalities": ["text"],
            "transcribe.ocr": "rapidocr",
            **params,
        },
        folder / "params.yaml",
    )
    return State(workspace())


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REELTRACE_STORE", str(tmp_path / "store"))
    return tmp_path


def test_on_screen_text_is_part_of_the_document_that_a_trace_shows(here: Path) -> None:
    made = state(here)
    documents = made.documents("test")
    assert {name: one.text for name, one in documents.items()} == {"sign": "TO LET NO ENTRY"}
    lineage = video_lineages(made.lineage, ["sign", "silent", "taught"])
    assert [one.said and one.said.ocr for one in lineage.values()] == [SIGN, "", None]
    shown = [[str(one.label) for one in item_tree(each).children] for each in lineage.values()]
    assert "on-screen text: “TO LET NO ENTRY”" in " ".join(" ".join(shown[0]).split())
    assert "on-screen text: none found" in shown[1]
    assert not any("on-screen" in line for line in shown[2])


@pytest.mark.parametrize(
    ("params", "change", "documents"),
    [
        ({}, {"transcribe.ocr": "none"}, Range(0, 1)),
        ({}, {"transcribe.ocr": "shipped"}, Range(0, 1)),
        (
            {"document.train_text": ["title", "transcript"], "document.test_text": ["title", "transcript"]},
            {"transcribe.ocr": "none"},
            Range(0, 0),
        ),
        ({}, {"transcribe.source": "shipped"}, Range(0, 1)),
        (
            {"document.train_text": ["title", "ocr"], "document.test_text": ["title", "ocr"]},
            {"transcribe.source": "shipped"},
            Range(0, 0),
        ),
        ({}, {"evaluate.depth": 200}, Range(0, 0)),
    ],
)
def test_another_source_of_words_reaches_the_documents_made_of_them(
    here: Path, params: dict[str, Any], change: dict[str, Any], documents: Range
) -> None:
    effects = Effects(state(here, **params), Change(params=change))
    assert effects.indexed.anew == documents
    assert effects.tracks == NONE


def test_a_changed_video_is_read_again_and_may_say_something_else(here: Path) -> None:
    made = state(here)
    effects = Effects(made, Change(videos=(VIDEOS[0],)))
    assert effects.screens == Range(1, 1)
    assert document_changes(made, "sign") == PERHAPS
    assert effects.indexed.anew == Range(0, 1)
    shares, _ = recompute("transcribe", effects)
    assert [(one.what, one.of) for one in shares] == [("tracks heard", 0), ("videos read", 3)]


def test_without_on_screen_text_a_changed_picture_changes_no_words(here: Path) -> None:
    made = state(
        here, **{"document.train_text": ["transcript"], "document.test_text": ["transcript"], "transcribe.ocr": "none"}
    )
    assert Effects(made, Change(videos=(VIDEOS[0],))).screens == NONE
    effects = Effects(made, Change(params={"transcribe.ocr": "rapidocr"}))
    assert effects.screens == Range(0, 3)
    assert effects.indexed.anew == Range(0, 0)
